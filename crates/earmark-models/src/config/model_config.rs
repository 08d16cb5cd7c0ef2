use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use earmark_config::{Object, shown, whole};
use earmark_error::Context as _;
use serde_json::{Map, Value, json};

use crate::checkpoint::task::Task;
use crate::checkpoint::weights::Checkpoint;
use crate::classifier::NetworkConfig;
use crate::config::languages::{Language, Languages};
use crate::error::{Error, ErrorKind, Using};
use crate::networks::ced::CedPooling;

/// A model's `config.json`: the network, the labels, and every other key as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    network: NetworkConfig,
    labels: Vec<String>,
    /// The file as read; [`to_json`](Self::to_json) gives back what we do not model.
    json: Object,
}

impl ModelConfig {
    /// Reads `config.json` in `dir`.
    ///
    /// # Errors
    /// When it is missing, larger than [`earmark_config::MOST_BYTES`] or not JSON, or when the architecture or a value is not
    /// supported.
    pub fn read(dir: &Path) -> Result<ModelConfig, Error> {
        let path = dir.join("config.json");
        let text = match earmark_config::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ErrorKind::NoConfig).context(Using(dir));
            }
            text => text.context(Using(&path))?,
        };
        ModelConfig::from_json(&text).context(Using(&path))
    }

    /// Parses the text of a `config.json`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_json(text: &[u8]) -> Result<ModelConfig, ErrorKind> {
        let json = earmark_config::object(text)?;
        let network = NetworkConfig::from_json(json.clone())?;
        network.validate()?;
        let labels = read_labels(&json)?;
        check_problem_type(&json)?;
        Ok(ModelConfig { network, labels, json })
    }

    /// A new model: this network, without labels yet.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] when a value is out of range.
    pub fn new(network: NetworkConfig) -> Result<ModelConfig, ErrorKind> {
        network.validate()?;
        Ok(ModelConfig { network, labels: Vec::new(), json: Object::new() })
    }

    /// The network.
    pub fn network(&self) -> &NetworkConfig {
        &self.network
    }

    /// The file as it was read, every key of it.
    pub fn json(&self) -> &Object {
        &self.json
    }

    /// Label names in class order; empty when the file has none. Two classes may have the same name.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The names that more than one class has, sorted.
    pub fn repeated_labels(&self) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        self.labels.iter().map(String::as_str).filter(|label| !seen.insert(*label)).collect()
    }

    /// What the head was trained for, such as `multi_label_classification`; most files do not say.
    /// CED's classes are any number a clip unless it says otherwise.
    pub fn problem_type(&self) -> Option<&str> {
        let by_class = || matches!(self.network, NetworkConfig::Ced(_)).then_some(MULTI_LABEL);
        self.json.get(PROBLEM_TYPE).and_then(Value::as_str).or_else(by_class)
    }

    /// The same network for one label a clip: a `problem_type` that says otherwise becomes `single_label_classification`.
    #[must_use]
    pub fn with_one_label_a_clip(mut self) -> ModelConfig {
        if self.problem_type().is_some() {
            self.json.insert(PROBLEM_TYPE.into(), SINGLE_LABEL.into());
        }
        if let NetworkConfig::Ced(config) = &mut self.network {
            config.pooling = CedPooling::Logit;
        }
        self
    }

    /// The same network for clips of any number of labels.
    #[must_use]
    pub fn with_many_labels(mut self) -> ModelConfig {
        self.json.insert(PROBLEM_TYPE.into(), MULTI_LABEL.into());
        self
    }

    /// The same model with another network, of the same family.
    #[must_use]
    pub fn with_network(mut self, network: NetworkConfig) -> ModelConfig {
        self.network = network;
        self
    }

    /// The same network for other labels.
    #[must_use]
    pub fn with_labels(mut self, labels: Vec<String>) -> ModelConfig {
        self.labels = labels;
        self
    }

    /// What the checkpoint in `dir` classifies by. That is this network with its head; but a whole Whisper, which has no head,
    /// identifies languages by its decoder, and these are then its labels.
    ///
    /// # Errors
    /// As [`Languages::read`], and when a value of the decoder is not supported; [`ErrorKind::OtherTask`] of a checkpoint whose head
    /// is for something else.
    pub fn for_classification(self, dir: &Path, checkpoint: &Checkpoint) -> Result<ModelConfig, Error> {
        if let Some(task) = self.other_task(checkpoint) {
            return Err(ErrorKind::OtherTask(task)).context(Using(checkpoint.path()));
        }
        self.network.check_classification().context(Using(dir))?;
        let NetworkConfig::Whisper(encoder) = &self.network else { return Ok(self) };
        if self.network.head_labels(checkpoint).is_some() || !checkpoint.has_decoder() {
            return Ok(self);
        }
        let languages = Languages::read(dir, &self.json)?;
        let labels = languages.iter().map(|language| language.name().to_owned()).collect();
        let network = NetworkConfig::whisper_languages(encoder.clone(), self.json.clone(), languages);
        let network = network.context(Using(dir))?;
        Ok(ModelConfig { network, labels, ..self })
    }

    /// The task of the checkpoint's head, where it is for something else than classification.
    pub fn other_task(&self, checkpoint: &Checkpoint) -> Option<Task> {
        checkpoint.other_task(&self.network.family().keys)
    }

    /// What the checkpoint embeds by: an x-vector head where it has one.
    ///
    /// # Errors
    /// When a value of that head is not supported.
    pub fn for_embedding(self, checkpoint: &Checkpoint) -> Result<ModelConfig, ErrorKind> {
        match self.other_task(checkpoint) {
            Some(Task::SpeakerEmbedding) => {
                let network = self.network.under_x_vectors(self.json.clone())?;
                Ok(ModelConfig { network, ..self })
            }
            _ => Ok(self),
        }
    }

    /// The languages that are the labels, if they are.
    pub fn languages(&self) -> Option<impl ExactSizeIterator<Item = &Language>> {
        match &self.network {
            NetworkConfig::WhisperLanguages(config) => Some(config.languages.iter()),
            _ => None,
        }
    }

    /// The same network with every random regulariser off.
    #[must_use]
    pub fn without_dropout(mut self) -> ModelConfig {
        self.network = self.network.without_dropout();
        self
    }

    /// The text of `config.json` as `transformers` reads it: every key that was read, our values over it, and the labels.
    pub fn to_json(&self) -> String {
        let mut json = self.json.clone();
        if let Value::Object(network) = self.network.to_json() {
            json.extend(network);
        }
        let family = self.network.family();
        json.insert("model_type".into(), family.model_type.into());
        json.insert("architectures".into(), json!([self.network.class()]));
        json.insert("dtype".into(), "float32".into());
        // 4.x wrote the same fact under this name; both at once would contradict each other after a half-precision load.
        json.remove("torch_dtype");
        let id2label: Map<_, _> =
            self.labels.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect();
        let label2id: Map<_, _> =
            self.labels.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
        json.insert("id2label".into(), id2label.into());
        json.insert("label2id".into(), label2id.into());
        json.remove("num_labels");
        if let NetworkConfig::Ced(_) = self.network {
            json.insert("outputdim".into(), self.labels.len().into());
        }
        let mut text = serde_json::to_string_pretty(&json).expect("a JSON map serialises");
        text.push('\n');
        text
    }
}

