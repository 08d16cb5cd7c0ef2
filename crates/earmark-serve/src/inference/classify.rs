//! One request: a sound is decoded, cut, scored, and its answer written.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use earmark_audio::{DecodeOptions, Decoder, Waveform};
use earmark_features::Features;
use earmark_labels::{Prediction, TopK};
use earmark_pipeline::{AudioOptions, Sound, Window, Windows};

use tokio::sync::OwnedSemaphorePermit;

use crate::error::Refusal;
use crate::inference::batcher::{Batcher, Client, NoAnswer};
use crate::inference::classification::Classification;
use crate::inference::model::{Candidacy, Model, Target};

/// Windows that are scored at a time: a long recording is held in parts, and does not keep the model from others.
const CHUNK: usize = 8;

/// What a client asks.
#[derive(Debug)]
pub(crate) struct Question {
    /// The file's name, as the client gave it.
    pub(crate) name: String,
    pub(crate) sound: Bytes,
    pub(crate) top_k: Option<TopK>,
    /// Nothing: the sound is classified whole.
    pub(crate) windows: Option<Windows>,
    /// Only this part, in seconds.
    pub(crate) span: Option<(f64, f64)>,
    /// Room for the sound, until it is answered.
    #[expect(dead_code, reason = "dropped with the question")]
    pub(crate) memory: Option<OwnedSemaphorePermit>,
    /// Labels of the request; nothing for the model's own.
    pub(crate) labels: Option<Candidacy>,
}

/// Answers `question`. Blocks: it is called on a thread for that.
pub(crate) fn answer(
    model: &Model,
    batcher: &Batcher,
    max_duration: Duration,
    question: &Question,
    client: &Arc<Client>,
) -> Result<Vec<Classification>, Refusal> {
    let audio = model.audio();
    let decode = DecodeOptions { max_duration, ..audio.decode.clone() };
    let audio = AudioOptions { decode, ..audio.clone() };
    let target = target(model, question.labels.as_ref())?;
    let scorer = Scorer { model, batcher, target, client };
    match question.windows {
        Some(windows) => in_windows(&scorer, &audio, question, windows),
        None => whole(&scorer, &audio, question),
    }
}

/// Who scores the clips of a request.
struct Scorer<'a> {
    model: &'a Model,
    batcher: &'a Batcher,
    target: Target,
    client: &'a Arc<Client>,
}

impl Scorer<'_> {
    fn predictions(&self, clips: Vec<Features>, k: Option<TopK>) -> Result<Vec<Vec<Prediction>>, Refusal> {
        let count = clips.len();
        let scored = self.batcher.scores(clips, &self.target, self.client).map_err(unanswered)?;
        if scored.len() != count {
            return Err(Refusal::internal());
        }
        let predictions = |scores: Result<Vec<f32>, _>| {
            let scores = scores.map_err(|error| unusable(&error))?;
            Ok(self.model.predictions(&scores, &self.target, k))
        };
        scored.into_iter().map(predictions).collect()
    }
}

/// The labels of one clip at the model's rate. Blocks.
pub(crate) fn classify_clip(
    model: &Model,
    batcher: &Batcher,
    clip: &Waveform,
    labels: Option<&Candidacy>,
    k: Option<TopK>,
    client: &Arc<Client>,
) -> Result<Vec<Prediction>, Refusal> {
    let scorer = Scorer { model, batcher, target: target(model, labels)?, client };
    let features = model.features(clip).map_err(|error| unusable(&error))?;
    Ok(scorer.predictions(vec![features], k)?.swap_remove(0))
}

fn target(model: &Model, labels: Option<&Candidacy>) -> Result<Target, Refusal> {
    match labels.or(model.default_candidacy()) {
        Some(labels) => {
            model.candidates(labels).map_err(|error| Refusal::bad_request(earmark_error::chain(&error)))
        }
        None => Ok(Target::Own),
    }
}

fn whole(
    scorer: &Scorer<'_>,
    audio: &AudioOptions,
    question: &Question,
) -> Result<Vec<Classification>, Refusal> {
    let model = scorer.model;
    let sound = Sound::Named(question.name.clone(), question.sound.to_vec());
    let decoded = audio.decode(sound, model.sampling_rate()).map_err(|error| unusable(&error))?;
    let clip = match question.span {
        Some(span) => part(&decoded.waveform, span)?,
        None => decoded.waveform,
    };
    let features = model.features(&clip).map_err(|error| unusable(&error))?;
    let predictions = scorer.predictions(vec![features], question.top_k)?.swap_remove(0);
    let (start, end) = question.span.unzip();
    Ok(vec![Classification {
        path: question.name.clone(),
        duration: decoded.duration,
        start,
        end,
        predictions,
    }])
}

fn in_windows(
    scorer: &Scorer<'_>,
    audio: &AudioOptions,
    question: &Question,
    windows: Windows,
) -> Result<Vec<Classification>, Refusal> {
    let model = scorer.model;
    let decoder = Decoder::from_bytes(question.sound.to_vec(), &audio.decode)
        .map_err(|error| Refusal::unusable(earmark_error::chain(&error)))?;
    let mut cut = windows
        .cut(decoder, audio, model.sampling_rate(), model.min_samples())
        .map_err(|error| Refusal::bad_request(earmark_error::chain(&error)))?;
    let mut scored = Vec::new();
    loop {
        let (mut spans, mut clips) = (Vec::new(), Vec::new());
        for window in cut.by_ref().take(CHUNK) {
            let window = window.map_err(|error| unusable(&error))?;
            spans.push(window.window);
            clips.push(model.features(&window.waveform).map_err(|error| unusable(&error))?);
        }
        if spans.is_empty() {
            break;
        }
        scored.extend(spans.into_iter().zip(scorer.predictions(clips, question.top_k)?));
    }
    let duration = cut.duration();
    let row = |(Window { start, end }, predictions)| Classification {
        path: question.name.clone(),
        duration,
        start: Some(start),
        end: Some(end),
        predictions,
    };
    Ok(scored.into_iter().map(row).collect())
}

/// The samples from `start` to `end`, in seconds.
fn part(clip: &Waveform, (start, end): (f64, f64)) -> Result<Waveform, Refusal> {
    let rate = clip.rate();
    let at = |seconds: f64| (seconds * f64::from(rate.hz())).round() as usize;
    let samples = clip.samples().get(at(start)..at(end).min(clip.samples().len()));
    let samples =
        samples.ok_or_else(|| Refusal::bad_request("the region begins behind the end of the sound"))?;
    Waveform::new(samples.to_vec(), rate).map_err(|_| Refusal::bad_request("the region holds no sample"))
}

fn unusable(error: &earmark_pipeline::Error) -> Refusal {
    Refusal::unusable(earmark_error::chain(error))
}

fn unanswered(_: NoAnswer) -> Refusal {
    // Whoever left does not read it.
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the model gave no answer")
}
