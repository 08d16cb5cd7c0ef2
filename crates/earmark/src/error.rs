use earmark_hub::RepoId;

/// A model or a dataset that could not be fetched or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be fetched.
    #[error(transparent)]
    Hub(#[from] earmark_hub::Error),
    /// The model could not be opened.
    #[error(transparent)]
    Pipeline(#[from] earmark_pipeline::Error),
    /// The dataset has no Parquet files, and the Hub has converted none of its files to Parquet.
    #[error("the dataset `{repo}` has no Parquet files, and the Hub has not converted its files to Parquet")]
    NotConverted {
        /// The dataset.
        repo: RepoId,
        /// What the Hub answered when it was asked for the converted files.
        #[source]
        source: earmark_hub::Error,
    },
    /// None of the dataset's Parquet files is of the configuration and split that were chosen.
    #[error("the dataset `{repo}` has no Parquet files for {chosen}; it has {}", some(paths))]
    NoShards {
        /// The dataset.
        repo: RepoId,
        /// The split, and the configuration if there is one: ``the split `train` of `en-US` ``.
        chosen: String,
        /// Its Parquet files.
        paths: Vec<String>,
    },
    /// The dataset has Parquet files of several configurations, and none was chosen.
    #[error("the dataset `{repo}` has more than one configuration with {chosen}: {}", configs.join(", "))]
    ManyConfigs {
        /// The dataset.
        repo: RepoId,
        /// The split.
        chosen: String,
        /// The configurations.
        configs: Vec<String>,
    },
}

/// The first of the paths.
fn some(paths: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = paths.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
