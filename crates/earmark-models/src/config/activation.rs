use serde::{Deserialize, Serialize};

/// An activation by the name that `config.json` gives it (transformers 5.23.0 `activations.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Exact: `x Φ(x)` through erf. The tanh form is off by up to 4.7e-4 per activation.
    #[serde(alias = "gelu_python")]
    Gelu,
    /// `max(x, 0)`.
    Relu,
    /// `x σ(x)`.
    #[serde(alias = "swish")]
    Silu,
}
