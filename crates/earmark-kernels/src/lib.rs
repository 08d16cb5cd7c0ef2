//! CPU kernels on `f32` slices: the operations that models spend their time in, forward and backward.
//!
//! ```
//! use earmark_kernels::{Activation, Epilogue, Matrix, linear};
//!
//! // Two frames of three values through a linear layer of two outputs, with its weight as PyTorch stores it: [out, in].
//! let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
//! let weight = [1.0, 0.0, 0.0, 0.0, -1.0, 0.0];
//! let mut out = [0.0; 4];
//! let epilogue = Epilogue { bias: Some(&[0.5, 0.5]), activation: Activation::Relu, ..Epilogue::default() };
//! linear(Matrix::row_major(&x, 2, 3), Matrix::row_major(&weight, 2, 3).transposed(), epilogue, &mut out);
//! assert_eq!(out, [1.5, 0.0, 4.5, 0.0]);
//! ```
//!
//! Every array is row-major with the channels last: `[frames, channels]`. A convolution, a linear layer and the two
//! products of attention are products of the crate `gemm` on strided views, without copies of their operands; what follows a
//! product (bias, activation, softmax) is computed while its block of the output is in cache. The work runs on Rayon's
//! current pool. How a product is divided depends on the number of its threads, and so does the last bit of some results.
//!
//! For training there are gradients, and [`dropout()`], whose mask is computed twice instead of stored, as the weights of
//! attention are. The gradients of a linear layer are [`linear`] of transposed views.
//!
//! The instruction set is chosen at run time (AVX-512, AVX2 with FMA, or that of the target) by [`pulp`], so
//! `-C target-cpu` is not needed. The only `unsafe` code is in `matrix.rs`, behind checked views.
//!
//! It has no tensors, no models and reads no files. Lengths that do not fit together are bugs of the caller and panic.
#![deny(unsafe_code)]

mod gemm; // Read first: products, and the views that everything else is written in.
mod rows;
mod pointwise;

mod simd;
#[cfg(test)]
mod testing;

pub use gemm::attention::{Attended, Attention, Bias, attention};
pub use gemm::attention_backward::{AttentionGradient, attention_backward};
pub use gemm::conv1d::{
    Conv1d, conv1d, conv1d_input_gradient, conv1d_weight_gradient, pack_conv1d, unpack_conv1d,
};
pub use gemm::linear::{Epilogue, linear};
pub use gemm::matrix::Matrix;
pub use pointwise::activation::{Activation, gelu_backward};
pub use pointwise::dropout::{Dropout, dropout};
pub use rows::layer_norm::{LayerNormGradient, layer_norm, layer_norm_backward, layer_norm_into};
pub use rows::softmax::{softmax, softmax_backward};
pub use rows::sums::column_sums;
pub use rows::weight_norm::{weight_norm, weight_norm_backward};
