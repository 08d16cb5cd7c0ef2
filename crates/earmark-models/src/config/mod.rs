//! `config.json`.

pub(crate) mod activation;
pub(crate) mod checks;
pub(crate) mod model_config;
