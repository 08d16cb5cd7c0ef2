//! Classifies a file by labels of your own.
//!
//! ```sh
//! cargo run --release -p earmark --example zero_shot -- clip.ogg laion/clap-htsat-unfused "a dog" "a vacuum cleaner"
//! ```

use anyhow::{Context as _, Result};
use earmark::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let sound = arguments.next().context("which sound file?")?;
    let model = arguments.next().context("which CLAP model? A Hub id, or a folder")?;
    let labels: Vec<String> = arguments.collect();

    let classifier = ZeroShotClassifier::from_pretrained(&model)?;
    let candidates = classifier.candidates(&labels, HYPOTHESIS_TEMPLATE)?;
    for Prediction { label, score, .. } in classifier.classify(sound, &candidates)? {
        println!("{score:.4} {label}");
    }
    Ok(())
}
