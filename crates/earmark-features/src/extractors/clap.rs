//! The extractor of CLAP: log-mel spectrograms in decibels of a fixed window, or of four views of a longer clip.
//!
//! The reference is transformers 5.23.0 `feature_extraction_clap.py` with `audio_utils.py`. It transforms in `f64`, and
//! so does this: in `f32` nearly silent bands are off by a decibel.

use std::borrow::Cow;
use std::collections::BTreeMap;

use earmark_audio::{SampleRate, Waveform};
use earmark_error::Attempt as _;
use rayon::prelude::*;
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::checks;
use crate::dsp::log::log10_f64;
use crate::dsp::mel::{MelBank, MelScale};
use crate::dsp::numpy_rng::CropRng;
use crate::dsp::spectrum::{FrameSteps, LANES, Spectrum, centred_frame, hann};
use crate::error::{Error, ErrorKind, Task};
use crate::features::Features;
use crate::settings::{self, PaddingSide};

const TASK: Task = Task::Extract("ClapFeatureExtractor");

/// How a clip longer than the window is cut. It also chooses the filter bank, for clips of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClapTruncation {
    /// The whole clip shrunk to the window, and three crops of it; HTK filters.
    #[default]
    Fusion,
    /// One crop at random; Slaney filters.
    RandTrunc,
}

/// How a clip shorter than the window fills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClapPadding {
    /// As many whole repetitions as fit, then silence.
    #[default]
    RepeatPad,
    /// Repetitions, the last one cut.
    Repeat,
    /// Silence.
    Pad,
}

/// The settings. Field names are those of `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClapConfig {
    /// Mel bands.
    pub feature_size: usize,
    /// Samples in a frame.
    pub fft_window_size: usize,
    /// Upper end of the filters, in hertz.
    #[serde(serialize_with = "settings::whole")]
    pub frequency_max: f64,
    /// Lower end of the filters, in hertz.
    #[serde(serialize_with = "settings::whole")]
    pub frequency_min: f64,
    /// Samples from frame to frame.
    pub hop_length: usize,
    /// Seconds in the window.
    pub max_length_s: usize,
    /// How a shorter clip fills the window.
    pub padding: ClapPadding,
    /// Not used by this extractor.
    pub padding_side: PaddingSide,
    /// Not used by this extractor: silence is 0.
    pub padding_value: f64,
    /// Not used by this extractor.
    pub return_attention_mask: bool,
    /// The rate the model was trained on.
    #[serde(with = "settings::rate")]
    pub sampling_rate: SampleRate,
    /// How a longer clip is cut.
    pub truncation: ClapTruncation,
    /// Keys this crate does not read, kept for [`Preprocessor::to_json`](crate::Preprocessor::to_json). `top_db` is
    /// among them: the reference never applies it.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Default for ClapConfig {
    /// The defaults of the reference class.
    fn default() -> ClapConfig {
        ClapConfig {
            feature_size: 64,
            fft_window_size: 1024,
            frequency_max: 14_000.0,
            frequency_min: 0.0,
            hop_length: 480,
            max_length_s: 10,
            padding: ClapPadding::RepeatPad,
            padding_side: PaddingSide::Right,
            padding_value: 0.0,
            return_attention_mask: false,
            sampling_rate: SampleRate::HZ_48000,
            truncation: ClapTruncation::Fusion,
            other: BTreeMap::new(),
        }
    }
}

/// Which part of a clip is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// All of it: the clip is not longer than the window.
    Whole,
    /// `rand_trunc`: one window from this sample on.
    Start(usize),
    /// `fusion`: one window from each of these frames on.
    Frames {
        /// From the first third of the clip.
        front: usize,
        /// From the second.
        middle: usize,
        /// From the last.
        back: usize,
    },
}

/// Makes the spectrograms CLAP's audio encoder reads.
#[derive(Debug, Clone)]
pub struct ClapExtractor {
    config: ClapConfig,
    spectrum: Spectrum<f64>,
    bank: MelBank<f64>,
    window: Vec<f64>,
}

