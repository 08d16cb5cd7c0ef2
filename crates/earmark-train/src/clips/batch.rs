use std::borrow::Cow;
use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use earmark_features::{Features, FrameBatch, PadOptions, PaddingSide, Preprocessor, Wav2Vec2Extractor};
use earmark_models::Input;

use crate::error::ErrorKind;

/// Clips of one length and their classes, not yet on a device.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Clip after clip.
    pub(crate) features: BatchFeatures,
    /// The class of each clip, B of them.
    pub(crate) labels: Vec<usize>,
    /// What is mixed into each clip, B of them; empty where nothing is.
    pub(crate) mixes: Vec<Mix>,
}

/// A clip that is mixed into another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    /// Its class.
    pub(crate) class: usize,
    /// Its share of the mixture and of the target; 0 for none.
    pub(crate) share: f64,
}

/// The padded features of some clips, not yet on a device.
#[derive(Debug)]
pub(crate) enum BatchFeatures {
    /// `[B, S]`, and the number of real samples of each clip for networks that take a mask.
    Waveforms { values: Vec<f32>, lengths: Option<Vec<usize>> },
    /// `[B, …shape]`
    Spectrograms { values: Vec<f32>, shape: Vec<usize> },
    /// Of clips of several lengths.
    Frames(FrameBatch),
}

impl Batch {
    /// Pads features to the longest of them. There is at least one clip.
    pub(crate) fn new(
        preprocessor: &Preprocessor,
        clips: &[Cow<'_, Features>],
        labels: Vec<usize>,
    ) -> Result<Batch, ErrorKind> {
        let features = match preprocessor {
            Preprocessor::Wav2Vec2(extractor) => {
                let samples: Vec<&[f32]> = clips.iter().map(|features| features.data.as_slice()).collect();
                // The network takes the first samples as the real ones. (The reference's does, too, and so processes the
                // padding of a clip that its collator pads on the left.)
                let extractor = Wav2Vec2Extractor { padding_side: PaddingSide::Right, ..extractor.clone() };
                let padded = extractor.pad(&samples, &PadOptions::default())?;
                let lengths = padded.attention_mask.is_some().then_some(padded.lengths);
                BatchFeatures::Waveforms { values: padded.input_values, lengths }
            }
            Preprocessor::SeamlessM4T(_) | Preprocessor::Ced(_) => {
                let clips: Vec<&Features> = clips.iter().map(AsRef::as_ref).collect();
                BatchFeatures::Frames(FrameBatch::new(&clips))
            }
            // These extractors give every clip the same shape.
            _ => BatchFeatures::Spectrograms {
                shape: clips[0].shape.clone(),
                values: clips.iter().flat_map(|features| &features.data).copied().collect(),
            },
        };
        Ok(Batch { features, labels, mixes: Vec::new() })
    }

    /// The network's input, on a device.
    pub(crate) fn input(self, device: &Device) -> Input {
        let clips = self.labels.len();
        match self.features {
            BatchFeatures::Waveforms { values, lengths } => {
                let shape = [clips, values.len() / clips];
                Input::Waveforms {
                    values: Tensor::from_data(TensorData::new(values, shape), device),
                    lengths,
                }
            }
            BatchFeatures::Spectrograms { values, shape } => {
                let shape = [&[clips], shape.as_slice()].concat();
                Input::Spectrograms(Tensor::from_data(TensorData::new(values, shape), device))
            }
            BatchFeatures::Frames(FrameBatch { input_features, frames, width, lengths }) => {
                let data = TensorData::new(input_features, [clips, frames, width]);
                Input::Frames { values: Tensor::from_data(data, device), lengths: Some(lengths) }
            }
        }
    }
}

/// The clips of `piece` among those of a batch.
pub(crate) fn part(input: &Input, piece: Range<usize>) -> Input {
    let (start, clips) = (piece.start, piece.len());
    match input {
        Input::Waveforms { values, lengths } => Input::Waveforms {
            values: values.clone().narrow(0, start, clips),
            lengths: lengths.as_ref().map(|lengths| lengths[piece].to_vec()),
        },
        Input::Spectrograms(values) => Input::Spectrograms(values.clone().narrow(0, start, clips)),
        Input::Frames { values, lengths } => Input::Frames {
            values: values.clone().narrow(0, start, clips),
            lengths: lengths.as_ref().map(|lengths| lengths[piece].to_vec()),
        },
        other => other.clone(),
    }
}
