use burn::module::Module;
use burn::tensor::{Device, Tensor};
use earmark_config::Blocks;

use crate::layers::padding_mask::PaddingMask;
use crate::networks::speech::config::SpeechConfig;
use crate::networks::speech::conformer::ConformerEncoder;
use crate::networks::speech::squeezed::SqueezedEncoder;
use crate::networks::speech::transformer::TransformerEncoder;
use crate::training::rng::TrainingRng;

/// The context network: frames to hidden states.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a network; burn has no boxed modules")]
pub(super) enum Encoder {
    Transformer(TransformerEncoder),
    Conformer(ConformerEncoder),
    Squeezed(SqueezedEncoder),
}

impl Encoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        match config.blocks() {
            Blocks::Transformer(_) => Encoder::Transformer(TransformerEncoder::zeros(config, device)),
            Blocks::Conformer => Encoder::Conformer(ConformerEncoder::zeros(config, device)),
            Blocks::Squeezed | Blocks::SqueezedDisentangled => {
                Encoder::Squeezed(SqueezedEncoder::zeros(config, device))
            }
        }
    }

    /// `[B, T, D]` to the last state of the layers. `each` is shown every state: the first layer's input, then each layer's output,
    /// the last one before the norm that some end with.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<&PaddingMask>,
        rng: Option<&mut TrainingRng>,
        each: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        match self {
            Encoder::Transformer(encoder) => encoder.forward(hidden, mask, rng, each),
            Encoder::Conformer(encoder) => encoder.forward(hidden, mask, rng, each),
            Encoder::Squeezed(encoder) => encoder.forward(hidden, mask, rng, each),
        }
    }

    /// The last hidden state, `[B, T, D]`, from the last state of the layers.
    pub(super) fn finish(&self, last: Tensor<3>, frames: usize) -> Tensor<3> {
        match self {
            Encoder::Transformer(_) | Encoder::Conformer(_) => last,
            Encoder::Squeezed(encoder) => encoder.finish(last, frames),
        }
    }

    /// The field below the base model that stands behind the layers.
    pub(super) fn behind_layers(&self) -> Option<&'static str> {
        match self {
            Encoder::Transformer(encoder) => encoder.stable.then_some("encoder.layer_norm"),
            Encoder::Conformer(_) => Some("encoder.layer_norm"),
            Encoder::Squeezed(_) => Some("encoder.upsample"),
        }
    }
}
