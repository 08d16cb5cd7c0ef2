//! A whole Whisper as a classifier of languages: the first token that its decoder writes names the language.
//!
//! | here                                | paper (arXiv:2212.04356) | transformers 5.23.0 `modeling_whisper.py` |
//! |-------------------------------------|--------------------------|-------------------------------------------|
//! | [`WhisperForConditionalGeneration`] | the model                | `WhisperForConditionalGeneration`         |
//! | `WhisperDecoder`                    | positions, blocks        | `WhisperDecoder`                          |
//! | `DecoderLayer`                      | decoder block            | `WhisperDecoderLayer`                     |
//!
//! Shapes: B clips, M mel bands, F frames, T positions of the encoder, D width, V tokens of the vocabulary, L languages.
//!
//! As `detect_language` of `generation_whisper.py`, one step after `<|startoftranscript|>`: the logits of the tokens that are
//! languages are all that is computed of V. Nothing is remembered for a next step, and no text is written.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use earmark_config::Family;
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, ArchitectureConfig, Classify, EachState, Input, LastState};
use crate::config::activation::Activation;
use crate::config::checks;
use crate::config::languages::Languages;
use crate::error::ErrorKind;
use crate::layers::attention::MultiHeadAttention;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::layers::mlp::Mlp;
use crate::layers::residual;
use crate::networks::whisper::{LAYER_NORM_EPS, WhisperConfig, WhisperEncoder};
use crate::training::rng::TrainingRng;

/// The decoder's part of a Whisper `config.json`. Field names are that file's, and a missing field takes the reference's
/// default. `scale_embedding` means nothing: the reference does not read it either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WhisperDecoderConfig {
    /// Tokens of the vocabulary, V.
    pub vocab_size: usize,
    /// Transformer layers.
    pub decoder_layers: usize,
    /// Attention heads; they share `d_model` equally.
    pub decoder_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub decoder_ffn_dim: usize,
    /// Positions of the text; one is used.
    pub max_target_positions: usize,
    /// Whether the logits are products with the embeddings of the tokens, and not with weights of their own.
    pub tie_word_embeddings: bool,
}

impl Default for WhisperDecoderConfig {
    fn default() -> Self {
        WhisperDecoderConfig {
            vocab_size: 51_865,
            decoder_layers: 4,
            decoder_attention_heads: 6,
            decoder_ffn_dim: 1536,
            max_target_positions: 448,
            tie_word_embeddings: true,
        }
    }
}

/// A whole Whisper, and which of its tokens are languages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhisperLanguageConfig {
    /// The encoder's part of `config.json`.
    #[serde(flatten)]
    pub encoder: WhisperConfig,
    /// The decoder's.
    #[serde(flatten)]
    pub decoder: WhisperDecoderConfig,
    /// What the files beside it say of languages.
    #[serde(skip)]
    pub languages: Languages,
}

impl WhisperLanguageConfig {
    /// The same with every random regulariser off.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        WhisperLanguageConfig { encoder: self.encoder.without_dropout(), ..self }
    }
}

impl ArchitectureConfig for WhisperLanguageConfig {
    fn family(&self) -> &'static Family {
        &earmark_config::WHISPER_WITH_DECODER
    }

    fn layers(&self) -> usize {
        self.encoder.encoder_layers
    }

    fn width(&self) -> usize {
        self.encoder.d_model
    }

    fn validate(&self) -> Result<(), ErrorKind> {
        self.encoder.validate()?;
        let WhisperDecoderConfig { vocab_size, decoder_layers, decoder_ffn_dim, .. } = self.decoder;
        checks::sizes(&[
            ("vocab_size", vocab_size, 1 << 20),
            ("decoder_layers", decoder_layers, 1 << 9),
            ("decoder_attention_heads", self.decoder.decoder_attention_heads, 1 << 10),
            ("decoder_ffn_dim", decoder_ffn_dim, 1 << 16),
            ("max_target_positions", self.decoder.max_target_positions, 1 << 16),
        ])?;
        let width = self.encoder.d_model;
        // Attention to the encoder is one more in each layer.
        let layers = checks::transformer_parameters(decoder_layers, width, decoder_ffn_dim)
            + checks::transformer_parameters(decoder_layers, width, 0);
        let embeddings = (2 * vocab_size + self.decoder.max_target_positions) as u128 * width as u128;
        let with = "decoder_layers, decoder_ffn_dim, vocab_size and max_target_positions";
        checks::product("d_model", with, "parameters", layers + embeddings, checks::MOST_PARAMETERS)?;
        checks::heads("decoder_attention_heads", self.decoder.decoder_attention_heads, "d_model", width)?;
        self.languages.check(vocab_size)
    }

    fn initializer_range(&self) -> f64 {
        self.encoder.init_std
    }

    fn spectrogram(&self) -> Option<[usize; 2]> {
        self.encoder.spectrogram()
    }
}

/// A whole Whisper, of which the probabilities of languages are asked.
#[derive(Module, Debug)]
pub struct WhisperForConditionalGeneration {
    base: WhisperModel,
    /// `None` where the embeddings of the tokens are its weights.
    proj_out: Option<Linear>,
    #[module(skip)]
    languages: Languages,
}

/// The encoder and the decoder.
#[derive(Module, Debug)]
struct WhisperModel {
    encoder: WhisperEncoder,
    decoder: WhisperDecoder,
}

impl Architecture for WhisperForConditionalGeneration {
    fn family(&self) -> &'static Family {
        &earmark_config::WHISPER_WITH_DECODER
    }
}

impl Classify for WhisperForConditionalGeneration {
    /// Inference alone: nobody trains the decoder.
    fn classify(&self, input: Input, _rng: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        self.forward(input.spectrograms()?)
    }

    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        self.base.encoder.each_state(input, each)
    }
}

