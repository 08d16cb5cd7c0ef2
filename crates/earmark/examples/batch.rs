//! Classifies every sound file of a folder, in batches and on all cores; a broken file stops nothing.
//!
//! ```sh
//! cargo run --release -p earmark --example batch -- recordings MIT/ast-finetuned-audioset-10-10-0.4593
//! ```

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use earmark::audio::has_audio_extension;
use earmark::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("which folder?")?;
    let model = arguments.next().context("which model?")?;

    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read `{folder}`"))? {
        let path: PathBuf = entry?.path();
        if has_audio_extension(&path) {
            files.push(path);
        }
    }
    files.sort();

    let classifier = AudioClassifier::from_pretrained(&model)?.with_top_k(TopK::N(1));
    for (file, result) in files.iter().zip(classifier.classify_all(&files)) {
        match result {
            Ok(best) => println!("{}\t{:.3}\t{}", file.display(), best[0].score, best[0].label),
            Err(error) => eprintln!("{}: {:#}", file.display(), anyhow::Error::new(error)),
        }
    }
    Ok(())
}
