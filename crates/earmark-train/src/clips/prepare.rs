//! From a sound file to the features that a model takes. Training, evaluation and inference share it, so the three cannot differ.

use earmark_audio::{DecodeOptions, SampleRate, Waveform};
use earmark_data::Clip;
use earmark_features::{Features, Preprocessor, Resampler, resample};
use earmark_pipeline::Pretrained;
use serde_json::json;

use crate::error::ErrorKind;
use crate::recipe::Recipe;

/// How clips are decoded, resampled and turned into features.
#[derive(Debug, Clone)]
pub struct Preparation {
    /// Extracts the features, at the model's sample rate.
    pub preprocessor: Preprocessor,
    /// Resamples clips to that rate.
    pub resampler: Resampler,
    /// The downmix, and the longest clip that is decoded.
    pub decode: DecodeOptions,
    /// Longer clips are cut to this many samples; `None` never cuts.
    pub max_samples: Option<usize>,
    /// Shorter clips are an error: they give no frame of the model.
    pub min_samples: usize,
}

impl Preparation {
    /// For `model` and `recipe`.
    pub fn new(model: &Pretrained, recipe: &Recipe) -> Preparation {
        Preparation::of(model.preprocessor.clone(), model.min_samples(), recipe)
    }

    /// For a model with this extractor that takes clips of `min_samples` or more, and `recipe`.
    pub fn of(preprocessor: Preprocessor, min_samples: usize, recipe: &Recipe) -> Preparation {
        let rate = f64::from(preprocessor.sampling_rate().hz());
        Preparation {
            resampler: recipe.resampler,
            decode: DecodeOptions { downmix: recipe.downmix, ..DecodeOptions::default() },
            max_samples: Some((recipe.max_duration * rate) as usize),
            min_samples,
            preprocessor,
        }
    }

    /// Decodes, resamples, cuts and normalises a clip.
    ///
    /// # Errors
    /// When the file cannot be decoded, is too short for one frame, or too loud for 32-bit floats.
    pub fn prepare(&self, clip: &Clip) -> Result<Features, ErrorKind> {
        let waveform = self.waveform(clip)?;
        let waveform = match self.most() {
            Some(most) => waveform.truncated(most),
            None => waveform,
        };
        Ok(self.preprocessor.extract(&waveform)?)
    }

    /// A clip as windows that follow one another, each as long as what is kept of a clip, or as what the extractor takes where that is
    /// less. A last window of less than half of that counts only where it is the only one.
    pub(crate) fn windows(&self, clip: &Clip) -> Result<Vec<Features>, ErrorKind> {
        let waveform = self.waveform(clip)?;
        let (rate, samples) = (waveform.rate(), waveform.samples());
        let length = [self.most(), self.preprocessor.max_samples()].into_iter().flatten().min();
        let length = length.unwrap_or(samples.len()).max(self.min_samples);
        let is_long = |at: usize, window: &[f32]| {
            at == 0 || (2 * window.len() >= length && window.len() >= self.min_samples)
        };
        let windows = samples.chunks(length).enumerate().filter(|(at, window)| is_long(*at, window));
        let features = windows.map(|(_, window)| {
            let window = Waveform::new(window.to_vec(), rate).map_err(|_| ErrorKind::Value {
                key: "length",
                why: "is 0: the clip has no samples".to_owned(),
            })?;
            Ok(self.preprocessor.extract(&window)?)
        });
        features.collect()
    }

    /// The most samples that are kept of a clip.
    pub(crate) fn most(&self) -> Option<usize> {
        self.max_samples.map(|most| most.max(self.min_samples))
    }

    /// Decodes and resamples a clip.
    pub(crate) fn waveform(&self, clip: &Clip) -> Result<Waveform, ErrorKind> {
        let waveform = clip.decode(&self.decode)?.waveform;
        let rate: SampleRate = self.preprocessor.sampling_rate();
        let waveform = resample(waveform, rate, self.resampler)?;
        let samples = waveform.samples().len();
        if samples < self.min_samples {
            let why = format!(
                "is {samples} samples at {rate}, and the model needs {} for one frame",
                self.min_samples
            );
            return Err(ErrorKind::Value { key: "length", why });
        }
        Ok(waveform)
    }

    /// Everything besides the sound that decides the features, for the cache's keys. A new field belongs in here.
    pub(crate) fn settings(&self) -> String {
        let Preparation { preprocessor, resampler, decode, max_samples, min_samples } = self;
        let settings = json!({
            "extractor": preprocessor.to_json(),
            "resampler": format!("{resampler:?}"),
            "decode": format!("{decode:?}"),
            "max_samples": max_samples,
            "min_samples": min_samples,
        });
        settings.to_string()
    }
}

#[cfg(test)]
mod tests {
    use earmark_audio::{WavFormat, write_wav};
    use earmark_labels::LabelId;
    use earmark_testkit::noise;

    use super::*;

    #[test]
    fn a_clip_is_cut_into_windows_of_which_the_last_is_half_a_window_or_longer() {
        let dir = tempfile::tempdir().unwrap();
        let extractor = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": false}"#;
        let preparation = Preparation {
            preprocessor: Preprocessor::from_json(extractor).unwrap(),
            resampler: Resampler::Hq,
            decode: DecodeOptions::default(),
            max_samples: Some(1000),
            min_samples: 400,
        };
        for (samples, windows) in [
            (700, vec![700]),
            (1000, vec![1000]),
            (1499, vec![1000]),
            (1500, vec![1000, 500]),
            (3000, vec![1000; 3]),
        ] {
            let path = dir.path().join(format!("{samples}.wav"));
            let clip = Waveform::new(noise(samples, 1), SampleRate::new(16_000).unwrap()).unwrap();
            write_wav(&path, &clip, WavFormat::Float32).unwrap();
            let found = preparation.windows(&Clip::new("clip", path, LabelId::new(0))).unwrap();
            let lengths: Vec<usize> = found.iter().map(|window| window.data.len()).collect();
            assert_eq!(lengths, windows, "{samples} samples");
            let all: Vec<f32> = found.into_iter().flat_map(|window| window.data).collect();
            assert_eq!(all, clip.samples()[..all.len()]);
        }
    }
}
