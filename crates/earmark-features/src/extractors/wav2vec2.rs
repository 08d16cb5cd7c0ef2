//! The extractor of Wav2Vec2 and HuBERT: the waveform itself, normalised and padded.
//!
//! The reference is transformers 5.23.0 `feature_extraction_wav2vec2.py` with `feature_extraction_sequence_utils.py`.

use std::collections::BTreeMap;

use earmark_audio::{SampleRate, Waveform};
use earmark_error::Attempt as _;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::checks;
use crate::dsp::normalize::zero_mean_unit_variance;
use crate::error::{Error, ErrorKind, Task};
use crate::features::Features;
use crate::settings::{self, PaddingSide};

const TASK: Task = Task::Extract("Wav2Vec2FeatureExtractor");

/// Normalises and pads waveforms. Field names are those of `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wav2Vec2Extractor {
    /// Whether each clip gets zero mean and unit variance.
    pub do_normalize: bool,
    /// Values per sample; 1 for every known model.
    pub feature_size: usize,
    /// Which end of a short clip is filled.
    pub padding_side: PaddingSide,
    /// What it is filled with.
    pub padding_value: f64,
    /// Whether a batch says which samples are real. Models with a group norm (`feat_extract_norm: "group"`) never saw
    /// a mask while training and ship `false`.
    pub return_attention_mask: bool,
    /// The rate the model was trained on.
    #[serde(with = "settings::rate")]
    pub sampling_rate: SampleRate,
    /// Keys this crate does not read, kept for [`Preprocessor::to_json`](crate::Preprocessor::to_json).
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Default for Wav2Vec2Extractor {
    /// The defaults of the reference class.
    fn default() -> Wav2Vec2Extractor {
        Wav2Vec2Extractor {
            do_normalize: true,
            feature_size: 1,
            padding_side: PaddingSide::Right,
            padding_value: 0.0,
            return_attention_mask: false,
            sampling_rate: SampleRate::HZ_16000,
            other: BTreeMap::new(),
        }
    }
}

/// The length every row of a batch is padded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// That of the longest clip, after truncation.
    #[default]
    Longest,
    /// [`PadOptions::max_length`].
    MaxLength,
}

/// How clips of different lengths become one batch: the keyword arguments of the reference's `__call__` and `pad`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PadOptions {
    /// The length to pad to.
    pub padding: Padding,
    /// Samples, for [`Padding::MaxLength`] and `truncation`.
    pub max_length: Option<usize>,
    /// Whether longer clips are cut to `max_length`.
    pub truncation: bool,
    /// Rounds every length above up to a multiple, `max_length` for truncation included.
    pub pad_to_multiple_of: Option<usize>,
    /// Instead of the extractor's own `return_attention_mask`.
    pub return_attention_mask: Option<bool>,
}

/// Clips padded to one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `rows` × `cols`, row after row.
    pub input_values: Vec<f32>,
    /// Clips.
    pub rows: usize,
    /// Samples per padded clip.
    pub cols: usize,
    /// `rows` × `cols`: 1 for a real sample, 0 for padding. `None` when the model wants no mask.
    pub attention_mask: Option<Vec<i32>>,
    /// Real samples of each clip, after truncation; known with or without a mask.
    pub lengths: Vec<usize>,
}

