use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args as ClapArgs, ValueEnum};

use super::examine::{examine, report_bad};
use crate::args::dataset::{Named, NamedArgs};
use crate::datasets::open::add_fields;
use crate::exit::{Done, usage};
use crate::output::count::count;
use crate::output::{messages, progress};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    dataset: NamedArgs,

    /// Folder to create. It appears once the export is complete.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// parquet keeps every field; folders copies the sound files unchanged into class folders.
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    format: Format,

    /// Table with further fields of the clips, such as the artist: .csv, .jsonl or .parquet with a column file_name, or .txt
    /// with lines FILE ::: ARTIST ::: TITLE.
    #[arg(long, value_name = "FILE")]
    fields: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Parquet,
    Folders,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    if args.fields.is_some() && args.format == Format::Folders {
        return Err(usage("folders have no place for --fields: leave out --format folders"));
    }
    let named = args.dataset.named()?;
    let mut dataset = named.open(&args.dataset.which, &args.dataset.hub)?;
    add_fields(&mut dataset, args.fields.as_deref())?;
    if dataset.clips.is_empty() {
        bail!("the dataset has no clips");
    }
    // Whoever gets the dataset should not be the first to find out.
    let done = report_bad(&examine(&dataset));
    let split = match &named {
        Named::Published(selection) => selection.split.name.to_owned(),
        _ => args
            .dataset
            .which
            .split
            .clone()
            .filter(|split| split != "all")
            .unwrap_or_else(|| "train".to_owned()),
    };
    let bar =
        progress::bar(dataset.clips.len() as u64, "writing {bar:30} {pos}/{len} clips {per_sec} {eta} left");
    let report = |done: usize| bar.set_position(done as u64);
    match args.format {
        Format::Parquet => dataset.write_parquet(&args.output, &split, report)?,
        Format::Folders => dataset.write_folders(&args.output, report)?,
    }
    bar.finish_and_clear();
    let damaged = if done == Done::Well { "" } else { ", those with errors as they are" };
    let folder = earmark_fs::text(&args.output);
    messages::note(format_args!("wrote {} to {folder}{damaged}", count(dataset.clips.len(), "clip")));
    Ok(done)
}
