use earmark_audio::{
    DecodeOptions, ErrorKind, SampleRate, WavFormat, WavWriter, Waveform, decode_file, decode_file_channels,
    wav_bytes, write_wav, write_wav_channels,
};
use earmark_testkit::noise;

#[test]
fn a_float_wav_gives_back_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.wav");
    let clip = Waveform::new(noise(12345, 3), SampleRate::HZ_16000).unwrap();
    write_wav(&path, &clip, WavFormat::Float32).unwrap();
    assert_eq!(decode_file(&path, &DecodeOptions::default()).unwrap().waveform, clip);
}

#[test]
fn the_bytes_of_a_wav_are_those_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.wav");
    let clip = Waveform::new(noise(1001, 5), SampleRate::HZ_48000).unwrap();
    for format in [WavFormat::Pcm16, WavFormat::Float32] {
        write_wav(&path, &clip, format).unwrap();
        assert_eq!(wav_bytes(&clip, format).unwrap(), std::fs::read(&path).unwrap(), "{format:?}");
    }
}

#[test]
fn a_16_bit_wav_rounds_and_clips_and_other_readers_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("steps.wav");
    let samples = vec![0.0, 0.6 / 32768.0, -0.6 / 32768.0, 0.5, 1.5, -1.5];
    write_wav(&path, &Waveform::new(samples, SampleRate::HZ_48000).unwrap(), WavFormat::Pcm16).unwrap();
    let mut wav = hound::WavReader::open(&path).unwrap();
    assert_eq!((wav.spec().sample_rate, wav.spec().channels, wav.spec().bits_per_sample), (48000, 1, 16));
    let read: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    assert_eq!(read, [0, 1, -1, 16384, 32767, -32768]);
}

#[test]
fn channels_come_back_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("three.wav");
    let planes = [noise(100, 1), noise(100, 2), noise(100, 3)];
    write_wav_channels(&path, &planes, SampleRate::HZ_48000, WavFormat::Float32).unwrap();
    assert_eq!(decode_file_channels(&path, &DecodeOptions::default()).unwrap().planes, planes);
}

#[test]
fn a_failed_write_names_the_path_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let uneven = [vec![0.0; 2], vec![0.0; 3]];
    let path = folder.path().join("uneven.wav");
    let error = write_wav_channels(&path, &uneven, SampleRate::HZ_16000, WavFormat::Pcm16).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Write(_)), "{error:?}");
    assert!(error.to_string().starts_with("cannot write `"), "{error}");
    assert!(error.to_string().contains("uneven.wav"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let nowhere = folder.path().join("no-such-folder").join("clip.wav");
    let clip = Waveform::new(vec![0.0], SampleRate::HZ_16000).unwrap();
    assert!(write_wav(&nowhere, &clip, WavFormat::Pcm16).is_err());
}

#[test]
fn a_finished_write_leaves_only_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.wav");
    std::fs::write(&path, b"what was here before").unwrap();
    let clip = Waveform::new(vec![0.25], SampleRate::HZ_16000).unwrap();
    write_wav(&path, &clip, WavFormat::Float32).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 62);
}

/// What is not integers has an extension of its `fmt ` chunk, if an empty one, and a `fact` chunk: without them SoX warns.
#[test]
fn a_float_wav_has_the_chunks_that_its_format_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stereo.wav");
    write_wav_channels(&path, &[noise(100, 1), noise(100, 2)], SampleRate::HZ_16000, WavFormat::Float32)
        .unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((&bytes[12..16], word(16), &bytes[36..38]), (&b"fmt "[..], 18, &[0, 0][..]));
    assert_eq!((&bytes[38..42], word(42), word(46)), (&b"fact"[..], 4, 100));
    assert_eq!((&bytes[50..54], word(54), bytes.len()), (&b"data"[..], 800, 858));
    assert_eq!(word(4) as usize, bytes.len() - 8);
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 100);
}

#[test]
fn a_wav_written_in_blocks_is_the_one_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, blocks) = (folder.path().join("whole.wav"), folder.path().join("blocks.wav"));
    let planes = [noise(1000, 1), noise(1000, 2)];
    for format in [WavFormat::Pcm16, WavFormat::Float32] {
        write_wav_channels(&whole, &planes, SampleRate::HZ_48000, format).unwrap();
        let mut wav = WavWriter::create(&blocks, 2, SampleRate::HZ_48000, format).unwrap();
        for span in [0..1, 1..700, 700..700, 700..1000] {
            wav.write(&planes.each_ref().map(|plane| &plane[span.clone()])).unwrap();
        }
        wav.finish().unwrap();
        assert_eq!(std::fs::read(&blocks).unwrap(), std::fs::read(&whole).unwrap(), "{format:?}");
    }
}

#[test]
fn a_wav_that_is_not_finished_is_no_file_and_replaces_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.wav");
    std::fs::write(&path, b"what was here before").unwrap();
    let mut wav = WavWriter::create(&path, 2, SampleRate::HZ_16000, WavFormat::Pcm16).unwrap();
    wav.write(&[[0.5; 9], [0.5; 9]]).unwrap();
    let error = wav.write(&[[0.5; 9]]).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Write(_)), "{error:?}");
    drop(wav);
    assert_eq!(std::fs::read(&path).unwrap(), b"what was here before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
