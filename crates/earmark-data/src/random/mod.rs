//! The two generators whose orders the reference stack's results depend on.

mod numpy;
mod torch;

pub(crate) use numpy::Pcg64;
pub use numpy::permutation;
pub use torch::torch_randperm;
