//! The audio tower: `modeling_clap.py`'s `ClapAudioEncoder` (transformers 5.23.0), top to bottom.
//!
//! Shapes, beside those of the module above: S side of the image, S' patches along a side, H and W the patches down and
//! across in a stage, C its width, n windows in an image, N = w × w patches in a window, d width of a head.

use burn::module::{Initializer, Module, Param};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Relu};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::config::activation::Activation;
use crate::config::checks::{self, bad};
use crate::error::ErrorKind;
use crate::layers::attention::self_attention;
use crate::layers::batch_norm::batch_norm;
use crate::layers::conv2d::Conv2d;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::Mlp;
use crate::layers::residual;
use crate::networks::clap::intermediate::Intermediate;

/// The `audio_config` of a CLAP `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClapAudioConfig {
    /// Side of the windows that attention stays within, in patches.
    pub window_size: usize,
    /// Mel bins of a spectrogram, F.
    pub num_mel_bins: usize,
    /// Side of the square image a spectrogram is cut and stacked to, in pixels.
    pub spec_size: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: Activation,
    /// Sides of a patch, in pixels.
    pub patch_size: Sides,
    /// Steps from patch to patch.
    pub patch_stride: Sides,
    /// Width after the last stage, D.
    pub hidden_size: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub num_attention_heads: Vec<usize>,
    /// Whether a clip comes in four views that are fused: `laion/clap-htsat-fused`.
    pub enable_fusion: bool,
    /// How views are fused; only the default can be run.
    pub fusion_type: Option<String>,
    /// Dropout after the feed-forward layers.
    pub hidden_dropout_prob: f64,
    /// Channels of the image; always 1.
    pub patch_embed_input_channels: usize,
    /// Whether patches become a sequence; always so.
    pub flatten_patch_embeds: bool,
    /// Width of the first stage. It doubles with every stage.
    pub patch_embeds_hidden_size: usize,
    /// Whether a layer norm follows the patches.
    pub enable_patch_layer_norm: bool,
    /// Dropout of the attention probabilities and after attention.
    pub attention_probs_dropout_prob: f64,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Width of the feed-forward layers, as a multiple of the stage's.
    pub mlp_ratio: f64,
    /// How much narrower the fusion's inner layers are.
    pub aff_block_r: usize,
    /// Epsilon of the blocks' layer norms.
    pub layer_norm_eps: f64,
}

impl Default for ClapAudioConfig {
    fn default() -> Self {
        ClapAudioConfig {
            window_size: 8,
            num_mel_bins: 64,
            spec_size: 256,
            hidden_act: Activation::Gelu,
            patch_size: Sides::Both(4),
            patch_stride: Sides::Each([4, 4]),
            hidden_size: 768,
            depths: vec![2, 2, 6, 2],
            num_attention_heads: vec![4, 8, 16, 32],
            enable_fusion: false,
            fusion_type: None,
            hidden_dropout_prob: 0.1,
            patch_embed_input_channels: 1,
            flatten_patch_embeds: true,
            patch_embeds_hidden_size: 96,
            enable_patch_layer_norm: true,
            attention_probs_dropout_prob: 0.0,
            qkv_bias: true,
            mlp_ratio: 4.0,
            aff_block_r: 4,
            layer_norm_eps: 1e-5,
        }
    }
}

/// Height and width: one number when they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sides {
    /// Both the same.
    Both(usize),
    /// Height, width.
    Each([usize; 2]),
}

impl Sides {
    /// Height, width.
    pub fn pair(self) -> [usize; 2] {
        match self {
            Sides::Both(side) => [side, side],
            Sides::Each(sides) => sides,
        }
    }
}

