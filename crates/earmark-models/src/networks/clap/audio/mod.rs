//! The audio tower, HTSAT.
//!
//! | here           | paper (arXiv:2202.00874)                     | transformers 5.23.0 `modeling_clap.py`              |
//! |----------------|----------------------------------------------|-----------------------------------------------------|
//! | `AudioEncoder` | HTS-AT                                       | `ClapAudioEncoder`                                  |
//! | `stretch`      | –                                            | `ClapAudioEncoder.reshape_mel2img`                  |
//! | `PatchEmbed`   | patch embedding                              | `ClapAudioPatchEmbed`                               |
//! | `Fusion`       | attentional feature fusion (arXiv:2009.14082) | `ClapAudioAFFBlock`                                |
//! | `Stage`        | group of Swin blocks (arXiv:2103.14030)      | `ClapAudioStage`                                    |
//! | `Block`        | Swin block                                   | `ClapAudioLayer`                                    |
//! | `PatchMerging` | patch-merge                                  | `ClapAudioPatchMerging`                             |
//!
//! Shapes, beside those of the module above: S side of the image, S' patches along a side, H and W the patches down and
//! across in a stage, C its width, n windows in an image, N = w × w patches in a window, d width of a head.

mod config;
mod fusion;
mod patch_embed;
mod stretch;
mod swin;

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use crate::error::ErrorKind;
use crate::layers::batch_norm::batch_norm;
use crate::layers::layer_norm::LayerNorm;

use config::NORM_EPSILON;
use patch_embed::PatchEmbed;
use swin::Stage;

pub use config::{ClapAudioConfig, Sides};
pub(super) use stretch::stretch;

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
        let image = encoder.image(features); // [B, V, S, S]
        let mut hidden = encoder.patch_embed.forward(image, is_longer); // [B, S' * S', C]
        for stage in &encoder.layers {
            hidden = stage.forward(hidden);
        }
        // The reference groups frequencies before its mean, which changes nothing: the groups are equally large.
        Ok(encoder.norm.forward(hidden).mean_dim(1).squeeze_dim(1)) // [B, D]
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
                "there are {} values of `is_longer` for {batch} clips, expected one per clip",
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
