//! One request: a sound is decoded, cut, scored, and its answer written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use earmark_audio::{DecodeOptions, Waveform};
use earmark_features::Features;
use earmark_labels::{Prediction, TopK};
use earmark_pipeline::{AudioOptions, Error, Window, Windows};

use crate::error::Refusal;
use crate::inference::batcher::{Batcher, Client, NoAnswer};
use crate::inference::classification::{Answer, Classification, Row};
use crate::inference::decode::{clip, decoder};
use crate::inference::model::{Candidacy, Model, Target};
use crate::memory::Room;
use crate::options::Limits;

/// Windows that are scored at a time, and the samples of all of them together: a long recording is held in parts, and does not keep
/// the model from others.
const CHUNK: usize = 8;
const CHUNK_SAMPLES: usize = 1 << 20;
/// Most predictions of an answer, a row counted as so many beside its own: they are in memory together.
const MOST_PREDICTIONS: usize = 1 << 20;
const ROW: usize = 8;

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
    /// Counts the sound until it is answered.
    #[expect(dead_code, reason = "dropped with the question")]
    pub(crate) room: Arc<Room>,
    /// Labels of the request; nothing for the model's own.
    pub(crate) labels: Option<Candidacy>,
    pub(crate) progress: Progress,
}

/// How much of a sound is classified window by window: who waits reads it while a thread classifies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Seconds from the beginning of the sound, to a thousandth.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64 / 1000.0
    }

    fn reach(&self, seconds: f64) {
        self.0.store((seconds * 1000.0) as u64, Ordering::Relaxed);
    }
}