impl ClapAudioConfig {
    pub(crate) fn validate(&self) -> Result<(), ErrorKind> {
        let stages = self.depths.len();
        if stages == 0 || stages > 8 {
            return bad("audio_config.depths", format!("lists {stages} stages, expected 1 to 8"));
        }
        if self.num_attention_heads.len() != stages {
            return bad(
                "audio_config.num_attention_heads",
                format!("lists {} values, but depths lists {stages}", self.num_attention_heads.len()),
            );
        }
        let ([patch_height, patch_width], [step_down, step_right]) =
            (self.patch_size.pair(), self.patch_stride.pair());
        let sizes = [
            ("audio_config.window_size", self.window_size, 1 << 5),
            ("audio_config.spec_size", self.spec_size, 1 << 10),
            ("audio_config.num_mel_bins", self.num_mel_bins, self.spec_size),
            ("audio_config.patch_size", patch_height, 1 << 6),
            ("audio_config.patch_size", patch_width, 1 << 6),
            ("audio_config.patch_stride", step_down, patch_height),
            ("audio_config.patch_stride", step_right, patch_width),
            ("audio_config.patch_embeds_hidden_size", self.patch_embeds_hidden_size, 1 << 12),
            ("audio_config.hidden_size", self.hidden_size, 1 << 14),
            ("audio_config.aff_block_r", self.aff_block_r, self.patch_embeds_hidden_size),
        ];
        let depths = self.depths.iter().map(|&n| ("audio_config.depths", n, 1 << 6));
        let heads =
            self.num_attention_heads.iter().map(|&n| ("audio_config.num_attention_heads", n, 1 << 10));
        checks::sizes(&sizes.into_iter().chain(depths).chain(heads).collect::<Vec<_>>())?;
        if !self.spec_size.is_multiple_of(self.num_mel_bins) {
            return bad(
                "audio_config.num_mel_bins",
                format!("is {}, which does not divide spec_size {}", self.num_mel_bins, self.spec_size),
            );
        }
        self.validate_patches(stages)?;
        if self.hidden_size != self.width(stages - 1) {
            return bad(
                "audio_config.hidden_size",
                format!("is {}, but the last stage is {} wide", self.hidden_size, self.width(stages - 1)),
            );
        }
        for (stage, &heads) in self.num_attention_heads.iter().enumerate() {
            let (key, width) = ("audio_config.num_attention_heads", self.width(stage));
            checks::heads(key, heads, "the stage's width", width)?;
        }
        // Also false for NaN.
        if !(self.mlp_ratio >= 1.0 / self.patch_embeds_hidden_size as f64 && self.mlp_ratio <= 64.0) {
            return bad(
                "audio_config.mlp_ratio",
                format!("is {}, expected 64 at most and layers at least 1 wide", self.mlp_ratio),
            );
        }
        let stages = self.depths.iter().enumerate().map(|(stage, &blocks)| {
            let width = self.width(stage);
            checks::transformer_parameters(blocks, width, (width as f64 * self.mlp_ratio) as usize)
        });
        let (count, with) = (stages.sum(), "depths and mlp_ratio");
        checks::product("audio_config.hidden_size", with, "parameters", count, checks::MOST_PARAMETERS)?;
        checks::chances(&[
            ("audio_config.hidden_dropout_prob", self.hidden_dropout_prob),
            ("audio_config.attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ])?;
        checks::epsilon("audio_config.layer_norm_eps", self.layer_norm_eps)?;
        if self.enable_fusion && self.fusion_type.as_deref() == Some("channel_map") {
            return bad("audio_config.fusion_type", "is `channel_map`, which no network can run".to_owned());
        }
        if self.patch_embed_input_channels != 1 {
            let why = format!("is {}, expected 1: a spectrogram has one", self.patch_embed_input_channels);
            return bad("audio_config.patch_embed_input_channels", why);
        }
        if !self.flatten_patch_embeds {
            return bad("audio_config.flatten_patch_embeds", "is false, which no network can run".to_owned());
        }
        Ok(())
    }

    /// The reference halves the grid of patches stage by stage and fails where the halves are not whole, the patches do not
    /// make the grid, or a window is larger than what is left. It pads where windows do not fit; we ask that they do.
    fn validate_patches(&self, stages: usize) -> Result<(), ErrorKind> {
        let (grid, patch, step) = (self.grid(0), self.patch_size.pair(), self.patch_stride.pair());
        for side in 0..2 {
            if patch[side] * 3 > self.spec_size {
                return bad(
                    "audio_config.patch_size",
                    format!("is {}, more than a third of spec_size", patch[side]),
                );
            }
            if (self.spec_size + 2 * self.padding()[side] - patch[side]) / step[side] + 1 != grid[side] {
                return bad(
                    "audio_config.patch_size",
                    format!("is {}, which does not fit patch_stride {}", patch[side], step[side]),
                );
            }
            if !grid[side].is_multiple_of(self.window_size << (stages - 1)) {
                return bad(
                    "audio_config.window_size",
                    format!(
                        "is {}, but the grid of {} patches cannot be halved {} times and cut into windows",
                        self.window_size,
                        grid[side],
                        stages - 1
                    ),
                );
            }
        }
        Ok(())
    }

    /// The most frames of a spectrogram: 1024 usually. Shorter ones are stretched to it.
    pub fn max_frames(&self) -> usize {
        self.spec_size * self.stacked()
    }

    /// Views of each clip: 4 to be fused, or 1.
    pub fn views(&self) -> usize {
        if self.enable_fusion { 4 } else { 1 }
    }

    /// How many stretches of time are stacked in the image.
    fn stacked(&self) -> usize {
        self.spec_size / self.num_mel_bins
    }

    /// Patches down and across, in a stage.
    fn grid(&self, stage: usize) -> [usize; 2] {
        self.patch_stride.pair().map(|step| (self.spec_size / step) >> stage)
    }

    fn width(&self, stage: usize) -> usize {
        self.patch_embeds_hidden_size << stage
    }

    fn padding(&self) -> [usize; 2] {
        let (patch, step) = (self.patch_size.pair(), self.patch_stride.pair());
        [(patch[0] - step[0]) / 2, (patch[1] - step[1]) / 2]
    }
}

/// Holds the encoder under the name the checkpoint has for it.
#[derive(Module, Debug)]
pub(crate) struct AudioModel {
    pub(crate) audio_encoder: AudioEncoder,
}

impl AudioModel {
    pub(crate) fn zeros(config: &ClapAudioConfig, device: &Device) -> Self {
        AudioModel { audio_encoder: AudioEncoder::zeros(config, device) }
    }

    /// `[B, D]`; see [`ClapModel::get_audio_features`](super::ClapModel::get_audio_features).
    pub(crate) fn forward(&self, features: Tensor<4>, is_longer: &[bool]) -> Result<Tensor<2>, ErrorKind> {
        let encoder = &self.audio_encoder;
        encoder.check(&features, is_longer)?;
        let image = encoder.image(features);
        let mut hidden = encoder.patch_embed.forward(image, is_longer);
        for stage in &encoder.layers {
            hidden = stage.forward(hidden);
        }
        // The reference groups frequencies before its mean, which changes nothing: the groups are equally large.
        Ok(encoder.norm.forward(hidden).mean_dim(1).squeeze_dim(1))
    }
}

/// HTSAT: a Swin transformer (arXiv:2103.14030) over a spectrogram folded to a square.
#[derive(Module, Debug)]
pub(crate) struct AudioEncoder {
    pub(crate) patch_embed: PatchEmbed,
    pub(crate) layers: Vec<Stage>,
    batch_norm: BatchNorm,
    norm: LayerNorm,
    #[module(skip)]
    config: ClapAudioConfig,
}

impl AudioEncoder {
    fn zeros(config: &ClapAudioConfig, device: &Device) -> Self {
        AudioEncoder {
            patch_embed: PatchEmbed::zeros(config, device),
            layers: (0..config.depths.len()).map(|stage| Stage::zeros(config, stage, device)).collect(),
            batch_norm: BatchNormConfig::new(config.num_mel_bins).init(device),
            norm: LayerNorm::new(config.hidden_size, NORM_EPSILON, device),
            config: config.clone(),
        }
    }

    fn check(&self, features: &Tensor<4>, is_longer: &[bool]) -> Result<(), ErrorKind> {
        let config = &self.config;
        let [batch, views, frames, bins] = features.dims();
        let fits = batch > 0 && views == config.views() && bins == config.num_mel_bins;
        if !fits || frames == 0 || frames > config.max_frames() {
            return Err(ErrorKind::BadInput(format!(
                "features of shape {:?} were given, but the model reads [clips, {}, up to {}, {}]: \
                 preprocessor_config.json is another model's",
                features.dims(),
                config.views(),
                config.max_frames(),
                config.num_mel_bins
            )));
        }
        if config.enable_fusion && is_longer.len() != batch {
            return Err(ErrorKind::BadInput(format!(
                "{batch} clips come with {} values of `is_longer`, expected one each",
                is_longer.len()
            )));
        }
        Ok(())
    }

    /// `[B, V, T, F]` to images `[B, V, S, S]`: bins normed, time stretched, and its quarters stacked one below the other,
    /// mel bins down and time across in each.
    pub(crate) fn image(&self, features: Tensor<4>) -> Tensor<4> {
        let config = &self.config;
        let normed = batch_norm(&self.batch_norm, features.swap_dims(1, 3)).swap_dims(1, 3);
        let [batch, views, ..] = normed.dims();
        let (size, stacked, bins) = (config.spec_size, config.stacked(), config.num_mel_bins);
        stretch(normed, config.max_frames())
            .reshape([batch, views, stacked, size, bins])
            .swap_dims(3, 4)
            .reshape([batch, views, size, size])
    }
}

/// PyTorch's default, which the reference takes for every norm outside of the blocks.
const NORM_EPSILON: f64 = 1e-5;

/// `[B, V, T, F]` to `length` frames, by bicubic interpolation from first frame to last: PyTorch's `interpolate` with
/// `align_corners=True`, which changes no bin here.
pub(crate) fn stretch(x: Tensor<4>, length: usize) -> Tensor<4> {
    let (frames, device) = (x.dims()[2], x.device());
    if frames == length {
        return x;
    }
    let taps: Vec<[(usize, f32); 4]> = (0..length).map(|i| taps(i, frames, length)).collect();
    let tap = |k: usize| {
        let frames: Vec<i64> = taps.iter().map(|taps| taps[k].0 as i64).collect();
        let weights: Vec<f32> = taps.iter().map(|taps| taps[k].1).collect();
        let frames: Tensor<1, Int> = Tensor::from_data(TensorData::new(frames, [length]), &device);
        let weights: Tensor<4> = Tensor::from_data(TensorData::new(weights, [1, 1, length, 1]), &device);
        x.clone().select(2, frames) * weights.cast(x.dtype())
    };
    tap(0) + tap(1) + tap(2) + tap(3)
}

/// Which four frames make frame `i`, and how much of each. In `f32` as PyTorch: where a position is rounded to changes
/// the fourth digit of the weights.
fn taps(i: usize, frames: usize, length: usize) -> [(usize, f32); 4] {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = if length > 1 { (frames - 1) as f32 / (length - 1) as f32 } else { 0.0 };
    let position = scale * i as f32;
    let before = position.floor();
    let t = position - before;
    let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    // Past the ends the first and last frame are heard on.
    let frame = |k: usize| (before as usize + k).saturating_sub(1).min(frames - 1);
    std::array::from_fn(|k| (frame(k), weights[k]))
}

/// Image to patches, and for longer clips the fusion of their views.
#[derive(Module, Debug)]
pub(crate) struct PatchEmbed {
    proj: Conv2d,
    norm: Option<LayerNorm>,
    fusion_model: Option<Fusion>,
    mel_conv2d: Option<Conv2d>,
}

impl PatchEmbed {
    fn zeros(config: &ClapAudioConfig, device: &Device) -> Self {
        let width = config.patch_embeds_hidden_size;
        // Local views hear three times as much at once: the three of them together are as wide as the global one.
        let conv = |times: usize| {
            let wide = |[height, width]: [usize; 2]| [height, width * times];
            let (kernel, stride) = (config.patch_size.pair(), config.patch_stride.pair());
            Conv2d::new([1, width], wide(kernel), wide(stride), config.padding(), device)
        };
        PatchEmbed {
            proj: conv(1),
            norm: config.enable_patch_layer_norm.then(|| LayerNorm::new(width, NORM_EPSILON, device)),
            fusion_model: config.enable_fusion.then(|| Fusion::zeros(width, config.aff_block_r, device)),
            mel_conv2d: config.enable_fusion.then(|| conv(3)),
        }
    }

    /// Images `[B, V, S, S]` to patches `[B, S' * S', C]`.
    pub(crate) fn forward(&self, image: Tensor<4>, is_longer: &[bool]) -> Tensor<3> {
        let mut patches = self.proj.forward(image.clone().narrow(1, 0, 1)); // [B, C, S', S']
        if let (Some(fusion), Some(conv)) = (&self.fusion_model, &self.mel_conv2d) {
            let longer: Vec<usize> = (0..is_longer.len()).filter(|&clip| is_longer[clip]).collect();
            if !longer.is_empty() {
                patches = fuse_some(fusion, conv, patches, image, &longer);
            }
        }
        let patches = patches.flatten::<3>(2, 3).swap_dims(1, 2);
        match &self.norm {
            Some(norm) => norm.forward(patches),
            None => patches,
        }
    }
}

/// Replaces the patches of the clips named in `longer` by what the fusion makes of them and of the clips' other views.
fn fuse_some(
    fusion: &Fusion,
    conv: &Conv2d,
    patches: Tensor<4>,
    image: Tensor<4>,
    longer: &[usize],
) -> Tensor<4> {
    let ([batch, channels, height, width], size) = (patches.dims(), image.dims()[3]);
    let count = longer.len();
    let views = pick(image, longer).narrow(1, 1, 3).reshape([count * 3, 1, size, size]);
    let local = conv.forward(views); // [count * 3, C, S', s]
    let part = local.dims()[3];
    let local = local
        .reshape([count, 3, channels, height, part])
        .permute([0, 2, 3, 1, 4])
        .reshape([count, channels, height, 3 * part])
        .pad([(0, width - 3 * part)], 0.0); // [count, C, S', S']
    let fused = fusion.forward(pick(patches.clone(), longer), local);
    // Clips as they were, then the fused ones: each clip takes its row of whichever it is.
    let row = |clip| longer.iter().position(|&it| it == clip).map_or(clip, |place| batch + place);
    pick(Tensor::cat(vec![patches, fused], 0), &(0..batch).map(row).collect::<Vec<_>>())
}

/// These rows of a batch.
fn pick(x: Tensor<4>, rows: &[usize]) -> Tensor<4> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let count = rows.len();
    let rows: Tensor<1, Int> = Tensor::from_data(TensorData::new(rows, [count]), &x.device());
    x.select(0, rows)
}

/// Attentional feature fusion (arXiv:2009.14082): how much of the global view, and how much of the local ones.
#[derive(Module, Debug)]
pub(crate) struct Fusion {
    local_att: Vec<FusionStep>,
    global_att: Vec<FusionStep>,
}

/// The checkpoint numbers the steps, those without weights too.
#[derive(Module, Debug)]
enum FusionStep {
    Pool(AdaptiveAvgPool2d),
    Conv(Conv2d),
    Norm(BatchNorm),
    Relu(Relu),
}

impl Fusion {
    fn zeros(width: usize, narrower: usize, device: &Device) -> Self {
        let inner = width / narrower;
        let conv = |inputs, outputs| {
            FusionStep::Conv(Conv2d::new([inputs, outputs], [1, 1], [1, 1], [0, 0], device))
        };
        let norm = |channels| FusionStep::Norm(BatchNormConfig::new(channels).init(device));
        let steps = || {
            vec![
                conv(width, inner),
                norm(inner),
                FusionStep::Relu(Relu::new()),
                conv(inner, width),
                norm(width),
            ]
        };
        let pool = FusionStep::Pool(AdaptiveAvgPool2dConfig::new([1, 1]).init());
        Fusion { local_att: steps(), global_att: std::iter::once(pool).chain(steps()).collect() }
    }

    fn forward(&self, global: Tensor<4>, local: Tensor<4>) -> Tensor<4> {
        let both = global.clone() + local.clone();
        let run = |steps: &[FusionStep]| steps.iter().fold(both.clone(), |x, step| step.forward(x));
        let share = sigmoid(run(&self.local_att) + run(&self.global_att)).cast(global.dtype());
        (global * share.clone() + local * (share.neg() + 1.0)) * 2.0
    }
}

impl FusionStep {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            FusionStep::Pool(pool) => pool.forward(x),
            FusionStep::Conv(conv) => conv.forward(x),
            FusionStep::Norm(norm) => batch_norm(norm, x),
            FusionStep::Relu(relu) => relu.forward(x),
        }
    }
}

