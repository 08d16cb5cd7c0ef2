//! Prints the best label of every 5 s of a recording of any length; memory does not grow with it.
//!
//! ```sh
//! cargo run --release -p earmark --example windows -- night.flac MIT/ast-finetuned-audioset-10-10-0.4593
//! ```

use std::time::Duration;

use anyhow::{Context as _, Result};
use earmark::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let recording = arguments.next().context("which recording?")?;
    let model = arguments.next().context("which model?")?;

    let classifier = AudioClassifier::from_pretrained(&model)?.with_top_k(TopK::N(1));
    let windows = Windows::of(Duration::from_secs(5));
    for classified in classifier.classify_windows(&recording, windows)? {
        let (window, best) = classified?;
        println!("{:8.1} {:8.1}  {:.3}  {}", window.start, window.end, best[0].score, best[0].label);
    }
    Ok(())
}
