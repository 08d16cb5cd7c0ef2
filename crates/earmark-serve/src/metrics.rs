//! What `/metrics` tells: responses, what is held, batches, and how much faster than real time.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Every figure; cheap to count in.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    responses: Family<Response, Counter>,
    requests: Histogram,
    gauges: Vec<(Gauge, Value)>,
    batches: Histogram,
    audio: Counter<f64, AtomicU64>,
    forward: Histogram,
}

/// What a gauge shows.
type Value = fn(&Now) -> usize;

/// What the server holds at this moment.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) waiting: usize,
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) calls: usize,
    pub(crate) uploads: usize,
    pub(crate) microphones: usize,
    pub(crate) heartbeats: usize,
    pub(crate) body_bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Response {
    /// The HTTP status.
    status: u16,
}

/// Upper bounds in seconds, for what may take milliseconds or minutes.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

impl Metrics {
    pub(crate) fn new() -> Arc<Metrics> {
        let mut registry = Registry::with_prefix("earmark");
        let responses = Family::default();
        registry.register("responses", "Responses by HTTP status", responses.clone());
        let requests = Histogram::new(SECONDS);
        let help = "Time from the arrival of a sound to its labels, the wait included";
        registry.register_with_unit("classify_duration", help, Unit::Seconds, requests.clone());
        let mut gauge = |name: &'static str, help: &'static str, value: Value| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            (gauge, value)
        };
        let gauges = vec![
            gauge("queue_waiting", "Requests that wait for their turn", |now| now.waiting),
            gauge("connections", "Open connections", |now| now.connections),
            gauge("requests_running", "Requests whose answer is not sent yet", |now| now.requests),
            gauge("calls", "Calls of Gradio's protocol whose answer was not collected", |now| now.calls),
            gauge("uploads", "Files that wait to be asked about", |now| now.uploads),
            gauge("microphones", "Microphones that are open", |now| now.microphones),
            gauge("heartbeats", "Clients that listen for signs of life", |now| now.heartbeats),
            gauge("body_bytes", "Bodies of requests that run or wait, in bytes", |now| now.body_bytes),
        ];
        let batches = Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
        registry.register("batch_size", "Clips of a forward pass", batches.clone());
        let audio = Counter::default();
        registry.register_with_unit("audio", "Length of the sounds classified", Unit::Seconds, audio.clone());
        let forward = Histogram::new(SECONDS);
        let help =
            "Time of a forward pass; its sum divided by earmark_audio_seconds_total is the real-time factor";
        registry.register_with_unit("forward_duration", help, Unit::Seconds, forward.clone());
        Arc::new(Metrics { registry, responses, requests, gauges, batches, audio, forward })
    }

    pub(crate) fn answered(&self, status: u16) {
        self.responses.get_or_create(&Response { status }).inc();
    }

    pub(crate) fn classified(&self, took: Duration, audio: f64) {
        self.requests.observe(took.as_secs_f64());
        self.audio.inc_by(audio);
    }

    pub(crate) fn forward(&self, clips: usize, took: Duration) {
        self.batches.observe(clips as f64);
        self.forward.observe(took.as_secs_f64());
    }

    /// The text of `/metrics`.
    pub(crate) fn text(&self, now: &Now) -> String {
        for (gauge, value) in &self.gauges {
            gauge.set(i64::try_from(value(now)).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
