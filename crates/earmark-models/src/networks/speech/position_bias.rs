//! The gated relative position bias of WavLM (arXiv:2110.13900, 3.1): what attention adds to its scores for the distance of two frames,
//! more or less of it as the frame that attends decides.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::layers::linear::Linear;
use crate::networks::speech::config::SpeechConfig;

/// In a checkpoint these are parts of the attention.
#[derive(Module, Debug)]
pub(super) struct GatedPositionBias {
    gru_rel_pos_const: Param<Tensor<4>>, // [1, H, 1, 1]
    gru_rel_pos_linear: Linear,          // [D / H] to [8]
    /// The bias of each distance and head; the first layer has it for all of them.
    rel_attn_embed: Option<Embedding>,
    heads: usize,
    max_distance: usize,
}

impl GatedPositionBias {
    pub(super) fn zeros(config: &SpeechConfig, is_first: bool, device: &Device) -> Self {
        let heads = config.num_attention_heads;
        GatedPositionBias {
            gru_rel_pos_const: Initializer::Zeros.init([1, heads, 1, 1], device),
            gru_rel_pos_linear: Linear::new(config.hidden_size / heads, 8, device),
            rel_attn_embed: is_first.then(|| {
                EmbeddingConfig::new(config.num_buckets, heads)
                    .with_initializer(Initializer::Zeros)
                    .init(device)
            }),
            heads,
            max_distance: config.max_bucket_distance,
        }
    }

    /// The bias of every pair of `frames` before it is gated, `[1, H, T, T]`; `None` but for the first layer.
    pub(super) fn of_distances(&self, frames: usize) -> Option<Tensor<4>> {
        let weight = self.rel_attn_embed.as_ref()?.weight.val(); // [buckets, H]
        let buckets = weight.dims()[0];
        let bucket = |query: usize, key: usize| bucket(key as i64 - query as i64, buckets, self.max_distance);
        let buckets: Vec<i64> =
            (0..frames).flat_map(|query| (0..frames).map(move |key| bucket(query, key))).collect();
        let device = weight.device();
        let buckets = Tensor::<1, Int>::from_data(TensorData::new(buckets, [frames * frames]), &device);
        let bias: Tensor<3> = weight.select(0, buckets).reshape([frames, frames, self.heads]);
        Some(bias.permute([2, 0, 1]).unsqueeze_dim(0))
    }

    /// `[B, T, D]`, the input of the attention, gates the bias `[1, H, T, T]`: `[B, H, T, T]`.
    pub(super) fn forward(&self, x: Tensor<3>, bias: Tensor<4>) -> Tensor<4> {
        let [batch, frames, width] = x.dims();
        let heads = x.reshape([batch, frames, self.heads, width / self.heads]).swap_dims(1, 2); // [B, H, T, D / H]
        let gates = self.gru_rel_pos_linear.forward(heads); // [B, H, T, 8]
        let gates: Tensor<4> = gates.reshape([batch, self.heads, frames, 2, 4]).sum_dim(4).squeeze_dim(4);
        // Scores are in f32, whatever the dtype of the weights.
        let gates = sigmoid(gates.cast(DType::F32)); // [B, H, T, 2]
        let (a, b) = (gates.clone().narrow(3, 0, 1), gates.narrow(3, 1, 1));
        let scale = self.gru_rel_pos_const.val().cast(DType::F32);
        let gate = a * (b * scale).sub_scalar(1.0) + 2.0; // [B, H, T, 1]
        gate * bias.cast(DType::F32)
    }
}

/// The bucket of a distance in frames, as T5 has it (arXiv:1910.10683): half of the buckets are for frames before, half for those
/// after; of each half, one half are single distances, and the others grow with the logarithm.
fn bucket(distance: i64, buckets: usize, max_distance: usize) -> i64 {
    let half = (buckets / 2) as i64;
    let exact = half / 2;
    let after = if distance > 0 { half } else { 0 };
    let distance = distance.abs();
    if distance < exact {
        return after + distance;
    }
    // In f32, as the reference computes it: a border is a matter of the last bit.
    let growth = (distance as f32 / exact as f32).ln() / (max_distance as f64 / exact as f64).ln() as f32;
    let bucket = (exact as f32 + growth * (half - exact) as f32) as i64;
    after + bucket.min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_frames_have_buckets_of_their_own_and_far_ones_share_the_last() {
        let of = |distance| bucket(distance, 320, 800);
        assert_eq!([0, -1, -79, 1, 79].map(of), [0, 1, 79, 161, 239]);
        assert_eq!([-80, -81, -800, -5000, 800, 5000].map(of), [80, 80, 159, 159, 319, 319]);
        // From `WavLMAttention._relative_positions_bucket`, every 50 frames.
        let far: Vec<i64> = (2..16).map(|step| of(-50 * step)).collect();
        assert_eq!(far, FAR);
    }

    const FAR: [i64; 14] = [87, 101, 111, 119, 125, 131, 135, 140, 143, 146, 150, 152, 155, 157];
}
