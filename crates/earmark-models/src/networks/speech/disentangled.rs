//! Disentangled attention (arXiv:2006.03654, 3.1), as SEW-D has it: scores of contents, of a query and a distance, and of a
//! distance and a key. `SEWDTransformerEncoder` of transformers 5.23.0.
//!
//! Shapes: B clips, T states, D hidden size, H heads, P distances that are told apart.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::backend;
use crate::config::activation::Activation;
use crate::layers::attention::{of_pairs, split_heads};
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::networks::speech::config::SpeechConfig;
use crate::training::gradient_checkpointing::checkpointed;
use crate::training::rng::TrainingRng;

/// The transformer layers of SEW-D.
#[derive(Module, Debug)]
pub(super) struct DisentangledEncoder {
    layer: Vec<DisentangledLayer>,
    rel_embeddings: Option<Embedding>, // [P, D]
    norm: Option<LayerNorm>,
    /// Distances on each side that have a vector of their own.
    position_buckets: usize,
    max_distance: usize,
}

impl DisentangledEncoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let (width, positions) = (config.hidden_size, 2 * config.distances());
        let embeddings =
            || EmbeddingConfig::new(positions, width).with_initializer(Initializer::Zeros).init(device);
        let norms = config.norm_rel_ebd.to_lowercase().split('|').any(|norm| norm.trim() == "layer_norm");
        DisentangledEncoder {
            layer: (0..config.num_hidden_layers).map(|_| DisentangledLayer::zeros(config, device)).collect(),
            rel_embeddings: config.relative_attention.then(embeddings),
            norm: norms.then(|| LayerNorm::new(width, config.layer_norm_eps, device)),
            position_buckets: usize::try_from(config.position_buckets).unwrap_or(0),
            max_distance: config.max_position_embeddings,
        }
    }

    /// `[B, T, D]` to the last state; `bias` is added to the scores, and `each` is shown every state.
    pub(super) fn forward(
        &self,
        mut hidden: Tensor<3>,
        bias: Option<&Tensor<4>>,
        mut rng: Option<&mut TrainingRng>,
        mut each: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let distances = self.distances(hidden.dims()[1]);
        let (vectors, places) = distances.map(|it| (it.vectors, [it.from_query, it.from_key])).unzip();
        for layer in &self.layer {
            each(&hidden);
            let (bias, places) = (bias.cloned(), places.clone());
            let shared = vectors.clone().map(Tensor::unsqueeze); // [1, 1, P, D]
            hidden = checkpointed(
                layer,
                hidden,
                shared,
                rng.as_deref_mut(),
                move |layer, hidden, vectors, rng| {
                    let distances = vectors.zip(places.clone()).map(|(vectors, [from_query, from_key])| {
                        Distances { vectors: vectors.squeeze_dims(&[0, 1]), from_query, from_key }
                    });
                    layer.forward(hidden, bias.as_ref(), distances.as_ref(), rng)
                },
            );
        }
        each(&hidden);
        hidden
    }

    fn distances(&self, frames: usize) -> Option<Distances> {
        let weight = self.rel_embeddings.as_ref()?.weight.val(); // [P, D]
        let (device, positions) = (weight.device(), weight.dims()[0]);
        let vectors = match &self.norm {
            Some(norm) => norm.forward(weight),
            None => weight,
        };
        let (last, span) = (frames as i64 - 1, (positions / 2) as i64);
        // The reference counts from the key to the query.
        let place = |distance: i64| {
            let bucket = bucket(-distance, self.position_buckets, self.max_distance);
            (bucket + span).clamp(0, 2 * span - 1)
        };
        let places = |sign: i64| {
            let places: Vec<i64> = (-last..=last).map(|distance| place(sign * distance)).collect();
            Tensor::from_data(TensorData::new(places, [2 * frames - 1]), &device)
        };
        Some(Distances { vectors, from_query: places(1), from_key: places(-1) })
    }
}

/// What all layers of one forward pass know of distances.
struct Distances {
    /// `[P, D]`
    vectors: Tensor<2>,
    /// The vector of each distance of a key from a query, from T - 1 states before it to T - 1 after it: `[2 T - 1]`.
    from_query: Tensor<1, Int>,
    /// The same of a query from a key.
    from_key: Tensor<1, Int>,
}

/// One layer, normed after each half.
#[derive(Module, Debug)]
struct DisentangledLayer {
    attention: AttentionHalf,
    intermediate: Intermediate,
    output: Output,
}

#[derive(Module, Debug)]
struct AttentionHalf {
    self_attention: DisentangledAttention,
    output: Output,
}

#[derive(Module, Debug)]
struct Intermediate {
    dense: Linear,
    #[module(skip)]
    activation: Activation,
}

/// How a half of a layer ends.
#[derive(Module, Debug)]
struct Output {
    dense: Linear,
    norm: LayerNorm,
    dropout: Dropout,
}

