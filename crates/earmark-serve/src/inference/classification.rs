//! What the server answers: the objects of `earmark classify --format json`.

use earmark_labels::Prediction;
use serde::Serialize;
use utoipa::ToSchema;

/// The answer to a question: one object, or a list of them where windows are asked for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Answer {
    Whole(Classification),
    Windows(Vec<Row>),
}

/// One of the windows, or those that could not be classified.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Row {
    Scored(Classification),
    /// The last row, where some windows fail and others do not.
    Failed {
        path: String,
        error: String,
    },
}

/// The labels of a sound, or of a window of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Classification {
    /// The file's name, as the client gave it.
    pub(crate) path: String,
    /// Length of the whole sound in seconds.
    pub(crate) duration: f64,
    /// Of a window, in seconds from the beginning of the sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) end: Option<f64>,
    /// Best first.
    #[schema(value_type = Vec<PredictionSchema>)]
    pub(crate) predictions: Vec<Prediction>,
}

impl Answer {
    /// Length of the whole sound in seconds.
    pub(crate) fn duration(&self) -> f64 {
        match self {
            Answer::Whole(row) => row.duration,
            Answer::Windows(rows) => {
                let scored = rows.iter().find_map(|row| match row {
                    Row::Scored(row) => Some(row.duration),
                    Row::Failed { .. } => None,
                });
                scored.unwrap_or(0.0)
            }
        }
    }
}

/// What a [`Prediction`] is as JSON, for the OpenAPI document: `earmark-labels` knows nothing of that.
#[derive(ToSchema)]
#[schema(as = Prediction, description = "A label and its score.")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PredictionSchema {
    label: String,
    /// Of a language, where the labels are languages.
    #[schema(nullable = false)]
    code: Option<String>,
    /// A probability, or a logit where the server was told so.
    score: f32,
}
