//! The extractor of Wav2Vec2-BERT: a Kaldi filter bank, each band normalised over the clip, two frames side by side.
//!
//! The reference is transformers 5.23.0 `feature_extraction_seamless_m4t.py` on top of `audio_utils.py`, in `f64` up to the
//! normalisation.

use std::collections::BTreeMap;

use earmark_audio::{SampleRate, Waveform};
use earmark_error::Attempt as _;
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::checks::{self, in_range};
use crate::dsp::log::ln_f64;
use crate::dsp::mel::MelBank;
use crate::dsp::normalize::zero_mean_unit_variance;
use crate::dsp::spectrum::{FrameSteps, LANES, Spectrum, hann};
use crate::error::{Error, ErrorKind, Task};
use crate::features::Features;
use crate::settings::{self, PaddingSide};

const TASK: Task = Task::Extract("SeamlessM4TFeatureExtractor");

/// Samples of a frame, of the step to the next, and of the transform: the reference has them fixed, whatever the rate.
const FRAME: usize = 400;
const HOP: usize = 160;
const TRANSFORM: usize = 512;
/// Kaldi's, for samples of 16 bits.
const SCALE: f64 = 32_768.0;
const PRE_EMPHASIS: f64 = 0.97;
/// The smallest energy: the epsilon of `f32`.
const FLOOR: f64 = 1.192_092_955_078_125e-7;

/// The settings. Field names are those of `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeamlessM4TConfig {
    /// Not used by this extractor.
    pub feature_size: usize,
    /// Mel bands.
    pub num_mel_bins: usize,
    /// Which end of a short clip is filled; only the right one is supported.
    pub padding_side: PaddingSide,
    /// What an odd last frame is paired with.
    pub padding_value: f64,
    /// Whether such a pair is masked.
    pub return_attention_mask: bool,
    /// The rate the model was trained on.
    #[serde(with = "settings::rate")]
    pub sampling_rate: SampleRate,
    /// Frames that are laid side by side; only 2 is supported.
    pub stride: usize,
    /// Keys this crate does not read, kept for [`Preprocessor::to_json`](crate::Preprocessor::to_json).
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Default for SeamlessM4TConfig {
    /// The defaults of the reference class.
    fn default() -> SeamlessM4TConfig {
        SeamlessM4TConfig {
            feature_size: 80,
            num_mel_bins: 80,
            padding_side: PaddingSide::Right,
            padding_value: 0.0,
            return_attention_mask: true,
            sampling_rate: SampleRate::HZ_16000,
            stride: 2,
            other: BTreeMap::new(),
        }
    }
}

/// Makes normalised log-mel frames of 25 ms every 10 ms, and lays each two side by side.
#[derive(Debug, Clone)]
pub struct SeamlessM4TExtractor {
    config: SeamlessM4TConfig,
    spectrum: Spectrum<f64>,
    bank: MelBank<f64>,
    window: Vec<f64>,
}

impl SeamlessM4TExtractor {
    /// Plans the transforms.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for settings out of range.
    pub fn new(config: SeamlessM4TConfig) -> Result<SeamlessM4TExtractor, Error> {
        let refused =
            |key, value: String, rule| Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }));
        in_range("sampling_rate", config.sampling_rate.hz() as usize, checks::RATES)?;
        in_range("num_mel_bins", config.num_mel_bins, 1..=checks::MAX_BINS)?;
        if config.stride != 2 {
            return refused("stride", config.stride.to_string(), "only 2 is supported");
        }
        if config.padding_side != PaddingSide::Right {
            return refused("padding_side", "left".to_owned(), "only right is supported");
        }
        // Povey's: Hann's to the power of 0.85.
        let window = hann::<f64>(FRAME, false).into_iter().map(|x| x.powf(0.85)).collect();
        let rate = config.sampling_rate.hz();
        Ok(SeamlessM4TExtractor {
            spectrum: Spectrum::new(TRANSFORM),
            bank: kaldi_bank(config.num_mel_bins, rate),
            window,
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &SeamlessM4TConfig {
        &self.config
    }

    /// Numbers of a frame of the result: two frames of mel bands.
    pub fn width(&self) -> usize {
        self.config.stride * self.config.num_mel_bins
    }

    /// The samples of two frames: one has no variance.
    #[expect(clippy::unused_self, reason = "as the other extractors' are asked")]
    pub(crate) fn min_samples(&self) -> usize {
        FRAME + HOP
    }

    /// The shortest clip of so many frames of the result, all of them real.
    pub(crate) fn samples(&self, frames: usize) -> usize {
        let single = frames.saturating_mul(self.config.stride).saturating_sub(1);
        single.saturating_mul(HOP).saturating_add(FRAME).max(self.min_samples())
    }

    /// The frames of one clip, `[frames, width]`. An odd last one is beside padding, and masked.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`], [`ErrorKind::TooLoud`], and [`ErrorKind::TooShort`] for a clip of less than two frames
    /// (35 ms).
    pub fn extract(&self, clip: &Waveform) -> Result<Features, Error> {
        checks::check_clip(TASK, clip, self.config.sampling_rate)?;
        let (samples, needed) = (clip.samples(), self.min_samples());
        if samples.len() < needed {
            return Err(TASK.failed(ErrorKind::TooShort { samples: samples.len(), needed }));
        }
        let (bands, stride) = (self.config.num_mel_bins, self.config.stride);
        let frames = 1 + (samples.len() - FRAME) / HOP;
        let mut data = vec![0.0; frames * bands];
        self.spectrum.levels(&self.bank, &LogMel { window: &self.window, samples }, &mut data);

        let mut band = vec![0.0; frames];
        for first in 0..bands {
            band.iter_mut().zip(data[first..].iter().step_by(bands)).for_each(|(to, x)| *to = *x);
            zero_mean_unit_variance(&mut band, frames, frames - 1);
            data[first..].iter_mut().step_by(bands).zip(&band).for_each(|(to, x)| *to = *x);
        }

        let pairs = frames.div_ceil(stride);
        data.resize(pairs * stride * bands, self.config.padding_value as f32);
        let mut features = Features::new(data, vec![pairs, stride * bands]);
        if self.config.return_attention_mask {
            let mut mask = vec![1; pairs];
            mask[frames / stride..].fill(0);
            features.attention_mask = Some(mask);
        }
        Ok(features)
    }
}

/// Clips of several lengths as one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameBatch {
    /// `[clips, frames, width]`, zeros behind the shorter clips.
    pub input_features: Vec<f32>,
    /// Frames of the longest clip.
    pub frames: usize,
    /// Numbers of a frame.
    pub width: usize,
    /// Real frames of each clip: those that its mask does not hide.
    pub lengths: Vec<usize>,
}

