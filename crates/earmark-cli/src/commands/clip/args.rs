//! The arguments of `earmark clip`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args as ClapArgs, ValueEnum};
use earmark_audio::WavFormat;
use earmark_fs::{Walk, path_of_text};
use earmark_labels::TopK;

use crate::args::label_filter::labels_of;
use crate::args::parse;
use crate::batch::saved::file_names::FAILURES;
use crate::clips::choose::Choice;
use crate::clips::plan::Shape;
use crate::clips::sounds::Wanted;
use crate::exit::usage;
use crate::output::results::read;

const EXAMPLES: &str = "\
Examples:
  earmark classify nights --window 3s -o found.csv --model ./model
  earmark clip found.csv -o clips
  earmark clip found.csv -o check --bins 10 --per-bin 5
  earmark clip found.csv -o clips --only-labels owl,fox --pad 1s
  earmark train --data clips";

/// Cut the sounds found by `classify` into WAV files, by label.
///
/// Writes DIR/LABEL/SCORE_RECORDING_START-END.wav with the sampling rate and channels of the recording, and DIR/clips.csv,
/// which lists the clips. Of overlapping windows with the same label only the one with the highest score is cut; to join
/// them instead, classify with --merge. Recordings that cannot be read are listed on stderr (exit code 3). Run the same
/// command again to write the clips that are missing.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Results of `earmark classify --window`: csv, Parquet, jsonl or Raven tables, or folders of them. Raven tables may be
    /// edited by hand: selections without a score count as the best.
    #[arg(value_name = "RESULTS", required = true)]
    results: Vec<PathBuf>,

    /// Folder to write.
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,

    /// Replace the clips of an earlier job in --output, or add clips to a folder that holds other files.
    #[arg(long)]
    pub(super) force: bool,

    /// Print the files that would be written, and write nothing.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Folder that relative paths in RESULTS start from [default: the current folder].
    #[arg(long, value_name = "DIR")]
    audio: Option<PathBuf>,

    /// Leave out sounds below this score [default: 0.5; none with --bins].
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, help_heading = "Which sounds")]
    threshold: Option<f32>,

    /// Cut only these labels: a file with one per line, or labels separated by commas (quote a label that has a comma).
    #[arg(long, value_name = "FILE|A,B,…", help_heading = "Which sounds")]
    only_labels: Vec<String>,

    /// Leave these labels out; given as for --only-labels.
    #[arg(long, value_name = "FILE|A,B,…", help_heading = "Which sounds")]
    except_labels: Vec<String>,

    /// Clips per label, the highest scores first: a number, or all.
    #[arg(long, value_name = "N|all", value_parser = parse::top_k, default_value = "100", conflicts_with = "bins", help_heading = "Which sounds")]
    top_n: TopK,

    /// Draw clips at random from K equal bins of scores between 0 and 1, to check how often each score is right.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Which sounds")]
    bins: Option<u16>,

    /// Clips per label and bin, at most.
    #[arg(long, value_name = "N", default_value = "10", requires = "bins", help_heading = "Which sounds")]
    per_bin: usize,

    /// Seed of the random draw.
    #[arg(long, value_name = "N", default_value = "42", requires = "bins", help_heading = "Which sounds")]
    seed: u64,

    /// Add this much of the recording before and after each sound: 1s, 500ms.
    #[arg(long, value_name = "LENGTH", value_parser = parse::length, help_heading = "Clips")]
    pad: Option<Duration>,

    /// Lengthen shorter clips on both sides to this, within the recording.
    #[arg(long, value_name = "LENGTH", value_parser = parse::length, help_heading = "Clips")]
    min_length: Option<Duration>,

    /// Samples of the WAV files: 16-bit integers or 32-bit floats.
    #[arg(long, value_name = "FORMAT", default_value = "pcm16", help_heading = "Clips")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Pcm16,
    Float32,
}

/// The least score without --threshold: of scores that add up to 1, one label of a window can reach it.
const THRESHOLD: f32 = 0.5;

impl Args {
    /// The tables that are given, and those in folders that are, by name.
    pub(super) fn tables(&self) -> Result<Vec<PathBuf>> {
        let mut tables = Vec::new();
        for path in &self.results {
            if !path.is_dir() {
                tables.push(path.clone());
                continue;
            }
            let before = tables.len();
            let mut entries = Walk::new(path).into_iter();
            while let Some(entry) = entries.next() {
                let entry = entry?;
                let ending = entry.path.extension().and_then(|ending| ending.to_str());
                // Of a job that wrote a folder: no results are in it.
                let is_other = entry.path.ends_with(FAILURES);
                let is_table =
                    ending.is_some_and(|it| read::ENDINGS.contains(&it.to_ascii_lowercase().as_str()));
                match entry.is_hidden() {
                    true => entries.skip_folder(),
                    false if is_table && !is_other && !entry.is_folder() => tables.push(entry.path),
                    false => {}
                }
            }
            if tables.len() == before {
                bail!("the folder `{}` holds no tables ({})", path.display(), read::ENDINGS.join(", "));
            }
        }
        Ok(tables)
    }

    pub(super) fn wanted(&self) -> Result<Wanted> {
        let threshold = match self.threshold {
            Some(threshold) if threshold.is_nan() => return Err(usage("--threshold: expected a number")),
            None if self.bins.is_none() => Some(THRESHOLD),
            threshold => threshold,
        };
        let listed = |flag: &str, values: &[String]| -> Result<BTreeSet<String>> {
            let lists: Vec<Vec<String>> =
                values.iter().map(|value| labels_of(flag, value)).collect::<Result<_>>()?;
            Ok(lists.into_iter().flatten().collect())
        };
        let only = listed("--only-labels", &self.only_labels)?;
        Ok(Wanted { threshold, only, except: listed("--except-labels", &self.except_labels)? })
    }

    pub(super) fn choice(&self) -> Choice {
        match self.bins {
            None => Choice::Top(self.top_n),
            Some(bins) => Choice::Bins { bins: bins.into(), each: self.per_bin, seed: self.seed },
        }
    }

    pub(super) fn shape(&self) -> Shape {
        let seconds = |length: Option<Duration>| length.unwrap_or_default().as_secs_f64();
        let format = match self.format {
            Format::Pcm16 => WavFormat::Pcm16,
            Format::Float32 => WavFormat::Float32,
        };
        Shape { pad: seconds(self.pad), min_length: seconds(self.min_length), format }
    }

    /// The file of a recording, as results spell it.
    pub(super) fn locate(&self, path: &str) -> PathBuf {
        let below =
            |path: &Path| self.audio.as_ref().map_or_else(|| path.to_path_buf(), |audio| audio.join(path));
        let exact = below(&path_of_text(path));
        // Other tools do not escape: a backslash of theirs is one.
        let plain = below(Path::new(path));
        if !exact.exists() && plain.exists() { plain } else { exact }
    }
}
