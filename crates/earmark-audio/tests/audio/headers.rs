//! Headers that contradict themselves or the file: read as libsndfile 1.2.2 reads them, with a warning, or refused with
//! the reason; never noise.

use earmark_audio::{DecodeOptions, ErrorKind, Warning, decode_bytes_channels};

use crate::{decode, refusal};

/// Samples from a generator that fill 16 bits: 400 of them.
fn truth() -> Vec<i16> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16 as i16 / 2
    };
    (0..400).map(|_| next()).collect()
}

fn as_floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|x| f32::from(*x) / 32768.0).collect()
}

fn s16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A WAV, field by field. Sizes that are not said are right.
#[derive(Clone)]
struct Wav {
    tag: u16,
    channels: u16,
    hz: u32,
    byte_rate: Option<u32>,
    block: u16,
    bits: u16,
    extension: Vec<u8>,
    data: Vec<u8>,
    data_size: Option<u32>,
    after: Vec<u8>,
}

impl Wav {
    fn new() -> Wav {
        Wav {
            tag: 1,
            channels: 1,
            hz: 16_000,
            byte_rate: None,
            block: 2,
            bits: 16,
            extension: Vec::new(),
            data: s16(&truth()),
            data_size: None,
            after: Vec::new(),
        }
    }

    /// An extensible one, with the first two bytes of the GUID in `tag`.
    fn extensible(tag: u16, valid: u16, mask: u32) -> Wav {
        let mut extension = [&22u16.to_le_bytes()[..], &valid.to_le_bytes(), &mask.to_le_bytes()].concat();
        extension.extend(tag.to_le_bytes());
        extension.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        Wav { tag: 0xfffe, extension, ..Wav::new() }
    }

