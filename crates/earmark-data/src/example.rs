use earmark_audio::{DecodeOptions, Decoded, decode_bytes};
use earmark_error::Context as _;
use earmark_labels::LabelId;
use serde_json::{Map, Value};

use crate::error::{Error, Task};

/// The fields of a clip besides its class, such as speaker, fold or transcription, under the dataset's own names.
pub type Fields = Map<String, Value>;

/// A clip of a stream: the bytes of its sound file, not yet decoded, its class and its other fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its name: the path in the archive, or the path in its row.
    pub name: String,
    /// The bytes of a sound file.
    pub audio: Vec<u8>,
    /// Its class; `None` where the dataset gives none.
    pub label: Option<LabelId>,
    /// Its other fields.
    pub fields: Fields,
}

impl Example {
    /// Decodes it, at its own rate and length.
    ///
    /// # Errors
    /// When its bytes cannot be decoded.
    pub fn decode(&self, options: &DecodeOptions) -> Result<Decoded, Error> {
        let decoded = decode_bytes(self.audio.clone(), options);
        decoded.with_context(|| Task::Decode(self.name.clone().into()))
    }
}

/// A field as one word: the group a clip belongs to.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A file's name without folders and extension.
pub(crate) fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}
