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
