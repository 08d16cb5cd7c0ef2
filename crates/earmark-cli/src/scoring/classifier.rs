//! A checkpoint with a classification head.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores};
use earmark_pipeline::{AudioClassifier, Caution, Error, ErrorKind};

use crate::args::labels::ScoresArg;
use crate::output::messages;
use crate::scoring::scorer::Scorer;

/// A classifier, and what its logits become.
pub(crate) struct ClassifierScorer {
    classifier: AudioClassifier,
    pub(crate) scores: Scores,
}

impl ClassifierScorer {
    pub(crate) fn open(folder: &Path, scores: ScoresArg, device: &Device) -> Result<ClassifierScorer> {
        let classifier = AudioClassifier::open(folder, device).map_err(explain_missing_head)?;
        let mut names = classifier.labels().names().iter().enumerate();
        if names.all(|(id, name)| *name == format!("LABEL_{id}")) {
            messages::warning("the model has no label names: LABEL_0 is its first class, and so on");
        }
        let scores = match scores {
            ScoresArg::Auto => Scores::for_problem_type(classifier.model().config.problem_type()),
            ScoresArg::Softmax => Scores::Softmax,
            ScoresArg::Sigmoid => Scores::Sigmoid,
            ScoresArg::None => Scores::None,
        };
        Ok(ClassifierScorer { classifier, scores })
    }
}

impl Scorer for ClassifierScorer {
    fn sampling_rate(&self) -> SampleRate {
        self.classifier.sampling_rate()
    }

    fn min_samples(&self) -> usize {
        self.classifier.min_samples()
    }

    fn labels(&self) -> &LabelSet {
        self.classifier.labels()
    }

    fn caution(&self, samples: usize) -> Option<Caution> {
        self.classifier.caution(samples)
    }

    fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.classifier.features(clip)
    }

    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let logits = self.classifier.logits(clips).into_iter();
        logits.map(|logits| logits.map(|logits| self.scores.apply(&logits))).collect()
    }
}

/// Adds what a checkpoint without a head can be used for.
fn explain_missing_head(error: Error) -> anyhow::Error {
    let no_head = matches!(
        &*error.kind,
        ErrorKind::Model(earmark_models::Error { kind: earmark_models::ErrorKind::NoHead { .. }, .. })
    );
    let error = anyhow::Error::from(error);
    match no_head {
        true => error.context(
            "the model has no classification head: use `earmark embed`, or train one with `earmark train`",
        ),
        false => error,
    }
}
