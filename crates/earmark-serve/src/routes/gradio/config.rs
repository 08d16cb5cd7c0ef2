//! `/config` and `/gradio_api/info`: one function, `/predict`, from a sound to its labels.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;

/// The version whose protocol this is; clients choose their side of it by the number.
const VERSION: &str = "6.25.0";

/// What the function is called.
pub(crate) const NAME: &str = "predict";
/// What its inputs are called.
pub(crate) const SOUND: &str = "sound";
pub(crate) const LABELS: &str = "labels";

/// `GET /config`.
pub(crate) async fn config(State(app): State<Arc<App>>) -> Json<Value> {
    let takes_labels = app.model.default_candidacy().is_some();
    let component = |id: u32, kind: &str, label: &str, api_info: Value| json!({ "id": id, "type": kind, "props": { "label": label, "name": kind }, "skip_api": false, "api_info": api_info });
    let mut components =
        vec![component(1, "audio", "sound", file_schema()), component(2, "label", "labels", label_schema())];
    let mut inputs = vec![1];
    if takes_labels {
        components.push(component(3, "textbox", "candidate labels", json!({ "type": "string" })));
        inputs.push(3);
    }
    Json(json!({
        "version": VERSION,
        "api_prefix": "/gradio_api",
        "protocol": "sse_v3",
        "mode": "interface",
        "title": app.options.name,
        "connect_heartbeat": false,
        "enable_queue": true,
        "show_error": true,
        "space_id": null,
        "max_file_size": app.options.limits.body,
        "components": components,
        "dependencies": [{
            "id": 0, "targets": [], "inputs": inputs, "outputs": [2], "backend_fn": true, "js": null, "queue": true,
            "api_name": NAME, "api_visibility": "public", "show_api": true, "batch": false, "max_batch_size": 1,
            "cancels": [], "types": { "generator": false, "cancel": false }, "collects_event_data": false,
            "trigger_after": null, "trigger_only_on_success": false, "connection": "sse",
            "rendered_in": null, "render_id": null,
        }],
    }))
}

/// `GET /gradio_api/info`.
pub(crate) async fn info(State(app): State<Arc<App>>) -> Json<Value> {
    let mut parameters = vec![json!({
        "label": "sound", "parameter_name": SOUND, "parameter_has_default": false, "parameter_default": null,
        "type": file_schema(), "python_type": { "type": "filepath", "description": "" }, "component": "Audio",
        "example_input": null,
    })];
    if let Some(default) = app.model.default_candidacy() {
        let labels = default.labels.join(",");
        parameters.push(json!({
            "label": "candidate labels", "parameter_name": LABELS, "parameter_has_default": true,
            "parameter_default": labels, "type": { "type": "string" },
            "python_type": { "type": "str", "description": "" }, "component": "Textbox", "example_input": labels,
        }));
    }
    let returns = json!([{
        "label": "labels", "type": label_schema(), "component": "Label",
        "python_type": { "type": LABEL_IN_PYTHON, "description": "" },
    }]);
    let endpoint =
        json!({ "parameters": parameters, "returns": returns, "api_visibility": "public", "show_api": true });
    Json(json!({ "named_endpoints": { format!("/{NAME}"): endpoint }, "unnamed_endpoints": {} }))
}

/// How Gradio describes the value of a `gradio.Label` to people who write Python.
const LABEL_IN_PYTHON: &str = "dict(label: str | int | float | None, confidences: list[dict(label: str | int | float | None, confidence: float | None)] | None)";

/// By `meta._type` a client knows that it must upload the file first.
fn file_schema() -> Value {
    json!({
        "title": "FileData", "type": "object", "required": ["path"],
        "properties": {
            "path": { "type": "string" }, "url": { "type": ["string", "null"] }, "size": { "type": ["integer", "null"] },
            "orig_name": { "type": ["string", "null"] }, "mime_type": { "type": ["string", "null"] },
            "is_stream": { "type": "boolean", "default": false },
            "meta": {
                "title": "FileDataMeta", "type": "object", "required": ["_type"],
                "properties": { "_type": { "const": "gradio.FileData", "type": "string" } },
            },
        },
    })
}

fn label_schema() -> Value {
    json!({
        "title": "LabelData", "type": "object",
        "properties": {
            "label": { "type": ["string", "null"] },
            "confidences": { "type": ["array", "null"], "items": {
                "title": "LabelConfidence", "type": "object",
                "properties": { "label": { "type": "string" }, "confidence": { "type": "number" } },
            } },
        },
    })
}
