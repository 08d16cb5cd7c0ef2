use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::args::audio::AudioArgs;
use crate::args::device::ComputeArgs;
use crate::args::hub::HubArgs;

const EXAMPLES: &str = "\
Examples:
  earmark embed recordings --window 5s -o vectors.parquet --model ./clap
  earmark search vectors.parquet owl.wav
  earmark search vectors.parquet owl.wav fox.wav --top-k 20 --format csv
  earmark search vectors.parquet --text \"the hoot of an owl\"";

/// Find the sounds most similar to a sound or a text.
///
/// VECTORS is a Parquet table from `earmark embed`, with a row for each file or window. Each query is embedded with the model
/// that made the table and compared with every row by cosine similarity (1: same direction, 0: unrelated; a vector of zeros
/// counts as 0). Query files are embedded whole. The table is read once, in bounded memory.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The Parquet table of vectors.
    #[arg(value_name = "VECTORS")]
    pub(super) vectors: PathBuf,

    /// Sound files to search for: paths, http(s) addresses, or - for standard input.
    #[arg(value_name = "QUERY", required_unless_present = "text")]
    pub(super) queries: Vec<OsString>,

    /// Search for sounds that a text describes; may be repeated. Works with CLAP models only.
    #[arg(long, value_name = "TEXT")]
    pub(super) text: Vec<String>,

    /// Rows to print for each query.
    #[arg(long, value_name = "N", default_value = "5")]
    pub(super) top_k: NonZero<usize>,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(super) format: Format,

    /// The model that the vectors were made with [default: the one named in the table].
    #[arg(long, value_name = "ID|DIR")]
    pub(super) model: Option<String>,

    #[command(flatten)]
    pub(super) audio: AudioArgs,

    #[command(flatten)]
    pub(super) compute: ComputeArgs,

    #[command(flatten)]
    pub(super) hub: HubArgs,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for each query, to read.
    Table,
    /// One line for each row found: query, rank, path, start, end, cosine.
    Csv,
    /// One object for each query.
    Jsonl,
}
