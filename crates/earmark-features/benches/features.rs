//! Thirty seconds of noise through each extractor and resampler, on one thread.
//!
//! `cargo bench -p earmark-features --bench features`

use divan::Bencher;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::{Preprocessor, Resampler, resample};
use earmark_testkit::noise;

const SECONDS: usize = 30;

fn main() {
    divan::main();
}

fn clip(hz: u32) -> Waveform {
    let rate = SampleRate::new(hz).expect("the rates below are not zero");
    Waveform::new(noise(SECONDS * hz as usize, 1), rate).expect("noise is finite")
}

#[divan::bench(args = [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (44_100, 48_000), (44_101, 16_000)])]
fn resample_hq(bencher: Bencher<'_, '_>, rates: (u32, u32)) {
    resampling(bencher, rates, Resampler::Hq);
}

#[divan::bench(args = [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (44_100, 48_000), (44_101, 16_000)])]
fn resample_torchaudio(bencher: Bencher<'_, '_>, rates: (u32, u32)) {
    resampling(bencher, rates, Resampler::Torchaudio);
}

fn resampling(bencher: Bencher<'_, '_>, (from, to): (u32, u32), resampler: Resampler) {
    let to = SampleRate::new(to).expect("the rates above are not zero");
    let clip = clip(from);
    bencher.with_inputs(|| clip.clone()).bench_values(|clip| resample(clip, to, resampler));
}

const EXTRACTORS: [&str; 6] = [
    r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor"}"#,
    r#"{"feature_extractor_type": "ASTFeatureExtractor"}"#,
    r#"{"feature_extractor_type": "WhisperFeatureExtractor"}"#,
    r#"{"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 128}"#,
    r#"{"feature_extractor_type": "ClapFeatureExtractor", "truncation": "rand_trunc"}"#,
    r#"{"feature_extractor_type": "ClapFeatureExtractor", "truncation": "fusion"}"#,
];

#[divan::bench(args = EXTRACTORS)]
fn extract(bencher: Bencher<'_, '_>, config: &str) {
    let preprocessor = Preprocessor::from_json(config).expect("the configs above are valid");
    let clip = clip(preprocessor.sampling_rate().hz());
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be started");
    bencher.bench(|| one.install(|| preprocessor.extract(&clip)));
}