/// Answers `question`. Blocks: it is called on a thread for that.
pub(crate) fn answer(
    model: &Model,
    batcher: &Batcher,
    limits: &Limits,
    question: &Question,
    client: &Arc<Client>,
) -> Result<Answer, Refusal> {
    if client.has_left() {
        return Err(Refusal::unread());
    }
    let audio = model.audio();
    let decode = DecodeOptions { max_duration: limits.duration, ..audio.decode.clone() };
    let audio = AudioOptions { decode, ..audio.clone() };
    let target = target(model, question.labels.as_ref())?;
    let scorer = Scorer { model, batcher, target, client };
    match question.windows {
        Some(windows) => in_windows(&scorer, &audio, question, windows, limits.clip).map(Answer::Windows),
        None => whole(&scorer, &audio, question, limits.clip).map(Answer::Whole),
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
    /// The labels of each clip, or why that clip has none.
    fn predictions(
        &self,
        clips: Vec<Features>,
        k: Option<TopK>,
    ) -> Result<Vec<Result<Vec<Prediction>, Error>>, Refusal> {
        if clips.is_empty() {
            return Ok(Vec::new());
        }
        let count = clips.len();
        let scored = self.batcher.scores(clips, &self.target, self.client).map_err(unanswered)?;
        if scored.len() != count {
            return Err(Refusal::internal());
        }
        let predictions = |scores: Result<Vec<f32>, _>| Ok(self.model.predictions(&scores?, &self.target, k));
        Ok(scored.into_iter().map(predictions).collect())
    }

    /// The labels of one clip.
    fn labels(&self, clip: &Waveform, k: Option<TopK>) -> Result<Vec<Prediction>, Refusal> {
        let features = self.model.features(clip).map_err(|error| unusable(&error))?;
        self.predictions(vec![features], k)?.swap_remove(0).map_err(|error| unusable(&error))
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
    Scorer { model, batcher, target: target(model, labels)?, client }.labels(clip, k)
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
    longest: Duration,
) -> Result<Classification, Refusal> {
    let (sound, rate) = ((&*question.name, question.sound.clone()), scorer.model.sampling_rate());
    let decoded = clip(sound, question.span, (audio, rate), longest, scorer.client)?;
    let predictions = scorer.labels(&decoded.waveform, question.top_k)?;
    let (start, end) = question.span.unzip();
    Ok(Classification { path: question.name.clone(), duration: decoded.duration, start, end, predictions })
}

/// A window that fails does not keep the others from their labels, as in `earmark classify --window`.
fn in_windows(
    scorer: &Scorer<'_>,
    audio: &AudioOptions,
    question: &Question,
    windows: Windows,
    longest: Duration,
) -> Result<Vec<Row>, Refusal> {
    let (model, k) = (scorer.model, question.top_k);
    if windows.length > longest {
        let longest = longest.as_secs_f64();
        return Err(Refusal::bad_request(format_args!("`window` is at most {longest} s")));
    }
    let decoder = decoder(question.sound.clone(), audio)
        .map_err(|error| Refusal::unusable(earmark_error::chain(&error)))?;
    let most = MOST_PREDICTIONS / (model.predictions_of(&scorer.target, k) + ROW);
    // The header may be wrong, so the rows are counted as well.
    let promised = decoder.expected_duration().map_or(0.0, |it| it.div_duration_f64(windows.hop));
    if promised > most as f64 {
        return Err(too_many(most));
    }
    let mut cut = windows
        .cut(decoder, audio, model.sampling_rate(), model.min_samples())
        .map_err(|error| Refusal::bad_request(earmark_error::chain(&error)))?;
    let samples = windows.length.as_secs_f64() * f64::from(model.sampling_rate().hz());
    let chunk = (CHUNK_SAMPLES / samples.max(1.0) as usize).clamp(1, CHUNK);
    let mut scored: Vec<(Window, Vec<Prediction>)> = Vec::new();
    let mut failed = Failed::default();
    loop {
        let (mut spans, mut clips) = (Vec::new(), Vec::new());
        for span in cut.by_ref().take(chunk) {
            let span = span.map_err(|error| unusable(&error))?;
            spans.push((span.window, model.features(&span.waveform).map(|features| clips.push(features))));
        }
        let Some((last, _)) = spans.last() else { break };
        let end = last.end;
        let mut predictions = scorer.predictions(clips, k)?.into_iter();
        for (window, features) in spans {
            match features.and_then(|()| predictions.next().expect("one list of labels a window")) {
                Ok(predictions) => scored.push((window, predictions)),
                Err(error) => failed.add(window, &error),
            }
        }
        question.progress.reach(end);
        if scored.len() > most {
            return Err(too_many(most));
        }
    }
    let (name, duration) = (&question.name, cut.duration());
    let count = scored.len() + failed.count;
    let failure = match failed.first {
        Some((_, why)) if scored.is_empty() => {
            return Err(Refusal::unusable(format_args!("cannot use `{name}`: {why}")));
        }
        Some((start, why)) => Some(format!(
            "cannot use `{name}`: {} of {count} windows fail, the first of them at {start} s: {why}",
            failed.count
        )),
        None if count == 0 => {
            return Err(Refusal::unusable(format_args!(
                "cannot use `{name}`: it plays {duration} s, which is shorter than any window"
            )));
        }
        None => None,
    };
    let row = |(Window { start, end }, predictions)| {
        let (start, end) = (Some(start), Some(end));
        Row::Scored(Classification { path: name.clone(), duration, start, end, predictions })
    };
    let failure = failure.map(|error| Row::Failed { path: name.clone(), error });
    Ok(scored.into_iter().map(row).chain(failure).collect())
}

/// The windows that could not be classified.
#[derive(Default)]
struct Failed {
    count: usize,
    /// Where the first of them begins, in seconds, and why it failed.
    first: Option<(f64, String)>,
}

impl Failed {
    fn add(&mut self, window: Window, error: &Error) {
        self.count += 1;
        self.first.get_or_insert_with(|| (window.start, earmark_error::chain(error)));
    }
}

fn too_many(most: usize) -> Refusal {
    Refusal::unusable(format_args!(
        "more than {most} windows: a longer `hop`, or a smaller `top_k`, makes an answer that can be held"
    ))
}

fn unusable(error: &Error) -> Refusal {
    Refusal::unusable(earmark_error::chain(error))
}

fn unanswered(_: NoAnswer) -> Refusal {
    // Whoever left does not read it.
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the model gave no answer")
}
