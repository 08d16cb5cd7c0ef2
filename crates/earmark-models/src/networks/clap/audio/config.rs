use serde::{Deserialize, Serialize};

use crate::config::activation::Activation;
use crate::config::checks::{self, bad};
use crate::error::ErrorKind;

/// PyTorch's default, which the reference takes for every norm outside of the blocks.
pub(super) const NORM_EPSILON: f64 = 1e-5;

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
            return bad("audio_config.fusion_type", "is `channel_map`, which is not supported".to_owned());
        }
        if self.patch_embed_input_channels != 1 {
            let why = format!("is {}, expected 1: a spectrogram has one", self.patch_embed_input_channels);
            return bad("audio_config.patch_embed_input_channels", why);
        }
        if !self.flatten_patch_embeds {
            return bad("audio_config.flatten_patch_embeds", "is false, which is not supported".to_owned());
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
    pub(super) fn stacked(&self) -> usize {
        self.spec_size / self.num_mel_bins
    }

    /// Patches down and across, in a stage.
    pub(super) fn grid(&self, stage: usize) -> [usize; 2] {
        self.patch_stride.pair().map(|step| (self.spec_size / step) >> stage)
    }

    pub(super) fn width(&self, stage: usize) -> usize {
        self.patch_embeds_hidden_size << stage
    }

    pub(super) fn padding(&self) -> [usize; 2] {
        let (patch, step) = (self.patch_size.pair(), self.patch_stride.pair());
        [(patch[0] - step[0]) / 2, (patch[1] - step[1]) / 2]
    }
}
