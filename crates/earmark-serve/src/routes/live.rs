//! `GET /api/live`, a WebSocket: samples of a microphone in, the labels of each window out.
//!
//! The client sends blocks of mono float32 samples, little-endian, at a rate of its choice. A model that is slower than the
//! microphone is asked about the newest window only.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::StreamResampler;
use earmark_labels::TopK;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::app::App;
use crate::error::Refusal;
use crate::inference::batcher::Client;
use crate::inference::classification::Classification;
use crate::inference::classify::classify_clip;
use crate::inference::model::Candidacy;
use crate::routes::api::{candidacy, seconds};
use crate::routes::extract::Query;

/// Longest message, in bytes.
const MESSAGE: usize = 1 << 20;
/// A client that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Of microphones, in hertz.
const RATES: RangeInclusive<u32> = 8_000..=192_000;
/// How long a client may take to be told that the connection ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// Labels of a window.
const SHOWN: usize = 5;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Length of a window in seconds.
    window: f64,
    /// From one window to the next; half a window unless given.
    hop: Option<f64>,
    /// Of the samples that are sent, in hertz; the model's unless given.
    rate: Option<u32>,
    labels: Option<String>,
    template: Option<String>,
}

pub(crate) async fn live(
    State(app): State<Arc<App>>,
    Query(options): Query<Options>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|error| {
        Refusal::new(error.status(), format_args!("this address is a WebSocket: {}", error.body_text()))
    })?;
    let rate = f64::from(app.model.sampling_rate().hz());
    let samples = |length: Duration| ((length.as_secs_f64() * rate).round() as usize).max(1);
    let window = samples(seconds("window", options.window)?);
    let hop = samples(seconds("hop", options.hop.unwrap_or(options.window / 2.0))?);
    if window < app.model.min_samples() {
        return Err(Refusal::bad_request("the window is shorter than the model can take"));
    }
    if window as u64 > 60 * u64::from(app.model.sampling_rate().hz()) {
        return Err(Refusal::bad_request("a window of the microphone is at most a minute long"));
    }
    let model_rate = app.model.sampling_rate();
    let rate = match options.rate {
        Some(hz) => SampleRate::new(hz).filter(|_| RATES.contains(&hz)).ok_or_else(|| {
            Refusal::bad_request("`rate` is the samples a second of a microphone, from 8000 to 192000")
        })?,
        None => model_rate,
    };
    let resampler = StreamResampler::new(rate, model_rate, app.model.audio().resampler)
        .map_err(|error| Refusal::bad_request(format_args!("`rate`: {}", earmark_error::chain(&error))))?;
    let labels = candidacy(&app.model, options.labels.as_deref(), options.template.as_deref())?;
    let permit = Arc::clone(&app.live).try_acquire_owned().map_err(|_| {
        Refusal::busy("as many microphones are open as this server takes", Duration::from_secs(30))
    })?;
    let running = app.lifetime.enter();
    Ok(upgrade.max_message_size(MESSAGE).max_frame_size(MESSAGE).on_upgrade(async move |mut socket| {
        let (_permit, _running) = (permit, running);
        let (fresh, held) = (Vec::new(), VecDeque::new());
        let session = Session {
            app,
            window,
            hop,
            labels,
            resampler,
            fresh,
            held,
            heard: 0,
            next: window,
            running: None,
        };
        let reason = session.run(&mut socket).await;
        // Whoever does not take it is not waited for.
        let _ = timeout(GOODBYE, socket.send(Message::Close(reason))).await;
    }))
}

fn reason(code: u16, reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame { code, reason: reason.into() })
}

/// A microphone that is open.
struct Session {
    app: Arc<App>,
    window: usize,
    hop: usize,
    labels: Option<Candidacy>,
    /// To the model's rate.
    resampler: StreamResampler,
    /// What it has just made.
    fresh: Vec<f32>,
    /// The newest samples, a window of them.
    held: VecDeque<f32>,
    /// Samples so far.
    heard: usize,
    /// The next window is classified when so many samples are there.
    next: usize,
    running: Option<JoinHandle<Result<Classification, Refusal>>>,
}

impl Session {
    /// Answers until one of the two ends; gives the reason, where it is ours.
    async fn run(mut self, socket: &mut WebSocket) -> Option<CloseFrame> {
        // Dropped with the connection, so that a window that waits for the model is not scored for nobody.
        let (client, _connected) = Client::new();
        let app = Arc::clone(&self.app);
        let mut silent = pin!(sleep(SILENCE));
        let mut stopping = pin!(app.lifetime.stopping());
        loop {
            if self.running.is_none() && self.heard >= self.next {
                self.running = Some(self.classify(&client));
            }
            let answered = async {
                match &mut self.running {
                    Some(running) => running.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                answer = answered => {
                    self.running = None;
                    let text = match answer.unwrap_or_else(|_| Err(Refusal::internal())) {
                        Ok(row) => serde_json::to_string(&row).unwrap_or_default(),
                        Err(refusal) => failed(&refusal),
                    };
                    socket.send(Message::text(text)).await.ok()?;
                }
                message = socket.recv() => match message? {
                    Ok(Message::Binary(samples)) if samples.len() % 4 == 0 => {
                        if let Err(refusal) = self.push(&samples) {
                            socket.send(Message::text(failed(&refusal))).await.ok()?;
                        }
                        silent.as_mut().reset(Instant::now() + SILENCE);
                    }
                    Ok(Message::Ping(_) | Message::Pong(_)) => {}
                    Ok(Message::Close(_)) => return None,
                    Ok(_) => return reason(close_code::UNSUPPORTED, "send float32 samples, four bytes each"),
                    Err(_) => return reason(close_code::PROTOCOL, "no frame, or one of more than 1 MiB"),
                },
                () = &mut silent => return reason(close_code::POLICY, "no samples for a minute"),
                () = &mut stopping => return reason(close_code::AWAY, "the server is being stopped"),
            }
        }
    }

    fn push(&mut self, bytes: &Bytes) -> Result<(), Refusal> {
        let samples: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        let pushed = self.resampler.push(&samples, &mut self.fresh);
        pushed.map_err(|error| Refusal::unusable(earmark_error::chain(&error)))?;
        self.heard += self.fresh.len();
        self.held.extend(self.fresh.drain(..));
        let over = self.held.len().saturating_sub(self.window);
        self.held.drain(..over);
        Ok(())
    }

    /// Starts to classify the newest window.
    fn classify(&mut self, client: &Arc<Client>) -> JoinHandle<Result<Classification, Refusal>> {
        self.next = self.heard + self.hop;
        let rate = self.app.model.sampling_rate();
        let at = |sample: usize| sample as f64 / f64::from(rate.hz());
        let (start, end) = (at(self.heard - self.window), at(self.heard));
        let samples: Vec<f32> = self.held.iter().copied().collect();
        let (app, labels, client) = (Arc::clone(&self.app), self.labels.clone(), Arc::clone(client));
        tokio::task::spawn_blocking(move || {
            let clip = Waveform::new(samples, rate).map_err(Refusal::unusable)?;
            let predictions = classify_clip(
                &app.model,
                &app.batcher,
                &clip,
                labels.as_ref(),
                Some(TopK::N(SHOWN)),
                &client,
            )?;
            let path = "microphone".to_owned();
            Ok(Classification {
                path,
                duration: end - start,
                start: Some(start),
                end: Some(end),
                predictions,
            })
        })
    }
}

fn failed(refusal: &Refusal) -> String {
    json!({ "error": refusal.message() }).to_string()
}