    /// What the rate, the channels and the bits make.
    fn true_byte_rate(&self) -> u32 {
        self.hz.wrapping_mul(u32::from(self.channels)).wrapping_mul(u32::from(self.bits.div_ceil(8)))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut fmt = [self.tag.to_le_bytes(), self.channels.to_le_bytes()].concat();
        fmt.extend(self.hz.to_le_bytes());
        fmt.extend(self.byte_rate.unwrap_or_else(|| self.true_byte_rate()).to_le_bytes());
        fmt.extend(self.block.to_le_bytes());
        fmt.extend(self.bits.to_le_bytes());
        fmt.extend(&self.extension);
        let mut body = b"WAVEfmt ".to_vec();
        body.extend((fmt.len() as u32).to_le_bytes());
        body.extend(fmt);
        body.extend(b"data");
        body.extend(self.data_size.unwrap_or(self.data.len() as u32).to_le_bytes());
        body.extend(&self.data);
        body.extend(&self.after);
        [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
    }
}

/// Decodes bytes to these samples, with one warning about the header.
#[track_caller]
fn is_read_with_a_warning(what: &str, bytes: Vec<u8>, samples: &[f32]) {
    let decoded = decode(bytes).unwrap_or_else(|e| panic!("{what}: {e}: {}", e.kind));
    assert!(matches!(&decoded.warnings[..], [Warning::Header { .. }]), "{what}: {:?}", decoded.warnings);
    assert!(decoded.waveform.samples() == samples, "{what}: other samples");
}

#[track_caller]
fn is_malformed(what: &str, bytes: Vec<u8>) {
    let kind = refusal(bytes);
    assert!(matches!(kind, ErrorKind::Malformed { .. }), "{what}: {kind:?}");
}

#[test]
fn a_wrong_block_align_is_read_by_its_bits() {
    for block in [0, 1, 3, 4, 8, 16, 65_535] {
        let wav = Wav { block, ..Wav::new() };
        is_read_with_a_warning(&format!("{block}"), wav.bytes(), &as_floats(&truth()));
    }
    for block in [0, 2, 3, 6, 8] {
        let wav = Wav { channels: 2, block, ..Wav::new() };
        let decoded = decode_bytes_channels(wav.bytes(), &DecodeOptions::default()).unwrap();
        let left: Vec<f32> = as_floats(&truth()).into_iter().step_by(2).collect();
        assert_eq!(decoded.planes[0], left, "{block}");
        assert!(matches!(&decoded.warnings[..], [Warning::Header { .. }]), "{block}: {:?}", decoded.warnings);
    }
    // As who forgets to divide by eight writes both.
    let wav = Wav { block: 16, byte_rate: Some(256_000), ..Wav::new() };
    is_read_with_a_warning("bits for bytes", wav.bytes(), &as_floats(&truth()));
    let extensible = Wav { block: 4, ..Wav::extensible(1, 16, 4) };
    is_read_with_a_warning("extensible", extensible.bytes(), &as_floats(&truth()));
    let bytes: Vec<u8> = (0..=255).collect();
    let wav = Wav { bits: 8, block: 2, data: bytes.clone(), ..Wav::new() };
    let samples: Vec<f32> = bytes.iter().map(|b| (f32::from(*b) - 128.0) / 128.0).collect();
    is_read_with_a_warning("eight bits", wav.bytes(), &samples);
}

#[test]
fn bits_that_no_sample_has_are_refused() {
    for bits in [0, 33, 48, 64, 65_535] {
        is_malformed(&format!("{bits} bits"), Wav { bits, ..Wav::new() }.bytes());
    }
    // Twelve bits fill the upper part of two bytes, which is no lie.
    let decoded = decode(Wav { bits: 12, ..Wav::new() }.bytes()).unwrap();
    assert_eq!((decoded.waveform.samples(), &decoded.warnings[..]), (&as_floats(&truth())[..], &[][..]));
}

/// The size of a block and the bytes a second agree, so it is the bits or the channels that are wrong. libsndfile reads noise.
#[test]
fn bits_and_channels_that_the_rest_contradicts_are_refused() {
    for bits in [8, 20, 24, 32] {
        let wav = Wav { bits, byte_rate: Some(32_000), ..Wav::new() };
        is_malformed(&format!("{bits} bits"), wav.bytes());
    }
    is_malformed("two channels", Wav { channels: 2, byte_rate: Some(32_000), ..Wav::new() }.bytes());
    let stereo = Wav { channels: 1, block: 4, byte_rate: Some(64_000), ..Wav::new() };
    is_malformed("one channel of two", stereo.bytes());
    let double = Wav { tag: 3, bits: 32, block: 8, byte_rate: Some(128_000), ..Wav::new() };
    is_malformed("floats of half the bits", double.bytes());
}

#[test]
fn floats_of_a_wrong_number_of_bits_are_read_by_their_block() {
    let samples = as_floats(&truth());
    let single: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
    let double: Vec<u8> = samples.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
    for bits in [0, 16, 24] {
        let wav = Wav { tag: 3, bits, block: 4, data: single.clone(), ..Wav::new() };
        is_read_with_a_warning(&format!("{bits} bits"), wav.bytes(), &samples);
    }
    let wav = Wav { tag: 3, bits: 16, block: 8, data: double.clone(), ..Wav::new() };
    is_read_with_a_warning("16 bits for 64", wav.bytes(), &samples);
    // Where the bits are possible, they decide.
    let wav = Wav { tag: 3, bits: 32, block: 3, data: single, ..Wav::new() };
    is_read_with_a_warning("a block of three", wav.bytes(), &samples);
    let wav = Wav { tag: 3, bits: 64, block: 4, data: double, ..Wav::new() };
    is_read_with_a_warning("a block of four", wav.bytes(), &samples);
    is_malformed("half floats", Wav { tag: 3, bits: 16, block: 2, ..Wav::new() }.bytes());
}

#[test]
fn the_samples_show_which_bytes_of_four_hold_24_bits() {
    let wide: Vec<i32> = truth().iter().map(|x| i32::from(*x) * 251).collect();
    let samples: Vec<f32> = wide.iter().map(|x| *x as f32 / 8_388_608.0).collect();
    let doubtful = |data: Vec<u8>| Wav { bits: 24, block: 4, data, ..Wav::new() };
    let upper = wide.iter().flat_map(|x| (x << 8).to_le_bytes()).collect();
    is_read_with_a_warning("the upper three", doubtful(upper).bytes(), &samples);
    let lower = wide.iter().flat_map(|x| x.to_le_bytes()).collect();
    is_read_with_a_warning("the lower three", doubtful(lower).bytes(), &samples);
    let floats = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
    is_read_with_a_warning("floats", doubtful(floats).bytes(), &samples);
    // As Cooledit wrote them.
    let large: Vec<f32> = samples.iter().map(|x| x * 32768.0).collect();
    let floats = large.iter().flat_map(|x| x.to_le_bytes()).collect();
    is_read_with_a_warning("floats of the size of integers", doubtful(floats).bytes(), &large);
    let packed = wide.iter().flat_map(|x| x.to_le_bytes().into_iter().take(3)).collect();
    is_read_with_a_warning("three alone", doubtful(packed).bytes(), &samples);
}

#[test]
fn a_data_chunk_longer_than_the_file_is_cut_and_one_of_no_length_is_read() {
    let bytes = truth().len() as u32 * 2;
    for size in [bytes + 2, bytes + 1000, 0x8000_0000, 0xffff_fffe] {
        let decoded = decode(Wav { data_size: Some(size), ..Wav::new() }.bytes()).unwrap();
        assert_eq!(decoded.warnings, [Warning::Truncated], "{size:#x}");
        assert_eq!(decoded.waveform.samples(), as_floats(&truth()), "{size:#x}");
    }
    is_read_with_a_warning("0", Wav { data_size: Some(0), ..Wav::new() }.bytes(), &as_floats(&truth()));
}

#[test]
fn what_a_data_chunk_does_not_count_is_left_out_and_said() {
    let decoded = decode(Wav { data_size: Some(320), ..Wav::new() }.bytes()).unwrap();
    assert_eq!(decoded.waveform.samples(), &as_floats(&truth())[..160]);
    let [Warning::LeftOut { at, what }] = &decoded.warnings[..] else { panic!("{:?}", decoded.warnings) };
    assert_eq!((at.as_millis(), what.as_str()), (10, "480 bytes follow the samples that its header counts"));
}

#[test]
fn a_wav_joined_to_a_wav_is_left_out_and_said() {
    let decoded = decode([Wav::new().bytes(), Wav::new().bytes()].concat()).unwrap();
    assert_eq!(decoded.waveform.samples(), as_floats(&truth()));
    let [warning @ Warning::LeftOut { at, .. }] = &decoded.warnings[..] else {
        panic!("{:?}", decoded.warnings)
    };
    assert_eq!(at.as_millis(), 25);
    let text = "skipped everything after 0.025 s: another file begins where this one ends";
    assert_eq!(warning.to_string(), text);
}

#[test]
fn tags_behind_the_samples_are_not_a_warning() {
    let chunk = |size: usize| [&b"LIST"[..], &(size as u32).to_le_bytes(), &vec![b'x'; size]].concat();
    let odd = Wav { data: s16(&truth())[..799].to_vec(), ..Wav::new() };
    for (what, wav) in [
        ("a chunk", Wav { after: chunk(1000), ..Wav::new() }),
        ("two", Wav { after: [chunk(1000), chunk(200)].concat(), ..Wav::new() }),
        ("zeros", Wav { after: vec![0; 5000], ..Wav::new() }),
        ("an ID3v1 tag", Wav { after: [&b"TAG"[..], &[b' '; 125]].concat(), ..Wav::new() }),
        ("a chunk behind an odd one", Wav { after: [vec![0], chunk(1000)].concat(), ..odd.clone() }),
        ("a chunk behind an odd one that is not padded", Wav { after: chunk(1000), ..odd }),
    ] {
        assert_eq!(decode(wav.bytes()).unwrap().warnings, [], "{what}");
    }
}

#[test]
fn an_extensible_header_is_read_by_its_guid() {
    let decoded = decode(Wav::extensible(1, 16, 4).bytes()).unwrap();
    assert_eq!((decoded.waveform.samples(), &decoded.warnings[..]), (&as_floats(&truth())[..], &[][..]));
    for (what, wav) in [
        ("more valid bits than bits", Wav::extensible(1, 24, 4)),
        ("a mask of two channels for one", Wav::extensible(1, 16, 3)),
    ] {
        is_read_with_a_warning(what, wav.bytes(), &as_floats(&truth()));
    }
    let mut secret = Wav::extensible(1, 16, 4);
    secret.extension[12] ^= 1;
    assert!(matches!(refusal(secret.bytes()), ErrorKind::Unsupported { .. }));
    let mp3 = refusal(Wav::extensible(0x55, 16, 4).bytes());
    assert_eq!(mp3.to_string(), "MP3 in WAV is not supported; convert it to WAV or FLAC");
    let mut short = Wav::extensible(1, 16, 4);
    short.extension.truncate(2);
    is_malformed("a chunk of 18 bytes", short.bytes());
}

#[test]
fn a_byte_rate_that_is_not_the_rate_is_said() {
    let wav = Wav { byte_rate: Some(16_000), ..Wav::new() };
    is_read_with_a_warning("half the rate", wav.bytes(), &as_floats(&truth()));
}

#[test]
fn no_channels_too_many_and_no_rate_are_refused() {
    for hz in [0, 0x8000_0000, u32::MAX] {
        is_malformed(&format!("{hz} Hz"), Wav { hz, ..Wav::new() }.bytes());
    }
    is_malformed("no channels", Wav { channels: 0, ..Wav::new() }.bytes());
    for channels in [257, 65_535] {
        let kind = refusal(Wav { channels, ..Wav::new() }.bytes());
        assert!(matches!(kind, ErrorKind::Unsupported { .. }), "{channels}: {kind:?}");
    }
}

#[test]
fn adpcm_whose_blocks_are_not_what_they_hold_is_refused() {
    let block = |tag, block, frames: u16, bits| {
        let extension = [2u16.to_le_bytes(), frames.to_le_bytes()].concat();
        Wav { tag, block, bits, extension, data: vec![0; 512], ..Wav::new() }.bytes()
    };
    assert!(decode(block(0x11, 256, 505, 4)).is_ok());
    for (what, bytes) in [
        ("IMA, more frames", block(0x11, 256, 600, 4)),
        ("IMA, no frames", block(0x11, 256, 0, 4)),
        ("IMA, a smaller block", block(0x11, 128, 505, 4)),
        ("IMA, three bits", block(0x11, 256, 505, 3)),
        ("IMA, no block", block(0x11, 0, 505, 4)),
        ("MS, a smaller block", block(2, 128, 500, 4)),
        ("MS, three bits", block(2, 256, 500, 3)),
    ] {
        is_malformed(what, bytes);
    }
}

#[test]
fn the_first_of_two_formats_is_used() {
    let mut twice = Wav::new().bytes();
    let mut second = twice[12..36].to_vec();
    second[12..16].copy_from_slice(&8000u32.to_le_bytes());
    twice.splice(36..36, second);
    is_read_with_a_warning("two `fmt ` chunks", twice, &as_floats(&truth()));
}

#[test]
fn a_big_endian_wav_is_read() {
    let bytes = [
        &b"RIFX"[..],
        &836u32.to_be_bytes(),
        b"WAVEfmt ",
        &16u32.to_be_bytes(),
        &[0, 1, 0, 1],
        &16_000u32.to_be_bytes(),
        &32_000u32.to_be_bytes(),
        &[0, 2, 0, 16],
        b"data",
        &800u32.to_be_bytes(),
        &truth().iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<u8>>(),
    ];
    let decoded = decode(bytes.concat()).unwrap();
    assert_eq!((decoded.waveform.samples(), &decoded.warnings[..]), (&as_floats(&truth())[..], &[][..]));
}

/// A Wave64 of 16-bit mono at 16 kHz, whose `data` chunk says that it has `size` bytes, its header's 24 included.
fn wave64(size: u64) -> Vec<u8> {
    const RIFF: [u8; 12] = [0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0, 0];
    const WAVE: [u8; 12] = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];
    let (wav, data, fmt_size) = (Wav::new().bytes(), s16(&truth()), 40u64.to_le_bytes());
    let fmt = &wav[20..36];
    let total = (40 + 40 + 24 + data.len() as u64).to_le_bytes();
    [
        b"riff",
        &RIFF[..],
        &total,
        b"wave",
        &WAVE,
        b"fmt ",
        &WAVE,
        &fmt_size,
        fmt,
        b"data",
        &WAVE,
        &size.to_le_bytes(),
        &data,
    ]
    .concat()
}

