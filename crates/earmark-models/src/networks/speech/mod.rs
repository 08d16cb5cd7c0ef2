//! The encoder that Wav2Vec2, HuBERT and their kin share: convolutions over samples, then a transformer over frames.
//!
//! | here                  | paper (arXiv:2006.11477, arXiv:2106.07447) | transformers 5.23.0 `modeling_wav2vec2.py`          |
//! |-----------------------|--------------------------------------------|-----------------------------------------------------|
//! | `FeatureEncoder`      | feature encoder, CNN encoder               | `Wav2Vec2FeatureEncoder`                            |
//! | `FeatureProjection`   | –                                          | `Wav2Vec2FeatureProjection`                         |
//! | `PosConvEmbed`        | convolutional positions                    | `Wav2Vec2PositionalConvEmbedding`, `Data2VecAudio…` |
//! | `GatedPositionBias`   | gated relative position bias (arXiv:2110.13900) | `WavLMAttention`                               |
//! | `EncoderLayer`        | transformer block                          | `Wav2Vec2EncoderLayer`, `…LayerStableLayerNorm`     |
//! | `TransformerEncoder`  | context network                            | `Wav2Vec2Encoder`, `Wav2Vec2EncoderStableLayerNorm` |
//! | `ConformerEncoder`    | (arXiv:2010.05171)                         | `Wav2Vec2ConformerEncoder`                          |
//! | `SqueezedEncoder`     | (arXiv:2109.06870)                         | `SEWEncoder`, `SEWDEncoder`                         |
//! | `DisentangledEncoder` | disentangled attention (arXiv:2006.03654)  | `SEWDTransformerEncoder`                            |
//! | `Adapter`             | –                                          | `Wav2Vec2Adapter`                                   |
//! | `AttnAdapterLayer`    | language adapter (arXiv:2305.13516)        | `Wav2Vec2AttnAdapterLayer`                          |
//! | [`SpeechEncoder`]     | –                                          | `Wav2Vec2Model`, `SpeechEncoder`, `UniSpeechModel`    |
//!
//! What the families call their parts differs by one prefix, which the table of earmark-config has; `classification` adds the head.
//!
//! Shapes: B clips, S samples, T frames, C convolution channels, D hidden size, L labels. One frame per 320 samples:
//! S = 16 000 gives T = 49.
//!
//! Differs from the reference on purpose: with a stable layer norm or Conformer blocks *and* a weighted layer sum the last state is layer
//! normed, as transformers 4 does and the checkpoints were trained; 5.23 leaves that norm's weights dead.

mod adapter;
mod classification;
mod config;
mod conformer;
mod disentangled;
mod encoder;
mod feature_encoder;
mod positions;
mod position_bias;
mod squeezed;
mod transformer;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use earmark_config::{Network, SpansOf};

use crate::architecture::{ArchitectureConfig as _, EachState, LastState};
use crate::error::ErrorKind;
use crate::layers::padding_mask::PaddingMask;
use crate::layers::weighted_sum::WeightedSum;
use crate::training::gradient_checkpointing::checkpointed;
use crate::training::rng::TrainingRng;

use adapter::Adapter;
use encoder::Encoder;
use feature_encoder::{FeatureEncoder, FeatureProjection};

pub use classification::SpeechForSequenceClassification;
pub use config::{FeatExtractNorm, SpeechConfig};

/// The encoder without a head: samples to frames.
#[derive(Module, Debug)]
pub struct SpeechEncoder {
    feature_extractor: FeatureEncoder,
    feature_projection: FeatureProjection,
    /// Stands in for the frames that SpecAugment masks; untouched outside of training.
    masked_spec_embed: Option<Param<Tensor<1>>>,
    encoder: Encoder,
    adapter: Option<Adapter>,
    #[module(skip)]
    config: SpeechConfig,
}