const PROBLEM_TYPE: &str = "problem_type";
const SINGLE_LABEL: &str = "single_label_classification";
const MULTI_LABEL: &str = "multi_label_classification";

/// Far above any published head.
pub(crate) const MOST_LABELS: usize = 1 << 16;

/// What the reference takes.
fn check_problem_type(json: &Object) -> Result<(), ErrorKind> {
    const KNOWN: [&str; 3] = ["regression", SINGLE_LABEL, MULTI_LABEL];
    match json.get(PROBLEM_TYPE) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(found)) if KNOWN.contains(&found.as_str()) => Ok(()),
        Some(found) => {
            let why = format!("is {}, expected one of {}", shown(&found.to_string()), KNOWN.join(", "));
            Err(ErrorKind::BadConfig { key: PROBLEM_TYPE, why })
        }
    }
}

/// `id2label` in class order. Without it the reference names the classes of `num_labels` (2 by default) `LABEL_i`; a base
/// checkpoint has neither, and then there are no labels.
fn read_labels(json: &Object) -> Result<Vec<String>, ErrorKind> {
    const KEY: &str = "id2label";
    let bad = |why: String| ErrorKind::BadConfig { key: KEY, why };
    let Some(map) = json.get(KEY).filter(|map| !map.is_null()) else {
        let count = json.get("num_labels").and_then(Value::as_f64).unwrap_or(0.0);
        let count = whole(count).filter(|count| (0..=MOST_LABELS as i64).contains(count));
        let count = count.ok_or_else(|| ErrorKind::BadConfig {
            key: "num_labels",
            why: format!("is {}, expected a whole number up to {MOST_LABELS}", json["num_labels"]),
        })?;
        return Ok((0..count).map(|id| format!("LABEL_{id}")).collect());
    };
    let map = map.as_object().ok_or_else(|| bad("is not a map from class ids to labels".into()))?;
    if map.len() > MOST_LABELS {
        return Err(bad(format!("has {} classes, expected {MOST_LABELS} at most", map.len())));
    }
    let mut labels = BTreeMap::new();
    for (id, name) in map {
        let number: usize =
            id.parse().map_err(|_| bad(format!("has the key `{}`, which is not a class id", shown(id))))?;
        let name = match name {
            Value::String(name) => name.clone(),
            // As Python writes them.
            Value::Number(name) => name.to_string(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            other => {
                let found = shown(&other.to_string());
                return Err(bad(format!("maps class {number} to {found}, which is not a string")));
            }
        };
        labels.insert(number, name);
    }
    if labels.keys().copied().ne(0..map.len()) {
        return Err(bad(format!("does not number its {} classes from 0 without gaps", map.len())));
    }
    Ok(labels.into_values().collect())
}

#[cfg(test)]
#[path = "model_config_tests.rs"]
mod tests;
