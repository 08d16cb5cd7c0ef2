use burn::module::{Initializer, Module, Param};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::backend;
use crate::layers::attention::{of_pairs, split_heads};
use crate::layers::dropout::Dropout;
use crate::layers::linear::Linear;
use crate::networks::conformer::config::{ConformerConfig, PositionEmbeddings};
use crate::networks::conformer::passing::Passing;
use crate::networks::conformer::positions::Positions;
use crate::training::rng::TrainingRng;

/// Multi-head self-attention that knows where frames are.
#[derive(Module, Debug)]
pub(crate) struct ConformerAttention {
    linear_q: Linear,
    linear_k: Linear,
    linear_v: Linear,
    linear_out: Linear,
    /// `relative` has these three.
    linear_pos: Option<Linear>,
    pos_bias_u: Option<Param<Tensor<2>>>, // [H, D / H]
    pos_bias_v: Option<Param<Tensor<2>>>, // [H, D / H]
    /// `relative_key` has a vector for each distance, `[distances, D / H]`.
    distance_embedding: Option<Embedding>,
    /// The farthest key before a frame that has a vector of its own.
    farthest_before: usize,
    dropout: Dropout,
    heads: usize,
}

impl ConformerAttention {
    pub(crate) fn zeros(config: &ConformerConfig, device: &Device) -> Self {
        let square = || Linear::new(config.width, config.width, device);
        let (heads, size) = (config.heads, config.width / config.heads);
        let relative = config.positions == Some(PositionEmbeddings::Relative);
        let bias = || relative.then(|| Initializer::Zeros.init([heads, size], device));
        let [before, after] = config.distances;
        let distances = || {
            let embedding = EmbeddingConfig::new(before + after + 1, size);
            embedding.with_initializer(Initializer::Zeros).init(device)
        };
        ConformerAttention {
            linear_q: square(),
            linear_k: square(),
            linear_v: square(),
            linear_out: square(),
            linear_pos: relative.then(|| square().with_bias(false)),
            pos_bias_u: bias(),
            pos_bias_v: bias(),
            distance_embedding: (config.positions == Some(PositionEmbeddings::RelativeKey)).then(distances),
            farthest_before: before,
            dropout: Dropout::new(config.attention_dropout),
            heads,
        }
    }

    /// `residual` plus the attention of `x`, `[B, T, D]` each, with `dropout` before the sum.
    pub(crate) fn forward_residual(
        &self,
        x: Tensor<3>,
        residual: Tensor<3>,
        passing: &Passing,
        dropout: &Dropout,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let value = self.linear_v.forward(x.clone());
        let turned = match &passing.positions {
            Positions::Rotary { cosines, sines } => self.rotated(x, cosines, sines),
            Positions::None | Positions::Relative(_) => x,
        };
        let key = self.linear_k.forward(turned.clone());
        let query = self.linear_q.forward(turned); // [B, T, D]

        let (query, of_distances) = match (&passing.positions, &self.distance_embedding) {
            (Positions::Relative(sinusoids), _) => self.relative(query, sinusoids.clone()),
            (_, Some(embedding)) => {
                let of_distances = self.relative_key(query.clone(), embedding.weight.val());
                (query, Some(of_distances))
            }
            _ => (query, None),
        };
        let bias = match (of_distances, passing.bias.clone()) {
            (Some(of_distances), Some(padding)) => Some(of_distances + padding),
            (of_distances, padding) => of_distances.or(padding),
        };
        let mask = self.dropout.mask(rng.as_deref_mut());
        let context = backend::attention(query, key, value, self.heads, bias, mask);
        self.linear_out.forward_dropout_residual(context, residual, dropout, rng)
    }

    /// The channels of each head turned by the place of their frame, `[B, T, D]`. The reference turns the hidden states, not the
    /// queries and keys made of them.
    fn rotated(&self, x: Tensor<3>, cosines: &Tensor<4>, sines: &Tensor<4>) -> Tensor<3> {
        let (shape @ [batch, frames, width], dtype) = (x.dims(), x.dtype());
        let size = width / self.heads;
        let heads = x.reshape([batch, frames, self.heads, size]);
        let (begin, end) =
            (heads.clone().narrow(3, 0, size / 2), heads.clone().narrow(3, size / 2, size / 2));
        let across = Tensor::cat(vec![-end, begin], 3);
        (heads * cosines.clone().cast(dtype) + across * sines.clone().cast(dtype)).reshape(shape)
    }

    /// The queries with their bias for contents, and what the scores get for distances, `[B, H, T, T]`.
    fn relative(&self, query: Tensor<3>, sinusoids: Tensor<3>) -> (Tensor<3>, Option<Tensor<4>>) {
        let (Some(linear_pos), Some(bias_u), Some(bias_v)) =
            (&self.linear_pos, &self.pos_bias_u, &self.pos_bias_v)
        else {
            return (query, None);
        };
        let [_, distances, width] = sinusoids.dims();
        let size = width / self.heads;
        let projected = linear_pos.forward(sinusoids).reshape([1, distances, self.heads, size]);
        let with =
            |bias: &Param<Tensor<2>>| query.clone() + bias.val().cast(query.dtype()).reshape([1, 1, width]);
        let scores = split_heads(with(bias_v), self.heads).matmul(projected.permute([0, 2, 3, 1])); // [B, H, T, 2 T - 1]
        (with(bias_u), Some(self.scaled(of_pairs(scores), width)))
    }

    /// What the scores get for distances, `[B, H, T, T]`; `vectors` `[distances, D / H]`.
    fn relative_key(&self, query: Tensor<3>, vectors: Tensor<2>) -> Tensor<4> {
        let ([_, frames, width], device) = (query.dims(), query.device());
        let vectors = vectors.cast(query.dtype());
        let farthest_after = vectors.dims()[0] - 1 - self.farthest_before;
        let vectors = vectors.swap_dims(0, 1).unsqueeze::<4>(); // [1, 1, D / H, distances]
        let scores = split_heads(query, self.heads).matmul(vectors); // [B, H, T, distances]
        let last = frames as i64 - 1;
        let (before, after) = (self.farthest_before as i64, farthest_after as i64);
        let places: Vec<i64> =
            (-last..=last).map(|distance| distance.clamp(-before, after) + before).collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [2 * frames - 1]), &device);
        self.scaled(of_pairs(scores.select(3, places)), width)
    }

    /// As the scores of contents are; in f32, whatever the dtype of the weights.
    fn scaled(&self, scores: Tensor<4>, width: usize) -> Tensor<4> {
        scores.cast(DType::F32) * ((width / self.heads) as f64).powf(-0.5)
    }
}