#[test]
fn a_wave64_is_read_and_its_sizes_are_checked() {
    let decoded = decode(wave64(824)).unwrap();
    assert_eq!((decoded.waveform.samples(), &decoded.warnings[..]), (&as_floats(&truth())[..], &[][..]));
    let cut = decode(wave64(1 << 50)).unwrap();
    assert_eq!(
        (cut.waveform.samples(), &cut.warnings[..]),
        (&as_floats(&truth())[..], &[Warning::Truncated][..])
    );
    is_malformed("a chunk shorter than its header", wave64(23));
    let short = decode(wave64(424)).unwrap();
    assert_eq!(short.waveform.samples(), &as_floats(&truth())[..200]);
    assert!(matches!(&short.warnings[..], [Warning::LeftOut { .. }]), "{:?}", short.warnings);
}

/// An AIFF or AIFF-C of mono at 16 kHz.
fn aiff(
    compression: Option<&[u8; 4]>,
    bits: u16,
    frames: u32,
    sound_size: Option<u32>,
    data: &[u8],
) -> Vec<u8> {
    let mut common = [&1u16.to_be_bytes()[..], &frames.to_be_bytes(), &bits.to_be_bytes()].concat();
    common.extend([0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]);
    if let Some(compression) = compression {
        common.extend(compression);
        common.extend([0, 0]);
    }
    let kind = if compression.is_some() { b"AIFC" } else { b"AIFF" };
    let sound_size = sound_size.unwrap_or(8 + data.len() as u32);
    let body = [
        kind,
        &b"COMM"[..],
        &(common.len() as u32).to_be_bytes(),
        &common,
        b"SSND",
        &sound_size.to_be_bytes(),
        &[0; 8],
        data,
    ]
    .concat();
    [b"FORM", &(body.len() as u32).to_be_bytes()[..], &body].concat()
}

