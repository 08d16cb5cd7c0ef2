use serde::{Deserialize, Serialize};

use crate::config::activation::Activation;
use crate::config::checks::sizes;
use crate::error::ErrorKind;
use crate::networks::clap::audio::ClapAudioConfig;
use crate::networks::clap::text::ClapTextConfig;

/// A CLAP `config.json`. Field names are that file's, and a missing field takes the reference's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClapConfig {
    /// The text encoder.
    pub text_config: ClapTextConfig,
    /// The audio encoder.
    pub audio_config: ClapAudioConfig,
    /// Width of the common space, P. The encoders' own `projection_dim` is ignored, as in the reference.
    pub projection_dim: usize,
    /// Activation between the two layers of a projection.
    pub projection_hidden_act: Activation,
}

impl Default for ClapConfig {
    fn default() -> Self {
        ClapConfig {
            text_config: ClapTextConfig::default(),
            audio_config: ClapAudioConfig::default(),
            projection_dim: 512,
            projection_hidden_act: Activation::Relu,
        }
    }
}

impl ClapConfig {
    /// Reads the numbers from a whole `config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::BadKey`] or [`ErrorKind::BadConfig`] with the key.
    pub fn from_json(json: earmark_config::Object) -> Result<ClapConfig, ErrorKind> {
        let config: ClapConfig = earmark_config::config(json)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that every value is in range and that they fit together.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] with the key.
    pub fn validate(&self) -> Result<(), ErrorKind> {
        sizes(&[("projection_dim", self.projection_dim, 1 << 14)])?;
        self.text_config.validate()?;
        self.audio_config.validate()
    }
}
