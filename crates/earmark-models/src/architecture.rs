//! What every network of this crate is: a row of the table of model types, a configuration, an input, logits.

use burn::module::Module;
use burn::tensor::Tensor;
use earmark_config::Family;

use crate::error::ErrorKind;
use crate::hidden_states::{Layer, Pool};
use crate::layers::padding_mask::PaddingMask;
use crate::training::rng::TrainingRng;

/// A network that checkpoints are read into and written from.
///
/// Its field names are the reference's, except that a field called `base` at the top stands for the base model, which every
/// family calls otherwise: [`Keys::base`](earmark_config::Keys::base).
pub trait Architecture: Module {
    /// Its row in the table of model types.
    fn family(&self) -> &'static Family;
    /// The field below the base model that stands behind the last layer, where there is one: a norm, but for SEW.
    fn final_norm(&self) -> Option<&'static str> {
        None
    }
    /// Whether a checkpoint of it has `key` for something that the network is never asked.
    fn does_without(&self, _key: &str) -> bool {
        false
    }
}

/// The keys of a `config.json` that a network is built from.
pub(crate) trait ArchitectureConfig {
    /// The row in the table of model types.
    fn family(&self) -> &'static Family;
    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    fn validate(&self) -> Result<(), ErrorKind>;
    /// Transformer layers.
    fn layers(&self) -> usize;
    /// Width of a hidden state, D.
    fn width(&self) -> usize;
    /// Width of the last hidden state: an adapter's is its own.
    fn last_width(&self) -> usize {
        self.width()
    }
    /// Whether an adapter stands behind the layers.
    fn has_adapter(&self) -> bool {
        false
    }
    /// The fewest frames of the layers of which the last hidden state has `frames`: an adapter leaves fewer.
    fn frames_before_adapter(&self, frames: usize) -> usize {
        frames
    }
    /// Whether the reference has no classifier of this encoder.
    fn is_no_classifier(&self) -> bool {
        self.has_adapter()
    }
    /// Whether the head has a weight for each hidden state.
    fn use_weighted_layer_sum(&self) -> bool {
        false
    }
    /// Tokens before the frames of a hidden state that stand for the whole clip.
    fn tokens(&self) -> usize {
        0
    }
    /// Standard deviation of new linear weights.
    fn initializer_range(&self) -> f64;
    /// The shortest clip that the network makes a frame of, in samples at its own rate; 1 when its extractor makes every clip
    /// one length.
    fn min_samples(&self) -> usize {
        1
    }
    /// The shape of the spectrogram that the network expects, without the batch; `None` for a network over samples.
    fn spectrogram(&self) -> Option<[usize; 2]> {
        None
    }
    /// Numbers of a frame that the network expects, of which a clip may have any number; `None` for other networks.
    fn frame_width(&self) -> Option<usize> {
        None
    }
    /// The fewest frames of a clip, where the network expects frames.
    fn min_frames(&self) -> usize {
        1
    }
    /// Whether zeros behind a clip leave its logits as they are, once the network is given the clip's length.
    fn padding_is_harmless(&self) -> bool {
        false
    }
}

/// A network that turns what an extractor makes into logits.
pub(crate) trait Classify {
    /// Logits `[B, L]`; `rng` switches the random regularisers of training on.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for an input of another kind or shape than the network's own extractor makes.
    fn classify(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind>;
    /// Shows every hidden state to `each`, with its number and which of its frames are real: tokens, then frames, `[B, T, D]`.
    /// Returns `last_hidden_state`, and the mask again.
    ///
    /// # Errors
    /// As [`classify`](Self::classify).
    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind>;
    /// `last_hidden_state`, and which of its frames are real.
    ///
    /// # Errors
    /// As [`classify`](Self::classify).
    fn last_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        self.hidden_states(input, &mut |_, _, _| {})
    }
    /// The hidden states weighted as the head weights them.
    ///
    /// # Errors
    /// As [`classify`](Self::classify); [`ErrorKind::NoLayerWeights`] where the head has no weights.
    fn weighted_state(&self, _input: Input) -> Result<LastState, ErrorKind> {
        Err(ErrorKind::NoLayerWeights)
    }
    /// What an x-vector head makes of each clip, `[B, X]`.
    ///
    /// # Errors
    /// As [`classify`](Self::classify); [`ErrorKind::NoXVector`] where there is no such head.
    fn x_vector(&self, _input: Input) -> Result<Tensor<2>, ErrorKind> {
        Err(ErrorKind::NoXVector)
    }
    /// Tokens before the frames of a hidden state that stand for the whole clip.
    fn tokens(&self) -> usize {
        0
    }

