//! The text tower: `modeling_clap.py`'s `ClapTextModel` (transformers 5.23.0), which is RoBERTa.
//!
//! Shapes, beside those of the module above: H heads, d width of a head.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::config::activation::Activation;
use crate::config::checks::{self, bad};
use crate::error::ErrorKind;
use crate::layers::attention::SelfAttention;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::Mlp;
use crate::layers::padding_mask::PaddingMask;
use crate::networks::clap::intermediate::Intermediate;
use crate::networks::clap::tokenizer::TokenBatch;

/// The `text_config` of a CLAP `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClapTextConfig {
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Width, D.
    pub hidden_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they share `hidden_size` equally.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: Activation,
    /// Dropout after the embeddings and every block's output.
    pub hidden_dropout_prob: f64,
    /// Dropout of the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Number of positions. They are counted from `pad_token_id + 1`, so a text may have that many tokens fewer.
    pub max_position_embeddings: usize,
    /// Kinds of tokens; only the first is used.
    pub type_vocab_size: usize,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
    /// The token of padding.
    pub pad_token_id: usize,
}

impl Default for ClapTextConfig {
    fn default() -> Self {
        ClapTextConfig {
            vocab_size: 50_265,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 514,
            type_vocab_size: 1,
            layer_norm_eps: 1e-12,
            pad_token_id: 1,
        }
    }
}

impl ClapTextConfig {
    pub(crate) fn validate(&self) -> Result<(), ErrorKind> {
        checks::sizes(&[
            ("text_config.vocab_size", self.vocab_size, 1 << 20),
            ("text_config.hidden_size", self.hidden_size, 1 << 14),
            ("text_config.num_hidden_layers", self.num_hidden_layers, 1 << 9),
            ("text_config.num_attention_heads", self.num_attention_heads, 1 << 10),
            ("text_config.intermediate_size", self.intermediate_size, 1 << 16),
            ("text_config.max_position_embeddings", self.max_position_embeddings, 1 << 16),
            ("text_config.type_vocab_size", self.type_vocab_size, 1 << 10),
        ])?;
        let layers =
            checks::transformer_parameters(self.num_hidden_layers, self.hidden_size, self.intermediate_size);
        let embeddings = (self.vocab_size + self.max_position_embeddings + self.type_vocab_size) as u128;
        let with = "num_hidden_layers, intermediate_size, vocab_size and max_position_embeddings";
        let count = layers + self.hidden_size as u128 * embeddings;
        checks::product("text_config.hidden_size", with, "parameters", count, checks::MOST_PARAMETERS)?;
        let (heads, width) = (self.num_attention_heads, self.hidden_size);
        checks::heads("text_config.num_attention_heads", heads, "hidden_size", width)?;
        let most = self.vocab_size.min(self.max_position_embeddings);
        if self.pad_token_id >= most {
            return bad(
                "text_config.pad_token_id",
                format!(
                    "is {}, expected less than vocab_size and max_position_embeddings",
                    self.pad_token_id
                ),
            );
        }
        checks::chances(&[
            ("text_config.hidden_dropout_prob", self.hidden_dropout_prob),
            ("text_config.attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ])?;
        checks::epsilon("text_config.layer_norm_eps", self.layer_norm_eps)
    }

    /// The most tokens of one text: 512 usually, its beginning and end included.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.pad_token_id + 1)
    }
}

/// RoBERTa: tokens to one vector a text.
#[derive(Module, Debug)]
pub(crate) struct TextModel {
    pub(crate) embeddings: Embeddings,
    pub(crate) encoder: Encoder,
    pooler: Pooler,
    #[module(skip)]
    config: ClapTextConfig,
}

impl TextModel {
    pub(crate) fn zeros(config: &ClapTextConfig, device: &Device) -> Self {
        TextModel {
            embeddings: Embeddings::zeros(config, device),
            encoder: Encoder {
                layer: (0..config.num_hidden_layers).map(|_| Layer::zeros(config, device)).collect(),
            },
            pooler: Pooler { dense: Linear::new(config.hidden_size, config.hidden_size, device) },
            config: config.clone(),
        }
    }

    /// `[N, D]`.
    pub(crate) fn forward(&self, tokens: &TokenBatch) -> Result<Tensor<2>, ErrorKind> {
        self.check(tokens)?;
        let mut hidden = self.embeddings.forward(tokens, self.config.pad_token_id); // [N, K, D]
        let bias = attention_bias(tokens, &hidden.device());
        for layer in &self.encoder.layer {
            hidden = layer.forward(hidden, bias.as_ref());
        }
        Ok(self.pooler.forward(hidden))
    }

    fn check(&self, tokens: &TokenBatch) -> Result<(), ErrorKind> {
        let bad = |what: String| Err(ErrorKind::BadInput(what));
        if tokens.input_ids().is_empty() {
            return bad("there is no text to embed".to_owned());
        }
        let (found, most) = (tokens.cols(), self.config.max_tokens());
        if found > most {
            return bad(format!("a text has {found} tokens, but the model takes {most} at most: shorten it"));
        }
        let known = self.config.vocab_size;
        match tokens.input_ids().iter().find(|&&id| id as usize >= known) {
            Some(id) => bad(format!(
                "a text has token {id}, but the model's vocabulary has {known}: tokenizer.json belongs to another model"
            )),
            None => Ok(()),
        }
    }
}

/// Token, position and type, added and normed.
#[derive(Module, Debug)]
pub(crate) struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    layer_norm: LayerNorm,
}

impl Embeddings {
    fn zeros(config: &ClapTextConfig, device: &Device) -> Self {
        let table = |rows| {
            EmbeddingConfig::new(rows, config.hidden_size).with_initializer(Initializer::Zeros).init(device)
        };
        Embeddings {
            word_embeddings: table(config.vocab_size),
            position_embeddings: table(config.max_position_embeddings),
            token_type_embeddings: table(config.type_vocab_size),
            layer_norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
        }
    }

