//! The arguments of a batch job: its inputs, windows and results.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use earmark_labels::TopK;
use earmark_pipeline::Windows;

use crate::args::inputs::InputArgs;
use crate::args::label_filter::LabelFilterArgs;
use crate::args::parse;
use crate::args::windows::WindowArgs;
use crate::exit::usage;
use crate::output::results::format::Format;
use crate::output::stdout;

/// Which results are wanted, and where.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    #[command(flatten)]
    pub(crate) inputs: InputArgs,

    /// Labels per file or window, the best first: a number, or all [default: 5, all with --thresholds; 1 for
    /// audacity, raven and rttm].
    #[arg(long, value_name = "N|all", value_parser = parse::top_k)]
    pub(crate) top_k: Option<TopK>,

    #[command(flatten)]
    pub(crate) filter: LabelFilterArgs,

    /// Output format [default: from the name of --output, csv for a folder, else table].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write the results to this file once all inputs are done; or, for a folder (DIR/), one file per recording as soon as
    /// it is done. Run the same command again to resume an interrupted job, or to add new recordings to the folder.
    #[arg(short, long, value_name = "FILE|DIR/")]
    output: Option<PathBuf>,

    /// Overwrite existing results, and those of an interrupted job with other settings.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,

    /// Add the time of day at which each file or window begins, from GUANO, Song Meter, AudioMoth or Broadcast WAV
    /// metadata or a file name such as 20210510_190000.wav (csv, parquet, json and jsonl).
    #[arg(long)]
    pub(crate) times: bool,

    #[command(flatten)]
    windows: WindowArgs,

    /// Merge adjacent windows with the same best label into one row, with their mean score.
    #[arg(long, requires = "window", conflicts_with = "aggregate", help_heading = "Windows")]
    pub(crate) merge: bool,

    /// Print one result per file: each label's mean or maximum score over the windows.
    #[arg(long, value_name = "HOW", requires = "window", help_heading = "Windows")]
    pub(crate) aggregate: Option<Aggregate>,
}

/// How the scores of a file's windows become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Aggregate {
    Mean,
    Max,
}

/// Where results are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output<'a> {
    Stdout,
    /// All in one file.
    File(&'a Path),
    /// One file for each input.
    Folder(&'a Path),
}

impl JobArgs {
    /// Refuses flags that contradict each other, before anything is opened.
    pub(crate) fn check(&self) -> Result<()> {
        if self.output.as_deref() == Some(Path::new("-")) {
            return Err(usage("leave out --output to write to standard output"));
        }
        let format = self.format()?;
        if self.times && !format.has_times() {
            return Err(usage(format_args!(
                "--times adds a column to csv, parquet, json and jsonl; {} has none for it",
                format.name()
            )));
        }
        if format.needs_windows() && self.windows.window.is_none() {
            return Err(usage(
                "this format needs the time of each label: pass --window LENGTH, such as --window 5s",
            ));
        }
        if format.needs_windows() && self.aggregate.is_some() {
            return Err(usage(
                "this format needs the time of each label: leave out --aggregate, which gives one result per file",
            ));
        }
        if format == Format::Parquet && self.output.is_none() && stdout::stdout().is_terminal() {
            return Err(usage("Parquet cannot be printed on a terminal: pass --output FILE.parquet"));
        }
        Ok(())
    }

    /// The windows to cut recordings into; `None` where files are scored whole.
    pub(crate) fn windows(&self) -> Option<Windows> {
        self.windows.windows()
    }

    /// A folder is one that exists, or a name with a slash at its end.
    pub(crate) fn output(&self) -> Output<'_> {
        match self.output.as_deref() {
            None => Output::Stdout,
            Some(path) => {
                let last = path.as_os_str().as_encoded_bytes().last();
                let is_folder =
                    last.is_some_and(|&byte| std::path::is_separator(byte.into())) || path.is_dir();
                if is_folder { Output::Folder(path) } else { Output::File(path) }
            }
        }
    }

    /// What --format says, or else the name of --output.
    pub(crate) fn format(&self) -> Result<Format> {
        match (self.format, self.output()) {
            (Some(format), _) => Ok(format),
            (None, Output::Stdout) => Ok(Format::Table),
            (None, Output::Folder(_)) => Ok(Format::Csv),
            (None, Output::File(path)) => Format::of_name(path).ok_or_else(|| {
                let name = path.display();
                match path.extension().and_then(|it| it.to_str()) {
                    Some("txt" | "tsv") => usage(format_args!(
                        "several formats are text: pass --format audacity, --format raven or --format table to write `{name}`"
                    )),
                    _ => usage(format_args!(
                        "`{name}` does not end in .csv, .parquet, .json, .jsonl or .rttm: pass --format, or end it in a slash \
                         for a folder with one file per recording"
                    )),
                }
            }),
        }
    }

    /// What of this changes the results, each by its flag.
    pub(crate) fn settings(&self, top_k: TopK) -> Vec<(String, String)> {
        let or_none = |it: Option<String>| it.unwrap_or_else(|| "not given".to_owned());
        let length = |it: Option<Duration>| or_none(it.map(|it| format!("{it:?}")));
        let top_k = match top_k {
            TopK::All => "all".to_owned(),
            TopK::N(n) => n.to_string(),
        };
        let aggregate =
            self.aggregate.map(|it| if it == Aggregate::Mean { "mean" } else { "max" }.to_owned());
        let merge = if self.merge { "given" } else { "not given" };
        [
            ("--top-k", top_k),
            ("--window", length(self.windows.window)),
            ("--hop", length(self.windows.hop)),
            ("--merge", merge.to_owned()),
            ("--aggregate", or_none(aggregate)),
            ("--times", if self.times { "given" } else { "not given" }.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}
