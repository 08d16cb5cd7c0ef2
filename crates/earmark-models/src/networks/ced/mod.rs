//! CED: small vision transformers that tag sounds, distilled from an ensemble on AudioSet.
//!
//! | here              | paper (arXiv:2308.11957)           | the authors' `modeling_ced.py`, commit 1a9cd46 |
//! |-------------------|------------------------------------|------------------------------------------------|
//! | `PatchEmbed`      | patch embedding                    | `CedAudioPatchEmbed`                           |
//! | `Attention`, `Mlp`| –                                  | `CedAttention`, `CedMlp`                       |
//! | `Block`           | transformer block                  | `CedBlock`                                     |
//! | [`CedModel`]      | encoder                            | `CedModel`                                     |
//!
//! Shapes: B clips, T frames, F mel bands, W windows, N patches, D width, L labels. Patches of 16 × 16 do not overlap: 1012 frames
//! and 64 bands give N = 63 × 4, all bands of a time before the next time (the reference goes through the times of a band first;
//! nothing but the order of hidden states depends on it).
//!
//! As in the reference, a clip of more frames than a window is cut into windows, the last one filled up with zeros; the patches of all
//! count alike; and of a clip of exactly two or more windows the last is left out.
//!
//! Differs from the reference on purpose: clips of one batch do not change one another. There zeros behind a shorter clip count as sound,
//! and the windows of several long clips are mixed up.

mod config;

use burn::module::{Flag, Initializer, Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor, TensorData};
use earmark_config::Family;

use crate::architecture::{Architecture, Classify, EachState, Input, LastState};
use crate::backend;
use crate::config::activation::Activation;
use crate::error::ErrorKind;
use crate::layers::batch_norm::batch_norm;
use crate::layers::conv2d::Conv2d;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::padding_mask::{PaddingMask, masked_mean};
use crate::layers::residual;
use crate::linear_head::LinearHead;
use crate::training::gradient_checkpointing::checkpointed;
use crate::training::rng::TrainingRng;

pub use config::{CedConfig, CedPooling};

/// Of the norms of the encoder; that of the head has PyTorch's.
const EPSILON: f64 = 1e-6;
const HEAD_EPSILON: f64 = 1e-5;
/// What the extractor makes of silence, in decibels.
const SILENCE: f64 = -100.0;
/// Windows that go through the blocks together: five minutes as published, whatever the length of a clip.
const AT_ONCE: usize = 32;

/// CED with a layer norm and a classifier on top.
#[derive(Module, Debug)]
pub struct CedForAudioClassification {
    /// `encoder` in a checkpoint.
    base: CedModel,
    outputlayer: (LayerNorm, Linear),
}

impl CedForAudioClassification {
    /// The epsilon of the norm that the head begins with.
    pub(crate) const HEAD_NORM: f64 = HEAD_EPSILON;

    /// The network with every weight zero, to be filled by [`load`](crate::load) or [`init_weights`](crate::init_weights).
    ///
    /// The config must have passed [`CedConfig::validate`].
    pub fn zeros(config: &CedConfig, labels: usize, device: &Device) -> Self {
        let width = config.embed_dim;
        CedForAudioClassification {
            base: CedModel::zeros(config, device),
            outputlayer: (LayerNorm::new(width, HEAD_EPSILON, device), Linear::new(width, labels, device)),
        }
    }

    /// Scores each clip against every label.
    /// - `frames`: `[B, T, F]`, as the extractor makes them, padded behind
    /// - `lengths`: real frames of each clip; `None` when all are
    /// - `rng`: the random regularisers of training; `None` for inference
    /// - returns logits `[B, L]`; with [`CedPooling::Mean`] the reference's class returns their sigmoid
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when F is not the config's, the lengths are not the clips', or a clip has no patch.
    pub fn forward(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        rng: Option<&mut TrainingRng>,
    ) -> Result<Tensor<2>, ErrorKind> {
        let (hidden, mask) = self.base.run(frames, lengths, rng, None)?; // [B, N, D]
        let pooled = masked_mean(hidden, mask.as_ref()); // [B, D]
        let (norm, dense) = &self.outputlayer;
        Ok(dense.forward(norm.forward(pooled))) // [B, L]
    }

    /// The same encoder with a linear head, behind a norm without weights.
    pub(crate) fn with_linear_head(&self, head: &LinearHead<'_>, device: &Device) -> Self {
        let width = head.weight.len() / head.bias.len();
        let dense = Linear::of_values(head.weight, head.bias, device);
        CedForAudioClassification {
            base: self.base.clone(),
            outputlayer: (LayerNorm::new(width, HEAD_EPSILON, device), dense),
        }
    }

