//! GTZAN: 999 thirty-second clips of ten genres, 22 050 Hz mono, 16 bit.
//!
//! No licence is stated; the recordings are shared for research (G. Tzanetakis and P. Cook, "Musical genre
//! classification of audio signals", IEEE Transactions on Speech and Audio Processing 10(5), 2002). There is no
//! official split: the one in use is [`train_test_split`](crate::train_test_split) with a tenth and seed 42, which
//! tests on 100 clips. Artists and whole recordings repeat across any random split of it (B. Sturm, 2013,
//! arXiv:1306.1461), so its scores flatter.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use tar::EntryType;

use crate::dataset::{About, AudioDataset};
use crate::error::{Error, ErrorKind, Task};
use crate::{folder, landing};

/// The Hub dataset that has the archive.
pub const REPO: &str = "marsyas/gtzan";
/// The commit of [`REPO`] this was written against.
pub const REVISION: &str = "d2146561ecc7df707d9e6b8318885fe6a39668a2";
/// The archive inside [`REPO`]: 1.2 GB.
pub const ARCHIVE: &str = "data/genres.tar.gz";

/// The classes, in id order.
pub const GENRES: [&str; 10] =
    ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];

/// Clips that are there but not used, with the reason. The name is that of a [`Clip`](crate::Clip), less the
/// extension.
pub const CORRUPT: &[(&str, &str)] =
    &[("jazz/jazz.00054", "the WAV file is damaged; the reference drops it as well")];

/// How many clips there are without the corrupt ones.
const CLIPS: usize = 999;

/// Six times the largest clip.
const CLIP_LIMIT: u64 = 8 << 20;
/// Three times the whole archive, unpacked.
const TOTAL_LIMIT: u64 = 4 << 30;

/// Lists an unpacked GTZAN: the folder with the ten genre folders, or the one with `genres` in it.
///
/// # Errors
/// When it is not whole: 999 clips of the ten genres.
pub fn open(dir: impl AsRef<Path>) -> Result<AudioDataset, Error> {
    let dir = dir.as_ref();
    let inner = dir.join("genres");
    let root = if inner.is_dir() { &inner } else { dir };
    listed(root).map_err(|kind| Task::Open(dir.to_path_buf()).failed(kind))
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
/// A folder that is already there is only listed. `progress` is told how many bytes of the archive have been read.
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
    if !landing::is_free(into) {
        return open(into);
    }
    let task = Task::Unpack { archive: archive.to_path_buf(), into: into.to_path_buf() };
    landing::land(into, |folder| extract(archive, folder, progress)).map_err(|kind| task.failed(kind))?;
    open(into)
}

fn listed(root: &Path) -> Result<AudioDataset, ErrorKind> {
    let mut dataset = folder::open(root)?;
    let (corrupt, clips) = dataset.clips.into_iter().partition(|clip| is_corrupt(&clip.name));
    dataset.clips = clips;
    let corrupt: Vec<crate::Clip> = corrupt;
    dataset.skipped.extend(corrupt.into_iter().map(|clip| clip.path));
    dataset.skipped.sort();
    check_whole(dataset.clips.len(), dataset.labels.names().iter().map(String::as_str))?;
    dataset.name = "gtzan".into();
    dataset.about = About {
        licence: None,
        citation: Some(
            "G. Tzanetakis and P. Cook. Musical genre classification of audio signals. IEEE Transactions on Speech \
             and Audio Processing 10(5), 293-302, 2002."
                .into(),
        ),
        home: Some(format!("https://huggingface.co/datasets/{REPO}")),
    };
    Ok(dataset)
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
    let file = Watched { inner: File::open(archive)?, read: 0, progress };
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::with_capacity(1 << 16, file)));
    let mut genres = BTreeSet::new();
    let mut clips = 0;
    let mut total = 0u64;
    // Raw: names from the headers alone. GTZAN's are short, and the extensions for long ones are read into memory
    // whole, however long they claim to be.
    for entry in tar.entries()?.raw(true) {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let size = entry.size();
        total = total.saturating_add(size);
        if total > TOTAL_LIMIT {
            return Err(ErrorKind::TooLarge { what: "the archive's content".into(), limit: TOTAL_LIMIT });
        }
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Directory => {}
            EntryType::GNULongName | EntryType::GNULongLink => continue,
            EntryType::XHeader | EntryType::XGlobalHeader => continue,
            _ => return Err(ErrorKind::NotAFile { entry: path }),
        }
        if path.starts_with('/') || path.split(['/', '\\']).any(|part| part == "..") {
            return Err(ErrorKind::Escape { entry: path });
        }
        let Some((genre, file)) = clip_name(&path) else {
            continue;
        };
        if size > CLIP_LIMIT {
            return Err(ErrorKind::TooLarge { what: format!("entry `{path}`"), limit: CLIP_LIMIT });
        }
        if genres.insert(genre) {
            fs::create_dir(folder.join(genre))?;
        }
        let mut target = match File::create_new(folder.join(genre).join(file)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ErrorKind::Repeated { entry: path });
            }
            created => created?,
        };
        if io::copy(&mut entry, &mut target)? != size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        clips += 1;
    }
    // tar stops at its own end mark; the checksum of the compressed stream comes after it.
    io::copy(&mut tar.into_inner().take(1 << 20), &mut io::sink())?;
    check_whole(clips, genres)
}

/// The genre and file name of an entry that is one of the clips, and nothing else: no other name reaches the disk.
fn clip_name(path: &str) -> Option<(&'static str, &str)> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_prefix("genres/").unwrap_or(path);
    let (folder, file) = path.split_once('/')?;
    let genre = *GENRES.iter().find(|genre| **genre == folder)?;
    let (number, extension) = file.strip_prefix(genre)?.strip_prefix('.')?.split_once('.')?;
    let numbered = number.len() == 5 && number.bytes().all(|digit| digit.is_ascii_digit());
    let is_clip = numbered && ["wav", "au"].contains(&extension) && !is_corrupt(path);
    is_clip.then_some((genre, file))
}

/// Tells how much has been read.
struct Watched<R, F> {
    inner: R,
    read: u64,
    progress: F,
}

impl<R: Read, F: FnMut(u64)> Read for Watched<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        (self.progress)(self.read);
        Ok(read)
    }
}
