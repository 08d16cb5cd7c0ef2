//! A checkpoint with a classification head.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores};
use earmark_pipeline::{AudioClassifier, Caution, Error};

use crate::args::labels::ScoresArg;
use crate::output::messages;
use crate::scoring::kind::explain;
use crate::scoring::scorer::{ClipModel, Scorer};

/// A classifier, and what its logits become.
pub(crate) struct ClassifierScorer {
    pub(crate) classifier: AudioClassifier,
    pub(crate) scores: Scores,
}

impl ClassifierScorer {
    /// `for_clap` is the advice for a CLAP model, which has no labels of its own.
    pub(crate) fn open(
        folder: &Path,
        scores: ScoresArg,
        device: &Device,
        for_clap: &str,
    ) -> Result<ClassifierScorer> {
        let classifier = AudioClassifier::open(folder, device).map_err(|error| explain(error, for_clap))?;
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

impl ClipModel for ClassifierScorer {
    fn sampling_rate(&self) -> SampleRate {
        self.classifier.sampling_rate()
    }

    fn min_samples(&self) -> usize {
        self.classifier.min_samples()
    }

    fn caution(&self, samples: usize) -> Option<Caution> {
        self.classifier.caution(samples)
    }

    fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.classifier.features(clip)
    }
}

impl Scorer for ClassifierScorer {
    fn labels(&self) -> &LabelSet {
        self.classifier.labels()
    }

    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let logits = self.classifier.logits(clips).into_iter();
        logits.map(|logits| logits.map(|logits| self.scores.apply(&logits))).collect()
    }
}
