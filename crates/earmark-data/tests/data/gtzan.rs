use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use earmark_data::gtzan::{self, GENRES};
use earmark_data::{Error, ErrorKind, SkipReason};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::{plant, told};

/// GTZAN's clips, sorted: a hundred of each genre, less the corrupt one.
pub(crate) fn clip_names() -> impl Iterator<Item = String> {
    let all = GENRES.iter().flat_map(|genre| (0..100).map(move |n| format!("{genre}/{genre}.{n:05}.wav")));
    all.filter(|name| name != "jazz/jazz.00054.wav")
}

/// A `.tar.gz` in the making.
struct Archive {
    dir: TempDir,
    tar: tar::Builder<GzEncoder<File>>,
}

impl Archive {
    fn new() -> Archive {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("genres.tar.gz")).unwrap();
        Archive { dir, tar: tar::Builder::new(GzEncoder::new(file, Compression::fast())) }
    }

    /// As the real one: every clip with its companion from macOS, the corrupt clip, folders and a stray file.
    fn whole() -> Archive {
        let mut archive = Archive::new();
        archive.entry("genres/", EntryType::Directory, b"");
        archive.file("genres/README", b"about");
        for genre in GENRES {
            for n in 0..100 {
                archive.file(&format!("genres/{genre}/._{genre}.{n:05}.wav"), b"Mac OS X");
                archive
                    .file(&format!("genres/{genre}/{genre}.{n:05}.wav"), format!("{genre} {n}").as_bytes());
            }
        }
        archive
    }

    fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, EntryType::Regular, content);
    }

    /// Writes the name into the header as it is: `tar::Builder` would refuse the hostile ones.
    fn entry(&mut self, name: &str, kind: EntryType, content: &[u8]) {
        self.claim(name, kind, content.len() as u64, content);
    }

    fn claim(&mut self, name: &str, kind: EntryType, size: u64, content: &[u8]) {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        self.tar.append(&header, content).unwrap();
    }

    fn finish(self) -> (TempDir, PathBuf) {
        self.tar.into_inner().unwrap().finish().unwrap().flush().unwrap();
        let path = self.dir.path().join("genres.tar.gz");
        (self.dir, path)
    }
}

/// Unpacks, expects an error that names the archive, and checks that nothing at all was left behind.
#[track_caller]
fn refusal(dir: &Path, archive: &Path) -> Error {
    let parent = dir.join("data");
    let error =
        gtzan::unpack(archive, parent.join("gtzan"), |_| {}).expect_err("the archive should be refused");
    assert!(told(&error).contains("genres.tar.gz"), "{}", told(&error));
    assert_eq!(fs::read_dir(&parent).unwrap().count(), 0, "something was left behind");
    error
}

#[track_caller]
fn refused_with(name: &str, kind: EntryType) -> ErrorKind {
    let mut archive = Archive::new();
    archive.file("genres/rock/rock.00007.wav", b"a clip before it");
    archive.entry(name, kind, b"");
    let (dir, path) = archive.finish();
    refusal(dir.path(), &path).kind
}

#[test]
fn the_whole_archive_gives_999_clips_of_ten_genres() {
    let (dir, archive) = Archive::whole().finish();
    let into = dir.path().join("data/gtzan");
    let mut read = Vec::new();
    let dataset = gtzan::unpack(&archive, &into, |bytes| read.push(bytes)).unwrap();

    assert_eq!(dataset.labels.names(), GENRES);
    assert!(dataset.clips.iter().map(|clip| &clip.name).eq(clip_names().collect::<Vec<_>>().iter()));
    assert!(dataset.skipped.is_empty());
    assert_eq!(fs::read_to_string(into.join("pop/pop.00098.wav")).unwrap(), "pop 98");
    assert!(!into.join("jazz/jazz.00054.wav").exists());
    assert!(!into.join("README").exists());
    assert!(read.is_sorted());
    assert_eq!(*read.last().unwrap(), fs::metadata(&archive).unwrap().len());

    // Again: the archive is not even looked for.
    fs::remove_file(&archive).unwrap();
    let again = gtzan::unpack(&archive, &into, |_| panic!("nothing should be read")).unwrap();
    assert_eq!(again.clips, dataset.clips);
}

#[test]
fn a_copy_unpacked_by_hand_opens_without_its_corrupt_clip() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = clip_names().map(|name| format!("genres/{name}")).collect();
    plant(dir.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    plant(dir.path(), &["genres/jazz/jazz.00054.wav", "genres/jazz/._jazz.00054.wav"]);
    for root in [dir.path().to_path_buf(), dir.path().join("genres")] {
        let dataset = gtzan::open(root).unwrap();
        assert_eq!((dataset.clips.len(), dataset.name.as_str()), (999, "gtzan"));
        let [corrupt] = dataset.skipped.as_slice() else { panic!("{:?}", dataset.skipped) };
        assert!(
            corrupt.location.ends_with("genres/jazz/jazz.00054.wav")
                && corrupt.reason == SkipReason::KnownDamaged
        );
    }
    fs::remove_file(dir.path().join("genres/rock/rock.00099.wav")).unwrap();
    let error = gtzan::open(dir.path()).expect_err("a clip is missing");
    assert!(matches!(error.kind, ErrorKind::NotGtzan { clips: 998, labels: 10, .. }));
}

