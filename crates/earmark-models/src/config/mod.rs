//! `config.json`.

pub(crate) mod checks;
pub(crate) mod model_config;
