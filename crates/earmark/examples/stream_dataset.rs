//! Prints the first clips of a published dataset, and downloads little more than those.
//!
//! ```sh
//! cargo run --release -p earmark --features data --example stream_dataset -- speech-commands:v0.02 5
//! ```

use std::sync::Arc;

use anyhow::{Context as _, Result};
use earmark::audio::DecodeOptions;
use earmark::hub::Hub;
use earmark::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("which dataset? Such as minds14:en-AU or esc50")?;
    let clips: usize = arguments.next().map_or(Ok(3), |count| count.parse())?;

    let selection = Selection::new(&name, None, None)?;
    let labels = selection.labels();
    let files = HubFiles::new(Hub::from_env()?, "data/downloads");
    for example in selection.stream(Arc::new(files)).take(clips) {
        let example = example?;
        let label = example.label.and_then(|id| labels.name(id)).unwrap_or("no label");
        let clip = example.decode(&DecodeOptions::default())?.waveform;
        println!("{:.2} s at {}  {label}  {}", clip.duration().as_secs_f64(), clip.rate(), example.name);
    }
    Ok(())
}
