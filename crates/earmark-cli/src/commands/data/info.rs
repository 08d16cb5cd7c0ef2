use std::io::Write as _;

use anyhow::Result;
use clap::Args as ClapArgs;
use earmark_data::Selection;
use earmark_data::gtzan::GENRES;
use earmark_data::sample::SampleOptions;

use crate::args::dataset::{DatasetArgs, Named};
use crate::args::hub::HubArgs;
use crate::exit::Done;
use crate::output::escape::escape;
use crate::output::stdout;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Dataset: a published one, a folder, a file or OWNER/NAME, see `earmark data --help`.
    #[arg(value_name = "DATASET")]
    dataset: String,

    /// List every configuration, class and file.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    which: DatasetArgs,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let mut out = stdout::stdout();
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<14} {}", escape(text));
    let some = |names: &[String]| {
        let most = if args.all { usize::MAX } else { 10 };
        let more = if names.len() > most {
            format!(", … ({} in all, see --all)", names.len())
        } else {
            String::new()
        };
        names.iter().take(most).cloned().collect::<Vec<_>>().join(", ") + &more
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    match Named::new(&args.dataset, &args.which)? {
        Named::Published(selection) => describe(&[selection], &mut line, &some)?,
        Named::EverySplit(selections) => describe(&selections, &mut line, &some)?,
        // It need not be made to be described.
        Named::Sample if args.which.split.is_none() && args.which.label_column.is_none() => {
            let options = SampleOptions::default();
            let clips = options.clips_per_genre * GENRES.len();
            line("dataset", "sample")?;
            line("clips", &format!("{clips} of {} s, generated on first use (53 MB)", options.seconds))?;
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

/// What is known of a published dataset before any of it is fetched.
fn describe(
    splits: &[Selection],
    line: &mut dyn FnMut(&str, &str) -> std::io::Result<()>,
    some: &dyn Fn(&[String]) -> String,
) -> Result<()> {
    let [Selection { dataset, config, label_column, .. }, ..] = splits else { return Ok(()) };
    let owned = |names: &mut dyn Iterator<Item = &'static str>| names.map(str::to_owned).collect::<Vec<_>>();
    line("dataset", &splits[0].name())?;
    line("configurations", &some(&owned(&mut dataset.configs.iter().map(|config| config.name))))?;
    line("splits", &some(&owned(&mut config.splits.iter().map(|split| split.name))))?;
    line("label columns", &some(&owned(&mut config.label_columns.iter().map(|column| column.name))))?;
    let labels = splits[0].labels();
    line("classes", &format!("{} of {}: {}", labels.len(), label_column.name, some(labels.names())))?;
    let clips = splits.iter().filter_map(|it| Some(format!("{} in {}", it.split.clips?, it.split.name)));
    let clips = clips.collect::<Vec<_>>().join(", ");
    if !clips.is_empty() {
        line("clips", &clips)?;
    }
    line("licence", dataset.licence.unwrap_or("none stated"))?;
    line("home", dataset.home)?;
    line("citation", dataset.citation)?;
    let mut files: Vec<String> =
        splits.iter().flat_map(Selection::files).map(|file| file.location.to_string()).collect();
    files.dedup();
    line("files", &some(&files))?;
    Ok(())
}
