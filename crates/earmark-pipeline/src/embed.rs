use std::path::Path;

use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
#[cfg(feature = "clap")]
use earmark_config::CLAP;
use earmark_features::Features;

use crate::caution::Caution;
use crate::error::Error;
#[cfg(feature = "clap")]
use crate::error::ErrorKind;
use crate::model::pretrained::Pretrained;
use crate::sound::{AudioOptions, DecodedSound, Sound};
#[cfg(feature = "clap")]
use crate::zero_shot::ZeroShotClassifier;

/// Gives each sound a vector, by any checkpoint: one with a classification head, one without (`facebook/wav2vec2-base`,
/// `openai/whisper-base`, of whatever family [`earmark_config::FAMILIES`] lists), or a CLAP model.
///
/// It is the mean of the last hidden states over time, AST's over its two tokens for the whole clip; of CLAP it is the place
/// in the space shared with texts, of length 1.
#[derive(Debug)]
pub struct AudioEmbedder {
    model: Model,
    audio: AudioOptions,
    device: Device,
}

#[derive(Debug)]
enum Model {
    /// Its head, if the checkpoint has none, is a random one that nothing here uses.
    Encoder(Box<Pretrained>),
    #[cfg(feature = "clap")]
    Clap(Box<ZeroShotClassifier>),
}

impl AudioEmbedder {
    /// Opens a folder in Hugging Face layout.
    ///
    /// # Errors
    /// When a file is missing or broken, or it is another architecture.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<AudioEmbedder, Error> {
        let dir = dir.as_ref();
        let model = match Pretrained::open_encoder(dir, device) {
            Ok(encoder) => Model::Encoder(Box::new(encoder)),
            #[cfg(feature = "clap")]
            Err(error) if matches!(&*error.kind, ErrorKind::OtherKind { found, .. } if found == CLAP.model_type) => {
                Model::Clap(Box::new(ZeroShotClassifier::open(dir, device)?))
            }
            Err(error) => return Err(error),
        };
        Ok(AudioEmbedder { model, audio: AudioOptions::default(), device: device.clone() })
    }

    /// How sounds are decoded.
    #[must_use]
    pub fn with_audio(self, audio: AudioOptions) -> Self {
        AudioEmbedder { audio, ..self }
    }

    /// The model's rate.
    pub fn sampling_rate(&self) -> SampleRate {
        match &self.model {
            Model::Encoder(it) => it.preprocessor.sampling_rate(),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.sampling_rate(),
        }
    }

    /// The shortest clip it can embed, in samples at the model's rate.
    pub fn min_samples(&self) -> usize {
        match &self.model {
            Model::Encoder(it) => it.min_samples(),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.min_samples(),
        }
    }

    /// What to know before it embeds a clip of so many samples at the model's rate.
    pub fn caution(&self, samples: usize) -> Option<Caution> {
        match &self.model {
            Model::Encoder(it) => it.caution(samples),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.caution(samples),
        }
    }

    /// The vector of a sound.
    ///
    /// # Errors
    /// When it is no sound, or too short for the model, or the model makes numbers of it that are not finite.
    pub fn embed(&self, sound: impl Into<Sound>) -> Result<Vec<f32>, Error> {
        let sound = sound.into();
        let name = sound.name();
        let features = self.features(&self.decode(sound)?.waveform).map_err(|e| e.about(&name))?;
        self.embeddings(&[features]).swap_remove(0).map_err(|e| e.about(&name))
    }

    /// A sound at the model's rate.
    ///
    /// # Errors
    /// When it is no sound.
    pub fn decode(&self, sound: impl Into<Sound>) -> Result<DecodedSound, Error> {
        self.audio.decode(sound, self.sampling_rate())
    }

    /// The model's input for a clip at its rate.
    ///
    /// # Errors
    /// As [`AudioClassifier::features`](crate::AudioClassifier::features).
    pub fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        match &self.model {
            Model::Encoder(it) => it.features(clip),
            #[cfg(feature = "clap")]
            Model::Clap(it) => it.features(clip),
        }
    }

    /// The vector of each clip's features, in order and finite. A clip's error leaves the others alone.
    pub fn embeddings(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        match &self.model {
            Model::Encoder(it) => {
                let what = |i| format!("number {i} of the embedding");
                it.forward(clips, &self.device, |input| it.network.embed(input), what)
            }
            #[cfg(feature = "clap")]
            Model::Clap(it) => clips.iter().map(|clip| it.embedding(clip)).collect(),
        }
    }
}
