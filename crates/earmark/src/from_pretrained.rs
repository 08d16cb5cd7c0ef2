use std::path::Path;

use burn::tensor::Device;
use earmark_config::{CLAP, WHISPER};
use earmark_hub::{Hub, Repo, Snapshot};
#[cfg(feature = "clap")]
use earmark_pipeline::ZeroShotClassifier;
use earmark_pipeline::{AudioClassifier, AudioEmbedder, family_of};

use crate::error::Error;

const TOKENIZER: &[&str] = &["tokenizer.json"];
/// Says which tokens of a Whisper are languages.
const GENERATION: &str = "generation_config.json";

/// Opens a model by its name on the Hub, or by its folder.
pub trait FromPretrained: Sized {
    /// Opens a folder in Hugging Face layout, or fetches `owner/name`, with `@revision` if need be, as the environment says
    /// (`HF_TOKEN`, `HF_HOME`, `HF_HUB_OFFLINE` and the others of [`earmark_hub::HubBuilder::from_env`]); computes on the
    /// CPU.
    ///
    /// # Errors
    /// When it cannot be fetched, or is no model of this kind.
    fn from_pretrained(name: &str) -> Result<Self, Error> {
        // A folder needs no Hub, and no home folder to keep a cache in.
        match Path::new(name).is_dir() {
            true => Self::open_folder(Path::new(name), &Device::flex()),
            false => Self::from_hub(&Hub::from_env()?, name, &Device::flex()),
        }
    }

    /// As [`from_pretrained`](Self::from_pretrained), from a Hub of your own making and on a device of your choice. Numbers are of
    /// the device's type: `f32`, unless [`Device::configure`] made it another before its first tensor.
    ///
    /// # Errors
    /// As [`from_pretrained`](Self::from_pretrained).
    fn from_hub(hub: &Hub, name: &str, device: &Device) -> Result<Self, Error> {
        Self::open_folder(Self::fetch(hub, &Repo::model(name)?)?.folder(), device)
    }

    /// Fetches what [`from_hub`](Self::from_hub) opens, and says of which commit it is: note [`Snapshot::commit`] where results
    /// should be repeatable, and open [`Snapshot::folder`].
    ///
    /// # Errors
    /// When it cannot be fetched.
    fn fetch(hub: &Hub, repo: &Repo) -> Result<Snapshot, earmark_hub::Error>;

    #[doc(hidden)]
    fn open_folder(folder: &Path, device: &Device) -> Result<Self, Error>;
}

/// The same model, with what a whole Whisper identifies languages by.
fn with_languages(hub: &Hub, repo: &Repo, model: Snapshot) -> Result<Snapshot, earmark_hub::Error> {
    if family_of(model.folder()) == Some(&WHISPER) {
        let repo = Repo::model(&format!("{}@{}", repo.id, model.commit()))?;
        hub.fetch_optional(&repo, GENERATION)?;
    }
    Ok(model)
}

impl FromPretrained for AudioClassifier {
    fn fetch(hub: &Hub, repo: &Repo) -> Result<Snapshot, earmark_hub::Error> {
        with_languages(hub, repo, hub.fetch_model(repo)?)
    }

    fn open_folder(folder: &Path, device: &Device) -> Result<Self, Error> {
        Ok(AudioClassifier::open(folder, device)?)
    }
}

impl FromPretrained for AudioEmbedder {
    fn fetch(hub: &Hub, repo: &Repo) -> Result<Snapshot, earmark_hub::Error> {
        // Of these only CLAP reads text, and has a tokenizer in one file.
        let needed = |folder: &Path| if family_of(folder) == Some(&CLAP) { TOKENIZER } else { &[] };
        with_languages(hub, repo, hub.fetch_model_with(repo, needed)?)
    }

    fn open_folder(folder: &Path, device: &Device) -> Result<Self, Error> {
        Ok(AudioEmbedder::open(folder, device)?)
    }
}

#[cfg(feature = "clap")]
impl FromPretrained for ZeroShotClassifier {
    fn fetch(hub: &Hub, repo: &Repo) -> Result<Snapshot, earmark_hub::Error> {
        hub.fetch_model_with(repo, |_| TOKENIZER)
    }

    fn open_folder(folder: &Path, device: &Device) -> Result<Self, Error> {
        Ok(ZeroShotClassifier::open(folder, device)?)
    }
}
