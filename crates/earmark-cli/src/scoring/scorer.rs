//! What a batch job, `embed` and `listen` need of a model.

use anyhow::Result;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Scores};
use earmark_pipeline::{AudioEmbedder, Caution, Error, Windows};

use crate::exit::{Usage, usage};
use crate::output::messages;

/// A model that reads clips.
pub(crate) trait ClipModel: Sync {
    fn sampling_rate(&self) -> SampleRate;
    /// The shortest clip it takes, in samples.
    fn min_samples(&self) -> usize;
    /// What to know before it reads a clip of so many samples.
    fn caution(&self, samples: usize) -> Option<Caution>;
    fn features(&self, clip: &Waveform) -> Result<Features, Error>;
}

/// One that scores them against labels.
pub(crate) trait Scorer: ClipModel {
    fn labels(&self) -> &LabelSet;
    /// Each clip's scores, in the labels' order; all of them finite.
    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>>;
}

impl ClipModel for AudioEmbedder {
    fn sampling_rate(&self) -> SampleRate {
        self.sampling_rate()
    }

    fn min_samples(&self) -> usize {
        self.min_samples()
    }

    fn caution(&self, samples: usize) -> Option<Caution> {
        self.caution(samples)
    }

    fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.features(clip)
    }
}

/// Refuses windows that the model cannot take, and warns when it reads only a part of each.
pub(crate) fn check_windows(windows: Windows, model: &impl ClipModel) -> Result<()> {
    let rate = model.sampling_rate();
    windows.check(rate, model.min_samples()).map_err(Usage::of)?;
    let samples = windows.length.as_secs_f64() * f64::from(rate.hz());
    if let Some(caution) = model.caution(samples as usize) {
        messages::warning(format_args!("--window is longer than the model is made for: {caution}"));
    }
    Ok(())
}

/// Refuses a threshold that no score can reach, or that every score reaches; `name` is what it is called.
pub(crate) fn check_threshold(name: &str, threshold: Option<f32>, scores: Scores) -> Result<()> {
    match threshold {
        Some(it) if it.is_nan() => Err(usage(format_args!("{name} is not a number"))),
        Some(it) if scores != Scores::None && !(0.0..=1.0).contains(&it) => {
            let percent = if (1.0..=100.0).contains(&it) {
                format!(": {it} % is {}", it / 100.0)
            } else {
                String::new()
            };
            Err(usage(format_args!("{name} is {it}, and scores lie between 0 and 1{percent}")))
        }
        _ => Ok(()),
    }
}
