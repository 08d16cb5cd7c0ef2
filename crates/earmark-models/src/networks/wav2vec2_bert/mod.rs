//! Wav2Vec2-BERT: Conformer blocks over the frames of a filter bank, each of which sees what comes before it.
//!
//! | here                     | paper (arXiv:2312.05187)   | transformers 5.23.0 `modeling_wav2vec2_bert.py`   |
//! |--------------------------|----------------------------|---------------------------------------------------|
//! | `FeatureProjection`      | –                          | `Wav2Vec2BertFeatureProjection`                   |
//! | `Encoder`                | w2v-BERT 2.0               | `Wav2Vec2BertEncoder`                             |
//! | `Adapter`                | adapter (arXiv:2308.11596) | `Wav2Vec2BertAdapter`                             |
//! | [`Wav2Vec2BertModel`]    | speech encoder             | `Wav2Vec2BertModel`                               |
//!
//! The blocks are those of `networks/conformer`. Shapes: B clips, T frames, F numbers of a frame, D hidden size, P projection,
//! L labels. Two frames of 80 mel bands are one, 50 of them a second.

mod adapter;
mod config;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use earmark_config::Family;

use crate::architecture::{Architecture, ArchitectureConfig as _, Classify, EachState, Input, LastState};
use crate::config::activation::Activation;
use crate::error::ErrorKind;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::FeedForward;
use crate::layers::padding_mask::{PaddingMask, masked_mean};
use crate::layers::residual;
use crate::layers::weighted_sum::WeightedSum;
use crate::networks::conformer::{ConformerLayer, EmbedPositions, Passing};
use crate::training::rng::TrainingRng;

use adapter::Adapter;

pub use config::Wav2Vec2BertConfig;

/// The encoder with a projector and a classifier on top.
#[derive(Module, Debug)]
pub struct Wav2Vec2BertForSequenceClassification {
    /// `wav2vec2_bert` in a checkpoint.
    base: Wav2Vec2BertModel,
    projector: Linear,
    classifier: Linear,
    /// A weight for each hidden state, when they are mixed.
    layer_weights: Option<Param<Tensor<1>>>,
    #[module(skip)]
    family: &'static Family,
}

impl Wav2Vec2BertForSequenceClassification {
    /// The network with every weight zero, to be filled by [`load`](crate::load) or [`init_weights`](crate::init_weights).
    ///
    /// The config must have passed [`Wav2Vec2BertConfig::validate`].
    pub fn zeros(config: &Wav2Vec2BertConfig, labels: usize, device: &Device) -> Self {
        let states = config.num_hidden_layers + 1;
        Wav2Vec2BertForSequenceClassification {
            base: Wav2Vec2BertModel::zeros(config, device),
            projector: Linear::new(config.hidden_size, config.classifier_proj_size, device),
            classifier: Linear::new(config.classifier_proj_size, labels, device),
            layer_weights: config.use_weighted_layer_sum.then(|| Initializer::Zeros.init([states], device)),
            family: config.model_type,
        }
    }

    /// Logits `[B, L]`, not probabilities, of `frames` as of [`Wav2Vec2BertModel::forward`].
    ///
    /// # Errors
    /// As [`Wav2Vec2BertModel::forward`].
    pub fn forward(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Tensor<2>, ErrorKind> {
        let weights = self.layer_weights.as_ref();
        let (hidden, mask) = self.base.forward_mixed(frames, lengths, weights, rng)?; // [B, T, D]
        let projected = self.projector.forward(hidden); // [B, T, P]
        let pooled = masked_mean(projected, mask.as_ref()); // [B, P]
        Ok(self.classifier.forward(pooled)) // [B, L]
    }

    /// The encoder below the head.
    pub fn base(&self) -> &Wav2Vec2BertModel {
        &self.base
    }
}

impl Architecture for Wav2Vec2BertForSequenceClassification {
    fn family(&self) -> &'static Family {
        self.family
    }
}

impl Classify for Wav2Vec2BertForSequenceClassification {
    fn classify(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        let (frames, lengths) = input.frames()?;
        self.forward(frames, lengths.as_deref(), rng)
    }

    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        let (frames, lengths) = input.frames()?;
        self.base.each_state(frames, lengths.as_deref(), each)
    }

    fn last_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        let (frames, lengths) = input.frames()?;
        self.base.forward(frames, lengths.as_deref(), None)
    }

    fn weighted_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        let weights = self.layer_weights.as_ref().ok_or(ErrorKind::NoLayerWeights)?;
        let (frames, lengths) = input.frames()?;
        self.base.forward_mixed(frames, lengths.as_deref(), Some(weights), None)
    }
}