#[test]
fn an_aiff_is_read_by_its_samples_and_not_its_count() {
    let data: Vec<u8> = truth().iter().flat_map(|x| x.to_be_bytes()).collect();
    for frames in [0, 100, 8000, u32::MAX] {
        is_read_with_a_warning(
            &format!("{frames} frames"),
            aiff(None, 16, frames, None, &data),
            &as_floats(&truth()),
        );
    }
    let cut = decode(aiff(None, 16, 900, Some(1808), &data)).unwrap();
    assert_eq!(
        (cut.waveform.samples(), &cut.warnings[..]),
        (&as_floats(&truth())[..], &[Warning::Truncated][..])
    );
    let floats: Vec<u8> = as_floats(&truth()).iter().flat_map(|x| x.to_be_bytes()).collect();
    is_read_with_a_warning(
        "floats of 16 bits",
        aiff(Some(b"fl32"), 16, 400, None, &floats),
        &as_floats(&truth()),
    );
    for bits in [0, 33] {
        is_malformed(&format!("{bits} bits"), aiff(None, bits, 400, None, &data));
    }
    is_malformed("samples of less than nothing", aiff(None, 16, 400, Some(7), &data));
    let ima = refusal(aiff(Some(b"ima4"), 16, 400, None, &data));
    assert_eq!(ima.to_string(), "IMA ADPCM in AIFF-C is not supported; convert it to WAV or FLAC");
}