    /// The encoder below the head.
    pub fn base(&self) -> &CedModel {
        &self.base
    }
}

impl Architecture for CedForAudioClassification {
    fn family(&self) -> &'static Family {
        &earmark_config::CED
    }

    fn final_norm(&self) -> Option<&'static str> {
        Some("norm")
    }
}

impl Classify for CedForAudioClassification {
    fn classify(&self, input: Input, rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        let (frames, lengths) = input.frames()?;
        self.forward(frames, lengths.as_deref(), rng)
    }

    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        let (frames, lengths) = input.frames()?;
        self.base.run(frames, lengths.as_deref(), None, Some(each))
    }

    fn last_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        let (frames, lengths) = input.frames()?;
        self.base.run(frames, lengths.as_deref(), None, None)
    }
}

/// The encoder without a head: frames to patches.
#[derive(Module, Debug)]
pub struct CedModel {
    init_bn: BatchNorm,
    patch_embed: PatchEmbed,
    time_pos_embed: Param<Tensor<4>>, // [1, D, 1, N / F']
    freq_pos_embed: Param<Tensor<4>>, // [1, D, F', 1]
    pos_drop: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
    #[module(skip)]
    config: CedConfig,
}

impl CedModel {
    fn zeros(config: &CedConfig, device: &Device) -> Self {
        let ([bands, times], width) = (config.grid(), config.embed_dim);
        let rate = |block: usize| config.drop_path_rate * block as f64 / (config.depth - 1).max(1) as f64;
        CedModel {
            init_bn: BatchNormConfig::new(config.n_mels).with_momentum(0.01).init(device),
            patch_embed: PatchEmbed::zeros(config, device),
            time_pos_embed: Initializer::Zeros.init([1, width, 1, times], device),
            freq_pos_embed: Initializer::Zeros.init([1, width, bands, 1], device),
            pos_drop: Dropout::new(config.drop_rate),
            blocks: (0..config.depth).map(|block| Block::zeros(config, rate(block), device)).collect(),
            norm: LayerNorm::new(width, EPSILON, device),
            config: config.clone(),
        }
    }

    /// Shows every state of the blocks to `each`, if somebody asks, with its number and which of its patches are real. Returns the last,
    /// layer normed, and the mask again.
    fn run(
        &self,
        frames: Tensor<3>,
        lengths: Option<&[usize]>,
        mut rng: Option<&mut TrainingRng>,
        each: Option<&mut EachState<'_>>,
    ) -> Result<LastState, ErrorKind> {
        let [batch, steps, width] = frames.dims();
        let CedConfig { n_mels, patch_size, .. } = self.config;
        if width != n_mels || steps < patch_size {
            let why = format!(
                "there are {steps} frames of {width} bands, but the network expects at least {patch_size} of {n_mels}"
            );
            return Err(ErrorKind::BadInput(why));
        }
        let all = vec![steps; batch];
        let lengths = lengths.unwrap_or(&all);
        if lengths.len() != batch || lengths.iter().any(|length| !(patch_size..=steps).contains(length)) {
            let why = format!("the lengths are not those of {batch} clips of {patch_size} to {steps} frames");
            return Err(ErrorKind::BadInput(why));
        }
        let frames = match PaddingMask::new(lengths.to_vec(), steps) {
            None => frames,
            // What the batch norm learns of while training is what it would be of padded sounds.
            Some(mask) => {
                let keep = mask.keep(&frames.device()).cast(frames.dtype());
                (frames - SILENCE) * keep + SILENCE
            }
        };
        let normed = batch_norm(&self.init_bn, frames.swap_dims(1, 2)); // [B, F, T]
        let windows = Windows::of(&self.config, lengths);
        let images = windows.cut(normed); // [W, F, T']
        let [count, _, frames] = images.dims();
        let patches = self.config.times(frames) * self.config.bands();
        let mut states = vec![Vec::new(); self.blocks.len() + 1];
        let mut last = Vec::new();
        for first in (0..count).step_by(AT_ONCE) {
            let some = AT_ONCE.min(count - first);
            let embedded = self.embed(images.clone().narrow(0, first, some)); // [W', N, D]
            let mask = PaddingMask::new(windows.patches[first..first + some].to_vec(), patches);
            let bias = mask.map(|mask| mask.attention_bias(&embedded.device()));
            let mut hidden = self.pos_drop.forward(embedded, rng.as_deref_mut());
            for (block, states) in self.blocks.iter().zip(&mut states) {
                if each.is_some() {
                    states.push(hidden.clone());
                }
                let bias = bias.clone();
                hidden =
                    checkpointed(block, hidden, None, rng.as_deref_mut(), move |block, hidden, _, rng| {
                        block.forward(hidden, bias.as_ref(), rng)
                    });
            }
            if each.is_some() {
                states[self.blocks.len()].push(hidden.clone());
            }
            last.push(self.norm.forward(hidden));
        }
        if let Some(each) = each {
            for (number, parts) in states.into_iter().enumerate() {
                let (state, mask) = windows.of_clips(Tensor::cat(parts, 0));
                each(number, &state, mask.as_ref());
            }
        }
        Ok(windows.of_clips(Tensor::cat(last, 0))) // [B, N, D]
    }

