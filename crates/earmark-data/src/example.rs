use earmark_audio::{DecodeOptions, Decoded, decode_bytes};
use earmark_error::Context as _;
use earmark_labels::LabelId;
use serde_json::{Map, Value};

use crate::error::{Error, Task};

/// What a dataset says of a clip beside its class: speaker, fold, language, transcription, by the dataset's own names.
pub type Fields = Map<String, Value>;

/// A clip as it comes out of an archive or a shard: its bytes, not yet decoded, and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// What the dataset calls it: a path inside its archive, or that of the sound in its row.
    pub name: String,
    /// The bytes of a sound file.
    pub audio: Vec<u8>,
    /// Its class; `None` where the dataset does not say.
    pub label: Option<LabelId>,
    /// Everything else.
    pub fields: Fields,
}

impl Example {
    /// Decodes it, at its own rate and length.
    ///
    /// # Errors
    /// When its bytes are no sound file.
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