impl SpeechEncoder {
    pub(crate) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        SpeechEncoder {
            feature_extractor: FeatureEncoder::zeros(config, device),
            feature_projection: FeatureProjection::zeros(config, device),
            masked_spec_embed: config
                .has_masked_spec_embed()
                .then(|| Initializer::Zeros.init([config.hidden_size], device)),
            encoder: Encoder::zeros(config, device),
            adapter: config.has_adapter().then(|| Adapter::zeros(config, device)),
            config: config.clone(),
        }
    }

    /// The last hidden state, `[B, T, D]`, of an adapter where there is one; and which frames are real, when `lengths` says so.
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
        let (last, frames, mask) = self.run(waveforms, lengths, rng, |_| {})?;
        Ok(self.adapted(self.encoder.finish(last, frames), mask))
    }

    /// Every hidden state, `[B, T, D]` each: the input of the first layer, then the output of each layer. Otherwise as
    /// [`forward`](Self::forward), which keeps the last one only. In SEW each stands for several frames, and so does what is
    /// real of them.
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
        let (last, frames, mask) = self.run(waveforms, lengths, rng, |state| states.push(state.clone()))?;
        let of_each = frames / last.dims()[1];
        states.pop();
        states.push(last);
        Ok((states, mask.and_then(|mask| mask.pooled(of_each))))
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
        let mut left = self.config.num_hidden_layers;
        let (last, _, mask) = self.run(waveforms, lengths, rng, |state| {
            // The last one counts after its norm.
            if left > 0 {
                left -= 1;
                sum.add(state.clone());
            }
        })?;
        // SEW's states are fewer than its frames, and the reference still takes the first so many as a clip has frames.
        let states = last.dims()[1];
        Ok((sum.finish(last), mask.and_then(|mask| mask.cut(states))))
    }

    /// Shows every state of the layers to `each`, with its number and which of its steps are real: the last one before the norm that
    /// some encoders end with. Returns `last_hidden_state`, and which of its frames are real.
    pub(crate) fn each_state(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        each: &mut EachState<'_>,
    ) -> Result<LastState, ErrorKind> {
        let mut states = Vec::new();
        let (last, frames, mask) = self.run(waveforms, lengths, None, |state| states.push(state.clone()))?;
        let of_states = mask.as_ref().and_then(|mask| mask.pooled(frames / last.dims()[1]));
        states.iter().enumerate().for_each(|(number, state)| each(number, state, of_states.as_ref()));
        Ok(self.adapted(self.encoder.finish(last, frames), mask))
    }

    /// What the adapter makes of the last hidden state, and which of its frames the reference counts as real.
    fn adapted(&self, last: Tensor<3>, mask: Option<PaddingMask>) -> LastState {
        let Some(adapter) = &self.adapter else { return (last, mask) };
        let last = adapter.forward(last);
        let steps = last.dims()[1];
        let mask = mask.and_then(|mask| {
            let real = |&length: &usize| self.config.adapted_frames(length).min(steps);
            PaddingMask::new(mask.lengths().iter().map(real).collect(), steps)
        });
        (last, mask)
    }

    /// Shows every state of the layers to `each`, the last one before its norm. Returns the last, how many frames there are and which
    /// are real.
    fn run(
        &self,
        waveforms: Tensor<2>,
        lengths: Option<&[usize]>,
        mut rng: Option<&mut TrainingRng>,
        each: impl FnMut(&Tensor<3>),
    ) -> Result<(Tensor<3>, usize, Option<PaddingMask>), ErrorKind> {
        self.check(&waveforms, lengths)?;
        let features = self.features(waveforms, rng.as_deref_mut()); // [B, T, C]
        let [batch, frames, _] = features.dims();
        let mask = lengths.and_then(|lengths| {
            let lengths = lengths.iter().map(|&samples| self.config.frames(samples)).collect();
            PaddingMask::new(lengths, frames)
        });
        let mut hidden = self.feature_projection.forward(features, rng.as_deref_mut()); // [B, T, D]
        if let (Some(spec_augment), Some(rng)) = (self.config.spec_augment(), rng.as_deref_mut()) {
            let embed = self.masked_spec_embed.as_ref().map(Param::val);
            let lengths = match (self.config.model_type.network, &mask) {
                (Network::Speech { spans_of: SpansOf::RealFrames, .. }, Some(mask)) => mask.lengths(),
                _ => &vec![frames; batch],
            };
            hidden = spec_augment.forward(hidden, lengths, embed, rng);
        }
        let last = self.encoder.forward(hidden, mask.as_ref(), rng, each); // [B, T, D]
        Ok((last, frames, mask))
    }

    /// `[B, S]` to `[B, T, C]`. Where the graph is made again, it is that of one clip at a time: of all of them the first layer's alone
    /// would be as large as what is saved.
    fn features(&self, waveforms: Tensor<2>, mut rng: Option<&mut TrainingRng>) -> Tensor<3> {
        if !rng.as_deref().is_some_and(TrainingRng::gradient_checkpointing) {
            return self.feature_extractor.forward(waveforms);
        }
        let clips = waveforms.split(1, 0).into_iter().map(|waveform| {
            checkpointed(
                &self.feature_extractor,
                waveform,
                None,
                rng.as_deref_mut(),
                |encoder, waveform, _, _| encoder.forward(waveform),
            )
        });
        Tensor::cat(clips.collect(), 0)
    }

    /// Refuses clips that make no frame, and lengths that are not theirs.
    fn check(&self, waveforms: &Tensor<2>, lengths: Option<&[usize]>) -> Result<(), ErrorKind> {
        let ([batch, samples], least) = (waveforms.dims(), self.config.min_samples());
        if samples < least {
            let why = format!("the clips have {samples} samples, but one frame needs {least}");
            return Err(ErrorKind::BadInput(why));
        }
        let Some(lengths) = lengths else { return Ok(()) };
        if lengths.len() != batch {
            let why = format!("there are {} lengths for {batch} clips, expected one per clip", lengths.len());
            return Err(ErrorKind::BadInput(why));
        }
        match lengths.iter().position(|length| !(least..=samples).contains(length)) {
            Some(clip) => Err(ErrorKind::BadInput(format!(
                "clip {clip} has a length of {} samples, expected {least} to {samples}",
                lengths[clip]
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