#[test]
fn an_au_of_a_wrong_size_is_cut_or_says_what_it_leaves_out() {
    let au = |size: u32, endian: bool| {
        let words = [24, size, 3, 16_000, 1];
        let word = |x: u32| if endian { x.to_le_bytes() } else { x.to_be_bytes() };
        let sample = |x: i16| if endian { x.to_le_bytes() } else { x.to_be_bytes() };
        let mut au = if endian { b"dns." } else { b".snd" }.to_vec();
        au.extend(words.into_iter().flat_map(word));
        au.extend(truth().into_iter().flat_map(sample));
        au
    };
    let samples = as_floats(&truth());
    for (size, endian) in [(800, false), (800, true), (u32::MAX, false)] {
        let decoded = decode(au(size, endian)).unwrap();
        assert_eq!((decoded.waveform.samples(), &decoded.warnings[..]), (&samples[..], &[][..]), "{size}");
    }
    let cut = decode(au(9000, false)).unwrap();
    assert_eq!((cut.waveform.samples(), &cut.warnings[..]), (&samples[..], &[Warning::Truncated][..]));
    let short = decode(au(320, false)).unwrap();
    assert_eq!(short.waveform.samples(), &samples[..160]);
    assert!(matches!(&short.warnings[..], [Warning::LeftOut { .. }]), "{:?}", short.warnings);
}

