//! The extractor of Whisper: a log-mel spectrogram of a fixed window.
//!
//! The reference is transformers 5.23.0 `feature_extraction_whisper.py`, its `f32` path over `torch.stft`.

use std::collections::BTreeMap;

use earmark_audio::{SampleRate, Waveform};
use earmark_error::Attempt as _;
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::checks;
use crate::dsp::log::log10_f32;
use crate::dsp::mel::{MelBank, MelScale};
use crate::dsp::normalize::zero_mean_unit_variance;
use crate::dsp::spectrum::{FrameSteps, LANES, Spectrum, centred_frame, hann};
use crate::error::{Error, ErrorKind, Task};
use crate::features::Features;
use crate::settings::{self, PaddingSide};

const TASK: Task = Task::Extract("WhisperFeatureExtractor");

/// The settings. Field names are those of `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WhisperConfig {
    /// Seconds of the window that every clip is cut or padded to.
    pub chunk_length: usize,
    /// Strength of the noise added before the transform; only 0 is supported, as noise has no reference.
    pub dither: f64,
    /// Mel bands: 80, or 128 for large-v3.
    pub feature_size: usize,
    /// Samples from frame to frame.
    pub hop_length: usize,
    /// Samples in a frame.
    pub n_fft: usize,
    /// Which end of a short clip is filled.
    pub padding_side: PaddingSide,
    /// What it is filled with.
    pub padding_value: f64,
    /// Kept for the reference; this crate returns a mask when [`WhisperOptions`] asks for it.
    pub return_attention_mask: bool,
    /// The rate the model was trained on.
    #[serde(with = "settings::rate")]
    pub sampling_rate: SampleRate,
    /// Keys this crate does not read, kept for [`Preprocessor::to_json`](crate::Preprocessor::to_json).
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Default for WhisperConfig {
    /// The defaults of the reference class.
    fn default() -> WhisperConfig {
        WhisperConfig {
            chunk_length: 30,
            dither: 0.0,
            feature_size: 80,
            hop_length: 160,
            n_fft: 400,
            padding_side: PaddingSide::Right,
            padding_value: 0.0,
            return_attention_mask: false,
            sampling_rate: SampleRate::HZ_16000,
            other: BTreeMap::new(),
        }
    }
}

/// The keyword arguments of the reference's `__call__` that change its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WhisperOptions {
    /// Zero mean and unit variance over the sound, before the transform.
    pub do_normalize: bool,
    /// Whether [`Features::attention_mask`] says which frames hold sound.
    pub return_attention_mask: bool,
}

/// Makes the log-mel spectrogram Whisper's encoder reads.
#[derive(Debug, Clone)]
pub struct WhisperExtractor {
    config: WhisperConfig,
    spectrum: Spectrum<f32>,
    bank: MelBank<f32>,
    window: Vec<f32>,
}