    /// `[N, K, D]`.
    pub(crate) fn forward(&self, tokens: &TokenBatch, pad: usize) -> Tensor<3> {
        let device = self.word_embeddings.weight.device();
        let table = |ids: Vec<i64>| -> Tensor<2, Int> {
            Tensor::from_data(TensorData::new(ids, [tokens.rows(), tokens.cols()]), &device)
        };
        let words =
            self.word_embeddings.forward(table(tokens.input_ids().iter().map(|&id| id.into()).collect()));
        let positions = self.position_embeddings.forward(table(position_ids(tokens, pad)));
        let kind = self.token_type_embeddings.weight.val().narrow(0, 0, 1).unsqueeze(); // [1, 1, D]
        self.layer_norm.forward(words + kind + positions)
    }
}

/// Positions count the tokens of a row that are not `pad`, from `pad + 1` on; `pad` stands at position `pad`, wherever it is.
fn position_ids(tokens: &TokenBatch, pad: usize) -> Vec<i64> {
    let row = |row: &[u32]| {
        let mut next = pad;
        let count = |&id: &u32| {
            if id as usize == pad {
                return pad as i64;
            }
            next += 1;
            next as i64
        };
        row.iter().map(count).collect::<Vec<_>>()
    };
    tokens.input_ids().chunks(tokens.cols()).flat_map(row).collect()
}

/// What attention adds to its scores, `[N, 1, 1, K]`; `None` without padding.
pub(crate) fn attention_bias(tokens: &TokenBatch, device: &Device) -> Option<Tensor<4>> {
    let rows = tokens.attention_mask().chunks(tokens.cols());
    let lengths = rows.map(|row| row.iter().filter(|&&real| real).count()).collect();
    Some(PaddingMask::new(lengths, tokens.cols())?.attention_bias(device))
}

/// The transformer.
#[derive(Module, Debug)]
pub(crate) struct Encoder {
    pub(crate) layer: Vec<Layer>,
}

/// One transformer block, normed after each half.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    attention: Attention,
    intermediate: Intermediate,
    output: NormedOutput,
}

impl Layer {
    fn zeros(config: &ClapTextConfig, device: &Device) -> Self {
        let (width, inner, heads) =
            (config.hidden_size, config.intermediate_size, config.num_attention_heads);
        Layer {
            attention: Attention {
                self_attention: SelfAttention::new(width, heads, true, 0.0, device),
                output: NormedOutput::zeros(width, config, device),
            },
            intermediate: Intermediate::zeros(width, inner, config.hidden_act, device),
            output: NormedOutput::zeros(inner, config, device),
        }
    }

    pub(crate) fn forward(&self, hidden: Tensor<3>, bias: Option<&Tensor<4>>) -> Tensor<3> {
        let context = self.attention.self_attention.forward(hidden.clone(), bias, None);
        let NormedOutput { dense, layer_norm } = &self.attention.output;
        let hidden = layer_norm.forward(dense.forward_residual(context, hidden));
        let mlp = Mlp {
            inner: &self.intermediate.dense,
            activation: self.intermediate.activation,
            outer: &self.output.dense,
            inner_dropout: None,
            dropout: None,
        };
        self.output.layer_norm.forward(mlp.forward_residual(hidden.clone(), hidden, None))
    }
}

/// Multi-head self-attention and its output, as the checkpoint groups them.
#[derive(Module, Debug)]
struct Attention {
    self_attention: SelfAttention,
    output: NormedOutput,
}

/// Linear layer, residual, norm.
#[derive(Module, Debug)]
struct NormedOutput {
    dense: Linear,
    layer_norm: LayerNorm,
}

impl NormedOutput {
    fn zeros(inputs: usize, config: &ClapTextConfig, device: &Device) -> Self {
        NormedOutput {
            dense: Linear::new(inputs, config.hidden_size, device),
            layer_norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
        }
    }
}

/// What the first token has gathered.
#[derive(Module, Debug)]
struct Pooler {
    dense: Linear,
}

impl Pooler {
    /// `[N, K, D]` to `[N, D]`.
    fn forward(&self, hidden: Tensor<3>) -> Tensor<2> {
        self.dense.forward(hidden.narrow(1, 0, 1).squeeze_dim::<2>(1)).tanh()
    }
}
