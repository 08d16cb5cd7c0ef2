//! Decodes, resamples and extracts on one thread, and says how long each step took.
//!
//! Each line of the input, `CLIP <tab> PREPROCESSOR_CONFIG <tab> hq|torchaudio`, is answered by a line of JSON with times
//! in seconds; `bench/features.py` asks, side by side with the reference.

use std::io::BufRead;
use std::time::Instant;

use earmark_audio::{DecodeOptions, decode_file};
use earmark_features::{Preprocessor, Resampler, resample};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [clip, config, resampler] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("`{line}` is not a clip, a config and a resampler, with tabs between").into());
        };
        let resampler: Resampler = resampler.parse()?;
        let preprocessor = Preprocessor::from_json(std::fs::read(config)?)?;

        let start = Instant::now();
        let waveform = decode_file(clip, &DecodeOptions::default())?.waveform;
        let decoded = start.elapsed().as_secs_f64();
        let waveform = resample(waveform, preprocessor.sampling_rate(), resampler)?;
        let resampled = start.elapsed().as_secs_f64();
        let features = preprocessor.extract(&waveform)?;
        let extracted = start.elapsed().as_secs_f64();

        let [resample, extract] = [resampled - decoded, extracted - resampled];
        let shape = features.shape;
        println!(
            r#"{{"decode": {decoded}, "resample": {resample}, "extract": {extract}, "shape": {shape:?}}}"#
        );
    }
    Ok(())
}
