//! A dataset by its name: a published one, a folder, a file, or Parquet on the Hub.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::TypedValueParser;
use earmark_data::{AudioDataset, CATALOG, Fetch as _, Labelling, Protocol, Selection, Spec, Stream};
use earmark_hub::Repo;
use earmark_labels::LabelSet;

use crate::args::hub::HubArgs;
use crate::args::parse::Suggested;
use crate::datasets::clips::Clips;
use crate::datasets::fetch::{hub_files, shards};
use crate::datasets::open::{
    name_the_flag, only, open_folder_as, open_published, open_sample, report_left_out,
};
use crate::exit::usage;

/// Which clips of a dataset, and which of its columns is the class.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DatasetArgs {
    /// Split, or `all` for every split of a folder or a published dataset [default: all of a folder, the first of a published
    /// dataset, train on the Hub].
    #[arg(long, value_name = "NAME")]
    pub(crate) split: Option<String>,

    /// Column holding the class, or folder1, folder2 … for the folders, outermost first [default: label, labels, class, classes,
    /// category, genre, intent_class or target, else the only column or folder left].
    #[arg(long, value_name = "NAME")]
    pub(crate) label_column: Option<String>,
}

/// Any text; shells complete the names of the datasets.
pub(crate) fn dataset_name() -> impl TypedValueParser<Value = String> {
    let published = CATALOG.iter().map(|dataset| dataset.id);
    Suggested::new(|text| Ok(text.to_owned()), std::iter::once("sample").chain(published))
}

/// `esc50:folds`
pub(crate) fn protocol_name(text: &str) -> Result<String, String> {
    match Protocol::find(text) {
        Ok(protocol) => Ok(protocol.name),
        Err(_) => Err("no such protocol; `earmark data protocols` lists them".to_owned()),
    }
}

/// A dataset by its name, and which of its clips.
#[derive(Debug, Clone, Args)]
pub(crate) struct NamedArgs {
    /// Dataset: a published one, a folder, a file or OWNER/NAME, see `earmark data --help`.
    #[arg(value_name = "DATASET")]
    pub(crate) dataset: String,

    #[command(flatten)]
    pub(crate) which: DatasetArgs,

    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

impl NamedArgs {
    pub(crate) fn named(&self) -> Result<Named> {
        Named::new(&self.dataset, &self.which)
    }

    /// All of it, on this machine.
    pub(crate) fn open(&self) -> Result<AudioDataset> {
        self.named()?.open(&self.which, &self.hub)
    }
}

/// A dataset that was named, not yet opened.
pub(crate) enum Named {
    Published(Selection),
    /// A published dataset with all of its splits, in order; never none.
    EverySplit(Vec<Selection>),
    /// The built-in sample.
    Sample,
    /// A folder or a Parquet file.
    Local(PathBuf),
    /// Parquet on the Hub, by `owner/name`.
    Hub {
        repo: Repo,
        config: Option<String>,
    },
}

impl Named {
    /// A folder or file that is there, or else a published dataset, or the built-in sample.
    pub(crate) fn new(name: &str, args: &DatasetArgs) -> Result<Named> {
        let path = Path::new(name);
        if name == "sample" && !path.exists() {
            return Ok(Named::Sample);
        }
        if path.exists() {
            return Ok(Named::Local(path.to_path_buf()));
        }
        let (dataset, config) = match name.split_once(':') {
            Some((dataset, config)) => (dataset, Some(config.to_owned())),
            None => (name, None),
        };
        if Spec::find(dataset).is_none() && dataset.contains('/') {
            let repo = Repo::dataset(dataset).with_context(|| format!("no folder or file `{name}`"))?;
            return Ok(Named::Hub { repo, config });
        }
        let label = args.label_column.as_deref();
        Ok(match args.split.as_deref() {
            Some("all") => {
                let first = Selection::new(name, None, label)?;
                let of_split = |split| Selection { split, ..first };
                Named::EverySplit(first.config.splits.iter().map(of_split).collect())
            }
            split => Named::Published(Selection::new(name, split, label)?),
        })
    }

    /// All of it, on this machine.
    pub(crate) fn open(&self, args: &DatasetArgs, hub: &HubArgs) -> Result<AudioDataset> {
        self.open_as(args, hub, Labelling::SingleLabel)
    }

    /// The same, of clips of one class or of any number of them.
    pub(crate) fn open_as(
        &self,
        args: &DatasetArgs,
        hub: &HubArgs,
        labelling: Labelling,
    ) -> Result<AudioDataset> {
        match self {
            Named::Sample | Named::Published(_) | Named::EverySplit(_)
                if labelling == Labelling::MultiLabel =>
            {
                Err(usage("each clip of this dataset has one class: leave out --multi-label"))
            }
            Named::Sample => only(open_sample()?, args.split.as_deref()),
            Named::Local(path) => {
                let dataset = open_folder_as(path, args.label_column.as_deref(), labelling)?;
                only(dataset, args.split.as_deref())
            }
            Named::Published(selection) => open_published(selection, hub),
            Named::EverySplit(selections) => {
                let open = |selection: &Selection| {
                    Ok((selection.split.name.to_owned(), open_published(selection, hub)?))
                };
                let parts = selections.iter().map(open).collect::<Result<Vec<_>>>()?;
                AudioDataset::of_splits(parts).context("the dataset has no splits")
            }
            Named::Hub { repo, config } => {
                let fetch = hub_files(hub)?;
                let files = shards(&fetch, repo, config.as_deref(), args.split.as_deref())?;
                let paths = files.iter().map(|file| fetch.path(file)).collect::<Result<Vec<_>, _>>();
                let paths = paths.map_err(anyhow::Error::from_boxed)?;
                let root = Path::new(repo.id.as_str()).file_name().unwrap_or_default();
                let dataset =
                    AudioDataset::open_parquet_as(root, &paths, args.label_column.as_deref(), labelling)
                        .map_err(name_the_flag)?;
                report_left_out(&dataset);
                Ok(dataset)
            }
        }
    }

    /// Its clips as they come, and its classes.
    pub(crate) fn stream(&self, args: &DatasetArgs, hub: &HubArgs) -> Result<(LabelSet, Clips)> {
        Ok(match self {
            Named::Sample | Named::Local(_) => {
                let dataset = self.open(args, hub)?;
                (dataset.labels.clone(), Clips::of(dataset))
            }
            Named::Published(selection) => {
                let fetch = Arc::new(hub_files(hub)?);
                (selection.labels(), Clips::Stream(Box::new(selection.stream(fetch))))
            }
            Named::EverySplit(selections) => {
                let fetch = Arc::new(hub_files(hub)?);
                let labels = selections.first().context("the dataset has no splits")?.labels();
                let streams: Vec<Stream> =
                    selections.iter().map(|selection| selection.stream(Arc::clone(&fetch) as _)).collect();
                (labels, Clips::Local(Box::new(streams.into_iter().flatten())))
            }
            Named::Hub { repo, config } => {
                let fetch = hub_files(hub)?;
                let files = shards(&fetch, repo, config.as_deref(), args.split.as_deref())?;
                let (labels, stream) =
                    Stream::of_shards(files, args.label_column.as_deref(), Arc::new(fetch))
                        .map_err(name_the_flag)?;
                (labels, Clips::Stream(Box::new(stream)))
            }
        })
    }
}
