//! `config.json`, and what other files say of languages.

pub(crate) mod activation;
pub(crate) mod checks;
pub(crate) mod languages;
pub(crate) mod model_config;
pub(crate) mod spec_augment_settings;
