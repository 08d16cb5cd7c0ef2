//! The extractor of CED: a log-mel spectrogram in decibels, as long as the clip.
//!
//! The reference is `feature_extraction_ced.py` of the authors' package (arXiv:2308.11957, github.com/jimbozhang/hf_transformers_custom_model_ced),
//! which is `MelSpectrogram` and `AmplitudeToDB` of torchaudio 2.9. It transforms in `f32`; this does in `f64`, so that a band
//! that is nearly silent beside a loud one is not the rounding noise of the loud one.

use std::collections::BTreeMap;

use earmark_audio::{SampleRate, Waveform};
use earmark_error::Attempt as _;
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::checks::{self, in_range};
use crate::dsp::log::log10_f64;
use crate::dsp::mel::{MelBank, MelScale};
use crate::dsp::spectrum::{FrameSteps, LANES, Spectrum, centred_frame, hann};
use crate::error::{Error, ErrorKind, Task};
use crate::features::Features;
use crate::settings::{self, PaddingSide};

const TASK: Task = Task::Extract("CedFeatureExtractor");

/// How far below the loudest band of a clip another can be, in decibels.
const TOP_DB: f32 = 120.0;
/// The energy that counts as none.
const FLOOR: f64 = 1e-10;

/// The settings. Field names are those of `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CedConfig {
    /// Whether frames are centred on their place, and the clip mirrored at its ends; it always is.
    pub center: bool,
    /// Upper end of the filters, in hertz; `null` for half the rate.
    pub f_max: Option<f64>,
    /// Lower end of the filters, in hertz.
    #[serde(serialize_with = "settings::whole")]
    pub f_min: f64,
    /// Mel bands.
    pub feature_size: usize,
    /// Samples from frame to frame.
    pub hop_size: usize,
    /// Samples in a transform.
    pub n_fft: usize,
    /// Not used by this extractor.
    pub padding_side: PaddingSide,
    /// Not used by this extractor.
    pub padding_value: f64,
    /// Not used by this extractor.
    pub return_attention_mask: bool,
    /// The rate the model was trained on.
    #[serde(with = "settings::rate")]
    pub sampling_rate: SampleRate,
    /// Samples under the window.
    pub win_size: usize,
    /// Keys this crate does not read, kept for [`Preprocessor::to_json`](crate::Preprocessor::to_json).
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Default for CedConfig {
    /// The defaults of the reference class.
    fn default() -> CedConfig {
        CedConfig {
            center: true,
            f_max: None,
            f_min: 0.0,
            feature_size: 64,
            hop_size: 160,
            n_fft: 512,
            padding_side: PaddingSide::Right,
            padding_value: 0.0,
            return_attention_mask: true,
            sampling_rate: SampleRate::HZ_16000,
            win_size: 512,
            other: BTreeMap::new(),
        }
    }
}

/// Makes log-mel frames in decibels.
#[derive(Debug, Clone)]
pub struct CedExtractor {
    config: CedConfig,
    spectrum: Spectrum<f64>,
    bank: MelBank<f64>,
    /// As long as a transform, with zeros on both sides of the window.
    window: Vec<f64>,
}

impl CedExtractor {
    /// Plans the transforms.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for settings out of range.
    pub fn new(config: CedConfig) -> Result<CedExtractor, Error> {
        let refused =
            |key, value: String, rule| Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }));
        let rate = config.sampling_rate.hz();
        in_range("sampling_rate", rate as usize, checks::RATES)?;
        in_range("feature_size", config.feature_size, 1..=checks::MAX_BINS)?;
        checks::even_frame("n_fft", config.n_fft)?;
        in_range("win_size", config.win_size, 2..=config.n_fft)?;
        in_range("hop_size", config.hop_size, 1..=config.n_fft)?;
        let weights = config.feature_size as u64 * config.n_fft as u64 / 2;
        checks::product("feature_size", "`n_fft`", weights, checks::MAX_WEIGHTS)?;
        if !config.center {
            return refused("center", "false".to_owned(), "only true is supported");
        }
        let (low, high) = (config.f_min, config.f_max.unwrap_or_else(|| f64::from(rate / 2)));
        if !(0.0 <= low && low < high && high <= f64::from(rate)) {
            let rule = "the filter bank needs `0 <= f_min < f_max <= sampling_rate`";
            return refused("f_max", high.to_string(), rule);
        }
        let (size, bins) = (config.win_size, config.n_fft / 2 + 1);
        let before = (config.n_fft - size) / 2;
        let mut window = vec![0.0; config.n_fft];
        window[before..before + size].copy_from_slice(&hann::<f64>(size, true));
        Ok(CedExtractor {
            spectrum: Spectrum::new(config.n_fft),
            bank: MelBank::new(MelScale::Htk, config.feature_size, bins, low, high, rate),
            window,
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &CedConfig {
        &self.config
    }

    /// A clip that is mirrored needs more samples than it gets at an end.
    pub(crate) fn min_samples(&self) -> usize {
        self.config.n_fft / 2 + 1
    }

    /// The shortest clip of so many frames.
    pub(crate) fn samples(&self, frames: usize) -> usize {
        frames.saturating_sub(1).saturating_mul(self.config.hop_size).max(self.min_samples())
    }

    /// The frames of one clip, `[frames, feature_size]`; the reference has them the other way round.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`], [`ErrorKind::TooLoud`], and [`ErrorKind::TooShort`] for a clip of half a transform or less.
    pub fn extract(&self, clip: &Waveform) -> Result<Features, Error> {
        checks::check_clip(TASK, clip, self.config.sampling_rate)?;
        let (samples, needed) = (clip.samples(), self.min_samples());
        if samples.len() < needed {
            return Err(TASK.failed(ErrorKind::TooShort { samples: samples.len(), needed }));
        }
        let (frames, bands) = (samples.len() / self.config.hop_size + 1, self.config.feature_size);
        let mut data = vec![0.0; frames * bands];
        self.spectrum.levels(&self.bank, &Decibels { extractor: self, samples }, &mut data);
        let loudest = data.iter().copied().fold(f32::MIN, f32::max);
        data.iter_mut().for_each(|level| *level = level.max(loudest - TOP_DB));
        Ok(Features::new(data, vec![frames, bands]))
    }
}

/// The reference's steps from sample to decibel.
struct Decibels<'a> {
    extractor: &'a CedExtractor,
    samples: &'a [f32],
}

impl FrameSteps<f64> for Decibels<'_> {
    #[inline(always)]
    fn window(&self, index: usize, frame: &mut [f64]) -> bool {
        let CedExtractor { config, window, .. } = self.extractor;
        centred_frame(self.samples, index * config.hop_size, window, frame);
        true
    }

    #[inline(always)]
    fn power(bin: Complex<f64>) -> f64 {
        bin.norm_sqr()
    }

    #[inline(always)]
    fn level(&self, energies: [f64; LANES]) -> [f32; LANES] {
        energies.map(|energy| (10.0 * log10_f64(energy.max(FLOOR))) as f32)
    }
}
