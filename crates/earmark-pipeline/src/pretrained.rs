use std::path::Path;

use burn::tensor::Device;
use earmark_config::{CLAP, Family, family};
use earmark_features::Preprocessor;
use earmark_models::{Checkpoint, Classifier, Head, ModelConfig};

use crate::error::{Error, ErrorKind, While as _};
use crate::extractor::{PREPROCESSOR, read_preprocessor};

/// A model as a folder in Hugging Face layout holds it: the network, its labels, and what it wants to hear.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// `config.json`.
    pub config: ModelConfig,
    /// The extractor, of `processor_config.json` or `preprocessor_config.json`.
    pub preprocessor: Preprocessor,
    /// The weights.
    pub network: Classifier,
}

impl Pretrained {
    /// Opens a fine-tuned model to use it.
    ///
    /// # Errors
    /// When a file is missing or broken, it is another architecture, or it has no classification head.
    pub fn open(dir: &Path, device: &Device) -> Result<Pretrained, Error> {
        Pretrained::open_with(dir, Head::FromCheckpoint, device)
    }

    fn open_with(dir: &Path, head: Head, device: &Device) -> Result<Pretrained, Error> {
        let doing = || format!("cannot open the model in `{}`", dir.display());
        let config = ModelConfig::read(dir).map_err(|error| match error.kind {
            earmark_models::ErrorKind::UnsupportedModel { found, .. } if found == CLAP.model_type => {
                let advice = "it has no labels of its own, so give it some: zero-shot classification";
                ErrorKind::OtherKind { found, advice }
            }
            _ => error.into(),
        });
        let config = config.while_(doing)?;
        let repeated: Vec<_> = config.repeated_labels().iter().map(|label| format!("`{label}`")).collect();
        if !repeated.is_empty() {
            tracing::warn!("the model has several classes of one name: {}", repeated.join(", "));
        }
        let checkpoint = Checkpoint::open(dir).while_(doing)?;
        let preprocessor = read_preprocessor(dir, &config)?;
        let labels = config.network().head_labels(&checkpoint).unwrap_or_default().min(MAX_LABELS);
        let config = match config.labels().len() {
            found if found == labels || labels == 0 => config,
            // As the reference, which then names the classes by their numbers.
            0 => config.with_labels((0..labels).map(|id| format!("LABEL_{id}")).collect()),
            named => return Err(ErrorKind::OtherLabels { named, head: labels }.while_(doing())),
        };
        let (network, _) =
            Classifier::load(config.network(), labels.max(1), &checkpoint, head, 0, device).while_(doing)?;
        Ok(Pretrained { config, preprocessor, network })
    }

    /// Opens a model for what it says before its head: a checkpoint without a head gets a random one, which must not be asked.
    pub(crate) fn open_encoder(dir: &Path, device: &Device) -> Result<Pretrained, Error> {
        Pretrained::open_with(dir, Head::NewIfMissing, device)
    }

    /// The shortest clip that extractor and network make a frame of, in samples at the model's rate.
    pub fn min_samples(&self) -> usize {
        self.preprocessor.min_samples().max(self.config.network().min_samples())
    }

    /// Writes `config.json`, `model.safetensors` and `preprocessor_config.json` into `dir`, as `transformers` reads them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let doing = || format!("cannot write the model to `{}`", dir.display());
        earmark_fs::write(dir.join("config.json"), self.config.to_json()).while_(doing)?;
        earmark_fs::write(dir.join(PREPROCESSOR), self.preprocessor.to_json()).while_(doing)?;
        self.network.save(&dir.join("model.safetensors")).while_(doing)
    }
}

/// The family of the model in a folder, if its `config.json` names one that can be run: whoever opens the model says what is wrong
/// with it.
pub fn family_of(dir: &Path) -> Option<&'static Family> {
    let config = earmark_config::object(&earmark_config::read(&dir.join("config.json")).ok()?).ok()?;
    family(config.get("model_type")?.as_str()?)
}

/// Far above any published head; a hostile file gets no more memory than that.
const MAX_LABELS: usize = 1 << 16;
