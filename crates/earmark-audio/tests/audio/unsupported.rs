//! What is not decoded is called by its name, and the README lists it.

use earmark_audio::ErrorKind;

use crate::{bytes, refusal};

/// A page of an Ogg file that starts or ends a stream (`flags` 2 or 4), with its checksum.
fn page(flags: u8, number: u32, packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(0u64.to_le_bytes());
    page.extend(77u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.extend([1, packet.len() as u8]);
    page.extend(packet);
    let crc = page.iter().fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

/// An Ogg with a stream of Speex: its header, a comment, and a packet.
pub(crate) fn speex() -> Vec<u8> {
    let mut header = b"Speex   1.2.0".to_vec();
    header.resize(80, 0);
    [page(2, 0, &header), page(0, 1, &[0; 8]), page(4, 2, &[0; 20])].concat()
}

/// An MP4 box.
fn atom(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(8 + content.len() as u32).to_be_bytes()[..], name, content].concat()
}

/// An MP4 with one track of sound, whose entry has four letters and some content.
fn mp4(codec: &[u8; 4], inner: &[u8]) -> Vec<u8> {
    let entry = [&[0; 6][..], &[0, 1], &[0; 8], &[0, 1, 0, 16], &[0; 4], &[0x1f, 0x40, 0, 0], inner].concat();
    let stsd = atom(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &atom(codec, &entry)].concat());
    let empty = |name: &[u8; 4], words: usize| atom(name, &vec![0; 4 + 4 * words]);
    let stbl = [stsd, empty(b"stts", 1), empty(b"stsc", 1), empty(b"stsz", 2), empty(b"stco", 1)].concat();
    let minf =
        [atom(b"smhd", &[0; 8]), atom(b"dinf", &atom(b"dref", &[0; 8])), atom(b"stbl", &stbl)].concat();
    let mut hdlr = vec![0; 25];
    hdlr[8..12].copy_from_slice(b"soun");
    let mut mdhd = vec![0; 24];
    mdhd[12..16].copy_from_slice(&8000u32.to_be_bytes());
    let mdia = [atom(b"mdhd", &mdhd), atom(b"hdlr", &hdlr), atom(b"minf", &minf)].concat();
    let mut tkhd = vec![0; 84];
    tkhd[3] = 7;
    tkhd[15] = 1;
    let trak = [atom(b"tkhd", &tkhd), atom(b"mdia", &mdia)].concat();
    let mut mvhd = vec![0; 100];
    mvhd[12..16].copy_from_slice(&1000u32.to_be_bytes());
    let moov = [atom(b"mvhd", &mvhd), atom(b"trak", &trak)].concat();
    [atom(b"ftyp", b"3gp4\0\0\0\x003gp4"), atom(b"moov", &moov), atom(b"mdat", &[0; 64])].concat()
}

/// The description of an MP4's AAC, around its `AudioSpecificConfig`.
fn esds(config: &[u8]) -> Vec<u8> {
    let specific = [&[5, config.len() as u8][..], config].concat();
    let decoder = [&[4, 13 + specific.len() as u8, 0x40, 0x15][..], &[0; 11], &specific].concat();
    let inner = [&[0, 1, 0][..], &decoder, &[6, 1, 2]].concat();
    atom(b"esds", &[&[0; 4][..], &[3, inner.len() as u8], &inner].concat())
}