impl ClapExtractor {
    /// Plans the transforms.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for settings out of range.
    pub fn new(config: ClapConfig) -> Result<ClapExtractor, Error> {
        let rate = config.sampling_rate.hz();
        checks::log_mel(&checks::LogMel {
            sampling_rate: rate,
            feature_size: config.feature_size,
            seconds: ("max_length_s", config.max_length_s),
            frame: ("fft_window_size", config.fft_window_size),
            hop_length: config.hop_length,
        })?;
        let (low, high) = (config.frequency_min, config.frequency_max);
        if !(0.0 <= low && low < high && high <= f64::from(rate)) {
            let (key, value) = ("frequency_max", high.to_string());
            let rule = "the filter bank needs `0 <= frequency_min < frequency_max <= sampling_rate`";
            return Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }));
        }
        let scale = match config.truncation {
            ClapTruncation::Fusion => MelScale::Htk,
            ClapTruncation::RandTrunc => MelScale::Slaney,
        };
        let bins = config.fft_window_size / 2 + 1;
        Ok(ClapExtractor {
            spectrum: Spectrum::new(config.fft_window_size),
            bank: MelBank::new(scale, config.feature_size, bins, low, high, rate),
            window: hann(config.fft_window_size, true),
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &ClapConfig {
        &self.config
    }

    /// Samples in the window (`nb_max_samples` of the reference).
    pub fn window_samples(&self) -> usize {
        self.config.max_length_s * self.config.sampling_rate.hz() as usize
    }

    /// Frames of the window, the one centred on its end included.
    pub fn frames(&self) -> usize {
        self.window_samples() / self.config.hop_length + 1
    }

    /// Draws where a clip of `samples` samples is cropped.
    pub fn draw_crop(&self, samples: usize, rng: &mut CropRng) -> Crop {
        let window = self.window_samples();
        match self.config.truncation {
            _ if samples <= window => Crop::Whole,
            ClapTruncation::RandTrunc => Crop::Start(rng.below(samples - window + 1)),
            ClapTruncation::Fusion => {
                let starts = samples / self.config.hop_length + 1 - self.frames() + 1;
                if starts == 1 {
                    // Longer by less than a hop: the window fits in one place only.
                    return Crop::Whole;
                }
                // Thirds as `numpy.array_split` cuts them; for an empty one the reference crops at the start.
                let third = |i: usize| starts / 3 + usize::from(i < starts % 3);
                let (first, second, third) = (third(0), third(1), third(2));
                let mut pick = |begin, length| if length == 0 { 0 } else { begin + rng.below(length) };
                let front = pick(0, first);
                let middle = pick(first, second);
                let back = pick(first + second, third);
                Crop::Frames { front, middle, back }
            }
        }
    }

    /// One clip, a longer one cropped at random: `[1, frames, feature_size]`, or 4 views for `fusion`.
    ///
    /// [`Features::is_longer`] is that of a batch of one: with `fusion` the reference marks one clip of a batch as
    /// longer when none is, so a single clip always is.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`].
    pub fn extract(&self, clip: &Waveform, rng: &mut CropRng) -> Result<Features, Error> {
        self.extract_at(clip, self.draw_crop(clip.samples().len(), rng))
    }

    /// As [`extract`](Self::extract), with a given crop.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`], [`ErrorKind::Value`] for a crop of the wrong kind and
    /// [`ErrorKind::CropOutside`] for one past the end.
    pub fn extract_at(&self, clip: &Waveform, crop: Crop) -> Result<Features, Error> {
        let mut features = self.views(clip, crop)?;
        if self.config.truncation == ClapTruncation::Fusion {
            features.is_longer = Some(true);
        }
        Ok(features)
    }

    /// Several clips, the longer ones cropped at random in the order of the batch.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`].
    pub fn extract_batch(&self, clips: &[Waveform], rng: &mut CropRng) -> Result<Vec<Features>, Error> {
        // All crops are drawn before the threads start, so they do not depend on which finishes first.
        let crops: Vec<Crop> = clips.iter().map(|clip| self.draw_crop(clip.samples().len(), rng)).collect();
        let views = clips.par_iter().zip(crops).map(|(clip, crop)| self.views(clip, crop));
        let mut batch: Vec<Features> = views.collect::<Result<_, Error>>()?;
        let none_longer = batch.iter().all(|features| features.is_longer == Some(false));
        if self.config.truncation == ClapTruncation::Fusion && none_longer && !batch.is_empty() {
            let chosen = rng.below(batch.len());
            batch[chosen].is_longer = Some(true);
        }
        Ok(batch)
    }

    fn views(&self, clip: &Waveform, crop: Crop) -> Result<Features, Error> {
        checks::check_clip(TASK, clip, self.config.sampling_rate)?;
        let (samples, window) = (clip.samples(), self.window_samples());
        let (frames, mels) = (self.frames(), self.config.feature_size);
        let inside = |start: usize, last: usize| match start <= last {
            true => Ok(start),
            false => Err(TASK.failed(ErrorKind::CropOutside { start, last })),
        };
        let fusion = self.config.truncation == ClapTruncation::Fusion;
        let total_frames = samples.len() / self.config.hop_length + 1;
        let (data, is_longer) = match crop {
            Crop::Whole if samples.len() <= window || (fusion && total_frames == frames) => {
                let mel = self.decibels(&self.filled(samples));
                (if fusion { mel.repeat(4) } else { mel }, false)
            }
            Crop::Start(start) if !fusion && samples.len() > window => {
                let start = inside(start, samples.len() - window)?;
                (self.decibels(&samples[start..start + window]), true)
            }
            Crop::Frames { front, middle, back } if fusion && total_frames > frames => {
                let mel = self.decibels(samples);
                let mut data = shrink(&mel, mels, total_frames, frames);
                for start in [front, middle, back] {
                    let start = inside(start, total_frames - frames)?;
                    data.extend_from_slice(&mel[start * mels..(start + frames) * mels]);
                }
                (data, true)
            }
            wrong => {
                let rule = "the clip's length and `truncation` need another kind";
                let kind = ErrorKind::Value { key: "crop", value: format!("{wrong:?}"), rule };
                return Err(TASK.failed(kind));
            }
        };
        let mut features = Features::new(data, vec![if fusion { 4 } else { 1 }, frames, mels]);
        features.is_longer = Some(is_longer);
        Ok(features)
    }

    /// A short clip made as long as the window.
    fn filled<'a>(&self, samples: &'a [f32]) -> Cow<'a, [f32]> {
        let window = self.window_samples();
        if samples.len() >= window {
            return samples.into();
        }
        let sound = match self.config.padding {
            ClapPadding::RepeatPad => window - window % samples.len(),
            ClapPadding::Repeat => window,
            ClapPadding::Pad => samples.len(),
        };
        let mut filled: Vec<f32> = samples.iter().copied().cycle().take(sound).collect();
        filled.resize(window, 0.0);
        filled.into()
    }

    /// `[samples / hop_length + 1, feature_size]`.
    fn decibels(&self, samples: &[f32]) -> Vec<f32> {
        let frames = samples.len() / self.config.hop_length + 1;
        let mut out = vec![0.0; frames * self.config.feature_size];
        self.spectrum.levels(&self.bank, &Decibels { extractor: self, samples }, &mut out);
        out
    }
}

