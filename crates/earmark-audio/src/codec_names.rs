//! The common names of formats and codecs that are not decoded here, for error messages: "AC-3 in MP4" can be acted on,
//! "0x1008" cannot.

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::formats::{FormatId, well_known as format};

/// The format of an audio or video file that is not decoded here, by its first few hundred bytes.
pub(crate) fn unsupported_file(start: &[u8]) -> Option<&'static str> {
    const ASF: &[u8] = &[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11];
    let at = |place: usize, magic: &[u8]| start.get(place..).is_some_and(|rest| rest.starts_with(magic));
    let begins = |magic: &[u8]| at(0, magic);
    Some(match start {
        _ if begins(b"#!AMR-WB") => "AMR-WB",
        _ if begins(b"#!AMR") => "AMR",
        _ if begins(ASF) => "ASF (WMA)",
        _ if begins(&[0x0b, 0x77]) || begins(&[0x77, 0x0b]) => "AC-3",
        _ if begins(&[0x7f, 0xfe, 0x80, 0x01]) || begins(&[0xfe, 0x7f, 0x01, 0x80]) => "DTS",
        _ if begins(b"DSD ") => "DSD (DSF)",
        _ if begins(b"FRM8") => "DSD (DSDIFF)",
        _ if begins(b"wvpk") => "WavPack",
        _ if begins(b"MAC ") => "Monkey's Audio",
        _ if begins(b"MP+") || begins(b"MPCK") => "Musepack",
        _ if begins(b"TTA1") || begins(b"TTA2") => "TTA",
        _ if begins(b"tBaK") => "TAK",
        _ if begins(b"OFR ") => "OptimFROG",
        _ if begins(b"ajkg") => "Shorten",
        _ if begins(b"LA0") => "Lossless Audio",
        _ if begins(b".ra\xfd") || begins(b".RMF") => "RealAudio",
        _ if begins(b"Creative Voice File") => "VOC",
        _ if begins(b"NIST_1A") => "NIST SPHERE",
        _ if begins(b"FORM") && (at(8, b"8SVX") || at(8, b"16SV")) => "IFF 8SVX",
        _ if begins(b"RIFF") && at(8, b"AVI ") => "AVI",
        _ if begins(b"FLV\x01") => "FLV",
        _ if begins(&[0x00, 0x00, 0x01, 0xba]) => "an MPEG program stream",
        _ if begins(&[0x47]) && at(188, &[0x47]) && at(376, &[0x47]) => "an MPEG transport stream",
        [b0, b1, _, ..] if *b0 == 0x56 && b1 & 0xe0 == 0xe0 => "AAC in LATM",
        _ => return None,
    })
}

/// The kind of a file that holds no audio, by its first bytes.
pub(crate) fn not_audio(start: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| start.starts_with(magic);
    let text = start.trim_ascii_start().to_ascii_lowercase();
    Some(match start {
        _ if begins(b"MThd") || (begins(b"RIFF") && start.get(8..12) == Some(b"RMID")) => {
            "MIDI, which has notes and no samples"
        }
        _ if begins(b"#EXTM3U") => "a playlist",
        _ if begins(b"PK\x03\x04") => "a ZIP archive",
        _ if begins(&[0x1f, 0x8b]) => "a gzip file",
        _ if begins(b"version https://git-lfs") => {
            "a Git LFS pointer; run `git lfs pull` to get the sound itself"
        }
        _ if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") => {
            "a web page; check the address"
        }
        _ => return None,
    })
}

/// The codec of a WAV that claims to hold plain samples, by the first bytes of those.
pub(crate) fn inside_wav(start: &[u8; 4]) -> Option<&'static str> {
    match start {
        b"wvpk" => Some("WavPack"),
        b"OggS" => Some("Ogg"),
        b"fLaC" => Some("FLAC"),
        _ => None,
    }
}

/// A codec by the `wFormatTag` of a WAV.
pub(crate) fn wave_format(tag: u16) -> String {
    let name = match tag {
        0x0002 => "MS ADPCM in big-endian order",
        0x0008 | 0x2001 => "DTS",
        0x000a | 0x000b => "WMA Voice",
        0x0011 => "IMA ADPCM in big-endian order",
        0x0014 | 0x0042 | 0x0111 => "G.723",
        0x0022 => "TrueSpeech",
        0x0031 => "GSM 6.10",
        0x0038 => "NMS ADPCM",
        0x0040 | 0x0064 => "G.721 or G.726 ADPCM",
        0x0050 => "MP2",
        0x0055 => "MP3",
        0x0057 => "AMR",
        0x0065 | 0x028f => "G.722",
        0x00ff | 0x1600 | 0x1610 => "AAC",
        0x0160 => "WMA 1",
        0x0161 => "WMA 2",
        0x0162 => "WMA Pro",
        0x0163 => "WMA Lossless",
        0x0200 => "Creative ADPCM",
        0x0270 => "ATRAC3",
        0x0092 | 0x2000 => "AC-3",
        0x5756 => "WavPack",
        0x566f | 0x674f | 0x6750 | 0x6751 | 0x676f | 0x6770 | 0x6771 => "Vorbis",
        0x704f => "Opus",
        0xa109 => "Speex",
        0xf1ac => "FLAC",
        other => return format!("format {other:#06x}"),
    };
    name.to_owned()
}

