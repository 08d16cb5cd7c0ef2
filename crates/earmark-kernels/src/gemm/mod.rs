//! Matrix products, and what is made of them.

pub(crate) mod attention;
pub(crate) mod attention_backward;
pub(crate) mod conv1d;
pub(crate) mod linear;
pub(crate) mod matrix;
