//! What the server answers: the objects of `earmark classify --format json`.

use earmark_labels::Prediction;
use serde::Serialize;

/// The labels of a sound, or of a window of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Classification {
    /// The file's name, as the client gave it.
    pub(crate) path: String,
    /// Length of the whole sound in seconds.
    pub(crate) duration: f64,
    /// Of a window, in seconds from the beginning of the sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<f64>,
    /// Best first.
    pub(crate) predictions: Vec<Prediction>,
}
