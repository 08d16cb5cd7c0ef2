//! `earmark data`: a file for each subcommand.

mod export;
mod head;
mod info;
mod list;
mod stats;
mod verify;

mod examine; // What stats and verify share.

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

/// Look at datasets: what there is, what is in them, whether it is whole; and write them out.
///
/// A DATASET is a published one (NAME or NAME:CONFIG, see `earmark data list`), `sample`, a folder with a sub-folder per class, a folder
/// with metadata.csv, .jsonl or .parquet, Parquet with a column of sounds, or OWNER/NAME[:CONFIG] of such Parquet on the Hub.
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
    /// Describe a dataset: its configurations, splits, classes, licence and files. Of a published one nothing is fetched.
    Info(info::Args),
    /// Print its first clips: what is known of each, its rate and length, its first samples.
    Head(head::Args),
    /// Count its classes, and how long they play; files that cannot be decoded are named.
    Stats(stats::Args),
    /// Decode every clip to its end, and name those that are damaged; exit code 3 says that there were some.
    Verify(NamedArgs),
    /// Write it as Parquet or as class folders, as Python's `datasets` loads them.
    Export(export::Args),
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    match &args.what {
        What::List => list::run(),
        What::Info(args) => info::run(args),
        What::Head(args) => head::run(args),
        What::Stats(args) => stats::run(args),
        What::Verify(args) => verify::run(args),
        What::Export(args) => export::run(args),
    }
}
