//! Recipes and networks that have a name.

use earmark_models::{NetworkConfig, SpeechConfig};

use crate::recipe::Recipe;

/// The course's run, DistilHuBERT on GTZAN. Its settings are the defaults of [`Recipe`].
pub fn gtzan() -> Recipe {
    Recipe::new("distilhubert-gtzan", "ntu-spml/distilhubert", "gtzan")
}

/// A small network from scratch on the built-in sample: no download, and minutes on two cores.
pub fn sample() -> Recipe {
    Recipe {
        lr: 2e-3, // Forty times the rate of fine-tuning: the network is new and small.
        weight_decay: 0.01,
        max_duration: 3.0,
        ..Recipe::new("sample", "scratch:sample", "sample")
    }
}

/// A network for [`sample`] and for first tries on a CPU: 5 convolutions with a hop of 20 ms, 3 layers of 96.
///
/// The first convolution hops 10 samples and not HuBERT's 5, as the early layers take most of the time.
fn sample_network() -> SpeechConfig {
    SpeechConfig {
        hidden_size: 96,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        intermediate_size: 256,
        conv_dim: vec![40, 64, 64, 96, 96],
        conv_kernel: vec![20, 8, 4, 4, 2],
        conv_stride: vec![10, 4, 2, 2, 2],
        num_conv_pos_embeddings: 32,
        num_conv_pos_embedding_groups: 8,
        classifier_proj_size: 96,
        feat_proj_layer_norm: true,
        hidden_dropout: 0.05,
        attention_dropout: 0.0,
        activation_dropout: 0.05,
        layerdrop: 0.0,
        apply_spec_augment: false,
        mask_time_prob: 0.0,
        ..SpeechConfig::default()
    }
}

/// The networks that have a name, with what each is for.
pub const PRESETS: &[(&str, &str)] = &[
    ("sample", "small, for a CPU: the network for the built-in sample"),
    ("distilhubert", "the size of ntu-spml/distilhubert"),
    ("hubert-base", "the size of facebook/hubert-base-ls960"),
];

/// The network of a preset; `None` when there is none of that name.
pub fn preset(name: &str) -> Option<NetworkConfig> {
    let config = match name {
        "sample" => sample_network(),
        // config.json of ntu-spml/distilhubert.
        "distilhubert" => SpeechConfig {
            num_hidden_layers: 2,
            feat_proj_layer_norm: false,
            layerdrop: 0.0,
            apply_spec_augment: false,
            ..SpeechConfig::default()
        },
        "hubert-base" => SpeechConfig::default(),
        _ => return None,
    };
    Some(NetworkConfig::Speech(config))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use earmark_data::Selection;

    use super::*;

    /// `presets/` of the repository; the crate alone has none.
    #[test]
    fn every_recipe_of_the_repository_can_be_run_on_a_dataset_that_is_known() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../presets");
        let mut names = Vec::new();
        for file in fs::read_dir(folder).into_iter().flatten() {
            let file = file.unwrap().path();
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let mut recipe = gtzan();
            let keys = recipe.apply_file(&file).unwrap();
            recipe.validate().unwrap();
            for key in ["published", "model", "epochs", "batch_size", "lr", "max_duration"] {
                assert!(keys.contains(&key), "{name}: {key}");
            }
            let published = recipe.published.unwrap();
            assert_eq!(published.split(':').next(), name.strip_suffix("-best").or(Some(&name)));
            let label = Some(recipe.label_column.as_str()).filter(|column| !column.is_empty());
            Selection::new(&published, None, label).unwrap();
            names.push(name);
        }
        let at_least = ["gtzan", "gtzan-best", "minds14", "speech-commands", "fleurs", "esc50"];
        assert!(at_least.iter().all(|name| names.iter().any(|it| it == name)), "{names:?}");
    }

    #[test]
    fn the_recipe_of_gtzan_is_the_one_that_a_run_begins_with() {
        let mut recipe = gtzan();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../presets/gtzan.toml");
        recipe.apply_file(&file).unwrap();
        assert_eq!(recipe, Recipe { published: Some("gtzan".to_owned()), ..gtzan() });
    }
}
