//! How fast sound decodes: `cargo bench -p earmark-audio`. Thirty seconds of WAV are written here; the other formats
//! are the tests' own fixtures, put end to end until they last as long, which costs Ogg a set of headers each time.
//! FLAC cannot be joined: its second is short, and the samples a second tell.

use earmark_audio::{DecodeOptions, SampleRate, WavFormat, Waveform, decode_bytes, write_wav_channels};
use earmark_testkit::noise;

const SECONDS: f64 = 30.0;
const RATE: u32 = 44_100;

fn main() {
    divan::main();
}

/// The file, and how many samples a channel it decodes to.
fn sound(format: &str) -> (Vec<u8>, usize) {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("golden");
    let fixture = |name: &str| std::fs::read(golden.join(name)).expect("a fixture of the tests");
    let file = match format {
        "wav" => {
            let frames = (SECONDS * f64::from(RATE)) as usize;
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("noise.wav");
            let rate = SampleRate::new(RATE).expect("not zero");
            let planes = [noise(frames, 1), noise(frames, 2)];
            write_wav_channels(&path, &planes, rate, WavFormat::Pcm16).expect("a WAV");
            std::fs::read(path).expect("it was just written")
        }
        "long.flac" => fixture(format),
        joined => {
            let one = fixture(joined);
            one.repeat((SECONDS / decoded(&one).duration().as_secs_f64()).ceil() as usize)
        }
    };
    let samples = decoded(&file).samples().len();
    (file, samples)
}

fn decoded(file: &[u8]) -> Waveform {
    decode_bytes(file, &DecodeOptions::default()).expect("a sound").waveform
}

#[divan::bench(args = ["wav", "long.flac", "untagged.mp3", "vorbis.ogg", "opus.ogg", "adts.aac"])]
fn decode(bencher: divan::Bencher<'_, '_>, format: &str) {
    let (file, samples) = sound(format);
    bencher.counter(divan::counter::ItemsCount::new(samples)).bench(|| decoded(&file));
}
