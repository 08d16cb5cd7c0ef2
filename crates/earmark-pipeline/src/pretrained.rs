use std::path::Path;
use std::{fs, io};

use burn::tensor::Device;
use earmark_audio::Waveform;
use earmark_features::Preprocessor;
use earmark_models::{Checkpoint, Classifier, Head, ModelConfig, NetworkConfig};

use crate::error::{Error, ErrorKind, While as _};

const PREPROCESSOR: &str = "preprocessor_config.json";

/// A model as a folder in Hugging Face layout holds it: the network, its labels, and what it wants to hear.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// `config.json`.
    pub config: ModelConfig,
    /// `preprocessor_config.json`.
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
        let doing = || format!("cannot open the model in `{}`", dir.display());
        let config = ModelConfig::read(dir).map_err(|error| match error.kind {
            earmark_models::ErrorKind::UnsupportedModel { found, .. } if found == "clap" => {
                let advice = "it has no labels of its own, so give it some: zero-shot classification";
                ErrorKind::OtherKind { found, advice }
            }
            _ => error.into(),
        });
        let config = config.while_(doing)?;
        let preprocessor = read_preprocessor(dir, &config)?;
        let checkpoint = Checkpoint::open(dir).while_(doing)?;
        let labels = config.network().head_labels(&checkpoint).unwrap_or_default().min(MAX_LABELS);
        let config = match config.labels().len() {
            found if found == labels || labels == 0 => config,
            // As the reference, which then names the classes by their numbers.
            0 => config.with_labels((0..labels).map(|id| format!("LABEL_{id}")).collect()),
            wanted => {
                return Err(earmark_models::ErrorKind::OtherHead { found: labels, wanted }).while_(doing);
            }
        };
        let head = Head::FromCheckpoint;
        let (network, _) =
            Classifier::load(config.network(), labels.max(1), &checkpoint, head, 0, device).while_(doing)?;
        Ok(Pretrained { config, preprocessor, network })
    }

    /// Writes `config.json`, `model.safetensors` and `preprocessor_config.json` into `dir`, as `transformers` reads them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let doing = || format!("cannot write the model to `{}`", dir.display());
        fs::write(dir.join("config.json"), self.config.to_json()).while_(doing)?;
        fs::write(dir.join(PREPROCESSOR), self.preprocessor.to_json()).while_(doing)?;
        self.network.save(&dir.join("model.safetensors")).while_(doing)
    }
}

/// Far above any published head; a hostile file gets no more memory than that.
const MAX_LABELS: usize = 1 << 16;

/// A checkpoint without `preprocessor_config.json` gets the reference's defaults, if its network hears samples.
///
/// # Errors
/// When the file is broken, or describes another extractor than the network of `config` hears by.
pub fn read_preprocessor(dir: &Path, config: &ModelConfig) -> Result<Preprocessor, Error> {
    let path = dir.join(PREPROCESSOR);
    let doing = || format!("cannot use `{}`", path.display());
    let model_type = config.network().model_type();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let default = format!(r#"{{"feature_extractor_type": "{}"}}"#, "Wav2Vec2FeatureExtractor");
            default.into_bytes()
        }
        Err(error) => return Err(error).while_(doing),
    };
    // Old files do not name their extractor; the reference then goes by the model.
    let preprocessor = Preprocessor::from_json_for(text, model_type).while_(doing)?;
    let fits = matches!(
        (&preprocessor, config.network()),
        (
            Preprocessor::Wav2Vec2(_),
            NetworkConfig::Hubert(_)
                | NetworkConfig::Wav2Vec2(_)
                | NetworkConfig::UniSpeech(_)
                | NetworkConfig::UniSpeechSat(_)
        ) | (Preprocessor::Ast(_), NetworkConfig::Ast(_))
            | (Preprocessor::Whisper(_), NetworkConfig::Whisper(_))
    );
    if !fits {
        let why = format!("is not the extractor that a network of the type {model_type} hears by");
        return Err(ErrorKind::OtherExtractor(why)).while_(doing);
    }
    if let Some(wanted) = config.network().spectrogram() {
        // A second of silence says what shape this extractor makes of any clip.
        let rate = preprocessor.sampling_rate();
        let silence =
            Waveform::new(vec![0.0; rate.hz() as usize], rate).expect("a second holds finite samples");
        let made = preprocessor.extract(&silence).while_(doing)?.shape;
        if made != wanted {
            let why = format!(
                "makes spectrograms of {made:?}, and config.json describes a network that hears {wanted:?}"
            );
            return Err(ErrorKind::OtherExtractor(why)).while_(doing);
        }
    }
    Ok(preprocessor)
}
