//! GTZAN: 999 thirty-second clips of ten genres, 22 050 Hz mono, 16 bit.
//!
//! No licence is stated; the recordings are shared for research (G. Tzanetakis and P. Cook, "Musical genre
//! classification of audio signals", IEEE Transactions on Speech and Audio Processing 10(5), 2002). There is no
//! official split: the one in use is [`train_test_split`](crate::train_test_split) with a tenth and seed 42, which
//! tests on 100 clips. Artists and whole recordings repeat across any random split of it (B. Sturm, 2013,
//! arXiv:1306.1461), so its scores flatter.
//!
//! The configuration `fault-filtered` leaves repeated, distorted and mislabelled clips out and shares no artist between its
//! splits: 442, 197 and 290 clips (C. Kereliuk, B. Sturm and J. Larsen, 2015, arXiv:1507.04761; the lists are those of
//! <https://github.com/jongpillee/music_dataset_split>, MIT). Its training list names the corrupt clip, which is not used.

use std::collections::BTreeSet;
use std::path::Path;

use earmark_error::Context as _;

use crate::catalog::spec::{ClassColumn, Config, Selection, Spec, SplitSpec, no_fields};
use crate::clip::Clip;
use crate::dataset::{AudioDataset, SkipReason, Skipped};
use crate::error::{Error, ErrorKind, Task};
use crate::example::Fields;
use crate::read::archive::{self, Progress};
use crate::read::folder::open_class_folders;
use crate::read::layout::{Archive, ArchiveIndex, ClipInfo, Layout, Limits};
use crate::read::remote::RemoteFile;
use crate::read::unpack::Unpacked;

/// The Hub dataset that has the archive.
pub const REPO: &str = "marsyas/gtzan";
/// The commit of [`REPO`] this was written against.
pub const REVISION: &str = "d2146561ecc7df707d9e6b8318885fe6a39668a2";
/// The archive inside [`REPO`]: 1.2 GB.
pub const ARCHIVE: &str = "data/genres.tar.gz";

/// The classes, in id order.
pub const GENRES: [&str; 10] =
    ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];

/// Clips in the archive that are not used, with the reason. The name is that of a [`Clip`](crate::Clip) without the
/// extension.
pub const CORRUPT: &[(&str, &str)] =
    &[("jazz/jazz.00054", "the WAV file is damaged; the reference leaves it out as well")];

const TRAIN: &str = include_str!("gtzan/train_filtered.txt");
const VALIDATION: &str = include_str!("gtzan/valid_filtered.txt");
const TEST: &str = include_str!("gtzan/test_filtered.txt");

/// How many clips there are without the corrupt ones.
const CLIPS: usize = 999;

/// Six times the largest clip, and three times the whole archive, unpacked.
const LIMITS: Limits = Limits { file: 8 << 20, total: 4 << 30 };

const LABEL_COLUMNS: &[ClassColumn] = &[ClassColumn { name: "genre", classes: &GENRES }];

/// GTZAN. The configuration `all` has no split of its own.
pub static GTZAN: Spec = Spec {
    id: "gtzan",
    repo: REPO,
    licence: None,
    citation: "G. Tzanetakis and P. Cook. Musical genre classification of audio signals. IEEE Transactions on Speech and Audio \
               Processing 10(5), 293-302, 2002.",
    home: "https://huggingface.co/datasets/marsyas/gtzan",
    configs: &[
        Config { name: "all", splits: &[SplitSpec::new("train", CLIPS)], label_columns: LABEL_COLUMNS },
        Config {
            name: "fault-filtered",
            splits: &[
                SplitSpec::new("train", 442),
                SplitSpec::new("validation", 197),
                SplitSpec::new("test", 290),
            ],
            label_columns: LABEL_COLUMNS,
        },
    ],
    group_fields: &[],
    layout,
    fields_of_file: no_fields,
    checkout: None,
};

/// Opens an unpacked GTZAN: the folder with the ten genre folders, or the folder that contains `genres`.
///
/// # Errors
/// When it is incomplete: it must have 999 clips of the ten genres.
pub fn open(dir: impl AsRef<Path>) -> Result<AudioDataset, Error> {
    let dir = dir.as_ref();
    let inner = dir.join("genres");
    let root = if inner.is_dir() { &inner } else { dir };
    listed(root).with_context(|| Task::Open(dir.to_path_buf()))
}

/// Unpacks `genres.tar.gz` into the folder `into`, which is then there whole or not at all, and lists it.
///
/// ```no_run
/// use earmark_data::gtzan;
///
/// let dataset = gtzan::unpack("genres.tar.gz", "data/gtzan", |bytes| eprint!("\r{bytes} bytes read"))?;
/// assert_eq!(dataset.clips.len(), 999);
/// # Ok::<(), earmark_data::Error>(())
/// ```
///
/// A folder that is already there and whole is only listed, one that holds a part of GTZAN and nothing else is replaced. `progress` is
/// called with the number of bytes of the archive that have been read.
/// Only the clips are unpacked: `._*` companions, the corrupt clip and anything else in the archive stay in it.
///
/// # Errors
/// When the archive cannot be read, is cut short or damaged, holds links or paths that lead out of it, is larger than
/// GTZAN could be, or does not hold all of it; or when `into` exists and is something else.
pub fn unpack(
    archive: impl AsRef<Path>,
    into: impl AsRef<Path>,
    progress: impl FnMut(u64),
) -> Result<AudioDataset, Error> {
    let (archive, into) = (archive.as_ref(), into.as_ref());
    let extract = |folder: &Path| extract(archive, folder, progress);
    let task = || Task::Unpack { archive: archive.to_path_buf(), into: into.to_path_buf() };
    look(into)?.complete(into, extract).with_context(task)?;
    open(into)
}

