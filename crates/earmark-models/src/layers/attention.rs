//! Multi-head attention (arXiv:1706.03762, 3.2.2), by the two sets of names that checkpoints have for it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::backend;
use crate::layers::dropout::Dropout;
use crate::layers::linear::Linear;
use crate::training::rng::TrainingRng;

/// By fairseq's names, with the output projection: Wav2Vec2 and its kin, Whisper.
#[derive(Module, Debug)]
pub(crate) struct MultiHeadAttention {
    k_proj: Linear,
    v_proj: Linear,
    q_proj: Linear,
    out_proj: Linear,
    dropout: Dropout,
    heads: usize,
}

impl MultiHeadAttention {
    pub(crate) fn new(width: usize, heads: usize, dropout: f64, device: &Device) -> Self {
        let square = || Linear::new(width, width, device);
        MultiHeadAttention {
            k_proj: square(),
            v_proj: square(),
            q_proj: square(),
            out_proj: square(),
            dropout: Dropout::new(dropout),
            heads,
        }
    }

    /// The same without a bias of the keys, which softmax would cancel.
    pub(crate) fn without_key_bias(self) -> Self {
        MultiHeadAttention { k_proj: self.k_proj.with_bias(false), ..self }
    }

    /// `residual` plus the attention of `x`, `[B, T, D]` each, with `dropout` before the sum; `bias` as of [`self_attention`].
    pub(crate) fn forward_residual(
        &self,
        x: Tensor<3>,
        residual: Tensor<3>,
        bias: Option<&Tensor<4>>,
        dropout: &Dropout,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let projections = [&self.q_proj, &self.k_proj, &self.v_proj];
        let context =
            self_attention(x, projections, self.heads, bias.cloned(), &self.dropout, rng.as_deref_mut());
        self.out_proj.forward_dropout_residual(context, residual, dropout, rng)
    }

    /// `residual` plus the attention of `x`, `[B, Q, D]` both, to `states`, `[B, T, D]`: those of `x` itself, or another
    /// network's. For inference: nothing is dropped.
    pub(crate) fn attend(&self, x: Tensor<3>, states: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let query = self.q_proj.forward(x);
        let (key, value) = (self.k_proj.forward(states.clone()), self.v_proj.forward(states));
        let context = backend::attention(query, key, value, self.heads, None, None);
        self.out_proj.forward_residual(context, residual)
    }
}

/// By BERT's names, which keep the output projection elsewhere: AST, CLAP's texts.
#[derive(Module, Debug)]
pub(crate) struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    dropout: Dropout,
    heads: usize,
}

impl SelfAttention {
    pub(crate) fn new(width: usize, heads: usize, bias: bool, dropout: f64, device: &Device) -> Self {
        let square = || Linear::new(width, width, device).with_bias(bias);
        SelfAttention {
            query: square(),
            key: square(),
            value: square(),
            dropout: Dropout::new(dropout),
            heads,
        }
    }

    /// The context of each position, `[B, T, D]`; `bias` as of [`self_attention`].
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<4>>,
        rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let projections = [&self.query, &self.key, &self.value];
        self_attention(x, projections, self.heads, bias.cloned(), &self.dropout, rng)
    }
}

/// The context of each position before the output projection, `[B, T, D]`; `projections` make queries, keys and values.
///
/// `bias` is added to the scores: `[B, H, T, T]`, or with 1 for any of them.
pub(crate) fn self_attention(
    x: Tensor<3>,
    projections: [&Linear; 3],
    heads: usize,
    bias: Option<Tensor<4>>,
    dropout: &Dropout,
    rng: Option<&mut TrainingRng>,
) -> Tensor<3> {
    let [query, key, value] = projections.map(|layer| layer.forward(x.clone()));
    drop(x);
    backend::attention(query, key, value, heads, bias, dropout.mask(rng))
}

/// `[B, T, D]` to `[B, H, T, D / H]`.
pub(crate) fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, frames, width] = x.dims();
    x.reshape([batch, frames, heads, width / heads]).swap_dims(1, 2)
}

/// Scores by query and distance, `[B, H, T, 2 T - 1]`, to those of each pair of frames, `[B, H, T, T]`: the columns begin with the
/// key that is T - 1 frames before the query, and query t is to begin with its own first key, t frames before it.
///
/// One zero before each row shifts every row by one against the next, as they lie behind one another (arXiv:1901.02860, B).
pub(crate) fn of_pairs(scores: Tensor<4>) -> Tensor<4> {
    let ([batch, heads, frames, distances], device) = (scores.dims(), scores.device());
    let zeros = Tensor::<4>::zeros([batch, heads, frames, 1], &device).cast(scores.dtype());
    let rows = Tensor::cat(vec![zeros, scores], 3).reshape([batch, heads, distances + 1, frames]);
    rows.narrow(2, 1, distances).reshape([batch, heads, frames, distances]).narrow(3, 0, frames)
}
