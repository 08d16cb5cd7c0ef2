//! Streams that change midway, and files joined end to end: all of it is decoded, or a warning says from when on it is
//! not.

use earmark_audio::{DecodeOptions, Decoder, Warning, decode_bytes_channels};

use crate::{bytes, decode};

/// Frames of MPEG-1 layer 3 at 44.1 kHz that hold no sound: 417 bytes in stereo, 208 in mono.
fn silent_mp3(frames: usize, mono: bool) -> Vec<u8> {
    // 128 kbit/s, or 64; no checksum.
    let (header, bytes) =
        if mono { ([0xff, 0xfb, 0x50, 0xc0], 208) } else { ([0xff, 0xfb, 0x90, 0x00], 417) };
    let mut frame = header.to_vec();
    frame.resize(bytes, 0);
    frame.repeat(frames)
}

#[test]
fn an_mp3_whose_channels_change_is_decoded_to_its_end() {
    let waveform = decode(bytes("untagged.mp3")).unwrap().waveform;
    let (duration, first) = (waveform.duration(), waveform.into_samples());
    let changed = [bytes("untagged.mp3"), silent_mp3(20, false)].concat();
    let decoded = decode(changed.clone()).unwrap();
    assert_eq!(decoded.waveform.samples().len(), first.len() + 20 * 1152);
    assert_eq!(decoded.waveform.samples()[..first.len()], first);
    let [Warning::ChannelsChanged { from: 1, to: 2, at }] = decoded.warnings[..] else {
        panic!("{:?}", decoded.warnings)
    };
    assert_eq!(at, duration);
    let apart = decode_bytes_channels(changed, &DecodeOptions::default()).unwrap();
    assert_eq!(apart.planes, [first]);
    assert!(matches!(apart.warnings[..], [Warning::LeftOut { .. }]), "{:?}", apart.warnings);
    // And back, and block by block.
    let back = [silent_mp3(20, false), silent_mp3(20, true), silent_mp3(20, false)].concat();
    let mut decoder = Decoder::from_bytes(back, &DecodeOptions::default()).unwrap();
    let mut samples = 0;
    while let Some(block) = decoder.next_block().unwrap() {
        samples += block.len();
    }
    assert_eq!(samples, 60 * 1152);
    assert!(matches!(decoder.warnings()[..], [Warning::ChannelsChanged { from: 2, to: 1, .. }]));
}

#[test]
fn an_mp3_whose_rate_changes_is_kept_up_to_there_and_said() {
    let first = decode(bytes("untagged.mp3")).unwrap().waveform;
    let changed = decode([bytes("untagged.mp3"), bytes("mono_22k.mp3")].concat()).unwrap();
    assert_eq!(changed.waveform, first);
    let [Warning::LeftOut { at, what }] = &changed.warnings[..] else { panic!("{:?}", changed.warnings) };
    assert_eq!(*at, first.duration());
    assert_eq!(what, "the sample rate changes from 44100 Hz to 22050 Hz");
}

/// The tag of the first says how long the first is, and nothing about the second.
#[test]
fn an_mp3_joined_to_one_with_a_tag_is_decoded() {
    let once = decode(bytes("lame.mp3")).unwrap().waveform.into_samples();
    let twice = decode([bytes("lame.mp3"), bytes("lame.mp3")].concat()).unwrap();
    assert_eq!(twice.warnings, []);
    let samples = twice.waveform.samples();
    assert_eq!(samples[..once.len()], once);
    // The second with its delay and padding, as ffmpeg: it knows only the first tag.
    assert!(samples.len() > 2 * once.len(), "{} of {}", samples.len(), once.len());
    // Its frames draw on those before it, the first few differently.
    let second = &samples[samples.len() - once.len()..];
    let loud = |samples: &[f32]| samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    assert!(loud(second) > 0.5 * loud(&once), "the second is silent");
}

/// A single frame of another kind is damage.
#[test]
fn a_false_frame_changes_nothing() {
    let stream = [silent_mp3(10, false), silent_mp3(1, true), silent_mp3(10, false)].concat();
    let decoded = decode(stream).unwrap();
    assert_eq!(decoded.warnings, [Warning::SkippedPackets { count: 1 }]);
    assert_eq!(decoded.waveform.samples().len(), 20 * 1152);
}

#[test]
fn oggs_of_two_codecs_are_kept_up_to_the_second_rate() {
    let first = decode(bytes("vorbis.ogg")).unwrap().waveform;
    let changed = decode([bytes("vorbis.ogg"), bytes("opus.ogg")].concat()).unwrap();
    assert_eq!(changed.waveform, first);
    let [Warning::LeftOut { at, what }] = &changed.warnings[..] else { panic!("{:?}", changed.warnings) };
    assert_eq!((*at, what.as_str()), (first.duration(), "the sample rate changes from 44100 Hz to 48000 Hz"));
}