/// Whether [`unpack`] into this folder would read the archive, and not just list what is there.
///
/// # Errors
/// When the folder is something else, which [`unpack`] refuses to replace.
pub fn needs_unpacking(into: impl AsRef<Path>) -> Result<bool, Error> {
    Ok(look(into.as_ref())? != Unpacked::Whole)
}

fn look(into: &Path) -> Result<Unpacked, Error> {
    let is_whole = || match open(into).map_err(|error| error.kind) {
        Err(
            ErrorKind::NotGtzan { .. }
            | ErrorKind::OneClass { .. }
            | ErrorKind::NoSounds
            | ErrorKind::NoClasses,
        ) => Ok(false),
        opened => opened.map(|_| true),
    };
    let looked = Unpacked::look(into, is_whole, |name| clip_name(name).is_some());
    looked.with_context(|| Task::Open(into.to_path_buf()))
}

fn listed(root: &Path) -> Result<AudioDataset, ErrorKind> {
    let mut dataset = open_class_folders(root)?;
    let (corrupt, clips): (Vec<Clip>, _) = dataset.clips.into_iter().partition(|clip| is_corrupt(&clip.name));
    dataset.clips = clips;
    let skipped = corrupt.iter().map(|clip| Skipped::new(&clip.path, SkipReason::KnownDamaged));
    dataset.skipped.extend(skipped);
    check_whole(dataset.clips.len(), dataset.labels.names().iter().map(String::as_str))?;
    dataset.name = "gtzan".into();
    dataset.info = GTZAN.info();
    Ok(dataset)
}

/// The clips of a fault-filtered split, by their names less the extension.
fn filtered(split: &str) -> impl Iterator<Item = &'static str> {
    let list = match split {
        "validation" => VALIDATION,
        "test" => TEST,
        _ => TRAIN,
    };
    list.lines()
        .filter_map(|line| line.strip_suffix(".wav"))
        .filter(|stem| CORRUPT.iter().all(|(bad, _)| bad != stem))
}

fn layout(selection: &Selection) -> Layout {
    let Selection { config, split, .. } = *selection;
    let index = Box::new(move |_: Option<&str>| {
        let only = (config.name != "all").then(|| filtered(split.name).collect());
        Ok(Box::new(Genres { only }) as Box<dyn ArchiveIndex>)
    });
    let file = RemoteFile::hub(REPO, REVISION, ARCHIVE);
    Layout::Archives(vec![Archive { file, table: None, folder: "gtzan".into(), limits: LIMITS, index }])
}

struct Genres {
    /// The names of the clips of a fault-filtered split; `None` for all clips.
    only: Option<BTreeSet<&'static str>>,
}

impl ArchiveIndex for Genres {
    fn unpacked_path(&self, path: &str) -> Option<String> {
        clip_name(path).map(|(genre, file)| format!("{genre}/{file}"))
    }

    fn clip(&self, path: &str) -> Result<Option<ClipInfo>, ErrorKind> {
        let Some((genre, file)) = clip_name(path) else { return Ok(None) };
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        if self.only.as_ref().is_some_and(|only| !only.contains(format!("{genre}/{stem}").as_str())) {
            return Ok(None);
        }
        let label = GENRES.iter().position(|known| *known == genre).unwrap_or_default();
        let mut fields = Fields::new();
        fields.insert("file".into(), format!("{genre}/{file}").into());
        fields.insert("genre".into(), genre.into());
        Ok(Some(ClipInfo { label, fields, one_second: false }))
    }
}

fn check_whole<'a>(clips: usize, genres: impl IntoIterator<Item = &'a str>) -> Result<(), ErrorKind> {
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        genres.into_iter().partition(|genre| GENRES.contains(genre));
    if clips == CLIPS && known == GENRES && unknown.is_empty() {
        return Ok(());
    }
    let (wanted_clips, wanted_labels) = (CLIPS, GENRES.len());
    Err(ErrorKind::NotGtzan { clips, labels: known.len(), wanted_clips, wanted_labels })
}

fn is_corrupt(name: &str) -> bool {
    CORRUPT.iter().any(|(stem, _)| name.rsplit_once('.').is_some_and(|(name, _)| name == *stem))
}

fn extract(archive: &Path, folder: &Path, progress: impl FnMut(u64)) -> Result<(), ErrorKind> {
    let file = Progress { inner: earmark_fs::open(archive)?, read: 0, report: progress };
    let mut genres = BTreeSet::new();
    let clips = archive::unpack(file, folder, LIMITS, |path| {
        let (genre, file) = clip_name(path)?;
        genres.insert(genre);
        Some(format!("{genre}/{file}"))
    })?;
    check_whole(clips, genres)
}

/// The genre and file name of an entry that is one of the clips, and nothing else: no other name reaches the disk.
fn clip_name(path: &str) -> Option<(&'static str, &str)> {
    let path = path.strip_prefix("genres/").unwrap_or(path);
    let (folder, file) = path.split_once('/')?;
    let genre = *GENRES.iter().find(|genre| **genre == folder)?;
    let (number, extension) = file.strip_prefix(genre)?.strip_prefix('.')?.split_once('.')?;
    let numbered = number.len() == 5 && number.bytes().all(|digit| digit.is_ascii_digit());
    let is_clip = numbered && ["wav", "au"].contains(&extension) && !is_corrupt(path);
    is_clip.then_some((genre, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_the_fault_filtered_splits_have_as_many_clips_as_the_configuration_says() {
        let [_, config] = GTZAN.configs else { panic!("two configurations") };
        for split in config.splits {
            assert_eq!(Some(filtered(split.name).count()), split.clips, "{}", split.name);
        }
    }
}