/// The encoder without a head.
#[derive(Module, Debug)]
pub struct Wav2Vec2BertModel {
    feature_projection: FeatureProjection,
    /// Stands in for the frames that SpecAugment masks; untouched outside of training.
    masked_spec_embed: Option<Param<Tensor<1>>>,
    encoder: Encoder,
    intermediate_ffn: Option<FeedForward>,
    adapter: Option<Adapter>,
    #[module(skip)]
    config: Wav2Vec2BertConfig,
}

impl Wav2Vec2BertModel {
    pub(crate) fn zeros(config: &Wav2Vec2BertConfig, device: &Device) -> Self {
        Wav2Vec2BertModel {
            feature_projection: FeatureProjection::zeros(config, device),
            masked_spec_embed: config
                .has_masked_spec_embed()
                .then(|| Initializer::Zeros.init([config.hidden_size], device)),
            encoder: Encoder::zeros(config, device),
            intermediate_ffn: config.use_intermediate_ffn_before_adapter.then(|| {
                let dropouts = [config.activation_dropout, config.hidden_dropout];
                let sizes = [config.hidden_size, config.intermediate_size];
                FeedForward::new(sizes, Activation::Relu, dropouts, device)
            }),
            adapter: config.add_adapter.then(|| Adapter::zeros(config, device)),
            config: config.clone(),
        }
    }

    /// The last hidden state, `[B, T, D]`, of an adapter where there is one; and which frames are real, when `lengths` says so.
    /// - `frames`: `[B, T, F]`, as the extractor makes them, padded behind
    /// - `lengths`: real frames of each clip; `None` when all are
    /// - `rng`: for the random regularisers of training; `None` for inference
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when frames have another width, there is none, or the lengths are not the clips'.
    pub fn forward(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<(Tensor<3>, Option<PaddingMask>), ErrorKind> {
        let (last, mask) = self.run(frames, lengths, rng, |_| {})?;
        Ok(self.adapted(last, mask))
    }

    /// Every hidden state, `[B, T, D]` each: the input of the first block, then the output of each block. Otherwise as
    /// [`forward`](Self::forward), which keeps the last one only.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn hidden_states(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<(Vec<Tensor<3>>, Option<PaddingMask>), ErrorKind> {
        let mut states = Vec::new();
        let (last, mask) = self.run(frames, lengths, rng, |state| states.push(state.clone()))?;
        states.push(last);
        Ok((states, mask))
    }

