//! The encoder that Wav2Vec2, HuBERT and their kin share: convolutions over samples, then a transformer over frames.
//!
//! | here                  | paper (arXiv:2006.11477, arXiv:2106.07447) | transformers 5.23.0 `modeling_wav2vec2.py`          |
//! |-----------------------|--------------------------------------------|-----------------------------------------------------|
//! | `FeatureEncoder`      | feature encoder, CNN encoder               | `Wav2Vec2FeatureEncoder`                            |
//! | `FeatureProjection`   | –                                          | `Wav2Vec2FeatureProjection`                         |
//! | `PosConvEmbed`        | convolutional positions                    | `Wav2Vec2PositionalConvEmbedding`                   |
//! | `EncoderLayer`        | transformer block                          | `Wav2Vec2EncoderLayer`, `…LayerStableLayerNorm`     |
//! | `Encoder`             | context network                            | `Wav2Vec2Encoder`, `Wav2Vec2EncoderStableLayerNorm` |
//! | [`SpeechEncoder`]     | –                                          | `Wav2Vec2Model`, `SpeechEncoder`, `UniSpeechModel`    |
//!
//! What the families call their parts differs by one prefix; each has a file that says so and adds the head.
//!
//! Shapes: B clips, S samples, T frames, C convolution channels, D hidden size, L labels. One frame per 320 samples:
//! S = 16 000 gives T = 49.
//!
//! Differs from the reference on purpose: with a stable layer norm *and* a weighted layer sum the last state is layer
//! normed, as transformers 4 does and the checkpoints were trained; 5.23 leaves that norm's weights dead.

mod config;
mod encoder;
mod feature_encoder;
mod positions;
mod spec_augment;

