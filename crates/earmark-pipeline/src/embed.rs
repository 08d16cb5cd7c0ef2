use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use earmark_audio::{SampleRate, Waveform};
#[cfg(feature = "clap")]
use earmark_config::CLAP;
use earmark_error::{Attempt as _, Context as _};
use earmark_features::{Features, Preprocessor};
use earmark_models::{Layer, Pool};
#[cfg(feature = "clap")]
use serde_json::Value;

use crate::caution::Caution;
use crate::embedding::{Choice, Embedding};
use crate::error::{Doing, Error, ErrorKind};
use crate::many::{of_sounds, of_windows};
use crate::model::pretrained::Pretrained;
use crate::sound::{AudioOptions, DecodedSound, Sound};
use crate::windows::{Window, WindowIter, Windows};
#[cfg(feature = "clap")]
use crate::zero_shot::ZeroShotClassifier;

/// Computes an embedding of each sound with any checkpoint: one with a classification head, one without
/// (`facebook/wav2vec2-base`, `openai/whisper-base`, of any family in [`earmark_config::FAMILIES`]), or a CLAP model.
///
/// The embedding is the mean of the last hidden states over time, for AST that of its two tokens for the whole clip, unless
/// [`with_layer`](Self::with_layer) and [`with_pool`](Self::with_pool) say otherwise; for CLAP it is the projection into the space
/// shared with texts, of length 1; for a speaker-embedding model (`microsoft/wavlm-base-plus-sv`) the x-vector, which is not.
///
/// Padding of a batch never reaches it. Whisper and AST themselves pad every clip to one length, and the silence behind a short
/// clip is then part of the mean, as it is for their own heads.
///
/// A clone shares the weights: several choices of layer and pooling cost no memory.
#[derive(Debug, Clone)]
pub struct AudioEmbedder {
    model: Model,
    layer: Layer,
    /// `None` for what the model's head does.
    pool: Option<Pool>,
    audio: AudioOptions,
    device: Device,
}

#[derive(Debug, Clone)]
enum Model {
    /// Its head, if the checkpoint has none, is a random one that nothing here uses.
    Encoder {
        model: Arc<Pretrained>,
        /// Whether the checkpoint has weights for a sum of its layers.
        has_layer_weights: bool,
    },
    #[cfg(feature = "clap")]
    Clap(Arc<ZeroShotClassifier>),
}

