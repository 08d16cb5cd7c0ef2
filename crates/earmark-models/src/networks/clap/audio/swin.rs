//! The stages of the Swin transformer (arXiv:2103.14030): attention within windows that every second block shifts.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::layers::attention::self_attention;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::Mlp;
use crate::layers::residual;
use crate::networks::clap::audio::config::{ClapAudioConfig, NORM_EPSILON};
use crate::networks::clap::intermediate::Intermediate;

/// Blocks of one width, then, but for the last stage, half the patches of twice the width.
#[derive(Module, Debug)]
pub(crate) struct Stage {
    blocks: Vec<Block>,
    downsample: Option<PatchMerging>,
    grid: [usize; 2],
    window: usize,
}

impl Stage {
    pub(super) fn zeros(config: &ClapAudioConfig, stage: usize, device: &Device) -> Self {
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

/// A linear layer that the checkpoint keeps one name deeper.
#[derive(Module, Debug)]
struct Output {
    dense: Linear,
}

impl Output {
    fn zeros(inputs: usize, outputs: usize, device: &Device) -> Self {
        Output { dense: Linear::new(inputs, outputs, device) }
    }
}
