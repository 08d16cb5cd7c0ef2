//! A checkpoint with a classification head.

use std::path::Path;

use anyhow::{Result, bail};
use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_eval::{Calibration, Method};
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
    /// How logits become probabilities, where `scores` only says of which kind these are.
    calibration: Option<Method>,
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
        Ok(ClassifierScorer { classifier, scores, calibration: None })
    }

    /// Gives calibrated probabilities from now on, by the calibration in a file.
    pub(crate) fn calibrate(&mut self, file: &Path) -> Result<&Method> {
        let calibration = Calibration::read(file, self.classifier.labels().names())?;
        let kind = match calibration.method {
            Method::Temperature { .. } => Scores::Softmax,
            Method::Platt { .. } => Scores::Sigmoid,
        };
        if kind != self.scores {
            bail!(
                "`{}` calibrates {kind} scores, and the scores of this model are `{}`: make it anew by `earmark calibrate`",
                file.display(),
                self.scores
            );
        }
        Ok(self.calibration.insert(calibration.method))
    }

    fn scores_of(&self, logits: &[f32]) -> Vec<f32> {
        let Some(method) = &self.calibration else { return self.scores.apply(logits) };
        let probabilities = method.probabilities(logits).expect("a logit for each label, as it was read for");
        probabilities.into_iter().map(|p| p as f32).collect()
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
        logits.map(|logits| logits.map(|logits| self.scores_of(&logits))).collect()
    }
}
