use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use earmark_audio::{DecodeOptions, Decoder};
use earmark_data::gtzan::GENRES;
use earmark_data::sample::SampleOptions;
use earmark_data::{AudioDataset, CATALOG, Clip, Selection};
use earmark_fs::AtomicFile;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::dataset::{Clips, DatasetArgs, Named};
use crate::args::model::HubArgs;
use crate::args::overwrite::refuse_existing;
use crate::output::escape::escape;
use crate::output::parquet::{ClipRow, Manifest};
use crate::output::{messages, progress, stdout, table};
use crate::{Done, error};

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
    /// Name the published datasets.
    List,
    /// Say what a dataset is: its configurations, splits, classes, licence and files. Of a published one nothing is fetched.
    Info(InfoArgs),
    /// Print its first clips: what is known of each, its rate and length, its first samples.
    Head(HeadArgs),
    /// Count its classes, and how long they play; files that cannot be heard are named.
    Stats(StatsArgs),
    /// Hear every clip to its end, and name those that are damaged; exit code 3 says that there were some.
    Verify(OneArgs),
    /// Write it as Parquet or as class folders, as Python's `datasets` loads them.
    Export(ExportArgs),
}

#[derive(Debug, ClapArgs)]
struct OneArgs {
    /// The dataset.
    #[arg(value_name = "DATASET")]
    dataset: String,

    #[command(flatten)]
    which: DatasetArgs,

    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, ClapArgs)]
struct InfoArgs {
    /// The dataset.
    #[arg(value_name = "DATASET")]
    dataset: String,

    /// Name every configuration, class and file.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    which: DatasetArgs,

    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, ClapArgs)]
struct HeadArgs {
    #[command(flatten)]
    one: OneArgs,

    /// How many clips.
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    n: usize,

    /// Pass over so many first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,

    /// Fetch no more than is printed, instead of the whole dataset.
    #[arg(long)]
    stream: bool,

    /// How to print them.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: HeadFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HeadFormat {
    Text,
    Jsonl,
}

#[derive(Debug, ClapArgs)]
struct StatsArgs {
    #[command(flatten)]
    one: OneArgs,

    /// Write a row for each clip: name, label, duration, rate, channels, error; as Parquet or CSV, by the name's ending.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace --output if it is there.
    #[arg(long, requires = "output")]
    force: bool,
}

#[derive(Debug, ClapArgs)]
struct ExportArgs {
    #[command(flatten)]
    one: OneArgs,

    /// The folder to write; it is there whole or not at all.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Parquet keeps every field; folders hold the sound files as they are, by class.
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    format: ExportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    Parquet,
    Folders,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    match &args.what {
        What::List => list(),
        What::Info(info) => self::info(info),
        What::Head(head) => self::head(head),
        What::Stats(stats) => self::stats(stats),
        What::Verify(one) => verify(one),
        What::Export(export) => self::export(export),
    }
}

fn list() -> Result<Done> {
    let rows = CATALOG.iter().map(|dataset| {
        let configs = dataset.configs;
        let more =
            if configs.len() > 4 { format!(", … ({} in all)", configs.len()) } else { String::new() };
        let some = configs.iter().take(4).map(|config| config.name).collect::<Vec<_>>().join(", ");
        [dataset.id.to_owned(), format!("{some}{more}"), dataset.licence.unwrap_or("none stated").to_owned()]
    });
    let mut out = stdout::stdout();
    writeln!(out, "{}", table::left(["dataset", "configurations", "licence"], rows))?;
    Ok(Done::Well)
}

