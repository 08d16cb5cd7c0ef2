//! Speaker embeddings: an encoder of speech with the head of x-vectors.
//!
//! | here             | paper (Snyder et al., X-Vectors, ICASSP 2018) | transformers 5.23.0 `modeling_wav2vec2.py` |
//! |------------------|-----------------------------------------------|--------------------------------------------|
//! | `TdnnLayer`      | time-delay layer                              | `TDNNLayer`                                |
//! | `statistics`     | statistics pooling                            | in `Wav2Vec2ForXVector.forward`            |
//! | [`ForXVector`]   | –                                             | `Wav2Vec2ForXVector`, `WavLMForXVector` …  |
//!
//! Shapes: B clips, T frames, D hidden size, C channels of a layer, X numbers of an x-vector.
//!
//! As in the reference, the frames of a padded clip are counted as if no layer had a dilation: the pooling takes in the first frames
//! that have seen padding, so the x-vector of a padded clip is another than that of the clip alone, which is the one to trust.
//! Without padding the two counts are the same.

mod config;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use earmark_config::Family;

use crate::architecture::{Architecture, ArchitectureConfig, Classify, EachState, Input, LastState};
use crate::checkpoint::task::Task;
use crate::config::activation::Activation;
use crate::error::ErrorKind;
use crate::layers::linear::Linear;
use crate::layers::padding_mask::{PaddingMask, masked_mean};
use crate::networks::speech::SpeechEncoder;
use crate::networks::wav2vec2_bert::Wav2Vec2BertModel;
use crate::training::rng::TrainingRng;

pub use config::{XVectorConfig, XVectorEncoderConfig};

/// An encoder of speech with an x-vector head. The layer that only its training reads is left out.
#[derive(Module, Debug)]
pub struct ForXVector {
    /// `wavlm`, `wav2vec2`, … in a checkpoint.
    base: XVectorEncoder,
    projector: Linear,
    tdnn: Vec<TdnnLayer>,
    feature_extractor: Linear,
    /// A weight for each hidden state, when they are mixed.
    layer_weights: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: XVectorConfig,
}

impl ForXVector {
    /// The network with every weight zero, to be filled by [`load`](crate::load).
    ///
    /// The config must have passed [`NetworkConfig::validate`](crate::NetworkConfig::validate).
    pub fn zeros(config: &XVectorConfig, device: &Device) -> Self {
        let states = config.layers() + 1;
        let channels = &config.tdnn_dim;
        let before = [channels[0]].into_iter().chain(channels.iter().copied());
        let layers = before.zip(channels).zip(config.tdnn_kernel.iter().zip(&config.tdnn_dilation));
        ForXVector {
            base: XVectorEncoder::zeros(&config.encoder, device),
            projector: Linear::new(config.last_width(), channels[0], device),
            tdnn: layers
                .map(|((inputs, &outputs), (&kernel, &dilation))| {
                    TdnnLayer::zeros(inputs, outputs, kernel, dilation, device)
                })
                .collect(),
            feature_extractor: Linear::new(
                2 * channels[channels.len() - 1],
                config.xvector_output_dim,
                device,
            ),
            layer_weights: config.use_weighted_layer_sum().then(|| Initializer::Zeros.init([states], device)),
            config: config.clone(),
        }
    }

    /// The x-vector of each clip, `[B, X]`.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for an input of another kind or shape than the encoder's own extractor makes, and for clips of fewer
    /// frames than [`XVectorConfig::min_frames`].
    pub fn forward(&self, input: Input) -> Result<Tensor<2>, ErrorKind> {
        let (hidden, mask) = self.base.forward_mixed(input, self.layer_weights.as_ref())?; // [B, T, D]
        let frames = hidden.dims()[1];
        let counts = self.counts(frames, mask.as_ref())?;
        let mut hidden = self.projector.forward(hidden); // [B, T, C]
        for layer in &self.tdnn {
            hidden = layer.forward(&hidden);
        }
        let pooled = statistics(hidden, counts.as_ref()); // [B, 2 C]
        Ok(self.feature_extractor.forward(pooled)) // [B, X]
    }

    /// The frames of each clip that are pooled, where they are not all.
    fn counts(&self, frames: usize, mask: Option<&PaddingMask>) -> Result<Option<PaddingMask>, ErrorKind> {
        let short = |found: usize, least: usize| {
            let why = format!(
                "a clip makes {found} frames, but the time-delay layers (`tdnn_kernel`, `tdnn_dilation`) need {least}"
            );
            Err(ErrorKind::BadInput(why))
        };
        let least = self.config.min_frames();
        if frames < least {
            return short(frames, least);
        }
        let Some(mask) = mask else { return Ok(None) };
        let left = frames - self.config.context();
        let undilated: usize = self.config.tdnn_kernel.iter().map(|kernel| kernel - 1).sum();
        match mask.lengths().iter().find(|&&real| real < undilated + 2) {
            Some(&real) => short(real, undilated + 2),
            None => {
                let counts = mask.lengths().iter().map(|real| (real - undilated).min(left)).collect();
                Ok(PaddingMask::new(counts, left))
            }
        }
    }
}