/// A codec by the four letters of Apple, QuickTime and MP4.
pub(crate) fn four_letters(code: &[u8; 4]) -> String {
    let name = match code {
        b"ima4" => "IMA ADPCM",
        b"MAC3" | b"MAC6" => "MACE",
        b"opus" | b"Opus" => "Opus",
        b"samr" => "AMR",
        b"sawb" => "AMR-WB",
        b"sawp" => "AMR-WB+",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" | b"dtsx" => "DTS",
        b"QDM2" | b"QDMC" => "QDesign Music",
        b"Qclp" | b"sqcp" => "QCELP",
        b"sevc" => "EVRC",
        b"agsm" | b"GSM " => "GSM 6.10",
        b"ADP4" => "ADPCM",
        b"ilbc" => "iLBC",
        b"spex" => "Speex",
        b"aac " | b"mp4a" => "AAC",
        b"aach" => "HE-AAC",
        b"aacp" => "HE-AAC v2",
        b"aacl" | b"aace" => "AAC-LD",
        b"usac" => "xHE-AAC",
        b"mlpa" => "TrueHD",
        b"mha1" | b"mhm1" => "MPEG-H",
        b"alac" => "ALAC",
        b"fLaC" | b"flac" => "FLAC",
        b"G722" => "G.722",
        b"G726" => "G.726",
        b"G728" => "G.728",
        b"enca" => "an encrypted codec",
        other => return format!("the codec `{}`", other.escape_ascii()),
    };
    name.to_owned()
}

/// A codec by the id of a Matroska track.
pub(crate) fn matroska(id: &str) -> String {
    let name = match id {
        _ if id.starts_with("A_MS/ACM") => "a Windows codec",
        _ if id.starts_with("A_QUICKTIME") => "a QuickTime codec",
        _ if id.starts_with("A_PCM") => "PCM of an unusual number of bits",
        _ if id.starts_with("A_AC3") => "AC-3",
        _ if id.starts_with("A_EAC3") => "E-AC-3",
        _ if id.starts_with("A_DTS") => "DTS",
        _ if id.starts_with("A_TRUEHD") => "TrueHD",
        _ if id.starts_with("A_MPC") => "Musepack",
        _ => return format!("the codec `{}`", id.escape_default()),
    };
    name.to_owned()
}

/// A codec by the first packet of an Ogg stream; `None` where it is not audio.
pub(crate) fn ogg(packet: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 7] = [
        (b"Speex   ", "Speex"),
        (b"CELT    ", "CELT"),
        (b"PCM     ", "PCM"),
        (b"OpusHead", "Opus"),
        (b"\x01vorbis", "Vorbis"),
        (b"\x7fFLAC", "FLAC"),
        (b"fLaC", "FLAC of the mapping before 1.1.1"),
    ];
    known.iter().find(|(magic, _)| packet.starts_with(magic)).map(|(_, name)| *name)
}

/// A codec by symphonia's id.
pub(crate) fn codec(id: AudioCodecId) -> String {
    let name = match id {
        codec::CODEC_ID_OPUS => "Opus",
        codec::CODEC_ID_SPEEX => "Speex",
        codec::CODEC_ID_MUSEPACK => "Musepack",
        codec::CODEC_ID_AAC => "AAC",
        codec::CODEC_ID_AC3 => "AC-3",
        codec::CODEC_ID_EAC3 => "E-AC-3",
        codec::CODEC_ID_AC4 => "AC-4",
        codec::CODEC_ID_DCA => "DTS",
        codec::CODEC_ID_ATRAC1 | codec::CODEC_ID_ATRAC3 | codec::CODEC_ID_ATRAC3PLUS => "ATRAC",
        codec::CODEC_ID_ATRAC9 => "ATRAC9",
        codec::CODEC_ID_WMA => "WMA",
        codec::CODEC_ID_RA10 | codec::CODEC_ID_RA20 => "RealAudio",
        codec::CODEC_ID_SIPR => "Sipro",
        codec::CODEC_ID_COOK => "Cook",
        codec::CODEC_ID_RALF => "RealAudio Lossless",
        codec::CODEC_ID_WAVPACK => "WavPack",
        codec::CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        codec::CODEC_ID_TTA => "TTA",
        codec::CODEC_ID_TRUEHD => "TrueHD",
        codec::CODEC_ID_ALAC => "ALAC of this kind",
        codec::CODEC_ID_FLAC => "FLAC of this kind",
        codec::CODEC_ID_VORBIS => "Vorbis of this kind",
        codec::CODEC_ID_ADPCM_G722 => "G.722",
        codec::CODEC_ID_ADPCM_G726 | codec::CODEC_ID_ADPCM_G726LE => "G.726",
        other => return format!("the codec {other}"),
    };
    name.to_owned()
}

/// A container by symphonia's id.
pub(crate) fn container(id: FormatId) -> &'static str {
    match id {
        format::FORMAT_ID_WAVE => "WAV",
        format::FORMAT_ID_AIFF => "AIFF",
        format::FORMAT_ID_CAF => "CAF",
        format::FORMAT_ID_MP1 | format::FORMAT_ID_MP2 | format::FORMAT_ID_MP3 => "MPEG audio",
        format::FORMAT_ID_ADTS => "ADTS",
        format::FORMAT_ID_OGG => "Ogg",
        format::FORMAT_ID_FLAC => "FLAC",
        format::FORMAT_ID_ISOMP4 => "MP4",
        format::FORMAT_ID_MKV => "Matroska",
        _ => "its container",
    }
}