fn info(args: &InfoArgs) -> Result<Done> {
    let mut out = stdout::stdout();
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<14} {}", escape(text));
    let some = |names: &[String]| {
        let most = if args.all { usize::MAX } else { 10 };
        let more = if names.len() > most {
            format!(", … ({} in all, --all names them)", names.len())
        } else {
            String::new()
        };
        names.iter().take(most).cloned().collect::<Vec<_>>().join(", ") + &more
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    match Named::new(&args.dataset, &args.which)? {
        Named::Published(selection) => {
            let Selection { dataset, config, split, label_column } = selection;
            let configs: Vec<&str> = dataset.configs.iter().map(|config| config.name).collect();
            let splits: Vec<&str> = config.splits.iter().map(|split| split.name).collect();
            let columns: Vec<&str> = config.label_columns.iter().map(|column| column.name).collect();
            line("dataset", &selection.name())?;
            line("configurations", &some(&owned(&configs)))?;
            line("splits", &some(&owned(&splits)))?;
            line("label columns", &some(&owned(&columns)))?;
            let labels = selection.labels();
            line("classes", &format!("{} of {}: {}", labels.len(), label_column.name, some(labels.names())))?;
            if let Some(clips) = split.clips {
                line("clips", &format!("{clips} in {}", split.name))?;
            }
            line("licence", dataset.licence.unwrap_or("none stated"))?;
            line("home", dataset.home)?;
            line("citation", dataset.citation)?;
            let files: Vec<String> = selection.files().iter().map(|file| file.location.to_string()).collect();
            line("files", &some(&files))?;
        }
        // It need not be made to be described.
        Named::Sample if args.which.split.is_none() && args.which.label_column.is_none() => {
            let options = SampleOptions::default();
            let clips = options.clips_per_genre * GENRES.len();
            line("dataset", "sample")?;
            line(
                "clips",
                &format!(
                    "{clips} of {} s, made on this machine when they are first used, 53 MB",
                    options.seconds
                ),
            )?;
            line("classes", &format!("{} of the folders: {}", GENRES.len(), some(&owned(&GENRES))))?;
            line("licence", "CC0-1.0")?;
        }
        named => {
            // Nothing says what is in it but itself.
            let dataset = named.open(&args.which, &args.hub)?;
            line("dataset", &args.dataset)?;
            let splits =
                dataset.clips_per_split().into_iter().map(|(split, clips)| format!("{split} {clips}"));
            let splits = splits.collect::<Vec<_>>().join(", ");
            if !splits.is_empty() {
                line("splits", &splits)?;
            }
            line("clips", &dataset.clips.len().to_string())?;
            let (labels, from) = (&dataset.labels, &dataset.classes_from);
            line("classes", &format!("{} of {from}: {}", labels.len(), some(labels.names())))?;
            let fields: Vec<String> =
                dataset.clips.first().map(|clip| clip.fields.keys().cloned().collect()).unwrap_or_default();
            if !fields.is_empty() {
                line("fields", &some(&fields))?;
            }
        }
    }
    Ok(Done::Well)
}

fn head(args: &HeadArgs) -> Result<Done> {
    let hub = &args.one.hub;
    let named = Named::new(&args.one.dataset, &args.one.which)?;
    let (labels, clips) = if args.stream || matches!(named, Named::Local(_) | Named::Sample) {
        named.stream(&args.one.which, hub)?
    } else {
        // Whole first, as every later command then has it.
        let dataset = named.open(&args.one.which, hub)?;
        (dataset.labels.clone(), Clips::of(dataset))
    };
    let mut out = stdout::stdout();
    let mut done = Done::Well;
    for example in clips.skip(args.skip).take(args.n) {
        let example = example?;
        let label = example.label.and_then(|id| labels.name(id));
        let audio = match example.decode(&DecodeOptions::default()) {
            Ok(decoded) => {
                let (samples, rate) = (decoded.waveform.samples(), decoded.waveform.rate().hz());
                // As few digits as tell them apart: as 64-bit numbers they would be longer than they are exact.
                let first: Vec<Value> = samples
                    .iter()
                    .take(3)
                    .filter_map(|x| serde_json::from_str(&x.to_string()).ok())
                    .collect();
                json!({"sampling_rate": rate, "samples": samples.len(), "duration": samples.len() as f64 / f64::from(rate), "first": first})
            }
            Err(problem) => {
                done = Done::InPart;
                let line = error::line(&problem.into());
                messages::error(line.as_str());
                json!({"error": line})
            }
        };
        match args.format {
            HeadFormat::Jsonl => {
                let row = json!({
                    "name": example.name, "label": label, "label_id": example.label.map(|id| id.index()), "audio": audio,
                    "fields": example.fields,
                });
                writeln!(out, "{row}")?;
            }
            HeadFormat::Text => {
                writeln!(out, "{}", escape(&example.name))?;
                let id = example.label.map(|id| id.index().to_string()).unwrap_or_default();
                writeln!(out, "  {:<20} {} ({id})", "label", escape(label.unwrap_or("not known")))?;
                if let Some(rate) = audio.get("sampling_rate") {
                    let first: Vec<String> =
                        audio["first"].as_array().into_iter().flatten().map(Value::to_string).collect();
                    writeln!(
                        out,
                        "  {:<20} {:.3} s at {rate} Hz, first samples {}",
                        "audio",
                        audio["duration"].as_f64().unwrap_or_default(),
                        first.join(" ")
                    )?;
                }
                for (name, value) in &example.fields {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    writeln!(out, "  {:<20} {}", escape(name), escape(&text))?;
                }
            }
        }
    }
    Ok(done)
}

