//! With what an evaluation was made, in its journal and in `report.json`.

use serde::{Deserialize, Serialize};

/// With what an evaluation was made, as its report and its page say it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Provenance {
    /// The command, without what tells one part of an evaluation from another.
    pub(crate) command: String,
    /// A checksum of the model's configuration, extractor and weights.
    pub(crate) model_checksum: String,
    /// The commit of the model's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model_commit: Option<String>,
    /// The commit of the dataset's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dataset_commit: Option<String>,
    /// The dataset, where it is one of the Hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hub_dataset: Option<HubDataset>,
    /// The version that scored the clips.
    pub(crate) earmark: String,
    pub(crate) burn: String,
    pub(crate) device: String,
    pub(crate) dtype: String,
}

/// A dataset of the Hub, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HubDataset {
    /// `owner/name`.
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) split: Option<String>,
}

impl Provenance {
    /// For people, each with its name.
    pub(crate) fn facts(&self, model: &str, dataset: &str) -> Vec<(String, String)> {
        let at = |name: &str, commit: &Option<String>| match commit {
            Some(commit) => format!("{name}, commit {commit}"),
            None => name.to_owned(),
        };
        let on_hub = self.hub_dataset.as_ref().map(|it| it.id.clone()).filter(|id| id != dataset);
        let dataset = on_hub.map_or_else(|| dataset.to_owned(), |id| format!("{dataset}, {id} on the Hub"));
        let facts = [
            ("Model", at(model, &self.model_commit)),
            ("Dataset", at(&dataset, &self.dataset_commit)),
            ("Device", self.device.clone()),
            ("Precision", self.dtype.clone()),
            ("earmark", self.earmark.clone()),
            ("burn", self.burn.clone()),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}