#[test]
fn a_caf_whose_packets_are_not_its_samples_is_refused() {
    let caf = |hz: f64, format: &[u8; 4], packet: u32, bits: u32, size: i64| {
        let mut caf = b"caff\0\x01\0\0desc".to_vec();
        caf.extend(32i64.to_be_bytes());
        caf.extend(hz.to_be_bytes());
        caf.extend(format);
        caf.extend([2, packet, 1, 1, bits].into_iter().flat_map(u32::to_be_bytes));
        caf.extend(b"data");
        caf.extend(size.to_be_bytes());
        caf.extend([0; 4]);
        caf.extend(s16(&truth()));
        caf
    };
    for size in [804, -1] {
        let decoded = decode(caf(16_000.0, b"lpcm", 2, 16, size)).unwrap();
        assert_eq!((decoded.waveform.samples(), &decoded.warnings[..]), (&as_floats(&truth())[..], &[][..]));
    }
    let cut = decode(caf(16_000.0, b"lpcm", 2, 16, 1 << 60)).unwrap();
    assert_eq!(cut.warnings, [Warning::Truncated]);
    let short = decode(caf(16_000.0, b"lpcm", 2, 16, 404)).unwrap();
    assert_eq!(short.waveform.samples(), &as_floats(&truth())[..200]);
    assert!(matches!(&short.warnings[..], [Warning::LeftOut { .. }]), "{:?}", short.warnings);
    for (what, bytes) in [
        ("one byte for 16 bits", caf(16_000.0, b"lpcm", 1, 16, 804)),
        ("four bytes for 16 bits", caf(16_000.0, b"lpcm", 4, 16, 804)),
        ("33 bits", caf(16_000.0, b"lpcm", 5, 33, 804)),
        ("no rate", caf(0.0, b"lpcm", 2, 16, 804)),
        ("a rate below zero", caf(-16_000.0, b"lpcm", 2, 16, 804)),
        ("a rate that is no number", caf(f64::NAN, b"lpcm", 2, 16, 804)),
        ("samples of less than nothing", caf(16_000.0, b"lpcm", 2, 16, 3)),
    ] {
        is_malformed(what, bytes);
    }
    let opus = refusal(caf(48_000.0, b"opus", 0, 0, 804));
    assert_eq!(opus.to_string(), "Opus in CAF is not supported; convert it to WAV or FLAC");
}
