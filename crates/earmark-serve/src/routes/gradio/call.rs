//! A call of `/predict`, from its start to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::App;
use crate::calls::{Message, TooMany};
use crate::error::Refusal;
use crate::routes::ask::{Stage, ask};
use crate::routes::gradio::predict::{label, question, token};

/// Starts a call; gives its event id. What is wrong with its inputs is told in its stream, as Gradio does: there its clients look
/// for a sentence to show.
pub(crate) fn start(app: &Arc<App>, session: Option<String>, data: Vec<Value>) -> Result<String, Refusal> {
    let before = app.queue.waiting();
    let first = Message::Waiting { before, waiting: before + 1 };
    let started = app.calls.start(session, first, |session, event| {
        let app = Arc::clone(app);
        // Before the task begins: one that is cancelled before it does must drop it too.
        let upload = Used::of(&app, &data);
        let run = async move {
            let tell = |message| app.calls.tell(&session, &event, message);
            let began = Instant::now();
            let answer = answer(&app, &data, |stage| {
                tell(match stage {
                    Stage::Waiting { before } => {
                        Message::Waiting { before, waiting: app.queue.waiting().max(before + 1) }
                    }
                    Stage::Begins => Message::Starts,
                    Stage::GoesOn => return,
                });
            });
            let output = answer.await.map_err(|refusal| refusal.message().to_owned());
            drop(upload);
            tell(Message::Done { output, seconds: began.elapsed().as_secs_f64() });
        };
        tokio::spawn(run).abort_handle()
    });
    started.map_err(|TooMany| {
        Refusal::busy("too many calls are waiting to be collected", Duration::from_secs(5))
    })
}

/// The output of a call that is answered at once: what `process_completed` has as its output.
pub(crate) async fn run(app: &Arc<App>, data: &[Value]) -> Result<Value, Refusal> {
    let began = Instant::now();
    let _upload = Used::of(app, data);
    let label = answer(app, data, |_| ()).await?;
    Ok(output(&label, began.elapsed().as_secs_f64(), app.calls.average()))
}

/// The output of the function, as Gradio describes it.
pub(crate) fn output(label: &Value, seconds: f64, average: Option<f64>) -> Value {
    json!({
        "data": [label], "is_generating": false, "duration": seconds, "average_duration": average,
        "render_config": null, "changed_state_ids": [], "used_cache": null,
    })
}

async fn answer(app: &Arc<App>, data: &[Value], mut told: impl FnMut(Stage)) -> Result<Value, Refusal> {
    let question = question(app, data).inspect_err(|_| told(Stage::Begins))?;
    let began = Instant::now();
    let label = label(&ask(app, question, told).await?);
    app.calls.took(began.elapsed().as_secs_f64());
    Ok(label)
}

/// An upload that is removed once its call is answered or cancelled.
struct Used {
    app: Arc<App>,
    token: String,
}

impl Used {
    /// The upload that a call with these inputs is about.
    fn of(app: &Arc<App>, data: &[Value]) -> Option<Used> {
        let token = token(data).ok()?.to_owned();
        Some(Used { app: Arc::clone(app), token })
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.app.uploads.remove(&self.token);
    }
}
