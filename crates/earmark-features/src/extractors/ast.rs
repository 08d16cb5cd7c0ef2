//! The extractor of the Audio Spectrogram Transformer: a Kaldi filter bank.
//!
//! The reference is transformers 5.23.0 `feature_extraction_audio_spectrogram_transformer.py` on top of torchaudio
//! 2.9.0 `compliance/kaldi.py`, in `f32` throughout. The waveform is *not* scaled to 16-bit integers, as Kaldi's own
//! recipes do.

use std::collections::BTreeMap;

use earmark_audio::{SampleRate, Waveform};
use earmark_error::Attempt as _;
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::checks::{self, in_range};
use crate::dsp::log::ln_f32;
use crate::dsp::mel::MelBank;
use crate::dsp::spectrum::{FrameSteps, LANES, Spectrum, hann};
use crate::error::{Error, ErrorKind, Task};
use crate::features::Features;
use crate::settings::{self, PaddingSide};

const TASK: Task = Task::Extract("ASTFeatureExtractor");

/// The settings. Field names are those of `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AstConfig {
    /// Whether `(x - mean) / (2 * std)` is applied.
    pub do_normalize: bool,
    /// Not used by this extractor.
    pub feature_size: usize,
    /// Frames of the result.
    pub max_length: usize,
    /// Mean of the training set's log-mel values.
    pub mean: f64,
    /// Mel bands.
    pub num_mel_bins: usize,
    /// Not used by this extractor.
    pub padding_side: PaddingSide,
    /// Not used by this extractor: short clips are padded with 0 after the logarithm.
    pub padding_value: f64,
    /// Not used by this extractor.
    pub return_attention_mask: bool,
    /// The rate the model was trained on.
    #[serde(with = "settings::rate")]
    pub sampling_rate: SampleRate,
    /// Standard deviation of the training set's log-mel values.
    pub std: f64,
    /// Keys this crate does not read, kept for [`Preprocessor::to_json`](crate::Preprocessor::to_json).
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Default for AstConfig {
    /// The defaults of the reference class: those of the AudioSet checkpoints.
    fn default() -> AstConfig {
        AstConfig {
            do_normalize: true,
            feature_size: 1,
            max_length: 1024,
            mean: -4.2677393,
            num_mel_bins: 128,
            padding_side: PaddingSide::Right,
            padding_value: 0.0,
            return_attention_mask: false,
            sampling_rate: SampleRate::HZ_16000,
            std: 4.5689974,
            other: BTreeMap::new(),
        }
    }
}

/// Makes log-mel frames of 25 ms every 10 ms.
#[derive(Debug, Clone)]
pub struct AstExtractor {
    config: AstConfig,
    spectrum: Spectrum<f32>,
    bank: MelBank<f32>,
    /// Symmetric, and as long as a frame: the transform is longer, and padded with zeros.
    window: Vec<f32>,
    hop: usize,
}

