//! From a sound file to the features that a model takes. Training, evaluation and inference share it, so the three cannot differ.

use earmark_audio::{DecodeOptions, SampleRate, Waveform};
use earmark_data::Clip;
use earmark_features::{Features, Preprocessor, Resampler, resample};
use earmark_pipeline::Pretrained;
use serde_json::json;

use crate::error::ErrorKind;
use crate::recipe::Recipe;

/// How a sound file becomes the model's input.
#[derive(Debug, Clone)]
pub struct Preparation {
    /// Makes the features, at the model's sampling rate.
    pub preprocessor: Preprocessor,
    /// Converts clips to that rate.
    pub resampler: Resampler,
    /// Mixes the channels down, and bounds the length.
    pub decode: DecodeOptions,
    /// Longer clips are cut here; `None` never cuts.
    pub max_samples: Option<usize>,
    /// Shorter clips are refused: they are not one frame of the model.
    pub min_samples: usize,
}

impl Preparation {
    /// As `model` and `recipe` ask for it.
    pub fn new(model: &Pretrained, recipe: &Recipe) -> Preparation {
        let preprocessor = model.preprocessor.clone();
        let rate = f64::from(preprocessor.sampling_rate().hz());
        Preparation {
            resampler: recipe.resampler,
            decode: DecodeOptions { downmix: recipe.downmix, ..DecodeOptions::default() },
            max_samples: Some((recipe.max_duration * rate) as usize),
            min_samples: model.min_samples(),
            preprocessor,
        }
    }

    /// Decodes, resamples, cuts and normalises a clip.
    ///
    /// # Errors
    /// When the file is no sound, too short for one frame, or too loud for 32-bit floats.
    pub fn prepare(&self, clip: &Clip) -> Result<Features, ErrorKind> {
        let waveform = clip.decode(&self.decode)?.waveform;
        check_range(&waveform)?;
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
        let waveform = match self.max_samples {
            Some(most) => waveform.truncated(most.max(self.min_samples)),
            None => waveform,
        };
        let features = self.preprocessor.extract(&waveform)?;
        match features.data.iter().all(|x| x.is_finite()) {
            true => Ok(features),
            false => Err(out_of_range(&waveform)),
        }
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

/// A clip's energy must be a 32-bit float: extractors divide by it, and of one that overflows they make silence or NaN.
fn check_range(waveform: &Waveform) -> Result<(), ErrorKind> {
    let energy: f64 = waveform.samples().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if energy <= f64::from(f32::MAX) { Ok(()) } else { Err(out_of_range(waveform)) }
}

/// The loudest sample is the one to blame.
fn out_of_range(waveform: &Waveform) -> ErrorKind {
    let samples = waveform.samples().iter().copied().enumerate();
    let (at, value) = samples.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap_or_default();
    ErrorKind::OutOfRange { value, seconds: at as f64 / f64::from(waveform.rate().hz()) }
}
