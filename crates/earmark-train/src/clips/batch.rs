use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use earmark_models::Input;

/// Clips of one length and their classes, not yet on a device.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Clip after clip.
    pub(crate) features: BatchFeatures,
    /// The class of each clip, B of them.
    pub(crate) labels: Vec<usize>,
}

/// The padded features of some clips, not yet on a device.
#[derive(Debug)]
pub(crate) enum BatchFeatures {
    /// `[B, S]`, and the number of real samples of each clip for networks that take a mask.
    Waveforms { values: Vec<f32>, lengths: Option<Vec<usize>> },
    /// `[B, …shape]`
    Spectrograms { values: Vec<f32>, shape: Vec<usize> },
}

impl Batch {
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
        other => other.clone(),
    }
}