/// The reference's steps from sample to decibel.
struct Decibels<'a> {
    extractor: &'a ClapExtractor,
    samples: &'a [f32],
}

impl FrameSteps<f64> for Decibels<'_> {
    #[inline(always)]
    fn window(&self, index: usize, frame: &mut [f64]) -> bool {
        let ClapExtractor { config, window, .. } = self.extractor;
        centred_frame(self.samples, index * config.hop_length, window, frame);
        true
    }

    #[inline(always)]
    fn power(bin: Complex<f64>) -> f64 {
        // The reference keeps its spectrum in `complex64`.
        let (re, im) = (f64::from(bin.re as f32), f64::from(bin.im as f32));
        re * re + im * im
    }

    #[inline(always)]
    fn level(&self, energies: [f64; LANES]) -> [f32; LANES] {
        energies.map(|energy| (10.0 * log10_f64(energy.max(1e-10))) as f32)
    }
}

/// Shrinks `[from, mels]` to `[to, mels]` along time: `torch.nn.functional.interpolate`, bilinear without aligned
/// corners, in its `f32` steps. (The reference writes 64 bands whatever `feature_size` says; it is 64 in every model.)
fn shrink(mel: &[f32], mels: usize, from: usize, to: usize) -> Vec<f32> {
    let step = from as f32 / to as f32;
    let mut out = Vec::with_capacity(4 * to * mels);
    for frame in 0..to {
        let at = (step * (frame as f32 + 0.5) - 0.5).max(0.0);
        let above = at.fract();
        let low = (at as usize).min(from - 1);
        let high = (low + 1).min(from - 1);
        let (low, high) = (&mel[low * mels..][..mels], &mel[high * mels..][..mels]);
        out.extend(low.iter().zip(high).map(|(a, b)| (1.0 - above) * a + above * b));
    }
    out
}