use burn::module::{Initializer, Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use crate::error::ErrorKind;
use crate::layers::padding_mask::PaddingMask;
use crate::layers::transformer::linear;
use crate::layers::weighted_sum::WeightedSum;
use crate::training::rng::TrainingRng;

use encoder::Encoder;
use feature_encoder::{FeatureEncoder, FeatureProjection};
use spec_augment::spec_augment;

pub(crate) use crate::layers::padding_mask::masked_mean;
pub use config::{FeatExtractNorm, SpeechConfig};

/// Declares a family's network: the shared encoder under the family's own key, and the head that all have.
macro_rules! speech_classifier {
    ($(#[$doc:meta])* $name:ident, $base:ident, model_type: $model_type:literal, spans_of: $spans_of:expr, unused: $unused:expr) => {
        $(#[$doc])*
        #[derive(burn::module::Module, Debug)]
        pub struct $name {
            $base: $crate::networks::speech::SpeechEncoder,
            projector: burn::nn::Linear,
            classifier: burn::nn::Linear,
            layer_weights: Option<burn::module::Param<burn::tensor::Tensor<1>>>,
        }

        impl $crate::Architecture for $name {
            const KEYS: $crate::Keys = $crate::Keys {
                base: concat!(stringify!($base), "."),
                head: &["projector.", "classifier.", "layer_weights"],
                labels: Some("classifier.weight"),
                renames: &[],
                scalars: &[],
                // Only SpecAugment reads it.
                optional: &[concat!(stringify!($base), ".masked_spec_embed")],
                unused: $unused,
            };
            const CONVOLUTIONS: $crate::Convolutions = $crate::Convolutions::Kaiming;
        }

        impl $crate::Classify for $name {
            type Config = $crate::SpeechConfig;
            const MODEL_TYPE: &'static str = $model_type;
            const CLASS: &'static str = stringify!($name);

            fn zeros(config: &$crate::SpeechConfig, labels: usize, device: &burn::tensor::Device) -> Self {
                $name::zeros(config, labels, device)
            }

            fn classify(
                &self,
                input: $crate::Input,
                rng: Option<&mut $crate::TrainingRng>,
            ) -> Result<burn::tensor::Tensor<2>, $crate::ErrorKind> {
                let (values, lengths) = input.waveforms()?;
                self.forward(values, lengths.as_deref(), rng)
            }

            fn embed(&self, input: $crate::Input) -> Result<burn::tensor::Tensor<2>, $crate::ErrorKind> {
                let (values, lengths) = input.waveforms()?;
                let (last, mask) = self.$base.forward(values, lengths.as_deref(), None)?; // [B, T, D]
                Ok($crate::networks::speech::masked_mean(last, mask.as_ref()))
            }
        }

        impl $name {
            /// The network with every weight zero, to be filled by [`load`](crate::load) or
            /// [`init_weights`](crate::init_weights).
            ///
            /// The config must have passed [`SpeechConfig::validate`](crate::SpeechConfig::validate).
            pub fn zeros(config: &$crate::SpeechConfig, labels: usize, device: &burn::tensor::Device) -> Self {
                let (projector, classifier, layer_weights) = $crate::networks::speech::head(config, labels, device);
                let $base = $crate::networks::speech::SpeechEncoder::zeros(config, $spans_of, device);
                $name { $base, projector, classifier, layer_weights }
            }

            /// Scores each clip against every label.
            /// - `waveforms`: `[B, S]`, 16 kHz, normalised as the preprocessor says, zero-padded on the right
            /// - `lengths`: real samples per clip, B of them; `None` when the extractor makes no attention mask, and then
            ///   padding counts as sound, because group-norm checkpoints were trained that way
            /// - `rng`: the random regularisers of training (layerdrop, SpecAugment, and with weights on an autodiff
            ///   device dropout); `None` for inference
            /// - returns logits `[B, L]`, not probabilities
            ///
            /// # Errors
            /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) when there are not B lengths, or S or a length is below
            /// [`SpeechConfig::min_samples`](crate::SpeechConfig::min_samples), or a length is above S.
            pub fn forward(
                &self,
                waveforms: burn::tensor::Tensor<2>,
                lengths: Option<&[usize]>,
                rng: Option<&mut $crate::TrainingRng>,
            ) -> Result<burn::tensor::Tensor<2>, $crate::ErrorKind> {
                let weights = self.layer_weights.as_ref();
                let (hidden, mask) = self.$base.forward_mixed(waveforms, lengths, weights, rng)?; // [B, T, D]
                let projected = $crate::layers::ops::linear(&self.projector, hidden); // [B, T, P]
                let pooled = $crate::networks::speech::masked_mean(projected, mask.as_ref()); // [B, P]
                Ok($crate::layers::ops::linear(&self.classifier, pooled)) // [B, L]
            }

            /// The encoder below the head.
            pub fn base(&self) -> &$crate::SpeechEncoder {
                &self.$base
            }
        }
    };
}
pub(crate) use speech_classifier;

/// Projector `[D, P]`, classifier `[P, L]`, and a weight for each hidden state when they are mixed.
pub(crate) fn head(
    config: &SpeechConfig,
    labels: usize,
    device: &Device,
) -> (Linear, Linear, Option<Param<Tensor<1>>>) {
    let states = config.num_hidden_layers + 1;
    let layer_weights = config.use_weighted_layer_sum.then(|| Initializer::Zeros.init([states], device));
    let projector = linear(config.hidden_size, config.classifier_proj_size, true, device);
    (projector, linear(config.classifier_proj_size, labels, true, device), layer_weights)
}

/// The encoder without a head: samples to frames.
#[derive(Module, Debug)]
pub struct SpeechEncoder {
    feature_extractor: FeatureEncoder,
    feature_projection: FeatureProjection,
    /// Stands in for the frames that SpecAugment masks; untouched outside of training.
    masked_spec_embed: Option<Param<Tensor<1>>>,
    encoder: Encoder,
    #[module(skip)]
    config: SpeechConfig,
    #[module(skip)]
    spans_of: SpansOf,
}

/// Which frames SpecAugment draws its spans from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpansOf {
    /// All of them, padding included: the reference's HuBERT does not pass its mask on.
    EveryFrame,
    /// The real ones.
    RealFrames,
}

impl SpeechEncoder {
    pub(crate) fn zeros(config: &SpeechConfig, spans_of: SpansOf, device: &Device) -> Self {
        SpeechEncoder {
            feature_extractor: FeatureEncoder::zeros(config, device),
            feature_projection: FeatureProjection::zeros(config, device),
            masked_spec_embed: config
                .has_masked_spec_embed()
                .then(|| Initializer::Zeros.init([config.hidden_size], device)),
            encoder: Encoder::zeros(config, device),
            config: config.clone(),
            spans_of,
        }
    }

    /// The last hidden state, `[B, T, D]`; and which frames are real, when `lengths` says so.
    /// - `waveforms`: `[B, S]`, 16 kHz, normalised as the preprocessor says, zero-padded on the right
    /// - `lengths`: real samples of each clip; `None` when padding counts as sound
    /// - `rng`: for the random regularisers of training; `None` for inference
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when there are not B lengths, or S or a length is below [`SpeechConfig::min_samples`], or a
    /// length is above S.
    pub fn forward(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<(Tensor<3>, Option<PaddingMask>), ErrorKind> {
        self.run(waveforms, lengths, rng, |_| {})
    }

    /// Every hidden state, `[B, T, D]` each: the input of the first layer, then the output of each layer. Otherwise as
    /// [`forward`](Self::forward), which keeps the last one only.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn hidden_states(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<(Vec<Tensor<3>>, Option<PaddingMask>), ErrorKind> {
        let mut states = Vec::new();
        let (last, mask) = self.run(waveforms, lengths, rng, |state| states.push(state.clone()))?;
        states.push(last);
        Ok((states, mask))
    }

    /// The last hidden state, or with `layer_weights` the weighted sum of all: what a head is given.
    pub(crate) fn forward_mixed(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        layer_weights: Option<&Param<Tensor<1>>>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<(Tensor<3>, Option<PaddingMask>), ErrorKind> {
        let Some(weights) = layer_weights else { return self.forward(waveforms, lengths, rng) };
        let mut sum = WeightedSum::new(weights.val());
        let (last, mask) = self.run(waveforms, lengths, rng, |state| sum.add(state.clone()))?;
        Ok((sum.finish(last), mask))
    }

    /// Shows every hidden state but the last to `each`, and returns the last.
    fn run(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        mut rng: Option<&mut TrainingRng>,
        each: impl FnMut(&Tensor<3>),
    ) -> Result<(Tensor<3>, Option<PaddingMask>), ErrorKind> {
        self.check(&waveforms, lengths)?;
        let features = self.feature_extractor.forward(waveforms); // [B, T, C]
        let [batch, frames, _] = features.dims();
        let mask = lengths.and_then(|lengths| {
            let lengths = lengths.iter().map(|&samples| self.config.frames(samples)).collect();
            PaddingMask::new(lengths, frames)
        });
        let mut hidden = self.feature_projection.forward(features, rng.as_deref_mut()); // [B, T, D]
        if let Some(rng) = rng.as_deref_mut() {
            let embed = self.masked_spec_embed.as_ref().map(Param::val);
            let lengths = match (self.spans_of, &mask) {
                (SpansOf::RealFrames, Some(mask)) => mask.lengths(),
                _ => &vec![frames; batch],
            };
            hidden = spec_augment(&self.config, hidden, lengths, embed, rng);
        }
        let last = self.encoder.forward(hidden, mask.as_ref(), rng, each); // [B, T, D]
        Ok((last, mask))
    }

    /// Refuses clips that make no frame, and lengths that are not theirs.
    fn check(&self, waveforms: &Tensor<2>, lengths: Option<&[usize]>) -> Result<(), ErrorKind> {
        let ([batch, samples], least) = (waveforms.dims(), self.config.min_samples());
        if samples < least {
            let why = format!("clips of {samples} samples were given, and one frame needs {least}");
            return Err(ErrorKind::BadInput(why));
        }
        let Some(lengths) = lengths else { return Ok(()) };
        if lengths.len() != batch {
            let why = format!("{batch} clips come with {} lengths, expected one each", lengths.len());
            return Err(ErrorKind::BadInput(why));
        }
        match lengths.iter().position(|length| !(least..=samples).contains(length)) {
            Some(clip) => Err(ErrorKind::BadInput(format!(
                "clip {clip} comes with a length of {} samples, expected {least} to {samples}",
                lengths[clip]
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