impl AudioEmbedder {
    /// Opens a model folder in Hugging Face layout.
    ///
    /// # Errors
    /// When a file is missing or invalid, or the architecture is not supported.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<AudioEmbedder, Error> {
        let dir = dir.as_ref();
        let model = match Pretrained::open_encoder(dir, device) {
            Ok((model, new)) => Model::Encoder {
                model: Arc::new(model),
                has_layer_weights: !new.iter().any(|name| name == "layer_weights"),
            },
            #[cfg(feature = "clap")]
            Err(error) if matches!(&*error.kind, ErrorKind::OtherKind { found, .. } if found == CLAP.model_type) => {
                Model::Clap(Arc::new(ZeroShotClassifier::open(dir, device)?))
            }
            Err(error) => return Err(error),
        };
        let layer = match &model {
            Model::Encoder { model, .. } => model.config.network().embedding_layer(),
            #[cfg(feature = "clap")]
            Model::Clap(_) => Layer::Last,
        };
        let audio = AudioOptions::default();
        Ok(AudioEmbedder { model, layer, pool: None, audio, device: device.clone() })
    }

    /// The same for other hidden states than the last, or in place of an x-vector.
    ///
    /// # Errors
    /// When the model has no such layer, no weights for a sum of its layers, or no x-vector head; [`ErrorKind::OtherKind`] of CLAP.
    pub fn with_layer(self, layer: Layer) -> Result<AudioEmbedder, Error> {
        AudioEmbedder { layer, ..self }.checked()
    }

    /// The same with another way to pool frames, or none.
    ///
    /// # Errors
    /// When the model has no class token, or its layer is the x-vector, which has no frames; [`ErrorKind::OtherKind`] of CLAP.
    pub fn with_pool(self, pool: Pool) -> Result<AudioEmbedder, Error> {
        AudioEmbedder { pool: Some(pool), ..self }.checked()
    }

    fn checked(self) -> Result<AudioEmbedder, Error> {
        let doing = || Doing("cannot embed so".to_owned());
        match &self.model {
            Model::Encoder { model, has_layer_weights } => {
                if self.layer == Layer::Weighted && !has_layer_weights {
                    return Err(doing().failed(earmark_models::ErrorKind::NoLayerWeights.into()));
                }
                let network = model.config.network();
                if self.layer == Layer::XVector && self.pool.is_some() {
                    return Err(doing().failed(earmark_models::ErrorKind::NothingToPool.into()));
                }
                let pool = self.pool.unwrap_or(network.pool());
                network.check_embedding(self.layer, pool).with_context(doing)?;
            }
            #[cfg(feature = "clap")]
            Model::Clap(_) if self.layer != Layer::Last || self.pool.is_some() => {
                let advice = "it makes one vector of a sound, in the space that it shares with texts, and has no layers to choose";
                let found = CLAP.model_type.to_owned();
                return Err(doing().failed(ErrorKind::OtherKind { found, advice }));
            }
            #[cfg(feature = "clap")]
            Model::Clap(_) => {}
        }
        Ok(self)
    }

    /// Which hidden states are embeddings.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// How their frames are pooled; `None` of CLAP and of x-vectors, which are one vector from the start.
    pub fn pool(&self) -> Option<Pool> {
        match &self.model {
            Model::Encoder { .. } if self.layer == Layer::XVector => None,
            Model::Encoder { model, .. } => Some(self.pool.unwrap_or(model.config.network().pool())),
            #[cfg(feature = "clap")]
            Model::Clap(_) => None,
        }
    }

    /// The encoder, whose head is random if its checkpoint has none; `None` of CLAP.
    pub fn encoder(&self) -> Option<&Pretrained> {
        match &self.model {
            Model::Encoder { model, .. } => Some(model),
            #[cfg(feature = "clap")]
            Model::Clap(_) => None,
        }
    }

    /// How sounds are decoded and resampled.
    #[must_use]
    pub fn with_audio(self, audio: AudioOptions) -> Self {
        AudioEmbedder { audio, ..self }
    }

    /// The model's sample rate.
    pub fn sampling_rate(&self) -> SampleRate {
        match &self.model {
            Model::Encoder { model: it, .. } => it.preprocessor.sampling_rate(),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.sampling_rate(),
        }
    }

    /// Its feature extractor.
    pub fn preprocessor(&self) -> &Preprocessor {
        match &self.model {
            Model::Encoder { model, .. } => &model.preprocessor,
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.preprocessor(),
        }
    }

    /// The shortest clip it can embed, in samples at the model's rate.
    pub fn min_samples(&self) -> usize {
        match &self.model {
            Model::Encoder { model: it, .. } => it.min_samples(),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.min_samples(),
        }
    }

    /// What to expect of a clip of so many samples at the model's rate: see [`Caution`].
    pub fn caution(&self, samples: usize) -> Option<Caution> {
        match &self.model {
            Model::Encoder { model: it, .. } => it.caution(samples),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.caution(samples),
        }
    }

    /// The embedding of one sound.
    ///
    /// # Errors
    /// When it cannot be decoded or is too short for the model, or when the embedding is not finite; and as
    /// [`embeddings`](Self::embeddings).
    pub fn embed(&self, sound: impl Into<Sound>) -> Result<Vec<f32>, Error> {
        self.embed_all([sound]).swap_remove(0)
    }

    /// The vector of each sound, as [`embed`](Self::embed) gives it, in order; decoded on all threads, and the features of a
    /// few held at a time.
    pub fn embed_all<S: Into<Sound>>(
        &self,
        sounds: impl IntoIterator<Item = S>,
    ) -> Vec<Result<Vec<f32>, Error>> {
        let decode = |sound| self.decode(sound);
        let features = |clip: &Waveform| self.features(clip);
        of_sounds(sounds, decode, features, |clips| self.embeddings(&clips))
    }

    /// As [`embed_all`](Self::embed_all), for any number of layers and frames, without frames behind the end of a sound.
    pub fn hidden_states_all<S: Into<Sound>>(
        &self,
        sounds: impl IntoIterator<Item = S>,
    ) -> Vec<Result<Embedding, Error>> {
        let decode = |sound| self.decode(sound);
        let features = |clip: &Waveform| Ok((self.features(clip)?, clip.duration().as_secs_f64()));
        of_sounds(sounds, decode, features, |clips| {
            let (clips, seconds): (Vec<Features>, Vec<f64>) = clips.into_iter().unzip();
            let found = self.hidden_states(&clips).into_iter().zip(seconds);
            found.map(|(states, seconds)| Ok(states?.until(seconds))).collect()
        })
    }

    /// The windows of a recording of any length, at the model's rate, cut while it is being decoded: memory holds one window.
    ///
    /// # Errors
    /// When the file cannot be opened, or the windows are shorter than the model needs.
    pub fn windows(&self, file: impl AsRef<Path>, windows: Windows) -> Result<WindowIter, Error> {
        windows.cut_file(file, &self.audio, self.sampling_rate(), self.min_samples())
    }

    /// The vector of each window of a recording, as [`embed`](Self::embed) gives it, in order; a few windows are held at a
    /// time. After a part that cannot be decoded it ends.
    ///
    /// # Errors
    /// As [`windows`](Self::windows).
    pub fn embed_windows(
        &self,
        file: impl AsRef<Path>,
        windows: Windows,
    ) -> Result<impl Iterator<Item = Result<(Window, Vec<f32>), Error>>, Error> {
        let windows = self.windows(file, windows)?;
        Ok(of_windows(windows, |clips| self.embed_all(clips)))
    }

    /// The vector of each text, to compare with those of sounds: of CLAP alone, whose text tower was trained to put them side by
    /// side.
    ///
    /// # Errors
    /// [`ErrorKind::OtherKind`] of another model; a text too long for the text tower.
    #[cfg(feature = "clap")]
    pub fn embed_texts<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, Error> {
        match &self.model {
            Model::Clap(it) => it.text_embeddings(texts),
            Model::Encoder { model: it, .. } => {
                let found = it.config.json().get("model_type").and_then(Value::as_str).unwrap_or_default();
                let advice = "it has no text tower; of the supported models only CLAP embeds text";
                let kind = ErrorKind::OtherKind { found: found.to_owned(), advice };
                Err(Doing("cannot embed the text".to_owned()).failed(kind))
            }
        }
    }

    /// Decodes a sound and resamples it to the model's rate.
    ///
    /// # Errors
    /// When it cannot be read or decoded.
    pub fn decode(&self, sound: impl Into<Sound>) -> Result<DecodedSound, Error> {
        self.audio.decode(sound, self.sampling_rate())
    }

    /// The model's input for a clip at its rate.
    ///
    /// # Errors
    /// As [`AudioClassifier::features`](crate::AudioClassifier::features).
    pub fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        match &self.model {
            Model::Encoder { model: it, .. } => it.features(clip),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.features(clip),
        }
    }

    /// The embedding of each clip's features, in order, all finite. The error of one clip does not affect the others.
    ///
    /// It is [`ErrorKind::SeveralVectors`] with [`Layer::All`] or [`Pool::None`].
    pub fn embeddings(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let one = |embedding: Embedding| {
            let several = || Doing("cannot embed the clip".to_owned()).failed(ErrorKind::SeveralVectors);
            embedding.into_vector().ok_or_else(several)
        };
        self.hidden_states(clips).into_iter().map(|found| found.and_then(one)).collect()
    }

    /// As [`embeddings`](Self::embeddings), for any number of layers and frames. Every frame of the network is there:
    /// [`Embedding::until`] leaves out those behind the end of a clip.
    pub fn hidden_states(&self, clips: &[Features]) -> Vec<Result<Embedding, Error>> {
        match &self.model {
            Model::Encoder { model, .. } => {
                let pool = self.pool.unwrap_or(model.config.network().pool());
                let choice = Choice { layer: self.layer, pool };
                let width = model.config.network().vector_width(choice.layer);
                let what = |i| format!("number {} of the embedding", i % width);
                let network = |input| {
                    let layers = model.network.embeddings(input, choice.layer, pool)?;
                    Ok(Tensor::cat(layers, 1).flatten::<2>(1, 2)) // [B, layers * frames * D]
                };
                // Frames fill the memory, and without padding each is real.
                let at_once = if pool == Pool::None { 1 } else { clips.len().max(1) };
                let rows =
                    clips.chunks(at_once).flat_map(|clips| model.forward(clips, &self.device, network, what));
                rows.map(|row| Ok(choice.embedding(model, &row?))).collect()
            }
            #[cfg(feature = "clap")]
            Model::Clap(it) => {
                clips.iter().map(|clip| Ok(Embedding::of_vector(it.embedding(clip)?))).collect()
            }
        }
    }
}

/// The cosine of the angle between two embeddings, -1 to 1: how alike two sounds are to the model. 0 when one of them is all
/// zeros.
///
/// ```
/// use earmark_pipeline::cosine_similarity;
///
/// assert_eq!(cosine_similarity(&[1.0, 0.0], &[3.0, 0.0]), 1.0);
/// assert_eq!(cosine_similarity(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
/// assert_eq!(cosine_similarity(&[1.0, 2.0], &[-1.0, -2.0]), -1.0);
/// ```
///
/// # Panics
/// When they are not equally long: embeddings of two different models.
pub fn cosine_similarity(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "embeddings of one model are equally long");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { (dot(a, b) / lengths).clamp(-1.0, 1.0) as f32 }
}
