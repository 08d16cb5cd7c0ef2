//! The function `/predict`: from the `data` of a call to the value of a `gradio.Label`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::error::Refusal;
use crate::inference::classification::Answer;
use crate::inference::classify::{Progress, Question};
use crate::inference::model::Candidacy;
use crate::routes::api::labels_of;
use crate::routes::gradio::files::token_of;
use earmark_labels::TopK;

/// As many labels as the course's page shows.
const SHOWN: usize = 5;

/// The token of the upload that a call is about.
pub(crate) fn token(data: &[Value]) -> Result<&str, Refusal> {
    let path = match data.first() {
        Some(Value::Object(file)) => file.get("path").and_then(Value::as_str).unwrap_or_default(),
        Some(Value::String(path)) => path,
        _ => return Err(Refusal::bad_request("the first input is a file that was uploaded")),
    };
    if path.contains("://") || path.is_empty() {
        return Err(Refusal::bad_request("this server fetches no address: upload the file first"));
    }
    Ok(token_of(path))
}

/// The question that the inputs are.
pub(crate) fn question(app: &Arc<App>, data: &[Value]) -> Result<Question, Refusal> {
    let upload = app.uploads.get(token(data)?).ok_or_else(|| {
        Refusal::bad_request("there is no such upload: upload the file first, and ask within ten minutes")
    })?;
    let labels = match (app.model.default_candidacy(), data.get(1)) {
        (_, None | Some(Value::Null)) => None,
        (None, Some(_)) => {
            return Err(Refusal::bad_request("this model has labels of its own: it takes none"));
        }
        (Some(_), Some(Value::String(text))) if text.trim().is_empty() => None,
        (Some(default), Some(Value::String(text))) => {
            Some(Candidacy { labels: labels_of(text)?, template: default.template.clone() })
        }
        (Some(_), Some(_)) => {
            return Err(Refusal::bad_request("the labels are one text, with a comma between them"));
        }
    };
    if data.len() > 2 {
        return Err(Refusal::bad_request(format_args!("{} inputs: at most 2 are taken", data.len())));
    }
    Ok(Question {
        name: upload.name,
        sound: upload.bytes,
        top_k: Some(TopK::N(SHOWN)),
        windows: None,
        span: None,
        room: upload.room,
        labels,
        progress: Progress::default(),
    })
}

/// What a `gradio.Label` returns.
pub(crate) fn label(answer: &Answer) -> Value {
    let predictions = match answer {
        Answer::Whole(row) => row.predictions.as_slice(),
        // A call asks for none.
        Answer::Windows(_) => &[],
    };
    let confidences: Vec<Value> =
        predictions.iter().map(|it| json!({ "label": it.label, "confidence": it.score })).collect();
    json!({ "label": predictions.first().map(|best| &best.label), "confidences": confidences })
}
