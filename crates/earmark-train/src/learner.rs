use std::fs;
use std::path::Path;

use burn::tensor::Device;
use earmark_features::{Preprocessor, Wav2Vec2Extractor};
use earmark_models::{
    Checkpoint, Head, HubertConfig, HubertForSequenceClassification, ModelConfig, init_weights,
};

use crate::error::{Error, ErrorKind, While as _};

const PREPROCESSOR: &str = "preprocessor_config.json";

/// A model as a folder in Hugging Face layout holds it: the network, its labels, and what it wants to hear.
#[derive(Debug, Clone)]
pub struct Learner {
    /// `config.json`.
    pub config: ModelConfig,
    /// `preprocessor_config.json`.
    pub extractor: Wav2Vec2Extractor,
    /// The weights.
    pub network: HubertForSequenceClassification,
}

/// How a checkpoint becomes the start of a run.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// The classes to learn, in class order.
    pub labels: &'a [String],
    /// Draw a new head even if the checkpoint has one for these labels.
    pub new_head: bool,
    /// Seeds what is drawn.
    pub seed: u64,
    /// Leave dropout, layerdrop and SpecAugment as the checkpoint has them.
    pub dropout: bool,
    /// Tell the model which samples are padding.
    pub attention_mask: bool,
}

impl Learner {
    /// Opens a fine-tuned model to use it.
    ///
    /// # Errors
    /// When a file is missing or broken, it is another architecture, or it has no classification head.
    pub fn open(dir: &Path, device: &Device) -> Result<Learner, Error> {
        let doing = || format!("cannot open the model in `{}`", dir.display());
        let config = ModelConfig::read(dir).while_(doing)?;
        let extractor = read_extractor(dir)?.unwrap_or_default();
        let checkpoint = Checkpoint::open(dir).while_(doing)?;
        let labels = checkpoint.head_labels().unwrap_or_default().min(MAX_LABELS);
        let config = match config.labels().len() {
            found if found == labels || labels == 0 => config,
            // As the reference, which then names the classes by their numbers.
            0 => config.with_labels((0..labels).map(|id| format!("LABEL_{id}")).collect()),
            wanted => {
                return Err(earmark_models::ErrorKind::OtherHead { found: labels, wanted }).while_(doing);
            }
        };
        let network = HubertForSequenceClassification::zeros(config.hubert(), labels.max(1), device);
        let range = config.hubert().initializer_range;
        let (network, _) =
            earmark_models::load(network, &checkpoint, Head::FromCheckpoint, range, 0).while_(doing)?;
        Ok(Learner { config, extractor, network })
    }

    /// Opens a checkpoint to train it, and says which of its parameters are new.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when the checkpoint was fine-tuned for other labels and `new_head` is not set.
    pub fn start_from(
        dir: &Path,
        fresh: &Fresh<'_>,
        device: &Device,
    ) -> Result<(Learner, Vec<String>), Error> {
        let doing = || format!("cannot fine-tune the model in `{}`", dir.display());
        let config = ModelConfig::read(dir).while_(doing)?;
        let checkpoint = Checkpoint::open(dir).while_(doing)?;
        if checkpoint.head_labels() == Some(fresh.labels.len())
            && !fresh.new_head
            && !config.labels().is_empty()
            && config.labels() != fresh.labels
        {
            let (model, data) = (config.labels().to_vec(), fresh.labels.to_vec());
            return Err(ErrorKind::OtherLabels { model, data }).while_(doing);
        }
        let (config, extractor) = fresh.prepare(config, read_extractor(dir)?);
        let network = HubertForSequenceClassification::zeros(config.hubert(), fresh.labels.len(), device);
        let head = if fresh.new_head { Head::New } else { Head::NewIfMissing };
        let range = config.hubert().initializer_range;
        let (network, new) =
            earmark_models::load(network, &checkpoint, head, range, fresh.seed).while_(doing)?;
        Ok((Learner { config, extractor, network }, new))
    }

    /// A network that knows nothing yet.
    ///
    /// # Errors
    /// When the configuration describes no network.
    pub fn from_scratch(hubert: HubertConfig, fresh: &Fresh<'_>, device: &Device) -> Result<Learner, Error> {
        let config = ModelConfig::new(hubert).while_(|| "cannot build the network".to_owned())?;
        let (config, extractor) = fresh.prepare(config, None);
        let network = HubertForSequenceClassification::zeros(config.hubert(), fresh.labels.len(), device);
        let network = init_weights(network, config.hubert().initializer_range, fresh.seed, |_| true);
        Ok(Learner { config, extractor, network })
    }

    /// Writes `config.json`, `model.safetensors` and `preprocessor_config.json` into `dir`, as `transformers` reads them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let doing = || format!("cannot write the model to `{}`", dir.display());
        fs::write(dir.join("config.json"), self.config.to_json()).while_(doing)?;
        let preprocessor = Preprocessor::Wav2Vec2(self.extractor.clone());
        fs::write(dir.join(PREPROCESSOR), preprocessor.to_json()).while_(doing)?;
        earmark_models::save(&self.network, &dir.join("model.safetensors")).while_(doing)
    }
}

/// Far above any published head; a hostile file gets no more memory than that.
const MAX_LABELS: usize = 1 << 16;

impl Fresh<'_> {
    fn prepare(
        &self,
        config: ModelConfig,
        extractor: Option<Wav2Vec2Extractor>,
    ) -> (ModelConfig, Wav2Vec2Extractor) {
        let config = config.with_labels(self.labels.to_vec());
        let config = if self.dropout { config } else { config.without_dropout() };
        let extractor = Wav2Vec2Extractor {
            do_normalize: true,
            return_attention_mask: self.attention_mask,
            ..extractor.unwrap_or_default()
        };
        (config, extractor)
    }
}

/// A checkpoint without `preprocessor_config.json` gets the reference's defaults.
fn read_extractor(dir: &Path) -> Result<Option<Wav2Vec2Extractor>, Error> {
    let path = dir.join(PREPROCESSOR);
    if !path.exists() {
        return Ok(None);
    }
    let doing = || format!("cannot use `{}`", path.display());
    let text = fs::read(&path).while_(doing)?;
    // Old files do not name their extractor; the reference then goes by the model.
    match Preprocessor::from_json_for(text, "hubert").while_(doing)? {
        Preprocessor::Wav2Vec2(extractor) => Ok(Some(extractor)),
        _ => {
            let why = "is not Wav2Vec2FeatureExtractor, the only one that HuBERT can hear by".to_owned();
            Err(ErrorKind::Value { key: "feature_extractor_type", why }).while_(doing)
        }
    }
}
