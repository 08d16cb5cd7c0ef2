use std::path::PathBuf;
use std::sync::Arc;

use earmark_audio::{DecodeOptions, Decoded, Waveform};
use earmark_error::Context as _;
use earmark_labels::LabelId;

use crate::error::{Error, ErrorKind, Task};
use crate::example::Fields;
use crate::random::Pcg64;
use crate::read::parquet::shard::Shard;

/// One recording and its class.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// Its name, unique in the dataset: the path below the root, with `/` on every system and as [`text`](earmark_fs::text)
    /// writes it, such as `blues/blues.00000.wav`; for a row, the path in it. Where several rows have the same path,
    /// `clips/a.wav#7` for row 7 of the dataset and `data/train.parquet#7/a.wav` for row 7 of a shard, counted from 0.
    pub name: String,
    /// Its file: a sound file, or a shard with many clips.
    pub path: PathBuf,
    /// Its class; of a clip of several classes the first of them, and class 0 of one without any.
    pub label: LabelId,
    /// The split of the dataset that it belongs to, if that has any.
    pub split: Option<Arc<str>>,
    /// Its other fields in the dataset, such as speaker, fold or language.
    pub fields: Fields,
    /// Whether the dataset was published with this clip held out for evaluation.
    pub held_out: bool,
    /// All of its classes, in class order, where a clip may have any number of them.
    labels: Option<Arc<[LabelId]>>,
    /// Its row, when `path` is a shard.
    row: Option<(Arc<Shard>, usize)>,
    /// Whether a longer recording is cut to one second of it: noises that stand for silence.
    pub(crate) one_second: bool,
}

impl Clip {
    /// A clip that is a sound file.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, label: LabelId) -> Clip {
        let fields = Fields::new();
        Clip {
            name: name.into(),
            path: path.into(),
            label,
            split: None,
            fields,
            held_out: false,
            labels: None,
            row: None,
            one_second: false,
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
            labels: None,
            row: Some((shard, row)),
            one_second: false,
        }
    }

    /// The same clip with these fields.
    #[must_use]
    pub fn with_fields(self, fields: Fields) -> Clip {
        Clip { fields, ..self }
    }

    /// The same clip with any number of classes.
    #[must_use]
    pub fn with_labels(self, mut labels: Vec<LabelId>) -> Clip {
        labels.sort_unstable();
        labels.dedup();
        let label = labels.first().copied().unwrap_or(LabelId::new(0));
        Clip { label, labels: Some(labels.into()), ..self }
    }

    /// Its classes, in class order: one, or any number of them where [`is_multi_label`](Self::is_multi_label).
    pub fn classes(&self) -> &[LabelId] {
        self.labels.as_deref().unwrap_or(std::slice::from_ref(&self.label))
    }

    /// Whether it may have any number of classes.
    pub fn is_multi_label(&self) -> bool {
        self.labels.is_some()
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
            None => earmark_fs::read(&self.path, LARGEST_FILE).map_err(ErrorKind::from),
            Some((shard, row)) => shard.audio(*row),
        };
        bytes.with_context(|| self.decoding())
    }

    /// Decodes the sound, at its own rate and length.
    ///
    /// # Errors
    /// When the file cannot be read or decoded; the error names it.
    pub fn decode(&self, options: &DecodeOptions) -> Result<Decoded, Error> {
        let decoded = match self.row {
            None => earmark_audio::decode_file(&self.path, options),
            Some(_) => earmark_audio::decode_bytes(self.bytes()?, options),
        };
        let mut decoded = decoded.with_context(|| self.decoding())?;
        if self.one_second {
            decoded.waveform = cut_to_a_second(decoded.waveform, &self.name);
        }
        Ok(decoded)
    }

    /// Its location, for messages: the file, or the shard with `#` and the row, counted from 0.
    pub fn location(&self) -> PathBuf {
        match &self.row {
            None => self.path.clone(),
            Some((shard, row)) => format!("{}#{row}", shard.name()).into(),
        }
    }

    fn decoding(&self) -> Task {
        Task::Decode(self.location())
    }
}

/// Larger than any recording that fits into memory decoded.
const LARGEST_FILE: u64 = 16 << 30;

/// A second of a longer recording. The reference draws another one each time; here the name decides which, so that it is the
/// same in every epoch and every run.
fn cut_to_a_second(waveform: Waveform, name: &str) -> Waveform {
    let (second, rate) = (waveform.rate().hz() as usize, waveform.rate());
    let spare = waveform.samples().len().saturating_sub(second);
    if spare == 0 {
        return waveform;
    }
    // FNV-1a.
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let start = (Pcg64::seeded(seed).next_f64() * (spare + 1) as f64) as usize;
    let samples = waveform.samples()[start..start + second].to_vec();
    Waveform::new(samples, rate).expect("a part of a waveform is finite, and a second is not empty")
}