    /// The last hidden state, or with `layer_weights` the weighted sum of all: what a head is given.
    pub(crate) fn forward_mixed(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        layer_weights: Option<&Param<Tensor<1>>>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<LastState, ErrorKind> {
        let Some(weights) = layer_weights else { return self.forward(frames, lengths, rng) };
        let mut sum = WeightedSum::new(weights.val());
        let (last, mask) = self.run(frames, lengths, rng, |state| sum.add(state.clone()))?;
        Ok((sum.finish(last), mask))
    }

    /// Shows every hidden state to `each`, with its number and which of its frames are real. Returns the last, and the mask again.
    pub(crate) fn each_state(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        each: &mut EachState<'_>,
    ) -> Result<LastState, ErrorKind> {
        let (mut states, mask) = self.hidden_states(frames, lengths, None)?;
        states.iter().enumerate().for_each(|(number, state)| each(number, state, mask.as_ref()));
        let last = states.pop().expect("there is what the first block is given");
        Ok(self.adapted(last, mask))
    }

    /// What the adapter makes of the last state of the blocks.
    fn adapted(&self, last: Tensor<3>, mask: Option<PaddingMask>) -> LastState {
        let last = match &self.intermediate_ffn {
            Some(ffn) => residual::add(last.clone(), ffn.forward(last, None) * 0.5),
            None => last,
        };
        match &self.adapter {
            Some(adapter) => adapter.forward(last, mask),
            None => (last, mask),
        }
    }

    /// Shows every hidden state but the last to `each`, and returns the last.
    fn run(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        mut rng: Option<&mut TrainingRng>,
        each: impl FnMut(&Tensor<3>),
    ) -> Result<(Tensor<3>, Option<PaddingMask>), ErrorKind> {
        let [batch, steps, width] = frames.dims();
        let wanted = self.config.feature_projection_input_dim;
        let least = self.config.min_frames();
        if width != wanted || steps < least {
            let why = format!(
                "there are {steps} frames of {width} numbers, but the network expects {wanted}, and {least} frames or more"
            );
            return Err(ErrorKind::BadInput(why));
        }
        if lengths
            .is_some_and(|it| it.len() != batch || it.iter().any(|length| !(1..=steps).contains(length)))
        {
            let why = format!("the lengths are not those of {batch} clips of 1 to {steps} frames");
            return Err(ErrorKind::BadInput(why));
        }
        let mask = lengths.and_then(|lengths| PaddingMask::new(lengths.to_vec(), steps));
        let mut hidden = self.feature_projection.forward(frames, rng.as_deref_mut()); // [B, T, D]
        if let (Some(spec_augment), Some(rng)) = (self.config.spec_augment(), rng.as_deref_mut()) {
            let embed = self.masked_spec_embed.as_ref().map(Param::val);
            let all = vec![steps; batch];
            let lengths = mask.as_ref().map_or(all.as_slice(), PaddingMask::lengths);
            hidden = spec_augment.forward(hidden, lengths, embed, rng);
        }
        let last = self.encoder.forward(hidden, mask.as_ref(), rng, each); // [B, T, D]
        Ok((last, mask))
    }
}

/// The extractor's frames to hidden size.
#[derive(Module, Debug)]
struct FeatureProjection {
    layer_norm: LayerNorm,
    projection: Linear,
    dropout: Dropout,
}

impl FeatureProjection {
    fn zeros(config: &Wav2Vec2BertConfig, device: &Device) -> Self {
        let width = config.feature_projection_input_dim;
        FeatureProjection {
            layer_norm: LayerNorm::new(width, config.layer_norm_eps, device),
            projection: Linear::new(width, config.hidden_size, device),
            dropout: Dropout::new(config.feat_proj_dropout),
        }
    }

    /// `[B, T, F]` to `[B, T, D]`.
    fn forward(&self, frames: Tensor<3>, rng: Option<&mut TrainingRng>) -> Tensor<3> {
        self.dropout.forward(self.projection.forward(self.layer_norm.forward(frames)), rng)
    }
}

/// The blocks, without a norm behind them.
#[derive(Module, Debug)]
struct Encoder {
    embed_positions: EmbedPositions,
    dropout: Dropout,
    layers: Vec<ConformerLayer>,
    layerdrop: f64,
}

impl Encoder {
    fn zeros(config: &Wav2Vec2BertConfig, device: &Device) -> Self {
        let blocks = config.blocks();
        Encoder {
            embed_positions: EmbedPositions::new(&blocks, device),
            dropout: Dropout::new(config.hidden_dropout),
            layers: (0..config.num_hidden_layers).map(|_| ConformerLayer::zeros(&blocks, device)).collect(),
            layerdrop: config.layerdrop,
        }
    }

    /// `[B, T, D]` to the last hidden state. `each` is shown those before it.
    fn forward(
        &self,
        hidden: Tensor<3>,
        mask: Option<&PaddingMask>,
        mut rng: Option<&mut TrainingRng>,
        mut each: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let device = hidden.device();
        let keep = mask.map(|mask| mask.keep(&device)); // [B, T, 1]
        let hidden = match &keep {
            Some(keep) => {
                let keep = keep.clone().cast(hidden.dtype());
                hidden * keep
            }
            None => hidden,
        };
        let mut hidden = self.dropout.forward(hidden, rng.as_deref_mut());
        let passing = Passing {
            positions: self.embed_positions.of(hidden.dims()[1], &device),
            bias: mask.map(|mask| mask.attention_bias(&device)),
            keep,
        };
        for layer in &self.layers {
            each(&hidden);
            if !rng.as_deref_mut().is_some_and(|rng| rng.chance(self.layerdrop)) {
                hidden = layer.forward(hidden, &passing, rng.as_deref_mut());
            }
        }
        hidden
    }
}

#[cfg(test)]
mod tests;
