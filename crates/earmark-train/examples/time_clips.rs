//! `cargo run --release -p earmark-train --example time_clips -- DIR`: how long preparing a folder of classes takes without a
//! cache, with an empty one, and with a full one, for HuBERT and for AST.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use earmark_audio::DecodeOptions;
use earmark_data::AudioDataset;
use earmark_features::{Preprocessor, Resampler};
use earmark_train::{Cache, Clips, Preparation};

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("which folder?")?;
    let dataset = AudioDataset::open_folder(dir)?;
    println!("{} clips", dataset.clips.len());
    for extractor in ["Wav2Vec2FeatureExtractor", "ASTFeatureExtractor"] {
        let json = format!(r#"{{"feature_extractor_type": "{extractor}"}}"#);
        let preparation = Preparation {
            preprocessor: Preprocessor::from_json(json)?,
            resampler: Resampler::Hq,
            decode: DecodeOptions::default(),
            max_samples: Some(30 * 16_000),
            min_samples: 400,
        };
        let mut seconds: [Vec<f64>; 3] = Default::default();
        // Turn by turn, so that whatever else the machine does falls on all three.
        for _ in 0..ROUNDS {
            let temporary = tempfile::tempdir()?;
            let full = Cache::new(temporary.path(), Cache::LIMIT);
            for (seconds, cache) in seconds.iter_mut().zip([None, Some(full.clone()), Some(full.clone())]) {
                let begun = Instant::now();
                Clips::open(
                    &dataset,
                    preparation.clone(),
                    cache,
                    false,
                    &mut |_| (),
                    &AtomicBool::new(false),
                )?;
                seconds.push(begun.elapsed().as_secs_f64());
            }
            assert_eq!(full.hits(), full.misses(), "the second time finds what the first time made");
        }
        let [without, empty, full] = seconds.map(|mut seconds| {
            seconds.sort_by(f64::total_cmp);
            seconds[ROUNDS / 2]
        });
        println!("{extractor}: {without:.2} s without a cache, {empty:.2} s filling it, {full:.2} s from it");
    }
    Ok(())
}
