//! Ranks sound files by how alike they are to the first one.
//!
//! ```sh
//! cargo run --release -p earmark --example embed -- facebook/wav2vec2-base query.wav recordings/*.wav
//! ```

use anyhow::{Context as _, Result};
use earmark::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().context("which model?")?;
    let query = arguments.next().context("which sound file?")?;
    let files: Vec<String> = arguments.collect();

    let embedder = AudioEmbedder::from_pretrained(&model)?;
    let query = embedder.embed(query)?;
    let mut ranked = Vec::new();
    for (file, embedding) in files.iter().zip(embedder.embed_all(files.iter().map(String::as_str))) {
        ranked.push((cosine_similarity(&query, &embedding?), file));
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (similarity, file) in ranked {
        println!("{similarity:.4} {file}");
    }
    Ok(())
}
