//! A CLAP model and the labels it chooses from.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores};
use earmark_pipeline::{Candidates, Caution, Error, ZeroShotClassifier};

use crate::scoring::scorer::Scorer;

/// A CLAP model and its candidate labels.
pub(crate) struct ZeroShotScorer {
    classifier: ZeroShotClassifier,
    candidates: Candidates,
}

impl ZeroShotScorer {
    /// What its logits become.
    pub(crate) const SCORES: Scores = Scores::Softmax;

    /// `template` is the sentence that the model reads, with `{}` where the label goes.
    pub(crate) fn open(
        folder: &Path,
        labels: &[String],
        template: &str,
        device: &Device,
    ) -> Result<ZeroShotScorer> {
        let classifier = ZeroShotClassifier::open(folder, device)?;
        let candidates = classifier.candidates(labels, template)?;
        Ok(ZeroShotScorer { classifier, candidates })
    }
}

impl Scorer for ZeroShotScorer {
    fn sampling_rate(&self) -> SampleRate {
        self.classifier.sampling_rate()
    }

    fn min_samples(&self) -> usize {
        self.classifier.min_samples()
    }

    fn labels(&self) -> &LabelSet {
        self.candidates.labels()
    }

    fn caution(&self, samples: usize) -> Option<Caution> {
        self.classifier.caution(samples)
    }

    fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.classifier.features(clip)
    }

    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let score = |clip| {
            let logits = self.classifier.logits(clip, &self.candidates)?;
            Ok(ZeroShotScorer::SCORES.apply(&logits))
        };
        clips.iter().map(score).collect()
    }
}
