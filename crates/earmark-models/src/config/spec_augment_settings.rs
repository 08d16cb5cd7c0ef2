use crate::classifier::NetworkConfig;
use crate::config::model_config::ModelConfig;

/// Keys of SpecAugment in a `config.json`; of those that are not set, the configuration keeps its own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SpecAugmentSettings {
    /// Share of the frames to mask.
    pub mask_time_prob: Option<f64>,
    /// Frames of a span.
    pub mask_time_length: Option<usize>,
    /// Share of the channels to mask.
    pub mask_feature_prob: Option<f64>,
    /// Channels of a span.
    pub mask_feature_length: Option<usize>,
}

impl ModelConfig {
    /// The same network with these settings of SpecAugment, and `apply_spec_augment` on. `None` for a network without it.
    #[must_use]
    pub fn with_spec_augment(self, settings: &SpecAugmentSettings) -> Option<ModelConfig> {
        let mut network = self.network().clone();
        let (apply, keys) = match &mut network {
            NetworkConfig::Speech(config) => (
                &mut config.apply_spec_augment,
                [
                    (&mut config.mask_time_prob, &mut config.mask_time_length),
                    (&mut config.mask_feature_prob, &mut config.mask_feature_length),
                ],
            ),
            NetworkConfig::Wav2Vec2Bert(config) => (
                &mut config.apply_spec_augment,
                [
                    (&mut config.mask_time_prob, &mut config.mask_time_length),
                    (&mut config.mask_feature_prob, &mut config.mask_feature_length),
                ],
            ),
            _ => return None,
        };
        *apply = true;
        let chosen = [
            (settings.mask_time_prob, settings.mask_time_length),
            (settings.mask_feature_prob, settings.mask_feature_length),
        ];
        for ((share, length), (chosen_share, chosen_length)) in keys.into_iter().zip(chosen) {
            *share = chosen_share.unwrap_or(*share);
            *length = chosen_length.unwrap_or(*length);
        }
        Some(self.with_network(network))
    }
}
