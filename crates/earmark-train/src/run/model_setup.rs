use std::path::Path;

use burn::tensor::Device;
use earmark_error::Context as _;
use earmark_features::{Preprocessor, Wav2Vec2Extractor};
use earmark_models::{Checkpoint, Classifier, Head, ModelConfig, NetworkConfig, SpecAugmentSettings, Task};
use earmark_pipeline::{Pretrained, read_preprocessor};

use crate::error::{Doing, Error, ErrorKind};

/// How a model is opened or made to be trained.
#[derive(Debug, Clone, Copy)]
pub struct ModelSetup<'a> {
    /// The classes, in class order.
    pub labels: &'a [String],
    /// Initialise a new head even if the checkpoint has one for these labels.
    pub new_head: bool,
    /// Seeds the random initialisation.
    pub seed: u64,
    /// Leave dropout, layerdrop and SpecAugment as the checkpoint has them.
    pub dropout: bool,
    /// Give the model a mask of the padding.
    pub attention_mask: bool,
    /// Whether a clip may have any number of the classes.
    pub multi_label: bool,
    /// Settings of SpecAugment beside the checkpoint's.
    pub spec_augment: Option<SpecAugmentSettings>,
}

impl ModelSetup<'_> {
    /// Opens a checkpoint to train it, and returns the names of the parameters that are newly initialised.
    ///
    /// # Errors
    /// As [`Pretrained::open`], and when the checkpoint was fine-tuned for other labels and `new_head` is not set.
    pub fn from_checkpoint(&self, dir: &Path, device: &Device) -> Result<(Pretrained, Vec<String>), Error> {
        let doing = || Doing(format!("cannot fine-tune the model in `{}`", dir.display()));
        let config = ModelConfig::read(dir).with_context(doing)?;
        let checkpoint = Checkpoint::open(dir).with_context(doing)?;
        config.network().check_classification().with_context(doing)?;
        // A new head is a decision to train the encoder for something else than what it was made for.
        if let Some(task @ (Task::SpeakerEmbedding | Task::FrameClassification)) =
            config.other_task(&checkpoint)
            && !self.new_head
        {
            return Err(earmark_models::ErrorKind::OtherTask(task)).with_context(doing);
        }
        if config.network().head_labels(&checkpoint) == Some(self.labels.len())
            && !self.new_head
            && !config.labels().is_empty()
            && config.labels() != self.labels
        {
            let (model, data) = (config.labels().to_vec(), self.labels.to_vec());
            return Err(ErrorKind::OtherLabels { model, data }).with_context(doing);
        }
        let preprocessor = read_preprocessor(dir, &config)?;
        let (config, preprocessor) = self.prepare(config, preprocessor).with_context(doing)?;
        let head = if self.new_head { Head::New } else { Head::NewIfMissing };
        let (network, new) =
            Classifier::load(config.network(), self.labels.len(), &checkpoint, head, self.seed, device)
                .map_err(|error| match error.kind {
                    earmark_models::ErrorKind::OtherHead { found, wanted } => {
                        ErrorKind::OtherHead { found, wanted }
                    }
                    _ => error.into(),
                })
                .with_context(doing)?;
        if let Some(why) = network.unusable_weight() {
            return Err(ErrorKind::UnusableWeight(why)).with_context(doing);
        }
        Ok((Pretrained { config, preprocessor, network }, new))
    }

    /// A randomly initialised network.
    ///
    /// # Errors
    /// When the configuration describes no network.
    pub fn from_scratch(&self, network: NetworkConfig, device: &Device) -> Result<Pretrained, Error> {
        let doing = || Doing("cannot build the network".to_owned());
        let config = ModelConfig::new(network).with_context(doing)?;
        // Only the networks over samples have an extractor that is the same for all of them.
        if !matches!(config.network(), NetworkConfig::Speech(_)) {
            let why = format!(
                "is `{}`: a new network must be one over samples, such as hubert or wav2vec2",
                config.network().family()
            );
            return Err(ErrorKind::Value { key: "model_type", why }).with_context(doing);
        }
        let (config, preprocessor) =
            self.prepare(config, Preprocessor::Wav2Vec2(Wav2Vec2Extractor::default())).with_context(doing)?;
        let network = Classifier::init(config.network(), self.labels.len(), self.seed, device);
        Ok(Pretrained { config, preprocessor, network })
    }

    fn prepare(
        &self,
        config: ModelConfig,
        preprocessor: Preprocessor,
    ) -> Result<(ModelConfig, Preprocessor), ErrorKind> {
        let goal = if self.multi_label { "any number of labels" } else { "one label" };
        match (config.problem_type(), self.multi_label) {
            (Some(kind @ ("regression" | "multi_label_classification")), false)
            | (Some(kind @ ("regression" | "single_label_classification")), true) => {
                tracing::warn!(
                    "the model's `problem_type` was {kind}; it is trained to tell {goal} a clip, and saved as such"
                );
            }
            _ => {}
        }
        let config = config.with_labels(self.labels.to_vec());
        let config =
            if self.multi_label { config.with_many_labels() } else { config.with_one_label_a_clip() };
        let config = if self.dropout { config } else { config.without_dropout() };
        let config = match &self.spec_augment {
            None => config,
            Some(settings) => {
                let family = config.network().family().to_owned();
                config.with_spec_augment(settings).ok_or_else(|| {
                    let why = format!("is set, as one of the settings of SpecAugment is, but a model of type `{family}` has none");
                    ErrorKind::Value { key: first_key(settings), why }
                })?
            }
        };
        let preprocessor = match preprocessor {
            Preprocessor::Wav2Vec2(extractor) => Preprocessor::Wav2Vec2(Wav2Vec2Extractor {
                do_normalize: true,
                return_attention_mask: self.attention_mask,
                ..extractor
            }),
            // Their extractors make every clip one length, or always a mask.
            other => other,
        };
        Ok((config, preprocessor))
    }
}

/// The first of the settings that is set.
fn first_key(settings: &SpecAugmentSettings) -> &'static str {
    let SpecAugmentSettings { mask_time_prob, mask_time_length, mask_feature_prob, .. } = settings;
    match () {
        () if mask_time_prob.is_some() => "mask_time_prob",
        () if mask_time_length.is_some() => "mask_time_length",
        () if mask_feature_prob.is_some() => "mask_feature_prob",
        () => "mask_feature_length",
    }
}
