use earmark_config::{Family, Object, shown};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::architecture::ArchitectureConfig;
use crate::config::checks;
use crate::error::ErrorKind;

/// A `config.json` of CED. Field names are that file's, and a missing field takes the reference's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CedConfig {
    /// Width of the transformer, D.
    pub embed_dim: usize,
    /// Transformer layers.
    pub depth: usize,
    /// Attention heads; they share `embed_dim` equally.
    pub num_heads: usize,
    /// Width of the feed-forward layers, in widths of the transformer.
    pub mlp_ratio: f64,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Dropout after every block's output, and after the positions are added.
    pub drop_rate: f64,
    /// Dropout of the attention probabilities.
    pub attn_drop_rate: f64,
    /// Chance to skip the last block of a clip while training; that of the others rises to it from 0.
    pub drop_path_rate: f64,
    /// Mel bands, F.
    pub n_mels: usize,
    /// Side of a patch, in frames and in bands.
    pub patch_size: usize,
    /// Frames, and bands, from one patch to the next.
    pub patch_stride: usize,
    /// Frames of a window: a longer clip is cut into several.
    pub target_length: usize,
    /// Whether what is left behind the last whole window is filled up with zeros; else it is left out.
    pub pad_last: bool,
    /// `mean`: the reference gives probabilities; `logit`: it gives logits.
    pub pooling: CedPooling,
}

/// What the reference makes of the mean of the patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CedPooling {
    /// The sigmoid of the logits.
    #[default]
    Mean,
    /// The logits.
    Logit,
}

impl Default for CedConfig {
    fn default() -> Self {
        CedConfig {
            embed_dim: 768,
            depth: 12,
            num_heads: 12,
            mlp_ratio: 4.0,
            qkv_bias: true,
            drop_rate: 0.0,
            attn_drop_rate: 0.0,
            drop_path_rate: 0.0,
            n_mels: 64,
            patch_size: 16,
            patch_stride: 16,
            target_length: 1012,
            pad_last: true,
            pooling: CedPooling::Mean,
        }
    }
}

impl CedConfig {
    /// Reads a `config.json`. A `name` of the published models decides width and heads, as in the reference.
    pub(crate) fn from_json(json: Object) -> Result<CedConfig, ErrorKind> {
        match json.get("pooling").and_then(Value::as_str) {
            None | Some("mean" | "logit") => {}
            Some(found) => {
                let why = format!("is {}, expected mean or logit", shown(found));
                return Err(ErrorKind::BadConfig { key: "pooling", why });
            }
        }
        let name = json.get("name").and_then(Value::as_str).map(str::to_owned);
        let config: CedConfig = earmark_config::config(json)?;
        let (embed_dim, num_heads) = match name.as_deref() {
            Some("ced-tiny") => (192, 3),
            Some("ced-mini") => (256, 4),
            Some("ced-small") => (384, 6),
            Some("ced-base") => (768, 12),
            _ => (config.embed_dim, config.num_heads),
        };
        Ok(CedConfig { embed_dim, num_heads, ..config })
    }

    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        checks::sizes(&[
            ("embed_dim", self.embed_dim, 1 << 14),
            ("depth", self.depth, 1 << 9),
            ("num_heads", self.num_heads, 1 << 10),
            ("n_mels", self.n_mels, 1 << 12),
            ("target_length", self.target_length, 1 << 16),
            ("patch_size", self.patch_size, self.n_mels.min(self.target_length)),
            ("patch_stride", self.patch_stride, self.patch_size),
        ])?;
        if !(self.mlp_ratio.is_finite() && self.mlp_ratio > 0.0 && self.mlp_ratio <= 64.0)
            || self.inner() == 0
        {
            return checks::bad("mlp_ratio", format!("is {}, expected more than 0 to 64", self.mlp_ratio));
        }
        // The reference has a position for each stride, and a patch for each of them only if the two are equally many.
        let [bands, times] = self.grid();
        let fits = |patches: usize, size: usize| patches == (size - self.patch_size) / self.patch_stride + 1;
        if !fits(bands, self.n_mels) || !fits(times, self.target_length) {
            let why = format!(
                "is {} with a patch_stride of {}, which gives other numbers of patches than of positions",
                self.patch_size, self.patch_stride
            );
            return checks::bad("patch_size", why);
        }
        let patches = bands as u128 * times as u128;
        let with = "n_mels, patch_size and patch_stride";
        checks::product("target_length", with, "patches", patches, 1 << 14)?;
        let values = self.target_length as u128 * self.n_mels as u128;
        checks::product("target_length", "n_mels", "numbers of a window", values, checks::MOST_VALUES)?;
        let layers = checks::transformer_parameters(self.depth, self.embed_dim, self.inner());
        let width = self.embed_dim as u128;
        let embedding = width * (bands as u128 + times as u128 + (self.patch_size as u128).pow(2));
        let with = "depth, mlp_ratio, target_length and patch_size";
        checks::product("embed_dim", with, "parameters", layers + embedding, checks::MOST_PARAMETERS)?;
        checks::heads("num_heads", self.num_heads, "embed_dim", self.embed_dim)?;
        checks::chances(&[
            ("drop_rate", self.drop_rate),
            ("attn_drop_rate", self.attn_drop_rate),
            ("drop_path_rate", self.drop_path_rate),
        ])
    }

    /// Width of the feed-forward layers.
    pub(super) fn inner(&self) -> usize {
        (self.embed_dim as f64 * self.mlp_ratio) as usize
    }

    /// Patches of a window: that begin at one time, and that begin in one band.
    pub(super) fn grid(&self) -> [usize; 2] {
        [self.bands(), self.target_length / self.patch_stride]
    }

    /// Patches that begin at one time.
    pub fn bands(&self) -> usize {
        self.n_mels / self.patch_stride
    }

    /// The frame of a clip with which its patches of the `number`th time begin.
    pub fn first_frame(&self, number: usize) -> usize {
        let [_, times] = self.grid();
        number / times * self.target_length + number % times * self.patch_stride
    }

    /// Patches that lie in so many frames, one behind the other.
    pub(super) fn times(&self, frames: usize) -> usize {
        if frames < self.patch_size { 0 } else { (frames - self.patch_size) / self.patch_stride + 1 }
    }

    /// Every random regulariser off.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        CedConfig { drop_rate: 0.0, attn_drop_rate: 0.0, drop_path_rate: 0.0, ..self }
    }
}

impl ArchitectureConfig for CedConfig {
    fn family(&self) -> &'static Family {
        &earmark_config::CED
    }

    fn validate(&self) -> Result<(), ErrorKind> {
        CedConfig::validate(self)
    }

    fn layers(&self) -> usize {
        self.depth
    }

    fn width(&self) -> usize {
        self.embed_dim
    }

    fn initializer_range(&self) -> f64 {
        0.02
    }

    fn frame_width(&self) -> Option<usize> {
        Some(self.n_mels)
    }

    fn min_frames(&self) -> usize {
        self.patch_size
    }

    fn padding_is_harmless(&self) -> bool {
        true
    }
}