/// Every clip, decoded on all threads.
fn hear(dataset: &AudioDataset) -> Vec<ClipRow> {
    let bar = progress::bar(
        dataset.clips.len() as u64,
        "listening {bar:30} {pos}/{len} clips {per_sec} {eta} left",
    );
    let done = AtomicUsize::new(0);
    let row = |clip: &Clip| {
        let mut row = ClipRow {
            name: clip.name.clone(),
            label: dataset.labels.name(clip.label).unwrap_or_default().to_owned(),
            ..ClipRow::default()
        };
        match heard(clip) {
            Ok((duration, rate, channels, warnings)) => {
                (row.duration, row.rate, row.channels) = (Some(duration), Some(rate), Some(channels));
                if !warnings.is_empty() {
                    row.error = Some(warnings.join("; "));
                }
            }
            Err(problem) => row.error = Some(error::line(&problem)),
        }
        bar.set_position(done.fetch_add(1, Ordering::Relaxed) as u64 + 1);
        row
    };
    let rows = dataset.clips.par_iter().map(row).collect();
    bar.finish_and_clear();
    rows
}

/// Block by block, so that a long recording takes no more memory than a short one.
fn heard(clip: &Clip) -> Result<(f64, u32, u32, Vec<String>)> {
    let mut decoder = Decoder::from_bytes(clip.bytes()?, &DecodeOptions::default())?;
    let (rate, channels) = (decoder.rate().hz(), decoder.channels() as u32);
    let (mut frames, mut odd) = (0u64, None);
    while let Some(planes) = decoder.next_planes()? {
        if odd.is_none() {
            let loud = |plane: &Vec<f32>| {
                plane
                    .iter()
                    .position(|sample| sample.is_nan() || sample.abs() > LOUDEST)
                    .map(|at| (at, plane[at]))
            };
            odd = planes.iter().find_map(loud).map(|(at, sample)| (frames + at as u64, sample));
        }
        frames += planes.first().map_or(0, |plane| plane.len() as u64);
    }
    let mut warnings: Vec<String> = decoder.warnings().iter().map(ToString::to_string).collect();
    if let Some((frame, sample)) = odd {
        warnings
            .push(format!("sample {frame} is {sample:e}, and no model computes with more than {LOUDEST:e}"));
    }
    if frames == 0 {
        bail!("it decodes to nothing");
    }
    Ok((frames as f64 / f64::from(rate), rate, channels, warnings))
}

/// The loudest sample that feature extractors take: sums of the squares of louder ones overflow.
const LOUDEST: f32 = 1e14;

fn stats(args: &StatsArgs) -> Result<Done> {
    // Before an hour of listening.
    let table = args.output.as_deref().map(TableFormat::of).transpose()?;
    args.output.as_deref().map_or(Ok(()), |output| refuse_existing(output, args.force))?;
    let dataset = Named::new(&args.one.dataset, &args.one.which)?.open(&args.one.which, &args.one.hub)?;
    let rows = hear(&dataset);
    let done = tell_bad(&rows);
    let manifest = Manifest::new(&rows)?;
    let classes = manifest.by_label(dataset.labels.names())?;
    if let Some(file) = &args.output {
        match table {
            Some(TableFormat::Csv) => write_csv(&rows, file)?,
            _ => manifest.write(file)?,
        }
        messages::note(format_args!("wrote {}", file.display()));
    }
    let mut out = stdout::stdout();
    let seconds = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2}"));
    let lines = classes.iter().map(|class| {
        [
            class.label.clone(),
            class.clips.to_string(),
            format!("{:.1} %", 100.0 * class.clips as f64 / rows.len().max(1) as f64),
            seconds(class.shortest),
            seconds(class.mean),
            seconds(class.longest),
        ]
    });
    writeln!(
        out,
        "{}\n",
        table::plain(["class", "clips", "share", "shortest s", "mean s", "longest s"], lines)
    )?;
    let total: f64 = rows.iter().filter_map(|row| row.duration).sum();
    let counted = |of: fn(&ClipRow) -> Option<u32>, unit: &str| {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        rows.iter().filter_map(of).for_each(|value| *counts.entry(value).or_default() += 1);
        counts.iter().map(|(value, clips)| format!("{value}{unit} × {clips}")).collect::<Vec<_>>().join(", ")
    };
    writeln!(out, "{} clips, {:.2} hours", rows.len(), total / 3600.0)?;
    writeln!(out, "rates     {}", counted(|row| row.rate, " Hz"))?;
    writeln!(out, "channels  {}", counted(|row| row.channels, ""))?;
    Ok(done)
}

