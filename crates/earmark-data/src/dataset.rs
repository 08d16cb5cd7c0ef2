use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_audio::{DecodeOptions, Decoded, Waveform};
use earmark_labels::{LabelId, LabelSet};

use crate::error::{Error, ErrorKind, Task};
use crate::example::{Fields, text};
use crate::random::Pcg64;
use crate::read::table::Shard;

/// A list of labelled clips, and where they come from.
///
/// Nothing was decoded to make it.
#[derive(Debug, Clone)]
pub struct AudioDataset {
    /// A short name, e.g. `gtzan` or the folder's.
    pub name: String,
    /// The folder the clips' names start from.
    pub root: PathBuf,
    /// Every clip: of a folder sorted by label, then by name; else in the dataset's order.
    pub clips: Vec<Clip>,
    /// The classes.
    pub labels: LabelSet,
    /// What says the class: ``column `species` ``, `folders`.
    pub classes_from: String,
    /// The splits of its own, in order; none where nothing says one.
    pub splits: Vec<Arc<str>>,
    /// What is known about the recordings as a whole.
    pub about: About,
    /// What was found and is none of the clips, by reason.
    pub skipped: Vec<Skipped>,
    /// What was decided and could have been meant otherwise, a sentence each.
    pub remarks: Vec<String>,
}

/// A file or row that is none of the clips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is: a file, as [`text`](earmark_fs::text) writes it, or a table and a row of it.
    pub place: String,
    /// The reason.
    pub why: Why,
}

impl Skipped {
    pub(crate) fn new(path: &Path, why: Why) -> Skipped {
        Skipped { place: earmark_fs::text(path), why }
    }
}

/// Why something is none of the clips.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Why {
    /// Its name does not end as those of sound files do.
    NotASound,
    /// Its name ends as those of sound files of a kind that is not supported.
    Unsupported,
    /// An archive: what is in it is not read.
    Archive,
    /// A folder, a device, or a link that leads nowhere.
    NotAFile,
    /// A folder without files.
    EmptyFolder,
    /// It lies beside the folders that are the classes.
    NoClassFolder,
    /// No row of the tables names it.
    NotListed,
    /// It is in none of the splits.
    NoSplit,
    /// Its row says no class.
    NoLabel,
    /// A table that holds neither sounds nor their file names.
    NoClips,
    /// It is known to be damaged.
    KnownDamaged,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::NotASound => "its name does not end as those of sound files do",
            Why::Unsupported => "sounds of its kind are not supported",
            Why::Archive => "it is an archive, which is not read: unpack it",
            Why::NotAFile => "it is no file",
            Why::EmptyFolder => "it is a folder without files",
            Why::NoClassFolder => "it lies in no class folder",
            Why::NotListed => "no row of the metadata names it",
            Why::NoSplit => "it belongs to none of the splits",
            Why::NoLabel => "its row says no class",
            Why::NoClips => "it is a table without sounds or their file names",
            Why::KnownDamaged => "it is known to be damaged",
        })
    }
}

impl AudioDataset {
    /// Lists a folder whose sub-folders are the classes: `DIR/<label>/<clip>.wav` (or flac, ogg, mp3 and so on).
    ///
    /// Class ids are the folder names in byte order, clips in byte order of their paths, as Python's `datasets` has them.
    /// Splits and nested folders are those of [`open`](Self::open). Hidden files, among them the `._*` companions of macOS
    /// archives, and folders that begin with `__` are ignored.
    ///
    /// # Errors
    /// When the folder is missing or unreadable, or has fewer than two class folders.
    pub fn open_folder(root: impl AsRef<Path>) -> Result<AudioDataset, Error> {
        let root = root.as_ref();
        crate::read::local::open_classes(root).map_err(|kind| Task::Open(root.to_path_buf()).failed(kind))
    }