/// A Matroska with one track of sound.
fn matroska(codec: &str) -> Vec<u8> {
    let element =
        |id: &[u8], content: &[u8]| [id, &(0x4000 | content.len() as u16).to_be_bytes(), content].concat();
    let audio =
        element(&[0xe1], &[element(&[0xb5], &8000f32.to_be_bytes()), element(&[0x9f], &[1])].concat());
    let entry = [
        element(&[0xd7], &[1]),
        element(&[0x73, 0xc5], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], codec.as_bytes()),
        audio,
    ]
    .concat();
    let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &entry));
    let scale = element(&[0x2a, 0xd7, 0xb1], &[0x0f, 0x42, 0x40]);
    let apps = [element(&[0x4d, 0x80], b"a test"), element(&[0x57, 0x41], b"a test")].concat();
    let info = element(&[0x15, 0x49, 0xa9, 0x66], &[scale, apps].concat());
    let block = element(&[0xa3], &[0x81, 0, 0, 0x80, 1, 2, 3, 4]);
    let cluster = element(&[0x1f, 0x43, 0xb6, 0x75], &[element(&[0xe7], &[0]), block].concat());
    let head =
        [element(&[0x42, 0x82], b"matroska"), element(&[0x42, 0x87], &[4]), element(&[0x42, 0x85], &[2])]
            .concat();
    [
        element(&[0x1a, 0x45, 0xdf, 0xa3], &head),
        element(&[0x18, 0x53, 0x80, 0x67], &[info, tracks, cluster].concat()),
    ]
    .concat()
}

/// A WAV whose samples are of a format by its tag.
fn wav(tag: u16) -> Vec<u8> {
    let mut wav = crate::wav(36 + 20, 20, 10);
    wav[20..22].copy_from_slice(&tag.to_le_bytes());
    wav
}

/// Every refusal, and what it is called.
fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let begins = |start: &[u8]| [start, &[0x5a; 600]].concat();
    let mut ts = vec![0; 1000];
    (0..1000).step_by(188).for_each(|at| ts[at] = 0x47);
    let adts_6 = {
        let mut stream = bytes("adts.aac");
        let mut at = 0;
        while at + 7 <= stream.len() {
            let [a, b, c] = [3, 4, 5].map(|byte| usize::from(stream[at + byte]));
            stream[at + 2] |= 1;
            stream[at + 3] = stream[at + 3] & 0b0011_1111 | 2 << 6;
            at += (a & 3) << 11 | b << 3 | c >> 5;
        }
        stream
    };
    vec![
        ("AMR", begins(b"#!AMR\n")),
        ("AMR-WB", begins(b"#!AMR-WB\n")),
        ("ASF (WMA)", begins(&[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9])),
        ("AC-3", begins(&[0x0b, 0x77, 0x12, 0x34])),
        ("DTS", begins(&[0x7f, 0xfe, 0x80, 0x01])),
        ("DSD (DSF)", begins(b"DSD \x1c\0\0\0")),
        ("DSD (DSDIFF)", begins(b"FRM8\0\0\0\0\0\0\0\x10DSD ")),
        ("WavPack", begins(b"wvpk")),
        ("Monkey's Audio", begins(b"MAC \x96\x0f")),
        ("Musepack", begins(b"MPCK")),
        ("TTA", begins(b"TTA1\x01\0")),
        ("TAK", begins(b"tBaK")),
        ("OptimFROG", begins(b"OFR ")),
        ("Shorten", begins(b"ajkg\x02")),
        ("RealAudio", begins(b".ra\xfd")),
        ("MIDI", begins(b"MThd\0\0\0\x06")),
        ("VOC", begins(b"Creative Voice File\x1a")),
        ("NIST SPHERE", begins(b"NIST_1A\n   1024\n")),
        ("IFF 8SVX", begins(b"FORM\0\0\x01\08SVX")),
        ("AVI", begins(b"RIFF\0\x10\0\0AVI LIST")),
        ("FLV", begins(b"FLV\x01\x04\0\0\0\x09")),
        ("an MPEG program stream", begins(&[0, 0, 1, 0xba])),
        ("an MPEG transport stream", ts),
        ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n".to_vec()),
        ("a web page", b"<!doctype html><title>404</title>".to_vec()),
        ("a ZIP archive", begins(b"PK\x03\x04")),
        ("a gzip file", begins(&[0x1f, 0x8b, 8])),
        ("a playlist", b"#EXTM3U\na.mp3\n".to_vec()),
        ("Speex in Ogg", speex()),
        ("AMR in MP4", mp4(b"samr", &[])),
        ("AMR-WB in MP4", mp4(b"sawb", &[])),
        ("AC-3 in MP4", mp4(b"ac-3", &[])),
        ("E-AC-3 in MP4", mp4(b"ec-3", &[])),
        ("QDesign Music in MP4", mp4(b"QDM2", &[])),
        ("HE-AAC in MP4", mp4(b"mp4a", &esds(&[0x2b, 0x92, 0x08, 0x00]))),
        ("HE-AAC v2 in MP4", mp4(b"mp4a", &esds(&[0xeb, 0x8a, 0x08, 0x00]))),
        ("AAC-LC of 3 channels in MP4", mp4(b"mp4a", &esds(&[0x12, 0x18]))),
        ("AAC-LC of 6 channels in MP4", mp4(b"mp4a", &esds(&[0x12, 0x30]))),
        ("AAC-LC of 6 channels in ADTS", adts_6),
        ("AC-3 in Matroska", matroska("A_AC3")),
        ("DTS in Matroska", matroska("A_DTS")),
        ("TrueHD in Matroska", matroska("A_TRUEHD")),
        ("a Windows codec in Matroska", matroska("A_MS/ACM")),
        ("GSM 6.10 in WAV", wav(0x31)),
        ("MP3 in WAV", wav(0x55)),
        ("WMA 2 in WAV", wav(0x161)),
        ("AC-3 in WAV", wav(0x2000)),
    ]
}

