use serde::{Deserialize, Serialize};

use crate::config::activation::Activation;
use crate::config::checks;
use crate::error::ErrorKind;

/// How the attention of a Conformer block knows where a frame is: `position_embeddings_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionEmbeddings {
    /// Sinusoids of the distance of two frames, projected (arXiv:1901.02860).
    Relative,
    /// A rotation of each frame by its place (arXiv:2104.09864).
    Rotary,
    /// A learned vector for each distance, up to one on either side (arXiv:1803.02155); Wav2Vec2-BERT only.
    RelativeKey,
}

/// What the blocks of one encoder have in common.
#[derive(Debug, Clone)]
pub(crate) struct ConformerConfig {
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Width of the feed-forward layers.
    pub(crate) inner: usize,
    pub(crate) activation: Activation,
    /// Of the norms of a block.
    pub(crate) epsilon: f64,
    pub(crate) positions: Option<PositionEmbeddings>,
    pub(crate) rotary_base: usize,
    /// Whether files have the frequencies of `rotary`, which follow from the base.
    pub(crate) files_have_frequencies: bool,
    /// The distances that have a vector of their own, before a frame and after it.
    pub(crate) distances: [usize; 2],
    pub(crate) convolution: Convolution,
    /// Of the depthwise convolution.
    pub(crate) kernel: usize,
    pub(crate) hidden_dropout: f64,
    pub(crate) activation_dropout: f64,
    pub(crate) attention_dropout: f64,
    pub(crate) conv_dropout: f64,
}

/// The depthwise convolution of a block, and the norm behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Convolution {
    /// Over frames on both sides, then a batch norm.
    CentredBatchNorm,
    /// Over the frame and those before it, then a layer norm.
    CausalLayerNorm,
}

impl ConformerConfig {
    /// Checks what its keys of `config.json` must be for a network to exist.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub(crate) fn validate(&self) -> Result<(), ErrorKind> {
        checks::sizes(&[
            ("conv_depthwise_kernel_size", self.kernel, 1 << 12),
            ("rotary_embedding_base", self.rotary_base, 1 << 40),
        ])?;
        checks::chances(&[("conformer_conv_dropout", self.conv_dropout)])?;
        if self.kernel.is_multiple_of(2) {
            let why = format!("is {}, expected an odd number", self.kernel);
            return checks::bad("conv_depthwise_kernel_size", why);
        }
        let (what, size) = match self.positions {
            Some(PositionEmbeddings::Relative) => ("relative with hidden_size", self.width),
            Some(PositionEmbeddings::Rotary) => {
                ("rotary with a head size of", self.width / self.heads.max(1))
            }
            Some(PositionEmbeddings::RelativeKey) | None => return Ok(()),
        };
        match size.is_multiple_of(2) {
            true => Ok(()),
            false => {
                checks::bad("position_embeddings_type", format!("is {what} {size}, expected an even number"))
            }
        }
    }

    /// Parameters of so many blocks.
    pub(crate) fn parameters(&self, layers: usize) -> u128 {
        let (width, inner, layers) = (self.width as u128, self.inner as u128, layers as u128);
        // Two feed-forward networks; queries, keys, values, positions and output; the pointwise convolutions, of which the first
        // has twice the channels.
        layers * (4 * width * inner + 8 * width * width + width * self.kernel as u128)
    }
}
