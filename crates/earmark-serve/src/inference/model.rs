//! The model that the server asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{Prediction, Scores, TopK, top_k};
use earmark_pipeline::{AudioClassifier, AudioOptions, Candidates, Error, ZeroShotClassifier};

/// Sets of candidate labels that are kept embedded, the newest last.
const KEPT_CANDIDATES: usize = 16;

/// Labels of a clip, of a model with labels of its own.
const SHOWN: TopK = TopK::N(5);

/// A model that is open, and how sounds are decoded for it.
#[derive(Debug)]
pub struct Model {
    kind: Kind,
    audio: AudioOptions,
}

#[derive(Debug)]
enum Kind {
    Classifier { classifier: Box<AudioClassifier>, scores: Scores },
    ZeroShot { classifier: Box<ZeroShotClassifier>, default: Candidacy, kept: Mutex<VecDeque<Kept>> },
}

/// The candidate labels of a request, and the sentence that the text tower reads for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidacy {
    pub(crate) labels: Vec<String>,
    pub(crate) template: String,
}

type Kept = (Candidacy, Arc<Candidates>);

/// What a request's clips are scored against.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// The labels of the model.
    Own,
    /// Labels of the request.
    Candidates(Arc<Candidates>),
}

impl Target {
    /// Whether both are the same labels.
    pub(crate) fn is(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Own, Target::Own) => true,
            (Target::Candidates(a), Target::Candidates(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Model {
    /// A checkpoint with a classification head; `scores` says what its logits become.
    pub fn classifier(classifier: AudioClassifier, scores: Scores, audio: AudioOptions) -> Model {
        Model { kind: Kind::Classifier { classifier: Box::new(classifier), scores }, audio }
    }

    /// A CLAP model, and the labels of a request that names none.
    ///
    /// # Errors
    /// When the labels cannot be used: none, one twice, one too long.
    pub fn zero_shot(
        classifier: ZeroShotClassifier,
        labels: &[String],
        template: &str,
        audio: AudioOptions,
    ) -> Result<Model, Error> {
        let default = Candidacy { labels: labels.to_vec(), template: template.to_owned() };
        let kept = Mutex::new(VecDeque::new());
        let model = Model {
            kind: Kind::ZeroShot { classifier: Box::new(classifier), default: default.clone(), kept },
            audio,
        };
        model.candidates(&default)?;
        Ok(model)
    }

    pub(crate) fn audio(&self) -> &AudioOptions {
        &self.audio
    }

    /// The labels and the template of a request that names none; `None` where the model has labels of its own.
    pub(crate) fn default_candidacy(&self) -> Option<&Candidacy> {
        match &self.kind {
            Kind::Classifier { .. } => None,
            Kind::ZeroShot { default, .. } => Some(default),
        }
    }

    /// The labels that a request without any is answered with.
    pub(crate) fn label_names(&self) -> &[String] {
        match &self.kind {
            Kind::Classifier { classifier, .. } => classifier.labels().names(),
            Kind::ZeroShot { default, .. } => &default.labels,
        }
    }

    pub(crate) fn sampling_rate(&self) -> SampleRate {
        match &self.kind {
            Kind::Classifier { classifier, .. } => classifier.sampling_rate(),
            Kind::ZeroShot { classifier, .. } => classifier.sampling_rate(),
        }
    }

    /// The shortest clip it takes, in samples.
    pub(crate) fn min_samples(&self) -> usize {
        match &self.kind {
            Kind::Classifier { classifier, .. } => classifier.min_samples(),
            Kind::ZeroShot { classifier, .. } => classifier.min_samples(),
        }
    }

    pub(crate) fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        match &self.kind {
            Kind::Classifier { classifier, .. } => classifier.features(clip),
            Kind::ZeroShot { classifier, .. } => classifier.features(clip),
        }
    }

    /// The labels of a request, embedded by the text tower or found among those that were.
    pub(crate) fn candidates(&self, wanted: &Candidacy) -> Result<Target, Error> {
        let Kind::ZeroShot { classifier, kept, .. } = &self.kind else { return Ok(Target::Own) };
        let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            lock().iter().find(|(candidacy, _)| candidacy == wanted).map(|(_, found)| Arc::clone(found));
        if let Some(found) = found {
            return Ok(Target::Candidates(found));
        }
        let made = Arc::new(classifier.candidates(&wanted.labels, &wanted.template)?);
        let mut kept = lock();
        if kept.len() == KEPT_CANDIDATES {
            kept.pop_front();
        }
        kept.push_back((wanted.clone(), Arc::clone(&made)));
        Ok(Target::Candidates(made))
    }

    /// The scores of each clip, in the labels' order.
    pub(crate) fn scores(&self, clips: &[Features], target: &Target) -> Vec<Result<Vec<f32>, Error>> {
        match (&self.kind, target) {
            (Kind::Classifier { classifier, scores }, _) => {
                let logits = classifier.logits(clips).into_iter();
                logits.map(|logits| Ok(scores.apply(&logits?))).collect()
            }
            (Kind::ZeroShot { classifier, .. }, Target::Candidates(candidates)) => {
                let score = |clip| Ok(Scores::Softmax.apply(&classifier.logits(clip, candidates)?));
                clips.iter().map(score).collect()
            }
            // `candidates` makes a zero-shot model's target.
            (Kind::ZeroShot { .. }, Target::Own) => Vec::new(),
        }
    }

    /// How many predictions a clip has.
    pub(crate) fn predictions_of(&self, target: &Target, k: Option<TopK>) -> usize {
        let (labels, unless_given) = match target {
            Target::Own => (self.label_names().len(), SHOWN),
            Target::Candidates(candidates) => (candidates.labels().len(), TopK::All),
        };
        match k.unwrap_or(unless_given) {
            TopK::N(n) => n.min(labels),
            TopK::All => labels,
        }
    }

    pub(crate) fn predictions(&self, scores: &[f32], target: &Target, k: Option<TopK>) -> Vec<Prediction> {
        match (&self.kind, target) {
            (_, Target::Candidates(candidates)) => top_k(scores, candidates.labels(), k.unwrap_or(TopK::All)),
            (Kind::Classifier { classifier, .. }, Target::Own) => {
                top_k(scores, classifier.labels(), k.unwrap_or(SHOWN))
            }
            (Kind::ZeroShot { .. }, Target::Own) => Vec::new(),
        }
    }
}