    /// A dataset without clips, to be filled.
    pub(crate) fn empty(name: String, root: PathBuf, labels: LabelSet, about: About) -> AudioDataset {
        AudioDataset {
            name,
            root,
            clips: Vec::new(),
            labels,
            classes_from: "the dataset".to_owned(),
            splits: Vec::new(),
            about,
            skipped: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// One split of it. What has no splits of its own is all `train`, as in `datasets`.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] lists the splits there are.
    pub fn split(mut self, name: &str) -> Result<AudioDataset, Error> {
        if self.splits.is_empty() && name == "train" {
            return Ok(self);
        }
        if !self.splits.iter().any(|split| **split == *name) {
            let mut known: Vec<String> = self.splits.iter().map(ToString::to_string).collect();
            if known.is_empty() {
                known.push("train".to_owned());
            }
            let kind = ErrorKind::Unknown { what: "split", name: name.to_owned(), known };
            return Err(Task::Open(self.root).failed(kind));
        }
        self.clips.retain(|clip| clip.split.as_deref() == Some(name));
        self.splits.retain(|split| **split == *name);
        Ok(self)
    }

    /// How many clips each of its splits has.
    pub fn clips_per_split(&self) -> Vec<(&str, usize)> {
        let count =
            |split: &str| self.clips.iter().filter(|clip| clip.split.as_deref() == Some(split)).count();
        self.splits.iter().map(|split| (&**split, count(split))).collect()
    }

    /// Together with another part of the same dataset, which its makers keep for evaluation. Names begin with the parts' own.
    #[must_use]
    pub fn with_held_out(mut self, part: &str, other: AudioDataset, other_part: &str) -> AudioDataset {
        for clip in &mut self.clips {
            clip.name = format!("{part}/{}", clip.name);
        }
        self.clips.extend(other.clips.into_iter().map(|mut clip| {
            clip.name = format!("{other_part}/{}", clip.name);
            Clip { held_out: true, ..clip }
        }));
        self
    }

    /// Which group each clip belongs to, by one of its fields: those of one speaker, fold or artist. A split by groups keeps a
    /// group on one side.
    ///
    /// # Errors
    /// When a clip has no such field.
    pub fn groups(&self, field: &str) -> Result<Vec<String>, Error> {
        let group = |clip: &Clip| {
            let missing = || ErrorKind::NoField { clip: clip.name.clone(), field: field.to_owned() };
            let value = clip.fields.get(field).filter(|value| !value.is_null()).ok_or_else(missing);
            value.map(text)
        };
        let groups = self.clips.iter().map(group).collect::<Result<_, ErrorKind>>();
        groups.map_err(|kind| Task::Open(self.root.clone()).failed(kind))
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
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// What it is called in this dataset, and no other clip of it: the path below the root, with `/` on every system and as
    /// [`text`](earmark_fs::text) writes it, `blues/blues.00000.wav`; of a row, the path it says. Where several rows
    /// say one path, `clips/a.wav#7` for row 7 of the dataset and `data/train.parquet#7/a.wav` for row 7 of a shard, from 0.
    pub name: String,
    /// The file that holds it: its own, or a shard with many.
    pub path: PathBuf,
    /// Its class.
    pub label: LabelId,
    /// The split of the dataset that it belongs to, if that has any.
    pub split: Option<Arc<str>>,
    /// What else the dataset says of it: speaker, fold, language.
    pub fields: Fields,
    /// Whether the dataset's makers keep it for evaluation.
    pub held_out: bool,
    /// Its row, when `path` is a shard.
    row: Option<(Arc<Shard>, usize)>,
    /// Longer recordings are cut to a second of them, somewhere: noises that stand for silence.
    pub(crate) second: bool,
}

impl Clip {
    /// A file of its own.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, label: LabelId) -> Clip {
        let fields = Fields::new();
        Clip {
            name: name.into(),
            path: path.into(),
            label,
            split: None,
            fields,
            held_out: false,
            row: None,
            second: false,
        }
    }

    /// A row of a shard.
    pub(crate) fn of_row(
        name: String,
        label: LabelId,
        fields: Fields,
        shard: Arc<Shard>,
        row: usize,
    ) -> Clip {
        Clip {
            path: shard.name().into(),
            name,
            label,
            split: None,
            fields,
            held_out: false,
            row: Some((shard, row)),
            second: false,
        }
    }

    /// With what else is known of it.
    #[must_use]
    pub fn with_fields(self, fields: Fields) -> Clip {
        Clip { fields, ..self }
    }

    /// In a split of its dataset, or in none.
    pub(crate) fn in_split(self, split: Option<Arc<str>>) -> Clip {
        Clip { split, ..self }
    }

    /// The bytes of its sound file.
    ///
    /// # Errors
    /// When the file cannot be read; the error names it.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        let bytes = match &self.row {
            None => earmark_fs::read(&self.path, MOST_BYTES).map_err(ErrorKind::from),
            Some((shard, row)) => shard.audio(*row),
        };
        bytes.map_err(|kind| self.reading().failed(kind))
    }

    /// Reads the sound, at its own rate and length.
    ///
    /// # Errors
    /// When the file cannot be read or is no sound; the error names it.
    pub fn decode(&self, options: &DecodeOptions) -> Result<Decoded, Error> {
        let decoded = match self.row {
            None => earmark_audio::decode_file(&self.path, options),
            Some(_) => earmark_audio::decode_bytes(self.bytes()?, options),
        };
        let mut decoded = decoded.map_err(|error| self.reading().failed(error.into()))?;
        if self.second {
            decoded.waveform = a_second_of(decoded.waveform, &self.name);
        }
        Ok(decoded)
    }

    /// Where it is, for people: its file, or the shard with `#` and its row in it, from 0.
    pub fn place(&self) -> PathBuf {
        match &self.row {
            None => self.path.clone(),
            Some((shard, row)) => format!("{}#{row}", shard.name()).into(),
        }
    }

    fn reading(&self) -> Task {
        Task::Decode(self.place())
    }
}

/// Larger than any recording that fits into memory decoded.
const MOST_BYTES: u64 = 16 << 30;

/// A second of a longer recording. The reference draws another one each time; here the name decides, so that every epoch and
/// every run hears the same.
fn a_second_of(waveform: Waveform, name: &str) -> Waveform {
    let (second, rate) = (waveform.rate().hz() as usize, waveform.rate());
    let spare = waveform.samples().len().saturating_sub(second);
    if spare == 0 {
        return waveform;
    }
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        // FNV-1a.
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let start = (Pcg64::seeded(seed).next_f64() * (spare + 1) as f64) as usize;
    let samples = waveform.samples()[start..start + second].to_vec();
    Waveform::new(samples, rate).expect("a part of a waveform is finite, and a second is not empty")
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
