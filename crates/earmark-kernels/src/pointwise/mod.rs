//! What is computed of each number.

pub(crate) mod activation;
pub(crate) mod dropout;