impl DisentangledLayer {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let output = |inputs| Output {
            dense: Linear::new(inputs, width, device),
            norm: LayerNorm::new(width, config.layer_norm_eps, device),
            dropout: Dropout::new(config.activation_dropout),
        };
        DisentangledLayer {
            attention: AttentionHalf {
                self_attention: DisentangledAttention::zeros(config, device),
                output: output(width),
            },
            intermediate: Intermediate {
                dense: Linear::new(width, inner, device),
                activation: config.hidden_act,
            },
            output: output(inner),
        }
    }

    fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Option<&Tensor<4>>,
        distances: Option<&Distances>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let attention = &self.attention.self_attention;
        let context = attention.forward(hidden.clone(), bias, distances, rng.as_deref_mut());
        let hidden = self.attention.output.forward(context, hidden, rng.as_deref_mut());
        let wide = self.intermediate.dense.forward_activated(hidden.clone(), self.intermediate.activation);
        self.output.forward(wide, hidden, rng)
    }
}

impl Output {
    fn forward(&self, x: Tensor<3>, residual: Tensor<3>, rng: Option<&mut TrainingRng>) -> Tensor<3> {
        self.norm.forward(self.dense.forward_dropout_residual(x, residual, &self.dropout, rng))
    }
}

#[derive(Module, Debug)]
struct DisentangledAttention {
    query_proj: Linear,
    key_proj: Linear,
    value_proj: Linear,
    /// Of distances; `None` where they share the projection of contents.
    pos_key_proj: Option<Linear>,
    pos_query_proj: Option<Linear>,
    pos_dropout: Dropout,
    dropout: Dropout,
    heads: usize,
    /// Scores of a query and the distance of a key.
    content_to_position: bool,
    /// Scores of a key and the distance of a query.
    position_to_content: bool,
}

impl DisentangledAttention {
    fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let square = || Linear::new(config.hidden_size, config.hidden_size, device);
        let has = |kind: &str| config.pos_att_type.iter().any(|it| it == kind);
        let of_distances =
            |kind| (config.relative_attention && !config.share_att_key && has(kind)).then(square);
        DisentangledAttention {
            query_proj: square(),
            key_proj: square(),
            value_proj: square(),
            pos_key_proj: of_distances("c2p"),
            pos_query_proj: of_distances("p2c"),
            pos_dropout: Dropout::new(config.activation_dropout),
            dropout: Dropout::new(config.attention_dropout),
            heads: config.num_attention_heads,
            content_to_position: has("c2p"),
            position_to_content: has("p2c"),
        }
    }

    /// The context of each state before the output projection, `[B, T, D]`.
    fn forward(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<4>>,
        distances: Option<&Distances>,
        mut rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let query = self.query_proj.forward(x.clone());
        let key = self.key_proj.forward(x.clone());
        let value = self.value_proj.forward(x);
        // Each kind of score adds to the variance of the sum.
        let kinds = 1 + usize::from(self.content_to_position) + usize::from(self.position_to_content);
        let query = query / (kinds as f64).sqrt();

        let mut sum = bias.cloned();
        if let Some(distances) = distances {
            let vectors = self.pos_dropout.forward(distances.vectors.clone(), rng.as_deref_mut());
            let vectors = vectors.unsqueeze_dim::<3>(0); // [1, P, D]
            let scale = ((query.dims()[2] / self.heads) as f64).powf(-0.5);
            let mut add = |scores: Tensor<4>| {
                let scores = scores.cast(DType::F32) * scale;
                sum = Some(match sum.take() {
                    Some(sum) => scores + sum,
                    None => scores,
                });
            };
            if self.content_to_position {
                let project = self.pos_key_proj.as_ref().unwrap_or(&self.key_proj);
                let keys = project.forward(vectors.clone());
                add(self.scores(query.clone(), keys, &distances.from_query));
            }
            if self.position_to_content {
                let project = self.pos_query_proj.as_ref().unwrap_or(&self.query_proj);
                let queries = project.forward(vectors) / (kinds as f64).sqrt();
                add(self.scores(key.clone(), queries, &distances.from_key).transpose());
            }
        }
        backend::attention(query, key, value, self.heads, sum, self.dropout.mask(rng))
    }

    /// Of each state of `x` `[B, T, D]` with the vector of each distance, `[1, P, D]`, to another: `[B, H, T, T]`.
    fn scores(&self, x: Tensor<3>, vectors: Tensor<3>, places: &Tensor<1, Int>) -> Tensor<4> {
        let scores = split_heads(x, self.heads).matmul(split_heads(vectors, self.heads).transpose());
        of_pairs(scores.select(3, places.clone()))
    }
}

/// The bucket of a distance: half of `buckets` are single distances, the others grow with the logarithm up to `max_distance`. With no
/// buckets every distance is one.
fn bucket(distance: i64, buckets: usize, max_distance: usize) -> i64 {
    let middle = (buckets / 2) as i64;
    if buckets == 0 || distance.abs() <= middle {
        return distance;
    }
    // In f32, as the reference computes it: a border is a matter of the last bit.
    let whole = ((max_distance as f64 - 1.0) / middle as f64) as f32;
    let growth = (distance.abs() as f32 / middle as f32).ln() / whole.ln() * (middle - 1) as f32;
    distance.signum() * (growth.ceil() as i64 + middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_are_single_and_far_ones_share_a_bucket() {
        let of = |distance| bucket(distance, 256, 512);
        assert_eq!([0, 1, -127, 128, -128].map(of), [0, 1, -127, 128, -128]);
        // From `make_log_bucket_position(…, 256, 512)`.
        assert_eq!([129, 150, -200, 300, 511, -600].map(of), FAR);
        assert_eq!(bucket(-900, 0, 512), -900);
    }

    const FAR: [i64; 6] = [129, 143, -169, 207, 255, -270];
}