/// How the table of the clips is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TableFormat {
    Parquet,
    Csv,
}

impl TableFormat {
    fn of(file: &Path) -> Result<TableFormat> {
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => Ok(TableFormat::Parquet),
            Some("csv") => Ok(TableFormat::Csv),
            _ => bail!("`{}` says no format: end its name in .parquet or .csv", file.display()),
        }
    }
}

fn write_csv(rows: &[ClipRow], file: &Path) -> Result<()> {
    let doing = || format!("cannot write `{}`", file.display());
    let mut table = csv::Writer::from_writer(AtomicFile::create(file).with_context(doing)?);
    table.write_record(["name", "label", "duration", "rate", "channels", "error"])?;
    for row in rows {
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        table.write_record([
            row.name.as_str(),
            &row.label,
            &row.duration.map(|seconds| seconds.to_string()).unwrap_or_default(),
            &number(row.rate),
            &number(row.channels),
            row.error.as_deref().unwrap_or_default(),
        ])?;
    }
    let written = table.into_inner().map_err(|error| error.into_error()).with_context(doing)?;
    written.commit().with_context(doing)
}

/// Names every clip that cannot be heard whole.
fn tell_bad(rows: &[ClipRow]) -> Done {
    let bad: Vec<&ClipRow> = rows.iter().filter(|row| row.error.is_some()).collect();
    for row in &bad {
        let why = row.error.as_deref().unwrap_or_default();
        match row.duration {
            Some(_) => messages::warning(format_args!("`{}`: {why}", row.name)),
            None => messages::error(format_args!("`{}`: {why}", row.name)),
        }
    }
    if bad.is_empty() { Done::Well } else { Done::InPart }
}

fn verify(args: &OneArgs) -> Result<Done> {
    let dataset = Named::new(&args.dataset, &args.which)?.open(&args.which, &args.hub)?;
    let rows = hear(&dataset);
    let done = tell_bad(&rows);
    let broken = rows.iter().filter(|row| row.duration.is_none()).count();
    let damaged = rows.iter().filter(|row| row.error.is_some()).count() - broken;
    let mut out = stdout::stdout();
    writeln!(
        out,
        "{} clips: {} whole, {damaged} damaged, {broken} that cannot be heard",
        rows.len(),
        rows.len() - damaged - broken
    )?;
    Ok(done)
}

fn export(args: &ExportArgs) -> Result<Done> {
    let named = Named::new(&args.one.dataset, &args.one.which)?;
    let dataset = named.open(&args.one.which, &args.one.hub)?;
    if dataset.clips.is_empty() {
        bail!("the dataset has no clips");
    }
    let split = match &named {
        Named::Published(selection) => selection.split.name.to_owned(),
        _ => {
            args.one.which.split.clone().filter(|split| split != "all").unwrap_or_else(|| "train".to_owned())
        }
    };
    let bar =
        progress::bar(dataset.clips.len() as u64, "writing {bar:30} {pos}/{len} clips {per_sec} {eta} left");
    let told = |done: usize| bar.set_position(done as u64);
    match args.format {
        ExportFormat::Parquet => dataset.write_parquet(&args.output, &split, told)?,
        ExportFormat::Folders => dataset.write_folders(&args.output, told)?,
    }
    bar.finish_and_clear();
    messages::note(format_args!("wrote {} clips into {}", dataset.clips.len(), args.output.display()));
    Ok(Done::Well)
}
