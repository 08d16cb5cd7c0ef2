//! Evaluations as the Hub indexes them.

mod yaml;
pub(crate) mod result; // One of them:
pub(crate) mod model_index; // in a model card,
pub(crate) mod eval_results; // and as a file of its own.