/// Blocks of one width, then, but for the last stage, half the patches of twice the width.
#[derive(Module, Debug)]
pub(crate) struct Stage {
    blocks: Vec<Block>,
    downsample: Option<PatchMerging>,
    grid: [usize; 2],
    window: usize,
}

impl Stage {
    fn zeros(config: &ClapAudioConfig, stage: usize, device: &Device) -> Self {
        let (grid, window) = (config.grid(stage), config.window_size);
        // One window over the whole height or width is not shifted.
        let shifts = grid[0].min(grid[1]) > window;
        let block = |i: usize| {
            let shift = if shifts && i % 2 == 1 { window / 2 } else { 0 };
            Block::zeros(config, stage, shift, device)
        };
        Stage {
            blocks: (0..config.depths[stage]).map(block).collect(),
            downsample: (stage + 1 < config.depths.len())
                .then(|| PatchMerging::zeros(config.width(stage), device)),
            grid,
            window,
        }
    }

    /// `[B, H * W, C]` to `[B, H/2 * W/2, 2 C]`, or as it is in the last stage.
    pub(crate) fn forward(&self, mut hidden: Tensor<3>) -> Tensor<3> {
        let device = hidden.device();
        for block in &self.blocks {
            let mask = (block.shift > 0).then(|| shift_mask(self.grid, self.window, block.shift, &device));
            hidden = block.forward(hidden, self.grid, self.window, mask);
        }
        match &self.downsample {
            Some(merging) => merging.forward(hidden, self.grid),
            None => hidden,
        }
    }
}

