//! What only training needs of a network.

pub(crate) mod lora;
pub(crate) mod gradient_checkpointing;
pub(crate) mod mixed_precision;
pub(crate) mod parts;
pub(crate) mod rng;
