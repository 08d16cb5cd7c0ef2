use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;

use super::examine::{examine, report_bad};
use crate::args::dataset::NamedArgs;
use crate::args::output::refuse_existing;
use crate::exit::Done;
use crate::output::count::count;
use crate::output::tables::manifest::{ClipRow, Manifest, TableFormat, write_csv};
use crate::output::{columns, messages, stdout};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    dataset: NamedArgs,

    /// Write one row per clip (name, label, duration, rate, channels, error) to a .parquet or .csv file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the --output file if it exists.
    #[arg(long, requires = "output")]
    force: bool,
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
        columns::numeric(["class", "clips", "share", "shortest s", "mean s", "longest s"], lines)
    )?;
    let total: f64 = rows.iter().filter_map(|row| row.duration).sum();
    let counted = |of: fn(&ClipRow) -> Option<u32>, unit: &str| {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        rows.iter().filter_map(of).for_each(|value| *counts.entry(value).or_default() += 1);
        counts.iter().map(|(value, clips)| format!("{value}{unit} × {clips}")).collect::<Vec<_>>().join(", ")
    };
    writeln!(out, "{}, {:.2} hours", count(rows.len(), "clip"), total / 3600.0)?;
    writeln!(out, "rates     {}", counted(|row| row.rate, " Hz"))?;
    writeln!(out, "channels  {}", counted(|row| row.channels, ""))?;
    Ok(done)
}