/// A Swin block: attention within windows, feed-forward.
#[derive(Module, Debug)]
struct Block {
    layernorm_before: LayerNorm,
    attention: Attention,
    layernorm_after: LayerNorm,
    intermediate: Intermediate,
    output: Output,
    shift: usize,
}

impl Block {
    fn zeros(config: &ClapAudioConfig, stage: usize, shift: usize, device: &Device) -> Self {
        let width = config.width(stage);
        let inner = (config.mlp_ratio * width as f64) as usize;
        let norm = || LayerNorm::new(width, config.layer_norm_eps, device);
        Block {
            layernorm_before: norm(),
            attention: Attention {
                self_attention: WindowAttention::zeros(config, stage, device),
                output: Output::zeros(width, width, device),
            },
            layernorm_after: norm(),
            intermediate: Intermediate::zeros(width, inner, config.hidden_act, device),
            output: Output::zeros(inner, width, device),
            shift,
        }
    }

    /// `[B, H * W, C]` to the same.
    fn forward(
        &self,
        hidden: Tensor<3>,
        grid: [usize; 2],
        window: usize,
        mask: Option<Tensor<4>>,
    ) -> Tensor<3> {
        let [batch, _, width] = hidden.dims();
        let shift = self.shift as i64;
        let image = self.layernorm_before.forward(hidden.clone()).reshape([batch, grid[0], grid[1], width]);
        let windows = partition(image.roll(&[-shift, -shift], &[1, 2]), window);
        let attended =
            self.attention.output.dense.forward(self.attention.self_attention.forward(windows, mask));
        let image = reverse(attended, grid, window).roll(&[shift, shift], &[1, 2]);
        let hidden = residual::add(hidden, image.reshape([batch, grid[0] * grid[1], width]));
        let normed = self.layernorm_after.forward(hidden.clone());
        let mlp = Mlp {
            inner: &self.intermediate.dense,
            activation: self.intermediate.activation,
            outer: &self.output.dense,
            inner_dropout: None,
            dropout: None,
        };
        mlp.forward_residual(normed, hidden, None)
    }
}

