//! `earmark data stats`: what is in a dataset, counted.

mod counts; // What is counted,
mod text; // and how people read it.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};

use self::counts::Counts;
use super::examine::{examine, report_bad};
use crate::args::dataset::NamedArgs;
use crate::args::output::refuse_existing;
use crate::exit::Done;
use crate::output::tables::manifest::{Manifest, TableFormat, write_csv};
use crate::output::{messages, stdout};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    dataset: NamedArgs,

    /// Write one row per clip (name, label, duration, rate, channels, samples_sha256, error) to a .parquet or .csv file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the --output file if it exists.
    #[arg(long, requires = "output")]
    force: bool,

    /// Output format. json lists every group of equal clips, text the first 20.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    // Before an hour of decoding.
    let format = args.output.as_deref().map(TableFormat::of_name).transpose()?;
    args.output.as_deref().map_or(Ok(()), |output| refuse_existing(output, args.force))?;
    let dataset = args.dataset.open()?;
    let rows = examine(&dataset);
    let done = report_bad(&rows);
    let manifest = Manifest::new(&rows)?;
    let classes = manifest.by_label(dataset.labels.names())?;
    if let (Some(file), Some(format)) = (&args.output, format) {
        match format {
            TableFormat::Csv => write_csv(&rows, file)?,
            TableFormat::Parquet => manifest.write(file)?,
        }
        messages::note(format_args!("wrote {}", earmark_fs::text(file)));
    }
    let counts = Counts::new(&dataset, &rows, classes);
    let mut out = stdout::stdout();
    match args.format {
        Format::Text => write!(out, "{}", text::of(&counts))?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&counts)?)?,
    }
    Ok(done)
}