#[test]
fn what_is_not_decoded_is_called_by_its_name() {
    for (name, bytes) in refused() {
        match refusal(bytes) {
            ErrorKind::Unsupported { what } => assert!(what.contains(name), "{name}: {what}"),
            ErrorKind::NotSound { what } => assert!(what.starts_with(name), "{name}: {what}"),
            kind => panic!("{name}: {kind:?}"),
        }
    }
}

/// Puts an element of spectral band replication before the end of each frame of an ADTS stream.
fn with_band_replication(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at + 7 <= stream.len() {
        let [a, b, c] = [3, 4, 5].map(|byte| usize::from(stream[at + byte]));
        let size = (a & 3) << 11 | b << 3 | c >> 5;
        let frame = &stream[at + 7..at + size];
        let mut bits: Vec<u8> =
            frame.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        // The end is the last three ones.
        let last = bits.iter().rposition(|bit| *bit == 1).expect("a frame has an end");
        bits.truncate(last - 2);
        // A fill element of four bytes, of which the first four bits are 13; then the end.
        bits.extend([1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1]);
        bits.extend([0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0]);
        bits.extend([1, 1, 1]);
        let frame: Vec<u8> =
            bits.chunks(8).map(|byte| (0..8).fold(0, |x, i| x << 1 | byte.get(i).unwrap_or(&0))).collect();
        let mut header = stream[at..at + 7].to_vec();
        let longer = frame.len() + 7;
        header[3] = header[3] & !3 | (longer >> 11) as u8;
        header[4] = (longer >> 3) as u8;
        header[5] = header[5] & 31 | (longer << 5) as u8;
        out.extend(header);
        out.extend(frame);
        at += size;
    }
    out
}

#[test]
fn an_he_aac_whose_header_says_lc_is_decoded_without_its_treble_and_a_warning() {
    let core = crate::decode(bytes("adts.aac")).unwrap();
    let high = crate::decode(with_band_replication(&bytes("adts.aac"))).unwrap();
    assert_eq!(high.waveform, core.waveform);
    assert_eq!((core.warnings, high.warnings), (vec![], vec![earmark_audio::Warning::CoreOnly]));
}

#[test]
fn the_readme_lists_all_that_is_refused() {
    let readme = include_str!("../../README.md");
    let list = readme.split("## Not decoded").nth(1).and_then(|rest| rest.split("\n## ").next());
    let list = list.expect("a section of that name").replace('\n', " ");
    for (name, _) in refused() {
        // The codec, wherever it lies.
        let codec = name.split(" in ").next().unwrap().split(" of ").next().unwrap();
        let codec = codec.trim_start_matches("a ").trim_start_matches("an ");
        assert!(list.contains(codec), "{codec} is not in the README");
    }
}
