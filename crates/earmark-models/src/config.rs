use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde_json::{Map, Value, json};

use crate::classifier::NetworkConfig;
use crate::error::{Error, ErrorKind};

/// A model's `config.json`: the network it describes, the labels it knows, and every other key as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    network: NetworkConfig,
    labels: Vec<String>,
    /// The file as read; [`to_json`](Self::to_json) gives back what we do not model.
    json: Map<String, Value>,
}

impl ModelConfig {
    /// Reads `config.json` in `dir`.
    ///
    /// # Errors
    /// When it is missing, not JSON, another architecture, or describes no network.
    pub fn read(dir: &Path) -> Result<ModelConfig, Error> {
        let path = dir.join("config.json");
        let text = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NoConfig,
            _ => error.into(),
        });
        let read = text.and_then(|text| ModelConfig::from_json(&text));
        read.map_err(|kind| Error { path, kind })
    }

    /// Parses the text of a `config.json`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_json(text: &[u8]) -> Result<ModelConfig, ErrorKind> {
        let json: Map<String, Value> = serde_json::from_slice(text)?;
        let network = NetworkConfig::from_json(Value::Object(json.clone()))?;
        network.validate()?;
        let labels = read_labels(&json)?;
        Ok(ModelConfig { network, labels, json })
    }

    /// A new model: this network, without labels yet.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] when the numbers describe no network.
    pub fn new(network: NetworkConfig) -> Result<ModelConfig, ErrorKind> {
        network.validate()?;
        Ok(ModelConfig { network, labels: Vec::new(), json: Map::new() })
    }

    /// The network.
    pub fn network(&self) -> &NetworkConfig {
        &self.network
    }

    /// Label names in class order; empty when the file names none.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What the head was trained for, such as `multi_label_classification`; most files do not say.
    pub fn problem_type(&self) -> Option<&str> {
        self.json.get("problem_type").and_then(Value::as_str)
    }

    /// The same network for other labels.
    #[must_use]
    pub fn with_labels(mut self, labels: Vec<String>) -> ModelConfig {
        self.labels = labels;
        self
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
        json.insert("model_type".into(), self.network.model_type().into());
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
        let mut text = serde_json::to_string_pretty(&json).expect("a JSON map serialises");
        text.push('\n');
        text
    }
}

/// `id2label` in class order. Without it the reference names the classes of `num_labels` (2 by default) `LABEL_i`; a base
/// checkpoint has neither, and then there are no labels.
fn read_labels(json: &Map<String, Value>) -> Result<Vec<String>, ErrorKind> {
    const KEY: &str = "id2label";
    let bad = |why: String| ErrorKind::BadConfig { key: KEY, why };
    let Some(map) = json.get(KEY).filter(|map| !map.is_null()) else {
        let count = json.get("num_labels").and_then(Value::as_u64).unwrap_or(0);
        if count > 1 << 16 {
            return Err(ErrorKind::BadConfig {
                key: "num_labels",
                why: format!("is {count}, expected 65536 at most"),
            });
        }
        return Ok((0..count).map(|id| format!("LABEL_{id}")).collect());
    };
    let map = map.as_object().ok_or_else(|| bad("is not a map from class number to name".into()))?;
    let mut labels = BTreeMap::new();
    for (id, name) in map {
        let number: usize =
            id.parse().map_err(|_| bad(format!("has the key `{id}`, which is not a class number")))?;
        let name =
            name.as_str().ok_or_else(|| bad(format!("names class {id} by something that is not text")))?;
        labels.insert(number, name.to_owned());
    }
    if labels.keys().copied().ne(0..map.len()) {
        return Err(bad(format!("does not number its {} classes from 0 without a gap", map.len())));
    }
    Ok(labels.into_values().collect())
}
