use std::fs;
use std::path::{Path, PathBuf};

use earmark_audio::{DecodeOptions, Decoded, Waveform};
use earmark_labels::{LabelId, LabelSet};

use crate::error::{Error, ErrorKind, Task};
use crate::example::{Fields, text};
use crate::rng::Pcg64;
use crate::table::Shard;

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
    /// The path below the dataset's root, with `/` on every system: `blues/blues.00000.wav`.
    pub name: String,
    /// The file that holds it: its own, or a shard with many.
    pub path: PathBuf,
    /// Its class.
    pub label: LabelId,
    /// What else the dataset says of it: speaker, fold, language.
    pub fields: Fields,
    /// Whether the dataset's makers keep it for evaluation.
    pub held_out: bool,
    /// Its row, when `path` is a shard.
    row: Option<(Shard, usize)>,
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
            fields,
            held_out: false,
            row: None,
            second: false,
        }
    }

    /// A row of a shard.
    pub(crate) fn of_row(name: String, label: LabelId, fields: Fields, shard: Shard, row: usize) -> Clip {
        Clip {
            path: shard.name().into(),
            name,
            label,
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

    /// The bytes of its sound file.
    ///
    /// # Errors
    /// When the file cannot be read; the error names it.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        let bytes = match &self.row {
            None => fs::read(&self.path).map_err(ErrorKind::from),
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

    fn reading(&self) -> Task {
        Task::Decode(match self.row {
            None => self.path.clone(),
            Some(_) => self.path.join(&self.name),
        })
    }
}

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
