//! Decodes, resamples and extracts once, on one thread, and prints how long each step took.
//!
//! `time_features CLIP PREPROCESSOR_CONFIG hq|torchaudio` gives one line of JSON, times in seconds;
//! `bench/features.py` runs it side by side with the reference.

use std::time::Instant;

use earmark_audio::{DecodeOptions, decode_file};
use earmark_features::{Preprocessor, Resampler, resample};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [clip, config, resampler] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: time_features CLIP PREPROCESSOR_CONFIG hq|torchaudio")?;
    let resampler = match resampler.as_str() {
        "hq" => Resampler::Hq,
        "torchaudio" => Resampler::Torchaudio,
        other => return Err(format!("`{other}` is no resampler; there are hq and torchaudio").into()),
    };
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let preprocessor = Preprocessor::from_json(std::fs::read(config)?)?;

    let run = || -> Result<_, Box<dyn std::error::Error>> {
        let start = Instant::now();
        let waveform = decode_file(&clip, &DecodeOptions::default())?.waveform;
        let decoded = start.elapsed().as_secs_f64();
        let waveform = resample(waveform, preprocessor.sampling_rate(), resampler)?;
        let resampled = start.elapsed().as_secs_f64();
        let features = preprocessor.extract(&waveform)?;
        let extracted = start.elapsed().as_secs_f64();
        Ok((features, [decoded, resampled - decoded, extracted - resampled]))
    };
    run()?; // The first run pays for pages and caches, as it does in the reference.
    let (features, [decode, resample, extract]) = run()?;
    let shape = features.shape;
    println!(r#"{{"decode": {decode}, "resample": {resample}, "extract": {extract}, "shape": {shape:?}}}"#);
    Ok(())
}
