use std::path::Path;

use burn::tensor::Device;
use earmark_config::CLAP;
use earmark_error::{Attempt as _, Context as _};
use earmark_features::Preprocessor;
use earmark_models::{Checkpoint, Classifier, Head, LinearHead, ModelConfig, Pool, Task};

use crate::error::{Doing, Error, ErrorKind};
use crate::model::extractor::{PREPROCESSOR, read_preprocessor};

/// A model in Hugging Face layout: its configuration with the labels, its feature extractor and its network.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// `config.json`.
    pub config: ModelConfig,
    /// The feature extractor, from `processor_config.json` or `preprocessor_config.json`.
    pub preprocessor: Preprocessor,
    /// The network with its weights.
    pub network: Classifier,
}

impl Pretrained {
    /// Opens a fine-tuned model, or a whole Whisper, which identifies languages without.
    ///
    /// # Errors
    /// When a file is missing or invalid, the architecture is not supported, or there is no classification head and no
    /// multilingual decoder.
    pub fn open(dir: &Path, device: &Device) -> Result<Pretrained, Error> {
        Ok(Pretrained::open_with(dir, Head::FromCheckpoint, device)?.0)
    }

    /// The model, and the names of the parameters that its checkpoint lacks.
    fn open_with(dir: &Path, head: Head, device: &Device) -> Result<(Pretrained, Vec<String>), Error> {
        let doing = || Doing(format!("cannot open the model in `{}`", dir.display()));
        let config = ModelConfig::read(dir).map_err(|error| match error.kind {
            earmark_models::ErrorKind::UnsupportedModel { found, .. } if found == CLAP.model_type => {
                let advice =
                    "CLAP models have no fixed labels; use zero-shot classification with labels of your own";
                ErrorKind::OtherKind { found, advice }
            }
            _ => error.into(),
        });
        let config = config.with_context(doing)?;
        let repeated: Vec<_> = config.repeated_labels().iter().map(|label| format!("`{label}`")).collect();
        if !repeated.is_empty() {
            tracing::warn!("several classes of the model have the same label: {}", repeated.join(", "));
        }
        let checkpoint = Checkpoint::open(dir).with_context(doing)?;
        let preprocessor = read_preprocessor(dir, &config)?;
        let (config, head) = match (head, config.other_task(&checkpoint)) {
            (Head::FromCheckpoint, _) => {
                (config.for_classification(dir, &checkpoint).with_context(doing)?, head)
            }
            // The head is part of what embeds.
            (_, Some(Task::SpeakerEmbedding)) => {
                (config.for_embedding(&checkpoint).with_context(doing)?, Head::FromCheckpoint)
            }
            // Its head has a name that a classifier's has too.
            (_, Some(Task::FrameClassification)) => (config, Head::New),
            _ => (config, head),
        };
        let labels = match head {
            Head::New => 0,
            _ => config.network().head_labels(&checkpoint).unwrap_or_default().min(MAX_LABELS),
        };
        let config = match config.labels().len() {
            found if found == labels || labels == 0 => config,
            // As the reference, which then names the classes by their numbers.
            0 => config.with_labels((0..labels).map(|id| format!("LABEL_{id}")).collect()),
            named => return Err(doing().failed(ErrorKind::OtherLabels { named, head: labels })),
        };
        let (network, new) = Classifier::load(config.network(), labels.max(1), &checkpoint, head, 0, device)
            .with_context(doing)?;
        Ok((Pretrained { config, preprocessor, network }, new))
    }

    /// Opens a model for its hidden states or its x-vectors: a checkpoint without a head for classification or x-vectors gets a
    /// random one, which must not be used. Gives the names of the parameters that are so, too.
    pub(crate) fn open_encoder(dir: &Path, device: &Device) -> Result<(Pretrained, Vec<String>), Error> {
        Pretrained::open_with(dir, Head::NewIfMissing, device)
    }

    /// The same encoder with a linear head for these labels, one a clip: `pool` says what of the layer it is for. `None` where
    /// `transformers` has no class for such a model.
    ///
    /// # Panics
    /// When the head does not have a row of weights for each label.
    pub fn with_linear_head(
        &self,
        head: &LinearHead<'_>,
        pool: Pool,
        labels: Vec<String>,
        device: &Device,
    ) -> Option<Pretrained> {
        assert_eq!(head.bias.len(), labels.len(), "a row of weights for each label");
        let network = self.config.network().with_linear_head(head.layer, pool)?;
        Some(Pretrained {
            network: self.network.with_linear_head(&network, head, device),
            config: self.config.clone().with_network(network).with_labels(labels).with_one_label_a_clip(),
            preprocessor: self.preprocessor.clone(),
        })
    }

    /// The shortest clip that gives one frame, in samples at the model's rate.
    pub fn min_samples(&self) -> usize {
        let network = self.config.network();
        let of_frames =
            network.frame_width().map_or(1, |_| self.preprocessor.samples_of(network.min_frames()));
        self.preprocessor.min_samples().max(network.min_samples()).max(of_frames)
    }

    /// Writes `config.json`, `model.safetensors` and `preprocessor_config.json` into `dir`; `transformers` opens them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let doing = || Doing(format!("cannot write the model to `{}`", dir.display()));
        earmark_fs::write(dir.join("config.json"), self.config.to_json()).with_context(doing)?;
        earmark_fs::write(dir.join(PREPROCESSOR), self.preprocessor.to_json()).with_context(doing)?;
        self.network.save(&dir.join("model.safetensors")).with_context(doing)
    }
}

/// Far above any published head; a hostile file gets no more memory than that.
const MAX_LABELS: usize = 1 << 16;
