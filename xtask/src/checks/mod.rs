//! What `cargo xtask check` asks, one file a question.

pub(crate) mod circles;
pub(crate) mod layers;
pub(crate) mod one_burn;
pub(crate) mod licences;