    /// `[W, F, T]` to patches with their positions, `[W, N, D]`.
    fn embed(&self, images: Tensor<3>) -> Tensor<3> {
        let patches = self.patch_embed.proj.forward(images.unsqueeze_dim(1)); // [W, D, F', T']
        let times = patches.dims()[3];
        let patches = patches + self.time_pos_embed.val().narrow(3, 0, times) + self.freq_pos_embed.val();
        patches.permute([0, 3, 2, 1]).flatten::<3>(1, 2) // [W, T' F', D]
    }
}

/// How the clips of a batch become windows, and their patches those of clips again.
struct Windows {
    /// Each with its clip, its first frame and its frames.
    parts: Vec<(usize, usize, usize)>,
    /// Frames of a window.
    frames: usize,
    /// Patches of each window that are real.
    patches: Vec<usize>,
    clips: usize,
}

impl Windows {
    fn of(config: &CedConfig, lengths: &[usize]) -> Windows {
        let (most, longest) = (config.target_length, lengths.iter().copied().max().unwrap_or(0));
        let (mut parts, mut patches) = (Vec::new(), Vec::new());
        let bands = config.bands();
        for (clip, &length) in lengths.iter().enumerate() {
            if length <= most {
                parts.push((clip, 0, length));
                patches.push(config.times(length) * bands);
                continue;
            }
            let (whole, left) = (length / most, length % most);
            let count = match left {
                // So the reference has it.
                0 => whole - 1,
                _ if config.pad_last => whole + 1,
                _ => whole,
            };
            for window in 0..count {
                parts.push((clip, window * most, most.min(length - window * most)));
                // The zeros behind the last one count.
                patches.push(config.times(most) * bands);
            }
        }
        Windows { parts, frames: longest.min(most), patches, clips: lengths.len() }
    }

    /// Whether each clip is one window.
    fn is_one_each(&self) -> bool {
        self.parts.len() == self.clips && self.parts.iter().all(|&(_, first, _)| first == 0)
    }

    /// `[B, F, T]` to `[W, F, T']`.
    fn cut(&self, clips: Tensor<3>) -> Tensor<3> {
        let ([_, bands, steps], device, dtype) = (clips.dims(), clips.device(), clips.dtype());
        if self.is_one_each() && steps >= self.frames {
            return clips.narrow(2, 0, self.frames);
        }
        let window = |&(clip, first, frames): &(usize, usize, usize)| {
            let found = clips.clone().narrow(0, clip, 1).narrow(2, first, frames);
            let left = self.frames - frames;
            if left == 0 {
                return found;
            }
            Tensor::cat(vec![found, Tensor::<3>::zeros([1, bands, left], &device).cast(dtype)], 2)
        };
        Tensor::cat(self.parts.iter().map(window).collect(), 0)
    }

    /// The patches of each clip's windows behind one another, and which of them are real: `[W, N, D]` to `[B, N', D]`.
    fn of_clips(&self, windows: Tensor<3>) -> (Tensor<3>, Option<PaddingMask>) {
        let ([_, patches, width], device, dtype) = (windows.dims(), windows.device(), windows.dtype());
        if self.is_one_each() {
            return (windows, PaddingMask::new(self.patches.clone(), patches));
        }
        let real = |clip: usize| {
            let of_clip = self.parts.iter().zip(&self.patches).filter(move |((of, ..), _)| *of == clip);
            of_clip.map(|(_, &patches)| patches).sum::<usize>()
        };
        let lengths: Vec<usize> = (0..self.clips).map(real).collect();
        let most = lengths.iter().copied().max().unwrap_or(0);
        let clip = |clip: usize| {
            let places = (0..self.parts.len()).filter(|&place| self.parts[place].0 == clip);
            let part = |place: usize| windows.clone().narrow(0, place, 1).narrow(1, 0, self.patches[place]);
            let mut parts: Vec<Tensor<3>> = places.map(part).collect();
            let left = most - lengths[clip];
            if left > 0 {
                parts.push(Tensor::<3>::zeros([1, left, width], &device).cast(dtype));
            }
            Tensor::cat(parts, 1)
        };
        let clips = Tensor::cat((0..self.clips).map(clip).collect(), 0);
        (clips, PaddingMask::new(lengths, most))
    }
}