impl AstExtractor {
    /// Plans the transforms.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for settings out of range.
    pub fn new(config: AstConfig) -> Result<AstExtractor, Error> {
        in_range("sampling_rate", config.sampling_rate.hz() as usize, checks::RATES)?;
        in_range("num_mel_bins", config.num_mel_bins, 4..=checks::MAX_BINS)?;
        in_range("max_length", config.max_length, 1..=checks::MAX_FRAMES)?;
        let values = config.max_length as u64 * config.num_mel_bins as u64;
        checks::product("max_length", "`num_mel_bins`", values, checks::MAX_VALUES)?;
        if config.do_normalize && !(config.mean.is_finite() && config.std.is_normal()) {
            let (key, value, rule) =
                ("std", config.std.to_string(), "`std` must not be 0, and both must be finite");
            return Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }));
        }
        let rate = f64::from(config.sampling_rate.hz());
        // The milliseconds of Kaldi's defaults, rounded down as torchaudio does.
        let frame = (rate * 25.0 * 0.001) as usize;
        let hop = (rate * 10.0 * 0.001) as usize;
        let padded = frame.next_power_of_two();
        let weights = config.num_mel_bins as u64 * padded as u64 / 2;
        checks::product("num_mel_bins", "`sampling_rate`", weights, checks::MAX_WEIGHTS)?;
        Ok(AstExtractor {
            spectrum: Spectrum::new(padded),
            bank: kaldi_bank(config.num_mel_bins, padded, rate as f32),
            window: hann(frame, false),
            hop,
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &AstConfig {
        &self.config
    }

    /// Samples of a frame: 400 at 16 kHz.
    pub fn frame_samples(&self) -> usize {
        self.window.len()
    }

    /// Samples from one frame to the next: 160 at 16 kHz.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Samples of which at least one more frame could not be read: less than a hop more than `max_length` frames cover.
    pub(crate) fn max_samples(&self) -> usize {
        self.window.len() + self.config.max_length * self.hop - 1
    }

    /// The first `max_length` frames of one clip, padded at the end when there are fewer: `[max_length, num_mel_bins]`.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`], [`ErrorKind::TooLoud`], and [`ErrorKind::TooShort`] for a clip shorter than a frame
    /// (25 ms).
    pub fn extract(&self, clip: &Waveform) -> Result<Features, Error> {
        let AstConfig { max_length, num_mel_bins, .. } = self.config;
        checks::check_clip(TASK, clip, self.config.sampling_rate)?;
        let samples = clip.samples();
        let Some(after_first) = samples.len().checked_sub(self.window.len()) else {
            let kind = ErrorKind::TooShort { samples: samples.len(), needed: self.window.len() };
            return Err(TASK.failed(kind));
        };
        let frames = (1 + after_first / self.hop).min(max_length);
        let (mean, scale) = match self.config.do_normalize {
            true => (self.config.mean as f32, (self.config.std * 2.0) as f32),
            false => (0.0, 1.0),
        };
        // Padding is 0 *after* the logarithm and is normalised with the rest, so it is neither silence nor the mean.
        let mut data = vec![(0.0 - mean) / scale; max_length * num_mel_bins];
        let steps = LogMel { extractor: self, samples, mean, scale };
        self.spectrum.levels(&self.bank, &steps, &mut data[..frames * num_mel_bins]);
        Ok(Features::new(data, vec![max_length, num_mel_bins]))
    }
}

/// The reference's steps from sample to normalised logarithm.
struct LogMel<'a> {
    extractor: &'a AstExtractor,
    samples: &'a [f32],
    mean: f32,
    scale: f32,
}

impl FrameSteps<f32> for LogMel<'_> {
    /// No offset, pre-emphasised, windowed.
    #[inline(always)]
    fn window(&self, index: usize, frame: &mut [f32]) -> bool {
        let AstExtractor { window, hop, .. } = self.extractor;
        let samples = &self.samples[index * hop..][..window.len()];
        let mean = sum(samples) / samples.len() as f32;
        let (sound, padding) = frame.split_at_mut(window.len());
        // The sample before the first is the first (`mode="replicate"`), not the last of the frame before.
        sound[0] = ((samples[0] - mean) - 0.97 * (samples[0] - mean)) * window[0];
        for ((to, pair), &w) in sound[1..].iter_mut().zip(samples.array_windows()).zip(&window[1..]) {
            let &[before, x] = pair;
            *to = ((x - mean) - 0.97 * (before - mean)) * w;
        }
        padding.fill(0.0);
        true
    }

    #[inline(always)]
    fn power(bin: Complex<f32>) -> f32 {
        bin.norm_sqr()
    }

    #[inline(always)]
    fn level(&self, energies: [f32; LANES]) -> [f32; LANES] {
        energies.map(|energy| (ln_f32(energy.max(f32::EPSILON)) - self.mean) / self.scale)
    }
}

/// A sum in eight lanes, which is both faster and closer to the true one than sample by sample.
#[inline(always)]
fn sum(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    lanes.iter().chain(rest).sum()
}

/// `get_mel_banks` of torchaudio 2.9.0 from 20 Hz to half the rate: triangles linear in *mel*, with its `f32` steps.
fn kaldi_bank(mels: usize, frame: usize, rate: f32) -> MelBank<f32> {
    let scalar = |hertz: f64| 1127.0 * (1.0 + hertz / 700.0).ln();
    let low = scalar(20.0);
    let delta = ((scalar(f64::from(rate) / 2.0) - low) / (mels + 1) as f64) as f32;
    let low = low as f32;
    let edge = |i: usize| low + i as f32 * delta;
    let bin_width = rate / frame as f32;
    // The bin at half the rate has no weight.
    MelBank::from_weights(mels, frame / 2, |mel, bin| {
        let at = 1127.0 * (1.0 + bin_width * bin as f32 / 700.0).ln();
        let [left, centre, right] = [edge(mel), edge(mel + 1), edge(mel + 2)];
        let height = ((at - left) / (centre - left)).min((right - at) / (right - centre));
        f64::from(height.max(0.0))
    })
}