impl WhisperForConditionalGeneration {
    /// The network with every weight zero, to be filled by [`load`](crate::load).
    ///
    /// The config is one that was read from a file, which checked it.
    pub fn zeros(config: &WhisperLanguageConfig, device: &Device) -> Self {
        let WhisperLanguageConfig { encoder, decoder, languages } = config;
        let proj_out = || Linear::new(encoder.d_model, decoder.vocab_size, device).with_bias(false);
        WhisperForConditionalGeneration {
            base: WhisperModel {
                encoder: WhisperEncoder::zeros(encoder, device),
                decoder: WhisperDecoder::zeros(config, device),
            },
            proj_out: (!decoder.tie_word_embeddings).then(proj_out),
            languages: languages.clone(),
        }
    }

    /// Scores each clip against every language.
    /// - `spectrograms`: `[B, M, F]`, as of [`WhisperForAudioClassification`](super::WhisperForAudioClassification)
    /// - returns the logits of the tokens that are languages, in their order: `[B, L]`, not probabilities
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] when M or F is not the config's.
    pub fn forward(&self, spectrograms: Tensor<3>) -> Result<Tensor<2>, ErrorKind> {
        let states = self.base.encoder.forward(spectrograms, None)?; // [B, T, D]
        let hidden = self.base.decoder.step(&states, self.languages.start_of_transcript()); // [B, D]
        let tokens: Vec<i64> = self.languages.iter().map(|language| language.token as i64).collect();
        let count = tokens.len();
        let tokens: Tensor<1, Int> = Tensor::from_data(TensorData::new(tokens, [count]), &hidden.device());
        let rows = match &self.proj_out {
            None => self.base.decoder.embed_tokens.weight.val().select(0, tokens), // [L, D]
            Some(proj_out) => proj_out.weight.val().select(1, tokens).transpose(), // [L, D]
        };
        Ok(hidden.cast(rows.dtype()).matmul(rows.transpose())) // [B, L]
    }
}

/// The decoder without its product with the vocabulary.
#[derive(Module, Debug)]
struct WhisperDecoder {
    embed_tokens: Embedding,
    embed_positions: Embedding,
    layers: Vec<DecoderLayer>,
    layer_norm: LayerNorm,
}

impl WhisperDecoder {
    fn zeros(config: &WhisperLanguageConfig, device: &Device) -> Self {
        let WhisperLanguageConfig { encoder, decoder, .. } = config;
        let width = encoder.d_model;
        let table =
            |rows| EmbeddingConfig::new(rows, width).with_initializer(Initializer::Zeros).init(device);
        WhisperDecoder {
            embed_tokens: table(decoder.vocab_size),
            embed_positions: table(decoder.max_target_positions),
            layers: (0..decoder.decoder_layers)
                .map(|_| DecoderLayer::zeros(encoder, decoder, device))
                .collect(),
            layer_norm: LayerNorm::new(width, LAYER_NORM_EPS, device),
        }
    }

    /// The hidden state of one token at the beginning of the text, beside the encoder's `states` `[B, T, D]`: `[B, D]`.
    fn step(&self, states: &Tensor<3>, token: usize) -> Tensor<2> {
        let batch = states.dims()[0];
        let embedding = self.embed_tokens.weight.val().narrow(0, token, 1); // [1, D]
        let hidden = residual::add(embedding, self.embed_positions.weight.val().narrow(0, 0, 1));
        let mut hidden = hidden.unsqueeze_dim::<3>(0).repeat_dim(0, batch); // [B, 1, D]
        for layer in &self.layers {
            hidden = layer.forward(hidden, states.clone());
        }
        self.layer_norm.forward(hidden).squeeze_dim(1) // [B, D]
    }
}

/// One transformer block, normed before each of its three parts.
#[derive(Module, Debug)]
struct DecoderLayer {
    self_attn: MultiHeadAttention,
    self_attn_layer_norm: LayerNorm,
    encoder_attn: MultiHeadAttention,
    encoder_attn_layer_norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    final_layer_norm: LayerNorm,
    #[module(skip)]
    activation: Activation,
}

impl DecoderLayer {
    fn zeros(encoder: &WhisperConfig, decoder: &WhisperDecoderConfig, device: &Device) -> Self {
        let (width, wide) = (encoder.d_model, decoder.decoder_ffn_dim);
        let attention = || {
            MultiHeadAttention::new(width, decoder.decoder_attention_heads, 0.0, device).without_key_bias()
        };
        let norm = || LayerNorm::new(width, LAYER_NORM_EPS, device);
        DecoderLayer {
            self_attn: attention(),
            self_attn_layer_norm: norm(),
            encoder_attn: attention(),
            encoder_attn_layer_norm: norm(),
            fc1: Linear::new(width, wide, device),
            fc2: Linear::new(wide, width, device),
            final_layer_norm: norm(),
            activation: encoder.activation_function,
        }
    }

    /// `hidden` is `[B, 1, D]`: with one token there is no other to be masked.
    fn forward(&self, hidden: Tensor<3>, states: Tensor<3>) -> Tensor<3> {
        let normed = self.self_attn_layer_norm.forward(hidden.clone());
        let hidden = self.self_attn.attend(normed.clone(), normed, hidden);
        let normed = self.encoder_attn_layer_norm.forward(hidden.clone());
        let hidden = self.encoder_attn.attend(normed, states, hidden);
        let normed = self.final_layer_norm.forward(hidden.clone());
        let mlp = Mlp {
            inner: &self.fc1,
            activation: self.activation,
            outer: &self.fc2,
            inner_dropout: None,
            dropout: None,
        };
        mlp.forward_residual(normed, hidden, None)
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