/// `[B, H, W, C]` to windows `[B * n, w * w, C]`, n of them row by row.
fn partition(image: Tensor<4>, window: usize) -> Tensor<3> {
    let [batch, height, width, channels] = image.dims();
    let (down, across) = (height / window, width / window);
    image.reshape([batch, down, window, across, window, channels]).swap_dims(2, 3).reshape([
        batch * down * across,
        window * window,
        channels,
    ])
}

/// [`partition`] undone.
fn reverse(windows: Tensor<3>, [height, width]: [usize; 2], window: usize) -> Tensor<4> {
    let (down, across) = (height / window, width / window);
    let [count, _, channels] = windows.dims();
    let batch = count / (down * across);
    windows
        .reshape([batch, down, across, window, window, channels])
        .swap_dims(2, 3)
        .reshape([batch, height, width, channels])
}

/// What to add to the scores of shifted windows, `[n, 1, w * w, w * w]`: a window that wraps around the edge holds patches
/// from opposite ends, and -100 keeps those apart. Not lower: the reference's softmax leaves them that little, too.
fn shift_mask(grid: [usize; 2], window: usize, shift: usize, device: &Device) -> Tensor<4> {
    let region = |i: usize, side: usize| usize::from(i >= side - window) + usize::from(i >= side - shift);
    let (down, across) = (grid[0] / window, grid[1] / window);
    let tokens = window * window;
    let mut mask = Vec::with_capacity(down * across * tokens * tokens);
    for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y * window, x * window))) {
        let regions: Vec<_> =
            (0..tokens).map(|i| (region(y + i / window, grid[0]), region(x + i % window, grid[1]))).collect();
        for query in &regions {
            mask.extend(regions.iter().map(|key| if key == query { 0.0_f32 } else { -100.0 }));
        }
    }
    Tensor::from_data(TensorData::new(mask, [down * across, 1, tokens, tokens]), device)
}