impl FrameBatch {
    /// Of features with the same width, `[frames, width]` each.
    pub fn new(clips: &[&Features]) -> FrameBatch {
        let frames = |clip: &Features| clip.shape.first().copied().unwrap_or(0);
        let most = clips.iter().map(|clip| frames(clip)).max().unwrap_or(0);
        let width = clips.first().and_then(|clip| clip.shape.last()).copied().unwrap_or(0);
        let mut input_features = Vec::with_capacity(clips.len() * most * width);
        for (row, clip) in (1..).zip(clips) {
            input_features.extend_from_slice(&clip.data);
            input_features.resize(row * most * width, 0.0);
        }
        let real = |clip: &&Features| match &clip.attention_mask {
            Some(mask) => mask.iter().filter(|&&x| x != 0).count(),
            None => frames(clip),
        };
        FrameBatch { input_features, frames: most, width, lengths: clips.iter().map(real).collect() }
    }
}

/// The reference's steps from sample to logarithm.
struct LogMel<'a> {
    window: &'a [f64],
    samples: &'a [f32],
}

impl FrameSteps<f64> for LogMel<'_> {
    /// No offset, pre-emphasised, windowed.
    #[inline(always)]
    fn window(&self, index: usize, frame: &mut [f64]) -> bool {
        let samples = &self.samples[index * HOP..][..FRAME];
        let (sound, padding) = frame.split_at_mut(FRAME);
        for (to, &x) in sound.iter_mut().zip(samples) {
            *to = f64::from(x) * SCALE;
        }
        let mean = sound.iter().sum::<f64>() / FRAME as f64;
        let mut before = sound[0] - mean;
        sound[0] = before * (1.0 - PRE_EMPHASIS) * self.window[0];
        for (to, &w) in sound[1..].iter_mut().zip(&self.window[1..]) {
            let x = *to - mean;
            *to = (x - PRE_EMPHASIS * before) * w;
            before = x;
        }
        padding.fill(0.0);
        true
    }

    /// The reference keeps the bins as `f32`.
    #[inline(always)]
    fn power(bin: Complex<f64>) -> f64 {
        let (re, im) = (f64::from(bin.re as f32), f64::from(bin.im as f32));
        re * re + im * im
    }

    #[inline(always)]
    fn level(&self, energies: [f64; LANES]) -> [f32; LANES] {
        energies.map(|energy| ln_f64(energy.max(FLOOR)) as f32)
    }
}

/// `mel_filter_bank` of the reference from 20 Hz to half the rate, with Kaldi's scale: triangles linear in *mel*.
fn kaldi_bank(mels: usize, rate: u32) -> MelBank<f64> {
    let mel = |hertz: f64| 1127.0 * (1.0 + hertz / 700.0).ln();
    let (low, high) = (mel(20.0), mel(f64::from(rate / 2)));
    let step = (high - low) / (mels + 1) as f64;
    let edge = |i: usize| if i == mels + 1 { high } else { low + i as f64 * step };
    let bin_width = f64::from(rate) / TRANSFORM as f64;
    MelBank::from_weights(mels, TRANSFORM / 2 + 1, |band, bin| {
        let at = mel(bin_width * bin as f64);
        let [left, centre, right] = [edge(band), edge(band + 1), edge(band + 2)];
        ((at - left) / (centre - left)).min((right - at) / (right - centre)).max(0.0)
    })
}
