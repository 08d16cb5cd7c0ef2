//! The weights in a model's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::store::burn_pack::Tensor as PackTensor;
use burn::tensor::DType;
use earmark_config::Keys;
use earmark_error::Context as _;

use crate::checkpoint::task::Task;
use crate::checkpoint::{file, keys, shards};
use crate::error::{Error, ErrorKind, Using};

pub(crate) const SAFETENSORS: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";
pub(crate) const PICKLE: &str = "pytorch_model.bin";
pub(crate) const PICKLE_INDEX: &str = "pytorch_model.bin.index.json";

/// The weight files a checkpoint folder may have, in the order they are looked for.
pub const WEIGHT_FILES: &[&str] = &[SAFETENSORS, INDEX, PICKLE, PICKLE_INDEX];

/// The tensors of a checkpoint, by their names in the file. A tensor is read when it is used.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    tensors: BTreeMap<String, PackTensor>,
}

impl Checkpoint {
    /// Opens the weights in `dir`: the first of [`WEIGHT_FILES`] that exists.
    ///
    /// # Errors
    /// When there are none, or the file is damaged.
    pub fn open(dir: &Path) -> Result<Checkpoint, Error> {
        // What is there and no regular file is an error when it is opened.
        let Some(name) = WEIGHT_FILES.iter().find(|name| dir.join(name).symlink_metadata().is_ok()) else {
            return Err(ErrorKind::NoWeights { expected: WEIGHT_FILES }).context(Using(dir));
        };
        let path = dir.join(name);
        let tensors = match *name {
            INDEX | PICKLE_INDEX => shards::open(dir, &path),
            _ => file::open(&path),
        }?;
        let tensors = keys::unwrapped(tensors).context(Using(&path))?;
        Ok(Checkpoint { path, tensors })
    }

    /// Opens one file of weights, whatever it is called.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn open_file(path: &Path) -> Result<Checkpoint, Error> {
        let tensors = keys::unwrapped(file::open(path)?).context(Using(path))?;
        Ok(Checkpoint { path: path.to_path_buf(), tensors })
    }

    /// The file the tensors come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every tensor by the file's own name: its shape and its dtype.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, Vec<usize>, DType)> {
        self.tensors
            .iter()
            .map(|(key, tensor)| (key.as_str(), tensor.shape.iter().copied().collect(), tensor.dtype))
    }

    /// The labels of its classification head, if it has one where `keys` puts it.
    pub(crate) fn head_labels(&self, keys: &Keys) -> Option<usize> {
        let weight = self.tensors.get(keys.labels?)?;
        weight.shape.iter().next().copied()
    }

    /// The task of a head that cannot classify clips, where the file has one; `keys` are those of its family.
    pub(crate) fn other_task(&self, keys: &Keys) -> Option<Task> {
        const PROJECTOR: &str = "projector.weight";
        let has = |key: &str| self.tensors.contains_key(key);
        if !keys.is_head(PROJECTOR) {
            None
        } else if has("tdnn.0.kernel.weight") {
            Some(Task::SpeakerEmbedding)
        } else if has("classifier.weight") {
            (!has(PROJECTOR)).then_some(Task::FrameClassification)
        } else {
            has("lm_head.weight").then_some(Task::Transcription)
        }
    }

    /// Whether it has the decoder of a whole Whisper.
    pub(crate) fn has_decoder(&self) -> bool {
        self.tensors.keys().any(|key| key.ends_with("decoder.embed_tokens.weight"))
    }

    pub(crate) fn by_name(&self) -> &BTreeMap<String, PackTensor> {
        &self.tensors
    }
}
