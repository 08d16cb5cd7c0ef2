//! Classifies a file.
//!
//! ```sh
//! cargo run --release -p earmark --example classify -- clip.ogg MIT/ast-finetuned-speech-commands-v2
//! ```

use anyhow::{Context as _, Result};
use earmark::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let sound = arguments.next().context("which sound file?")?;
    let model = arguments.next().context("which model? A Hub id, or a folder in Hugging Face layout")?;

    let classifier = AudioClassifier::from_pretrained(&model)?;
    for Prediction { label, score, .. } in classifier.classify(sound)? {
        println!("{score:.4} {label}");
    }
    Ok(())
}