#[test]
fn entries_that_lead_out_are_refused() {
    for name in [
        "../x.wav",
        "genres/../../x.wav",
        "genres/blues/../../../blues/blues.00000.wav",
        "/etc/x.wav",
        "..\\x",
    ] {
        assert!(
            matches!(refused_with(name, EntryType::Regular), ErrorKind::Escape { entry } if entry == name)
        );
    }
    assert!(matches!(refused_with("/genres/", EntryType::Directory), ErrorKind::Escape { .. }));
}

#[test]
fn links_and_devices_are_refused() {
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Block, EntryType::GNUSparse]
    {
        let refused = refused_with("genres/blues/blues.00100.wav", kind);
        assert!(matches!(refused, ErrorKind::NotAFile { .. }), "{kind:?}: {refused:?}");
    }
}

#[test]
fn long_names_cannot_smuggle_a_path_in() {
    let mut archive = Archive::whole();
    archive.entry("././@LongLink", EntryType::GNULongName, b"../../smuggled.wav\0");
    archive.file("genres/harmless", b"x");
    archive.entry("pax", EntryType::XHeader, b"30 path=../../also-smuggled\n");
    archive.file("genres/harmless-too", b"x");
    let (dir, path) = archive.finish();
    let dataset = gtzan::unpack(&path, dir.path().join("data/gtzan"), |_| {}).unwrap();
    assert_eq!(dataset.clips.len(), 999);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2); // the archive and `data`
    assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 1);
}

#[test]
fn the_same_clip_twice_is_refused() {
    let refused = refused_with("genres/rock/rock.00007.wav", EntryType::Regular);
    assert!(matches!(refused, ErrorKind::Repeated { entry } if entry.ends_with("rock.00007.wav")));
}

#[test]
fn sizes_beyond_reason_are_refused_before_they_are_read() {
    let mut archive = Archive::new();
    archive.claim("genres/blues/blues.00000.wav", EntryType::Regular, 100 << 20, b"");
    let (dir, path) = archive.finish();
    assert!(matches!(refusal(dir.path(), &path).kind, ErrorKind::TooLarge { .. }));

    let mut archive = Archive::new();
    archive.claim("genres/README", EntryType::Regular, u64::MAX >> 2, b"");
    let (dir, path) = archive.finish();
    assert!(matches!(refusal(dir.path(), &path).kind, ErrorKind::TooLarge { .. }));
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let (dir, path) = Archive::whole().finish();
    let whole = fs::read(&path).unwrap();
    for keep in [0, 1, 9, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..keep]).unwrap();
        let kind = refusal(dir.path(), &path).kind;
        assert!(matches!(kind, ErrorKind::Io(_)), "{keep} of {} bytes: {kind:?}", whole.len());
    }
}

#[test]
fn a_damaged_archive_is_refused() {
    let (dir, path) = Archive::whole().finish();
    let mut bytes = fs::read(&path).unwrap();
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(refusal(dir.path(), &path).kind, ErrorKind::Io(_)));
    fs::write(&path, "no archive").unwrap();
    assert!(matches!(refusal(dir.path(), &path).kind, ErrorKind::Io(_)));
    fs::remove_file(&path).unwrap();
    assert!(matches!(refusal(dir.path(), &path).kind, ErrorKind::Io(_)));
}

#[test]
fn an_archive_that_is_not_all_of_gtzan_is_refused() {
    let mut archive = Archive::new();
    archive.file("genres/blues/blues.00000.wav", b"x");
    archive.file("genres/jazz/jazz.00000.au", b"x");
    archive.file("genres/polka/polka.00000.wav", b"x");
    let (dir, path) = archive.finish();
    let kind = refusal(dir.path(), &path).kind;
    assert!(matches!(
        kind,
        ErrorKind::NotGtzan { clips: 2, labels: 2, wanted_clips: 999, wanted_labels: 10 }
    ));
}

#[test]
fn a_part_that_was_left_behind_is_replaced_and_what_else_is_there_kept() {
    let (dir, path) = Archive::whole().finish();
    let into = dir.path().join("data/gtzan");
    let some: Vec<String> = clip_names().take(500).collect();
    plant(&into, &some.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(gtzan::needs_unpacking(&into).unwrap());
    assert_eq!(gtzan::unpack(&path, &into, |_| {}).unwrap().clips.len(), 999);
    assert!(!gtzan::needs_unpacking(&into).unwrap());
    assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 1, "nothing else is left beside it");

    for clip in ["rock/rock.00099.wav", "pop/pop.00000.wav"] {
        fs::remove_file(into.join(clip)).unwrap();
    }
    fs::write(into.join("rock/mine.wav"), "mine").unwrap();
    let Err(error) = gtzan::unpack(&path, &into, |_| {}) else { panic!("a file of somebody's is there") };
    assert!(told(&error).contains("mine.wav") && told(&error).contains("move it away"), "{}", told(&error));
    assert!(into.join("rock/mine.wav").exists());
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let (dir, path) = Archive::whole().finish();
    let into = dir.path().join("mine");
    plant(&into, &["a/1.wav", "b/1.wav"]);
    let error = gtzan::unpack(&path, &into, |_| {}).expect_err("the folder is not GTZAN");
    assert!(told(&error).contains("mine"));
    assert!(into.join("a/1.wav").exists() && into.join("b/1.wav").exists());

    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(gtzan::unpack(&path, &empty, |_| {}).unwrap().clips.len(), 999);
}