impl Wav2Vec2Extractor {
    /// One clip without padding, normalised alone: `[samples]`.
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`] when the clip is not at [`sampling_rate`](Self::sampling_rate).
    pub fn extract(&self, clip: &Waveform) -> Result<Features, Error> {
        checks::check_clip(TASK, clip, self.sampling_rate)?;
        let mut samples = clip.samples().to_vec();
        self.normalize(&mut samples);
        let shape = vec![samples.len()];
        Ok(Features::new(samples, shape))
    }

    /// Zero mean and unit variance in place, when `do_normalize` asks for it.
    pub fn normalize(&self, samples: &mut [f32]) {
        if self.do_normalize && !samples.is_empty() {
            zero_mean_unit_variance(samples, samples.len(), samples.len());
        }
    }

    /// Truncates, pads and then normalises, as the reference's `__call__` with `padding` set.
    ///
    /// The order shows in the numbers: with a mask each clip's mean and variance are those of its real samples and the
    /// padding is reset afterwards, without one they run over the padding too. (With left padding the reference counts
    /// the real samples from the left all the same, and so does this.)
    ///
    /// # Errors
    /// [`ErrorKind::RateMismatch`], and those of [`pad`](Self::pad).
    pub fn extract_batch(&self, clips: &[Waveform], options: &PadOptions) -> Result<Batch, Error> {
        for clip in clips {
            checks::check_clip(TASK, clip, self.sampling_rate)?;
        }
        let samples: Vec<&[f32]> = clips.iter().map(Waveform::samples).collect();
        let mut batch = self.pad(&samples, options)?;
        if self.do_normalize {
            let masked = batch.attention_mask.is_some();
            let rows = batch.input_values.par_chunks_mut(batch.cols).zip(&batch.lengths);
            rows.for_each(|(row, &length)| {
                let counted = if masked { length } else { row.len() };
                zero_mean_unit_variance(row, counted, counted);
                row[counted..].fill(self.padding_value as f32);
            });
        }
        Ok(batch)
    }

    /// Pads clips that are normalised already: the reference's `pad`, which its `DataCollatorWithPadding` calls.
    ///
    /// # Errors
    /// [`ErrorKind::NoClips`] for an empty batch, [`ErrorKind::TooShort`] for an empty clip, [`ErrorKind::Value`] when
    /// an option contradicts another, [`ErrorKind::DoesNotFit`] when a clip is longer than
    /// [`Padding::MaxLength`] and is not to be truncated.
    pub fn pad(&self, clips: &[&[f32]], options: &PadOptions) -> Result<Batch, Error> {
        let failed = |kind| TASK.failed(kind);
        let rounded = |length: usize| match options.pad_to_multiple_of {
            None => Ok(length),
            Some(multiple) => length.checked_next_multiple_of(multiple).ok_or_else(|| {
                let rule = "it must be at least 1 and small";
                failed(ErrorKind::Value { key: "pad_to_multiple_of", value: multiple.to_string(), rule })
            }),
        };
        let max_length = options.max_length.map(rounded).transpose()?;
        let needs_max_length = options.truncation || options.padding == Padding::MaxLength;
        if needs_max_length && matches!(max_length, None | Some(0)) {
            let value = max_length.map_or("not set".to_owned(), |n| n.to_string());
            let rule = "`truncation` and `Padding::MaxLength` need a length";
            return Err(failed(ErrorKind::Value { key: "max_length", value, rule }));
        }
        let limit = if options.truncation { max_length.unwrap_or(usize::MAX) } else { usize::MAX };
        let clips: Vec<&[f32]> = clips.iter().map(|clip| &clip[..clip.len().min(limit)]).collect();
        let longest = clips.iter().map(|clip| clip.len()).max().ok_or_else(|| failed(ErrorKind::NoClips))?;
        let cols = match (options.padding, max_length) {
            (Padding::MaxLength, Some(length)) => length,
            _ => rounded(longest)?,
        };
        if clips.iter().any(|clip| clip.is_empty()) {
            return Err(failed(ErrorKind::TooShort { samples: 0, needed: 1 }));
        }
        if let Some(row) = clips.iter().position(|clip| clip.len() > cols) {
            return Err(failed(ErrorKind::DoesNotFit { row, samples: clips[row].len(), max_length: cols }));
        }
        let rows = clips.len();
        let Some(values) = rows.checked_mul(cols) else {
            let rule = "such a batch does not fit in memory";
            return Err(failed(ErrorKind::Value { key: "max_length", value: cols.to_string(), rule }));
        };
        let wants_mask = options.return_attention_mask.unwrap_or(self.return_attention_mask);
        let mut input_values = vec![self.padding_value as f32; values];
        let mut attention_mask = wants_mask.then(|| vec![0; values]);
        for (row, clip) in clips.iter().enumerate() {
            let start = row * cols
                + match self.padding_side {
                    PaddingSide::Right => 0,
                    PaddingSide::Left => cols - clip.len(),
                };
            let real = start..start + clip.len();
            input_values[real.clone()].copy_from_slice(clip);
            if let Some(mask) = &mut attention_mask {
                mask[real].fill(1);
            }
        }
        let lengths = clips.iter().map(|clip| clip.len()).collect();
        Ok(Batch { input_values, rows, cols, attention_mask, lengths })
    }
}
