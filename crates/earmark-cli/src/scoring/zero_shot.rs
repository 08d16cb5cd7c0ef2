//! A CLAP model and the labels it chooses from.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores};
use earmark_pipeline::{Candidates, Caution, Error, ZeroShotClassifier};

use crate::output::messages;
use crate::scoring::kind::explain_clap;
use crate::scoring::scorer::{ClipModel, Scorer};

/// A CLAP model and its candidate labels.
pub(crate) struct ZeroShotScorer {
    classifier: ZeroShotClassifier,
    candidates: Candidates,
}

impl ZeroShotScorer {
    /// What its logits become.
    pub(crate) const SCORES: Scores = Scores::Softmax;

    /// `template` is the sentence that the model reads, with `{}` where the label goes; `for_others` is the advice for a model
    /// that has labels of its own.
    pub(crate) fn open(
        folder: &Path,
        labels: &[String],
        template: &str,
        device: &Device,
        for_others: &str,
    ) -> Result<ZeroShotScorer> {
        if let [only] = labels {
            messages::warning(format_args!(
                "with `{only}` as the only label its score is always 1: give at least two, such as what else it could be"
            ));
        }
        let opened = ZeroShotClassifier::open(folder, device);
        let classifier = opened.map_err(|error| explain_clap(error, for_others))?;
        let candidates = classifier.candidates(labels, template)?;
        Ok(ZeroShotScorer { classifier, candidates })
    }
}

impl ClipModel for ZeroShotScorer {
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

impl Scorer for ZeroShotScorer {
    fn labels(&self) -> &LabelSet {
        self.candidates.labels()
    }

    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let score = |clip| {
            let logits = self.classifier.logits(clip, &self.candidates)?;
            Ok(ZeroShotScorer::SCORES.apply(&logits))
        };
        clips.iter().map(score).collect()
    }
}
