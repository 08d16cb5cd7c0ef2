use std::path::{Path, PathBuf};

use earmark_audio::{DecodeOptions, Decoded};
use earmark_labels::{LabelId, LabelSet};

use crate::error::{Error, Task};

/// A list of labelled clips, and where they come from.
///
/// Nothing was decoded to make it.
#[derive(Debug, Clone)]
pub struct AudioDataset {
    /// A short name, e.g. `gtzan` or the folder's.
    pub name: String,
    /// The folder the clips' names start from.
    pub root: PathBuf,
    /// Every clip, sorted by label, then by name.
    pub clips: Vec<Clip>,
    /// The classes.
    pub labels: LabelSet,
    /// What is known about the recordings as a whole.
    pub about: About,
    /// Files inside the class folders that are no clips, sorted: other extensions, folders, known corrupt files.
    pub skipped: Vec<PathBuf>,
}

impl AudioDataset {
    /// Lists a folder whose sub-folders are the classes: `DIR/<label>/<clip>.wav` (or flac, ogg, mp3 and so on).
    ///
    /// Class ids are the folder names in byte order, clips of a class are in byte order of their names, as Python's
    /// `sorted` has them. Hidden files, among them the `._*` companions of macOS archives, and files beside the class
    /// folders are ignored.
    ///
    /// # Errors
    /// When the folder is missing or unreadable, has fewer than two class folders, or one of them holds no clip.
    pub fn open_folder(root: impl AsRef<Path>) -> Result<AudioDataset, Error> {
        let root = root.as_ref();
        crate::folder::open(root).map_err(|kind| Task::Open(root.to_path_buf()).failed(kind))
    }

    /// How many clips each class has, in id order.
    pub fn clips_per_label(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for clip in &self.clips {
            counts[clip.label.index()] += 1;
        }
        counts
    }
}

/// One recording and its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// The path below the dataset's root, with `/` on every system: `blues/blues.00000.wav`.
    pub name: String,
    /// Where the file is.
    pub path: PathBuf,
    /// Its class.
    pub label: LabelId,
}

impl Clip {
    /// Reads the sound, at its own rate and length.
    ///
    /// # Errors
    /// When the file cannot be read or is no sound; the error names it.
    pub fn decode(&self, options: &DecodeOptions) -> Result<Decoded, Error> {
        let decoded = earmark_audio::decode_file(&self.path, options);
        decoded.map_err(|error| Task::Decode(self.path.clone()).failed(error.into()))
    }
}

/// What a dataset's makers say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The terms the recordings are under.
    pub licence: Option<String>,
    /// Whom to cite.
    pub citation: Option<String>,
    /// Its home page.
    pub home: Option<String>,
}