impl Architecture for ForXVector {
    fn family(&self) -> &'static Family {
        self.config.family()
    }

    fn does_without(&self, key: &str) -> bool {
        key.starts_with("classifier.") || key.starts_with("objective.")
    }
}

impl Classify for ForXVector {
    fn classify(&self, _: Input, _: Option<&mut TrainingRng>) -> Result<Tensor<2>, ErrorKind> {
        Err(ErrorKind::OtherTask(Task::SpeakerEmbedding))
    }

    fn hidden_states(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        self.base.each_state(input, each)
    }

    fn last_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        self.base.forward_mixed(input, None)
    }

    fn weighted_state(&self, input: Input) -> Result<LastState, ErrorKind> {
        let weights = self.layer_weights.as_ref().ok_or(ErrorKind::NoLayerWeights)?;
        self.base.forward_mixed(input, Some(weights))
    }

    fn x_vector(&self, input: Input) -> Result<Tensor<2>, ErrorKind> {
        self.forward(input)
    }
}

/// The encoder below the head.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a network; burn has no boxed modules")]
enum XVectorEncoder {
    Speech(SpeechEncoder),
    Wav2Vec2Bert(Wav2Vec2BertModel),
}

impl XVectorEncoder {
    fn zeros(config: &XVectorEncoderConfig, device: &Device) -> Self {
        match config {
            XVectorEncoderConfig::Speech(config) => {
                XVectorEncoder::Speech(SpeechEncoder::zeros(config, device))
            }
            XVectorEncoderConfig::Wav2Vec2Bert(config) => {
                XVectorEncoder::Wav2Vec2Bert(Wav2Vec2BertModel::zeros(config, device))
            }
        }
    }

    fn forward_mixed(
        &self,
        input: Input,
        layer_weights: Option<&Param<Tensor<1>>>,
    ) -> Result<LastState, ErrorKind> {
        match self {
            XVectorEncoder::Speech(encoder) => {
                let (values, lengths) = input.waveforms()?;
                encoder.forward_mixed(values, lengths.as_deref(), layer_weights, None)
            }
            XVectorEncoder::Wav2Vec2Bert(encoder) => {
                let (frames, lengths) = input.frames()?;
                encoder.forward_mixed(frames, lengths.as_deref(), layer_weights, None)
            }
        }
    }

    fn each_state(&self, input: Input, each: &mut EachState<'_>) -> Result<LastState, ErrorKind> {
        match self {
            XVectorEncoder::Speech(encoder) => {
                let (values, lengths) = input.waveforms()?;
                encoder.each_state(values, lengths.as_deref(), each)
            }
            XVectorEncoder::Wav2Vec2Bert(encoder) => {
                let (frames, lengths) = input.frames()?;
                encoder.each_state(frames, lengths.as_deref(), each)
            }
        }
    }
}

/// A convolution over frames that are `dilation` apart, its weight stored as that of a linear layer over them.
#[derive(Module, Debug)]
struct TdnnLayer {
    kernel: Linear, // [K × I, C], the frames in their order
    taps: usize,
    dilation: usize,
}

impl TdnnLayer {
    fn zeros(inputs: usize, outputs: usize, taps: usize, dilation: usize, device: &Device) -> Self {
        TdnnLayer { kernel: Linear::new(taps * inputs, outputs, device), taps, dilation }
    }

    /// `[B, T, I]` to `[B, T - (K - 1) × dilation, C]`.
    fn forward(&self, x: &Tensor<3>) -> Tensor<3> {
        let left = x.dims()[1] - (self.taps - 1) * self.dilation;
        let taps = (0..self.taps).map(|tap| x.clone().narrow(1, tap * self.dilation, left)).collect();
        self.kernel.forward_activated(Tensor::cat(taps, 2), Activation::Relu)
    }
}

/// Mean and standard deviation of each channel over the frames that `counts` has: `[B, T, C]` to `[B, 2 C]`.
fn statistics(states: Tensor<3>, counts: Option<&PaddingMask>) -> Tensor<2> {
    let ([batch, frames, _], device) = (states.dims(), states.device());
    let mean = masked_mean(states.clone(), counts); // [B, C]
    let squares = (states - mean.clone().unsqueeze_dim(1)).square();
    // One freedom less, as torch.std has it.
    let of_all = vec![frames; batch];
    let counted = counts.map_or(of_all.as_slice(), PaddingMask::lengths);
    let scale: Vec<f32> = counted.iter().map(|&n| n as f32 / (n - 1) as f32).collect();
    let scale = Tensor::<2>::from_data(TensorData::new(scale, [batch, 1]), &device).cast(mean.dtype());
    let deviation = (masked_mean(squares, counts) * scale).sqrt();
    Tensor::cat(vec![mean, deviation], 1)
}

#[cfg(test)]
mod tests;
