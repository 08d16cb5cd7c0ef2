//! Sentences in place of sounds.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use earmark_pipeline::AudioEmbedder;

use crate::exit::{Usage, usage};
use crate::output::count::count;
use crate::output::tables::embeddings::{EmbeddingWriter, Row};

/// Sentences that a CLAP model embeds.
#[derive(Debug, Args)]
pub(super) struct TextArgs {
    /// Embed a sentence in place of sounds, with a CLAP model; may be repeated. The rows have a column text in place of path,
    /// start and end.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["paths", "shard", "layer", "pool", "window"], help_heading = "Texts")]
    text: Vec<String>,

    /// File with one sentence per line.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "shard", "layer", "pool", "window"], help_heading = "Texts")]
    text_file: Option<PathBuf>,
}

/// Sentences of one forward pass.
const BATCH: usize = 32;

impl TextArgs {
    /// All sentences, in order; none where sounds are embedded.
    pub(super) fn all(&self) -> Result<Vec<String>> {
        const LIMIT: u64 = 256 << 20;
        let mut texts = self.text.clone();
        if let Some(path) = &self.text_file {
            let text = earmark_fs::read_to_string(path, LIMIT)
                .with_context(|| format!("cannot read `{}`", earmark_fs::text(path)))?;
            // Excel and Notepad put a byte order mark first.
            let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines().map(str::trim);
            let before = texts.len();
            texts.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
            if texts.len() == before {
                return Err(usage(format_args!("`{}` has no lines of text", earmark_fs::text(path))));
            }
        }
        Ok(texts)
    }
}

/// Writes the vectors of sentences; gives what was written, for people.
pub(super) fn embed(
    texts: &[String],
    model: &AudioEmbedder,
    mut table: EmbeddingWriter<'_>,
) -> Result<String> {
    let mut width = 0;
    for batch in texts.chunks(BATCH) {
        let vectors = model.embed_texts(batch).map_err(Usage::of)?;
        for (text, vector) in batch.iter().zip(&vectors) {
            width = vector.len();
            table.write(&Row { name: text, span: None, vectors: vec![vector] })?;
        }
    }
    table.finish()?;
    Ok(format!("{} of {width} numbers from {}", count(texts.len(), "vector"), count(texts.len(), "text")))
}
