//! `earmark data`: a file for each subcommand.

mod export;
mod head;
mod info;
mod list;
mod protocols;
mod stats;
mod verify;

mod examine; // What stats, verify and export share.

use anyhow::Result;
use clap::{Args as ClapArgs, Subcommand};

use crate::args::dataset::NamedArgs;
use crate::exit::Done;

const EXAMPLES: &str = "\
Examples:
  earmark data list
  earmark data info minds14:en-AU
  earmark data head speech-commands:v0.02 --split validation --stream
  earmark data stats recordings -o clips.parquet
  earmark data verify gtzan
  earmark data export esc50:esc10 -o esc10 --format folders";

/// List, describe, check and export datasets.
///
/// DATASET is a published dataset (NAME or NAME:CONFIG, see `earmark data list`), `sample` (built in), a folder with a sub-folder
/// per class, a folder with metadata.csv, .jsonl or .parquet, a Parquet file with an audio column, or OWNER/NAME[:CONFIG] of
/// such Parquet files on the Hub.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the published datasets.
    List,
    /// List the protocols: which clips are scored, by name.
    Protocols,
    /// Describe a dataset: configurations, splits, classes, licence, files.
    ///
    /// Published datasets are described without downloading anything.
    #[command(after_help = "Examples:\n  earmark data info minds14:en-AU\n  earmark data info recordings")]
    Info(info::Args),
    /// Print the first clips: fields, sampling rate, length, first samples.
    #[command(
        after_help = "Examples:\n  earmark data head recordings -n 2\n  earmark data head speech-commands:v0.02 --split validation --stream"
    )]
    Head(head::Args),
    /// Count clips and hours per class; list equal and damaged clips.
    #[command(
        after_help = "Examples:\n  earmark data stats recordings -o clips.csv\n  earmark data stats gtzan:fault-filtered --split all --format json"
    )]
    Stats(stats::Args),
    /// Decode every clip, and list the damaged ones (exit code 3 if any).
    #[command(after_help = "Examples:\n  earmark data verify recordings\n  earmark data verify gtzan")]
    Verify(NamedArgs),
    /// Write a dataset as Parquet or class folders, to load with Python.
    ///
    /// Clips that do not decode are reported and written as they are (exit code 3 if any).
    #[command(
        after_help = "Examples:\n  earmark data export recordings -o parquet\n  earmark data export esc50:esc10 -o esc10 --format folders\n  earmark data export gtzan -o gtzan-artists --fields artists.csv"
    )]
    Export(export::Args),
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    match &args.what {
        What::List => list::run(),
        What::Protocols => protocols::run(),
        What::Info(args) => info::run(args),
        What::Head(args) => head::run(args),
        What::Stats(args) => stats::run(args),
        What::Verify(args) => verify::run(args),
        What::Export(args) => export::run(args),
    }
}
