//! The arguments of a batch job: its inputs, windows and results.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use earmark_labels::TopK;
use earmark_pipeline::Windows;

use crate::args::inputs::InputArgs;
use crate::args::parse;
use crate::exit::usage;
use crate::output::results::format::Format;
use crate::output::stdout;

/// Which results are wanted, and where.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    #[command(flatten)]
    pub(crate) inputs: InputArgs,

    /// Labels per file or window, the best first: a number, or all [default: 5; 1 for audacity, raven and rttm].
    #[arg(long, value_name = "N|all", value_parser = parse::top_k)]
    pub(crate) top_k: Option<TopK>,

    /// Hide labels below this score [default: show all].
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) threshold: Option<f32>,

    /// Output format [default: from the name of --output, else table].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write the results to this file once all inputs are done. Run the same command again to resume an interrupted job.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Overwrite the --output file if it exists.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,

    /// Classify in windows of this length, in bounded memory however long the recording: 5s, 500ms, 1m [default: whole files].
    #[arg(long, value_name = "LENGTH", value_parser = parse::length, help_heading = "Windows")]
    window: Option<Duration>,

    /// Time from the start of one window to the start of the next [default: the window's length].
    #[arg(long, value_name = "LENGTH", value_parser = parse::length, requires = "window", help_heading = "Windows")]
    hop: Option<Duration>,

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

impl JobArgs {
    /// Refuses flags that contradict each other, before anything is opened.
    pub(crate) fn check(&self) -> Result<()> {
        if self.output.as_deref() == Some(Path::new("-")) {
            return Err(usage("leave out --output to write to standard output"));
        }
        let format = self.format()?;
        if format.needs_windows() && self.window.is_none() {
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
        self.window.map(|length| Windows { length, hop: self.hop.unwrap_or(length) })
    }

    /// What --format says, or else the name of --output.
    pub(crate) fn format(&self) -> Result<Format> {
        match (self.format, &self.output) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Format::Table),
            (None, Some(output)) => Format::of_name(output).ok_or_else(|| {
                usage(format_args!(
                    "the name `{}` says no format: pass --format, or end it in .csv, .parquet, .json, .jsonl or .rttm",
                    output.display()
                ))
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
            ("--threshold", or_none(self.threshold.map(|it| it.to_string()))),
            ("--window", length(self.window)),
            ("--hop", length(self.hop)),
            ("--merge", merge.to_owned()),
            ("--aggregate", or_none(aggregate)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}