    /// How the head pools a hidden state.
    fn pool(&self) -> Pool {
        if self.tokens() > 0 { Pool::Cls } else { Pool::Mean }
    }

    /// The hidden states of `layer`, pooled: `[B, 1, D]` each, or without pooling `[B, T, D]`.
    ///
    /// # Errors
    /// As [`classify`](Self::classify); and for a layer or a pool that the network does not have.
    fn embeddings(&self, input: Input, layer: Layer, pool: Pool) -> Result<Vec<Tensor<3>>, ErrorKind> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        let alone = match layer {
            Layer::Last => self.last_state(input)?,
            Layer::Weighted => self.weighted_state(input)?,
            Layer::XVector => return Ok(vec![self.x_vector(input)?.unsqueeze_dim(1)]),
            Layer::All | Layer::Number(_) => {
                self.hidden_states(input, &mut |number, state, mask| {
                    if layer == Layer::All || layer == Layer::Number(number) {
                        found.push(pool.apply(state.clone(), tokens, mask));
                    }
                })?;
                return Ok(found);
            }
        };
        let (state, mask) = alone;
        found.push(pool.apply(state, tokens, mask.as_ref()));
        Ok(found)
    }

    /// The embedding of each clip, `[B, D]`: the last hidden states as the network pools them, before the head.
    ///
    /// # Errors
    /// As [`classify`](Self::classify).
    fn embed(&self, input: Input) -> Result<Tensor<2>, ErrorKind> {
        let mut last = self.embeddings(input, Layer::Last, self.pool())?;
        Ok(last.swap_remove(0).squeeze_dim(1))
    }
}

/// Takes a hidden state, with its number and which of its frames are real.
pub(crate) type EachState<'a> = dyn FnMut(usize, &Tensor<3>, Option<&PaddingMask>) + 'a;

/// `last_hidden_state`, and which of its frames are real.
pub(crate) type LastState = (Tensor<3>, Option<PaddingMask>);

/// The input of a network.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// Samples, for the networks that begin with convolutions over them.
    Waveforms {
        /// `[B, S]`, normalised as the preprocessor says, zero-padded on the right.
        values: Tensor<2>,
        /// Real samples of each clip; `None` when the extractor makes no attention mask.
        lengths: Option<Vec<usize>>,
    },
    /// What a spectrogram extractor makes, `[B, …]` in its own order of axes: AST `[B, T, F]`, Whisper `[B, F, T]`.
    Spectrograms(Tensor<3>),
    /// Frames of a spectrogram, for networks that take any number of them.
    Frames {
        /// `[B, T, F]`, padded behind.
        values: Tensor<3>,
        /// Real frames of each clip; `None` when all are.
        lengths: Option<Vec<usize>>,
    },
}

impl Input {
    /// The input of a network over samples.
    pub(crate) fn waveforms(self) -> Result<(Tensor<2>, Option<Vec<usize>>), ErrorKind> {
        match self {
            Input::Waveforms { values, lengths } => Ok((values, lengths)),
            Input::Spectrograms(_) | Input::Frames { .. } => {
                Err(ErrorKind::BadInput("the network expects samples, not spectrograms".to_owned()))
            }
        }
    }

    /// The input of a network over spectrograms.
    pub(crate) fn spectrograms(self) -> Result<Tensor<3>, ErrorKind> {
        match self {
            Input::Spectrograms(values) => Ok(values),
            Input::Waveforms { .. } | Input::Frames { .. } => {
                let why = "the network expects spectrograms of one size, not samples or any number of frames";
                Err(ErrorKind::BadInput(why.to_owned()))
            }
        }
    }

    /// The input of a network over any number of frames.
    pub(crate) fn frames(self) -> Result<(Tensor<3>, Option<Vec<usize>>), ErrorKind> {
        match self {
            Input::Frames { values, lengths } => Ok((values, lengths)),
            Input::Waveforms { .. } | Input::Spectrograms(_) => {
                let why = "the network expects any number of frames, not samples or spectrograms of one size";
                Err(ErrorKind::BadInput(why.to_owned()))
            }
        }
    }
}
