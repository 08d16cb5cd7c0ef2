use earmark_data::VectorTable;
use serde::{Deserialize, Serialize};

/// How the vectors of a table were made. Parquet keeps it in its metadata, so that a search makes the query's in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VectorSource {
    /// The version of earmark.
    pub(crate) version: String,
    /// As it was given: a Hub id or a folder.
    pub(crate) model: String,
    /// A checksum of the model's configuration, extractor and weights.
    pub(crate) fingerprint: String,
    pub(crate) resampler: String,
    pub(crate) downmix: String,
    /// Which hidden states they are, and how their frames were pooled: not there of CLAP, nor in tables of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) layer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) pool: Option<String>,
    /// Length and hop of the windows, in seconds; nothing where files were embedded whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) window: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) hop: Option<f64>,
}

impl VectorSource {
    /// Where it is in the file's metadata.
    pub(crate) const KEY: &str = "earmark";

    /// Of a table that was written by `embed`.
    pub(crate) fn of(table: &VectorTable) -> Option<VectorSource> {
        serde_json::from_str(table.note(VectorSource::KEY)?).ok()
    }
}