/// Attention and its output, as the checkpoint groups them.
#[derive(Module, Debug)]
struct Attention {
    self_attention: WindowAttention,
    output: Output,
}

/// Multi-head self-attention of the patches in one window, each pair with a bias for where they stand to each other.
#[derive(Module, Debug)]
struct WindowAttention {
    relative_position_bias_table: Param<Tensor<2>>, // [(2 w - 1)², H]
    query: Linear,
    key: Linear,
    value: Linear,
    dropout: Dropout,
    heads: usize,
    window: usize,
}

impl WindowAttention {
    fn zeros(config: &ClapAudioConfig, stage: usize, device: &Device) -> Self {
        let (width, heads, window) =
            (config.width(stage), config.num_attention_heads[stage], config.window_size);
        let distances = 2 * window - 1;
        let square = || Linear::new(width, width, device).with_bias(config.qkv_bias);
        WindowAttention {
            relative_position_bias_table: Initializer::Zeros.init([distances * distances, heads], device),
            query: square(),
            key: square(),
            value: square(),
            dropout: Dropout::new(0.0),
            heads,
            window,
        }
    }

    /// Windows `[B * n, N, C]` to the same; `mask` is `[n, 1, N, N]`.
    fn forward(&self, windows: Tensor<3>, mask: Option<Tensor<4>>) -> Tensor<3> {
        let bias = self.position_bias(); // [1, H, N, N]
        let bias = match mask {
            None => bias,
            Some(mask) => {
                let clips = windows.dims()[0] / mask.dims()[0];
                let mask = mask.cast(bias.dtype());
                (bias + mask).repeat_dim(0, clips) // [B * n, H, N, N]
            }
        };
        let projections = [&self.query, &self.key, &self.value];
        self_attention(windows, projections, self.heads, Some(bias), &self.dropout, None)
    }