impl WhisperExtractor {
    /// Plans the transforms.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for settings out of range.
    pub fn new(config: WhisperConfig) -> Result<WhisperExtractor, Error> {
        let rate = config.sampling_rate.hz();
        let samples = checks::log_mel(&checks::LogMel {
            sampling_rate: rate,
            feature_size: config.feature_size,
            seconds: ("chunk_length", config.chunk_length),
            frame: ("n_fft", config.n_fft),
            hop_length: config.hop_length,
        })?;
        if samples <= config.n_fft / 2 {
            // The reference mirrors half a frame at either end, and has nothing to mirror then.
            let (key, value) = ("n_fft", config.n_fft.to_string());
            let rule = "half of it must be shorter than `chunk_length`";
            return Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }));
        }
        if config.dither != 0.0 {
            let (key, value, rule) = ("dither", config.dither.to_string(), "only 0 is supported");
            return Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }));
        }
        let bins = config.n_fft / 2 + 1;
        Ok(WhisperExtractor {
            spectrum: Spectrum::new(config.n_fft),
            bank: MelBank::new(MelScale::Slaney, config.feature_size, bins, 0.0, 8000.0, rate),
            window: hann(config.n_fft, true),
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &WhisperConfig {
        &self.config
    }

    /// Samples of the window every clip is cut or padded to (`n_samples` of the reference).
    pub fn window_samples(&self) -> usize {
        self.config.chunk_length * self.config.sampling_rate.hz() as usize
    }

    /// Frames of the result (`nb_max_frames` of the reference).
    pub fn frames(&self) -> usize {
        self.window_samples() / self.config.hop_length
    }

    /// One clip, cut or padded to the window: `[feature_size, frames]`.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`].
    pub fn extract(&self, clip: &Waveform) -> Result<Features, Error> {
        self.extract_with(clip, WhisperOptions::default())
    }

    /// As [`extract`](Self::extract), with options.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`].
    pub fn extract_with(&self, clip: &Waveform, options: WhisperOptions) -> Result<Features, Error> {
        checks::check_clip(TASK, clip, self.config.sampling_rate)?;
        let window_samples = self.window_samples();
        let sound = &clip.samples()[..clip.samples().len().min(window_samples)];
        let start = match self.config.padding_side {
            PaddingSide::Right => 0,
            PaddingSide::Left => window_samples - sound.len(),
        };
        let padding = self.config.padding_value as f32;
        let mut samples = vec![padding; window_samples];
        samples[start..start + sound.len()].copy_from_slice(sound);
        if options.do_normalize {
            zero_mean_unit_variance(&mut samples, sound.len(), sound.len());
            samples[sound.len()..].fill(padding);
        }

        let (frames, mels) = (self.frames(), self.config.feature_size);
        let mut features = Features::new(self.log_mel(&samples), vec![mels, frames]);
        if options.return_attention_mask {
            let first_samples = (0..frames).map(|frame| frame * self.config.hop_length);
            let mask = first_samples.map(|at| i32::from((start..start + sound.len()).contains(&at)));
            features.attention_mask = Some(mask.collect());
        }
        Ok(features)
    }

    /// `[feature_size, frames]`, scaled to about `[-1, 1]`.
    fn log_mel(&self, samples: &[f32]) -> Vec<f32> {
        let (frames, mels) = (self.frames(), self.config.feature_size);
        let mut by_frame = vec![0.0; frames * mels];
        self.spectrum.levels(&self.bank, &LogMel { extractor: self, samples }, &mut by_frame);
        // Eighty decibels below the loudest value of this clip is the floor.
        let loudest =
            by_frame.iter().fold(f32::NEG_INFINITY, |loudest, &x| if x > loudest { x } else { loudest });
        let floor = loudest - 8.0;
        let mut by_mel = vec![0.0; frames * mels];
        // Frame by frame every store would go to another page.
        for (first, rows) in (0..).step_by(LANES).zip(by_frame.chunks(LANES * mels)) {
            for (mel, out) in by_mel.chunks_exact_mut(frames).enumerate() {
                for (to, &x) in out[first..].iter_mut().zip(rows[mel..].iter().step_by(mels)) {
                    *to = (x.max(floor) + 4.0) / 4.0;
                }
            }
        }
        by_mel
    }
}

/// The reference's steps before the floor.
struct LogMel<'a> {
    extractor: &'a WhisperExtractor,
    samples: &'a [f32],
}

impl FrameSteps<f32> for LogMel<'_> {
    #[inline(always)]
    fn window(&self, index: usize, frame: &mut [f32]) -> bool {
        let WhisperExtractor { config, window, .. } = self.extractor;
        centred_frame(self.samples, index * config.hop_length, window, frame);
        // Most of a short clip's window is padding.
        frame.iter().any(|&x| x != 0.0)
    }

    #[inline(always)]
    fn power(bin: Complex<f32>) -> f32 {
        bin.norm_sqr()
    }

    #[inline(always)]
    fn level(&self, energies: [f32; LANES]) -> [f32; LANES] {
        energies.map(|energy| log10_f32(energy.max(1e-10)))
    }
}
