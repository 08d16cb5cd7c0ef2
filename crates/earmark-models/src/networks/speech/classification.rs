//! Speech encoders with a classification head: `Wav2Vec2ForSequenceClassification`, `HubertForSequenceClassification` and their
//! kin of transformers 5.23.0, which are one network under several names.
//!
//! Shapes: B clips, S samples, T frames, D hidden size, P projection, L labels.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use earmark_config::Family;

use crate::architecture::{Architecture, Classify, EachState, Input, LastState};
use crate::error::ErrorKind;
use crate::layers::linear::Linear;
use crate::layers::padding_mask::masked_mean;
use crate::linear_head::{LayerWeights, LinearHead};
use crate::networks::speech::{SpeechConfig, SpeechEncoder};
use crate::training::rng::TrainingRng;

/// A speech encoder with a projector and a classifier on top.
#[derive(Module, Debug)]
pub struct SpeechForSequenceClassification {
    /// `hubert`, `wav2vec2`, … in a checkpoint.
    base: SpeechEncoder,
    projector: Linear,
    classifier: Linear,
    /// A weight for each hidden state, when they are mixed.
    layer_weights: Option<Param<Tensor<1>>>,
    #[module(skip)]
    family: &'static Family,
}

impl SpeechForSequenceClassification {
    /// The network with every weight zero, to be filled by [`load`](crate::load) or [`init_weights`](crate::init_weights).
    ///
    /// The config must have passed [`SpeechConfig::validate`].
    pub fn zeros(config: &SpeechConfig, labels: usize, device: &Device) -> Self {
        let states = config.num_hidden_layers + 1;
        SpeechForSequenceClassification {
            base: SpeechEncoder::zeros(config, device),
            projector: Linear::new(config.hidden_size, config.classifier_proj_size, device),
            classifier: Linear::new(config.classifier_proj_size, labels, device),
            layer_weights: config.use_weighted_layer_sum.then(|| Initializer::Zeros.init([states], device)),
            family: config.model_type,
        }
    }

    /// Scores each clip against every label.
    /// - `waveforms`: `[B, S]`, 16 kHz, normalised as the preprocessor says, zero-padded on the right
    /// - `lengths`: real samples per clip, B of them; `None` when the extractor makes no attention mask, and then padding
    ///   counts as sound, because group-norm checkpoints were trained that way
    /// - `rng`: the random regularisers of training (layerdrop, SpecAugment, and with weights on an autodiff device
    ///   dropout); `None` for inference
    /// - returns logits `[B, L]`, not probabilities
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when there are not B lengths, or S or a length is below [`SpeechConfig::min_samples`], or a
    /// length is above S.
    pub fn forward(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Tensor<2>, ErrorKind> {
        let weights = self.layer_weights.as_ref();
        let (hidden, mask) = self.base.forward_mixed(waveforms, lengths, weights, rng)?; // [B, T, D]
        let projected = self.projector.forward(hidden); // [B, T, P]
        let pooled = masked_mean(projected, mask.as_ref()); // [B, P]
        Ok(self.classifier.forward(pooled)) // [B, L]
    }

    /// The logits of pooled hidden states, `[B, D]` to `[B, L]`: those of [`forward`](Self::forward), as the projector is linear.
    #[cfg(test)]
    pub(super) fn head(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.classifier.forward(self.projector.forward(pooled))
    }

    /// The same encoder with a linear head: the projector changes nothing.
    pub(crate) fn with_linear_head(
        &self,
        head: &LinearHead<'_>,
        layer_weights: LayerWeights,
        device: &Device,
    ) -> Self {
        let classifier = Linear::of_values(head.weight, head.bias, device);
        SpeechForSequenceClassification {
            base: self.base.clone(),
            projector: Linear::identity(head.weight.len() / head.bias.len(), device),
            classifier,
            layer_weights: layer_weights.parameter(self.layer_weights.as_ref(), device),
            family: self.family,
        }
    }

    /// The encoder below the head.
    pub fn base(&self) -> &SpeechEncoder {
        &self.base
    }
}

impl Architecture for SpeechForSequenceClassification {
    fn family(&self) -> &'static Family {
        self.family
    }

    fn final_norm(&self) -> Option<&'static str> {
        self.base.encoder.behind_layers()
    }
}

impl Classify for SpeechForSequenceClassification {
    fn classify(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        let (values, lengths) = input.waveforms()?;
        self.forward(values, lengths.as_deref(), rng)
    }

    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        let (values, lengths) = input.waveforms()?;
        self.base.each_state(values, lengths.as_deref(), each)
    }

    fn last_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        let (values, lengths) = input.waveforms()?;
        self.base.forward(values, lengths.as_deref(), None)
    }

    fn weighted_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        let weights = self.layer_weights.as_ref().ok_or(ErrorKind::NoLayerWeights)?;
        let (values, lengths) = input.waveforms()?;
        self.base.forward_mixed(values, lengths.as_deref(), Some(weights), None)
    }
}