    /// `[1, H, N, N]`.
    fn position_bias(&self) -> Tensor<4> {
        let (table, tokens) = (self.relative_position_bias_table.val(), self.window * self.window);
        let index = TensorData::new(relative_position_index(self.window), [tokens * tokens]);
        let rows = table.clone().select(0, Tensor::<1, Int>::from_data(index, &table.device()));
        rows.reshape([1, tokens, tokens, self.heads]).permute([0, 3, 1, 2])
    }
}

/// For every pair of patches in a window the row of the bias table: how far apart they are down, then across.
fn relative_position_index(window: usize) -> Vec<i64> {
    let tokens = window * window;
    let pair = |query: usize, key: usize| {
        let down = query / window + window - 1 - key / window;
        let across = query % window + window - 1 - key % window;
        (down * (2 * window - 1) + across) as i64
    };
    (0..tokens).flat_map(|query| (0..tokens).map(move |key| pair(query, key))).collect()
}

/// Every two by two patches to one.
#[derive(Module, Debug)]
struct PatchMerging {
    reduction: Linear,
    norm: LayerNorm,
}

impl PatchMerging {
    fn zeros(width: usize, device: &Device) -> Self {
        PatchMerging {
            reduction: Linear::new(4 * width, 2 * width, device).with_bias(false),
            norm: LayerNorm::new(4 * width, NORM_EPSILON, device),
        }
    }

    /// `[B, H * W, C]` to `[B, H/2 * W/2, 2 C]`.
    fn forward(&self, hidden: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<3> {
        let [batch, _, channels] = hidden.dims();
        let merged = hidden
            .reshape([batch, height / 2, 2, width / 2, 2, channels])
            .permute([0, 1, 3, 4, 2, 5]) // The patch below comes before the one to the right.
            .reshape([batch, height / 2 * (width / 2), 4 * channels]);
        self.reduction.forward(self.norm.forward(merged))
    }
}

/// A linear layer on its way into the residual.
#[derive(Module, Debug)]
struct Output {
    dense: Linear,
}

impl Output {
    fn zeros(inputs: usize, outputs: usize, device: &Device) -> Self {
        Output { dense: Linear::new(inputs, outputs, device) }
    }
}