/// The projection of patches.
#[derive(Module, Debug)]
struct PatchEmbed {
    proj: Conv2d,
}

impl PatchEmbed {
    fn zeros(config: &CedConfig, device: &Device) -> Self {
        let (kernel, stride) = ([config.patch_size; 2], [config.patch_stride; 2]);
        PatchEmbed { proj: Conv2d::new([1, config.embed_dim], kernel, stride, [0, 0], device) }
    }
}

/// One transformer block, normed before each half.
#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: FeedForward,
    drop_path: DropPath,
}

impl Block {
    fn zeros(config: &CedConfig, drop_path: f64, device: &Device) -> Self {
        let norm = || LayerNorm::new(config.embed_dim, EPSILON, device);
        Block {
            norm1: norm(),
            attn: Attention::zeros(config, device),
            norm2: norm(),
            mlp: FeedForward::zeros(config, device),
            drop_path: DropPath::new(drop_path),
        }
    }

    fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Option<&Tensor<4>>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let attended = self.attn.forward(self.norm1.forward(hidden.clone()), bias, rng.as_deref_mut());
        let hidden = residual::add(hidden, self.drop_path.forward(attended, rng.as_deref_mut()));
        let fed = self.mlp.forward(self.norm2.forward(hidden.clone()), rng.as_deref_mut());
        residual::add(hidden, self.drop_path.forward(fed, rng))
    }
}

/// Attention whose queries, keys and values are one layer in a checkpoint.
#[derive(Module, Debug)]
struct Attention {
    qkv: Linear, // D to 3 D
    proj: Linear,
    attn_drop: Dropout,
    proj_drop: Dropout,
    heads: usize,
}

impl Attention {
    fn zeros(config: &CedConfig, device: &Device) -> Self {
        let width = config.embed_dim;
        Attention {
            qkv: Linear::new(width, 3 * width, device).with_bias(config.qkv_bias),
            proj: Linear::new(width, width, device),
            attn_drop: Dropout::new(config.attn_drop_rate),
            proj_drop: Dropout::new(config.drop_rate),
            heads: config.num_heads,
        }
    }

    fn forward(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<4>>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let width = x.dims()[2];
        let all = self.qkv.forward(x); // [W, N, 3 D]
        let part = |number: usize| all.clone().narrow(2, number * width, width);
        let dropped = self.attn_drop.mask(rng.as_deref_mut());
        let context = backend::attention(part(0), part(1), part(2), self.heads, bias.cloned(), dropped);
        self.proj_drop.forward(self.proj.forward(context), rng)
    }
}

/// The feed-forward network of a block.
#[derive(Module, Debug)]
struct FeedForward {
    fc1: Linear,
    fc2: Linear,
    drop: Dropout,
}

impl FeedForward {
    fn zeros(config: &CedConfig, device: &Device) -> Self {
        FeedForward {
            fc1: Linear::new(config.embed_dim, config.inner(), device),
            fc2: Linear::new(config.inner(), config.embed_dim, device),
            drop: Dropout::new(config.drop_rate),
        }
    }

    fn forward(&self, x: Tensor<3>, mut rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let wide = self.fc1.forward_activated(x, Activation::Gelu);
        let wide = self.drop.forward(wide, rng.as_deref_mut());
        self.drop.forward(self.fc2.forward(wide), rng)
    }
}

/// Leaves a half of a block out for a clip while training (stochastic depth, arXiv:1603.09382).
#[derive(Module, Debug)]
struct DropPath {
    rate: f64,
    /// Cleared by [`Module::freeze`].
    training: Param<Flag>,
}

impl DropPath {
    fn new(rate: f64) -> Self {
        DropPath { rate, training: Param::from_bool(true) }
    }

    fn forward(&self, x: Tensor<3>, rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let tracked = x.device().is_autodiff();
        let Some(rng) = rng.filter(|_| self.rate > 0.0 && tracked && self.training.is_enabled()) else {
            return x;
        };
        let ([windows, ..], device, dtype) = (x.dims(), x.device(), x.dtype());
        let scale = 1.0 / (1.0 - self.rate) as f32;
        let kept: Vec<f32> = (0..windows).map(|_| if rng.chance(self.rate) { 0.0 } else { scale }).collect();
        let kept = Tensor::<3>::from_data(TensorData::new(kept, [windows, 1, 1]), &device);
        x * kept.cast(dtype)
    }
}

#[cfg(test)]
mod tests;