#[test]
fn oggs_of_other_channels_are_decoded_to_the_end() {
    let stereo = decode(bytes("opus.ogg")).unwrap().waveform.into_samples();
    let mono = decode(bytes("opus_speech.ogg")).unwrap().waveform.into_samples();
    let changed = decode([bytes("opus.ogg"), bytes("opus_speech.ogg")].concat()).unwrap();
    assert_eq!(changed.waveform.samples(), [stereo, mono].concat());
    assert!(
        matches!(changed.warnings[..], [Warning::ChannelsChanged { from: 2, to: 1, .. }]),
        "{:?}",
        changed.warnings
    );
}

#[test]
fn an_ogg_joined_to_a_codec_without_a_decoder_is_kept_up_to_there_and_said() {
    let first = decode(bytes("opus.ogg")).unwrap().waveform;
    let changed = decode([bytes("opus.ogg"), crate::unsupported::speex()].concat()).unwrap();
    assert_eq!(changed.waveform, first);
    let [Warning::LeftOut { what, .. }] = &changed.warnings[..] else { panic!("{:?}", changed.warnings) };
    assert_eq!(what, "Speex in Ogg follows, which is not supported");
}

/// The header of each frame of an ADTS stream, with other bits for the rate or the channels.
fn adts_with(edit: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut stream = bytes("adts.aac");
    let mut at = 0;
    while at + 7 <= stream.len() {
        let size = usize::from(stream[at + 3] & 3) << 11
            | usize::from(stream[at + 4]) << 3
            | usize::from(stream[at + 5] >> 5);
        edit(&mut stream[at..]);
        at += size;
    }
    stream
}

#[test]
fn an_adts_stream_whose_rate_changes_is_kept_up_to_there_and_said() {
    let first = decode(bytes("adts.aac")).unwrap().waveform;
    // The four bits of the rate: 44.1 and 48 kHz divide the spectrum alike.
    let other = adts_with(|header| header[2] = header[2] & 0b1100_0011 | 3 << 2);
    let changed = decode([bytes("adts.aac"), other].concat()).unwrap();
    assert_eq!(changed.waveform, first);
    let [Warning::LeftOut { at, what }] = &changed.warnings[..] else { panic!("{:?}", changed.warnings) };
    assert_eq!(*at, first.duration());
    assert_eq!(what, "the sample rate changes from 44100 Hz to 48000 Hz");
    // Six channels: the upper bit of three, and the lower two.
    let more = adts_with(|header| {
        header[2] |= 1;
        header[3] = header[3] & 0b0011_1111 | 2 << 6;
    });
    let changed = decode([bytes("adts.aac"), more].concat()).unwrap();
    assert_eq!(changed.waveform, first);
    let [Warning::LeftOut { what, .. }] = &changed.warnings[..] else { panic!("{:?}", changed.warnings) };
    assert_eq!(what, "AAC-LC of 6 channels in ADTS follows, which is not supported");
}

#[test]
fn adts_streams_joined_end_to_end_are_decoded_one_after_the_other() {
    let once = decode(bytes("adts.aac")).unwrap().waveform.into_samples();
    let twice = decode([bytes("adts.aac"), bytes("adts.aac")].concat()).unwrap();
    assert_eq!((twice.waveform.samples().len(), &twice.warnings[..]), (2 * once.len(), &[][..]));
    let mut dented = bytes("adts.aac");
    let middle = dented.len() / 2;
    dented.splice(middle..middle, [0; 100]);
    let dented = decode(dented).unwrap();
    assert!(matches!(dented.warnings[..], [Warning::SkippedPackets { .. }]), "{:?}", dented.warnings);
    assert!(dented.waveform.samples().len() + 4 * 1024 >= once.len());
}

#[test]
fn a_file_joined_to_one_whose_header_counts_its_samples_is_left_out_and_said() {
    for name in [
        "aac.m4a",
        "alac.m4a",
        "opus.webm",
        "opus_live.webm",
        "aac.mka",
        "s16.aiff",
        "s16.caf",
        "s16.au",
        "ms.wav",
        "ima.wav",
        "rf64_s16.wav",
    ] {
        let first = decode(bytes(name)).unwrap().waveform;
        let joined = decode([bytes(name), bytes(name)].concat()).unwrap();
        assert!(joined.waveform == first, "{name}: other samples");
        let [Warning::LeftOut { at, what }] = &joined.warnings[..] else {
            panic!("{name}: {:?}", joined.warnings)
        };
        assert_eq!(
            (*at, what.as_str()),
            (first.duration(), "another file begins where this one ends"),
            "{name}"
        );
    }
}

#[test]
fn fragments_of_an_mp4_joined_to_those_of_another_are_decoded() {
    let once = decode(bytes("aac_fragmented.mp4")).unwrap().waveform.into_samples();
    let twice = decode([bytes("aac_fragmented.mp4"), bytes("aac_fragmented.mp4")].concat()).unwrap();
    assert_eq!((twice.waveform.samples().len(), &twice.warnings[..]), (2 * once.len(), &[][..]));
}
