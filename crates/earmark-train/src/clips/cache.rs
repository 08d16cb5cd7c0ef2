//! Features on disk, so that a second epoch or a second run decodes nothing.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use earmark_features::Features;
use sha2::{Digest as _, Sha256};

/// The features of prepared clips, each under a hash of everything that decides them.
///
/// One file a clip, written to a temporary file and renamed: processes may share a cache, and one that is killed leaves no
/// partial file. Files are read, not mapped into memory: when another process truncates one, that is an error and the features are
/// made again, while a mapped one would end the process with SIGBUS. A checksum detects damage of any kind.
///
/// A cache that cannot be read or written costs only time; it is logged at the level `debug`.
///
/// Clones are one cache: they share counters and limit.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    limit: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    space: Mutex<Space>,
}

/// What this process knows of the free space.
#[derive(Debug, Default)]
struct Space {
    /// Files this process read or wrote. It reads them again in its next epoch.
    used: HashSet<Key>,
    /// Bytes that may be written before the folder is listed again.
    room: u64,
    /// Listing the folder again will find no room: the last time found none, with this permission to remove files.
    full: Option<MayRemove>,
}

/// Whether files of earlier runs may be removed for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MayRemove {
    /// Not all clips of this run have been looked up: a removed file could be the next one.
    No,
    /// All have been looked up; the files that were found stay.
    Yes,
}

/// Raise it whenever decoding, resampling or an extractor gives other numbers, or the file is laid out in another way.
const VERSION: u32 = 2;

const MAGIC: &[u8; 8] = b"earmark\0";

/// Before the shape: magic, key, checksum, number of axes, `is_longer`, whether there is a mask.
const HEADER: usize = MAGIC.len() + 32 + 4 + 3;

/// No extractor makes more axes.
const MOST_AXES: usize = 4;

/// The prefix of temporary files.
const UNFINISHED: &str = ".unfinished-";

/// A temporary file that is older was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// What identifies the features of one clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Of the SHA-256 of a sound file's bytes, the clip's name, and the settings that make features of it.
    ///
    /// The name is part of it, for a dataset may cut clips by their names.
    pub(crate) fn new(sound: &[u8; 32], name: &str, settings: &str) -> Key {
        let mut hash = Sha256::new();
        hash.update(VERSION.to_le_bytes());
        // A release may change a number without anybody noticing; a hit must not hide that.
        for part in [env!("CARGO_PKG_VERSION"), settings, name] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(sound);
        Key(hash.finalize().into())
    }

    /// Where its file is, below the cache's folder.
    fn path(&self) -> PathBuf {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Path::new(&hex[..2]).join(&hex)
    }
}

impl Cache {
    /// The usual limit in bytes: ten times GTZAN.
    pub const LIMIT: u64 = 20_000_000_000;

    /// The cache in `dir`, whose files will not exceed `limit` bytes. Nothing is read or written yet.
    ///
    /// Processes that write at once may together exceed it by a 64th each.
    pub fn new(dir: impl Into<PathBuf>, limit: u64) -> Cache {
        let (hits, misses) = (AtomicU64::new(0), AtomicU64::new(0));
        let dir = dir.into().join("features");
        Cache(Arc::new(Shared { dir, limit, hits, misses, space: Mutex::default() }))
    }

    /// The user's cache: in `EARMARK_CACHE`, else `XDG_CACHE_HOME/earmark`, else `~/.cache/earmark`, up to
    /// [`LIMIT`](Self::LIMIT) bytes. `None` for a user without a home folder.
    pub fn of_user() -> Option<Cache> {
        let dir = user_dir(|name| std::env::var_os(name), std::env::home_dir())?;
        Some(Cache::new(dir, Cache::LIMIT))
    }

    /// The number of clips that were not decoded, because their features were in the cache.
    pub fn hits(&self) -> u64 {
        self.0.hits.load(Ordering::Relaxed)
    }

    /// The number of clips that were not in the cache, and were decoded.
    pub fn misses(&self) -> u64 {
        self.0.misses.load(Ordering::Relaxed)
    }

    /// The features under `key`, if they are here and whole.
    pub(crate) fn get(&self, key: &Key) -> Option<Features> {
        let path = self.0.dir.join(key.path());
        let found = match read(&path, key) {
            Ok(features) => Some(features),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::debug!("cached features are made again: `{}`: {error}", path.display());
                }
                None
            }
        };
        let counter = if found.is_some() { &self.0.hits } else { &self.0.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        if found.is_some() {
            self.space().used.insert(*key);
        }
        found
    }

    /// Writes features under `key`. Returns whether they are in the cache now.
    pub(crate) fn put(&self, key: &Key, features: &Features, may_remove: MayRemove) -> bool {
        let Some(bytes) = write(key, features) else { return false };
        // Held until the file is written: another thread that lists the folder before would not count it.
        let mut space = self.space();
        if !self.reserve(&mut space, key, bytes.len() as u64, may_remove) {
            return false;
        }
        let path = self.0.dir.join(key.path());
        let written = put_file(&path, &bytes);
        if let Err(why) = &written {
            tracing::debug!("features are not cached: `{}`: {why}", path.display());
        }
        written.is_ok()
    }

    /// Makes sure that `bytes` more do not exceed the limit, and counts them as written.
    fn reserve(&self, space: &mut Space, key: &Key, bytes: u64, may_remove: MayRemove) -> bool {
        if space.room < bytes {
            if space.full >= Some(may_remove) {
                return false;
            }
            space.room = self.make_room(&space.used, bytes, may_remove);
            if space.room < bytes {
                space.full = Some(may_remove);
                tracing::debug!("the cache in `{}` has no room for {bytes} bytes", self.0.dir.display());
                return false;
            }
        }
        space.room -= bytes;
        space.used.insert(*key);
        true
    }

    /// Lists the folder, removes the least recently used files if that is necessary and allowed, and returns how many bytes may be
    /// written before the next listing.
    fn make_room(&self, used: &HashSet<Key>, bytes: u64, may_remove: MayRemove) -> u64 {
        let limit = self.0.limit;
        // Other processes write, too: this bounds what they and we do not know of each other.
        let step = (limit / 64).max(bytes);
        let used: HashSet<PathBuf> = used.iter().map(|key| self.0.dir.join(key.path())).collect();
        let mut files = files(&self.0.dir);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        files.retain(|file| !used.contains(&file.path));
        let removable: u64 = files.iter().map(|file| file.bytes).sum();
        // Else files would go, and there would still be no room.
        let enough = (total - removable).saturating_add(bytes) <= limit;
        if may_remove == MayRemove::Yes && enough {
            files.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
            for file in files {
                if total.saturating_add(step) <= limit {
                    break;
                }
                if fs::remove_file(&file.path).is_ok() {
                    total -= file.bytes;
                }
            }
        }
        limit.saturating_sub(total).min(step)
    }

    fn space(&self) -> MutexGuard<'_, Space> {
        // After a panic elsewhere the count is at worst too low.
        self.0.space.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a temporary file and renames it. Not `earmark_fs::write`: the checksum detects what a power cut left, and a thousand
/// calls of fsync would take longer than making the features again.
fn put_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask takes away from it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(UNFINISHED).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.into_temp_path().persist(path).map_err(|error| error.error)
}

/// See [`Cache::of_user`]. A variable that is empty is as good as unset, and the XDG rules ignore a relative folder.
fn user_dir(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let folder = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || home.filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".cache"));
    folder("EARMARK_CACHE").or_else(|| {
        let base = folder("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(home)?;
        Some(base.join("earmark"))
    })
}

struct Cached {
    path: PathBuf,
    bytes: u64,
    /// When it was last read, or else written.
    used: SystemTime,
}

/// What the cache holds. Files that a killed process left unfinished are removed on the way; what cannot be listed is not
/// counted.
fn files(dir: &Path) -> Vec<Cached> {
    let list = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for entry in list(dir).flat_map(|folder| list(&folder.path())) {
        let Ok(about) = entry.metadata() else { continue };
        if !about.is_file() {
            continue;
        }
        let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let abandoned = unfinished && used.elapsed().is_ok_and(|age| age > ABANDONED);
        if abandoned && fs::remove_file(entry.path()).is_ok() {
            continue;
        }
        found.push(Cached { path: entry.path(), bytes: about.len(), used });
    }
    found
}

/// The bytes of a file: header, shape, values, mask, all little-endian.
fn write(key: &Key, features: &Features) -> Option<Vec<u8>> {
    let Features { data, shape, is_longer, attention_mask } = features;
    if shape.len() > MOST_AXES {
        return None;
    }
    let mask = attention_mask.as_deref().unwrap_or_default();
    let mut file = Vec::with_capacity(HEADER + 8 * (MOST_AXES + 1) + 4 * (data.len() + mask.len()));
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&key.0);
    let checksum = file.len()..file.len() + 4;
    file.extend_from_slice(&[0; 4]);
    file.push(shape.len() as u8);
    file.push(is_longer.map_or(0, |longer| 1 + u8::from(longer)));
    file.push(attention_mask.is_some().into());
    let sizes = shape.iter().copied().chain(attention_mask.is_some().then_some(mask.len()));
    file.extend(sizes.flat_map(|size| (size as u64).to_le_bytes()));
    append(&mut file, data, f32::to_le_bytes);
    append(&mut file, mask, i32::to_le_bytes);
    let crc = crc32c::crc32c(&file[checksum.end..]);
    file[checksum].copy_from_slice(&crc.to_le_bytes());
    Some(file)
}

/// Several times faster than a `flat_map`, whose length `extend` cannot know.
fn append<T: Copy>(file: &mut Vec<u8>, values: &[T], bytes: fn(T) -> [u8; 4]) {
    let start = file.len();
    file.resize(start + 4 * values.len(), 0);
    let (words, _) = file[start..].as_chunks_mut::<4>();
    for (word, value) in words.iter_mut().zip(values) {
        *word = bytes(*value);
    }
}

/// Reads what [`write`] wrote, and marks it as used just now.
fn read(path: &Path, key: &Key) -> io::Result<Features> {
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut file = File::open(path)?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let (magic, rest) = header.split_at(MAGIC.len());
    let (of, rest) = rest.split_at(key.0.len());
    let (checksum, body) = rest.split_at(4);
    if magic != MAGIC || of != key.0 {
        return Err(damaged("it is not the file of this clip"));
    }
    let (axes, is_longer, masked) = (usize::from(body[0]), body[1], body[2]);
    if axes > MOST_AXES || is_longer > 2 || masked > 1 {
        return Err(damaged("its header makes no sense"));
    }
    let mut crc = crc32c::crc32c(body);

    let mut sizes = vec![0; 8 * (axes + usize::from(masked))];
    file.read_exact(&mut sizes)?;
    crc = crc32c::crc32c_append(crc, &sizes);
    let (sizes_of, _) = sizes.as_chunks::<8>();
    let sizes_of: Vec<u64> = sizes_of.iter().map(|size| u64::from_le_bytes(*size)).collect();
    let (shape, mask) = sizes_of.split_at(axes);
    let numbers = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
    let masks = mask.first().copied().unwrap_or(0);
    let bytes = numbers.and_then(|numbers| numbers.checked_add(masks)?.checked_mul(4));
    // Before memory is allocated: a damaged size could be as large as all of it.
    let expected = bytes.and_then(|bytes| bytes.checked_add((HEADER + sizes.len()) as u64));
    let (Some(numbers), Some(bytes)) = (numbers, bytes) else {
        return Err(damaged("its shape makes no sense"));
    };
    if expected != Some(file.metadata()?.len()) {
        return Err(damaged("it is not as long as its header says"));
    }
    let mut values = vec![0; bytes as usize];
    file.read_exact(&mut values)?;
    if crc32c::crc32c_append(crc, &values).to_le_bytes() != *checksum {
        return Err(damaged("its checksum is wrong"));
    }
    // In a cache that is not ours to write, age does not matter either.
    let _ = file.set_modified(SystemTime::now());

    let (words, _) = values.as_chunks::<4>();
    let (data, mask) = words.split_at(numbers as usize);
    Ok(Features {
        data: data.iter().map(|x| f32::from_le_bytes(*x)).collect(),
        shape: shape.iter().map(|&size| size as usize).collect(),
        is_longer: (is_longer > 0).then_some(is_longer == 2),
        attention_mask: (masked == 1).then(|| mask.iter().map(|x| i32::from_le_bytes(*x)).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(samples: usize, seed: f32) -> Features {
        Features {
            data: (0..samples).map(|i| seed + i as f32 * 0.1).collect(),
            shape: vec![samples],
            is_longer: None,
            attention_mask: None,
        }
    }

    fn key(name: &str) -> Key {
        Key::new(&[7; 32], name, "settings")
    }

    /// Bytes of the file of `features(samples, _)`.
    fn file_bytes(samples: usize) -> u64 {
        (HEADER + 8 + 4 * samples) as u64
    }

    fn path(dir: &Path, name: &str) -> PathBuf {
        dir.join("features").join(key(name).path())
    }

    fn age(path: &Path, hours: u64) {
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn what_goes_in_comes_out_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let odd = [f32::MIN_POSITIVE / 2.0, -0.0, 1.0, f32::MAX, f32::NEG_INFINITY, 3.0e-8];
        for (shape, is_longer, attention_mask) in [
            (vec![6], None, None),
            (vec![2, 3], Some(false), Some(vec![1, 0, -7])),
            (vec![1, 3, 2], Some(true), Some(vec![])),
        ] {
            let given = Features { data: odd.to_vec(), shape, is_longer, attention_mask };
            let cache = Cache::new(dir.path(), Cache::LIMIT);
            let key = key(&format!("{:?}", given.shape));
            assert!(cache.put(&key, &given, MayRemove::Yes));
            let got = cache.get(&key).unwrap();
            assert_eq!(got, given);
            assert!(got.data.iter().zip(odd).all(|(got, given)| got.to_bits() == given.to_bits()));
        }
    }

    #[test]
    fn a_key_changes_with_each_of_its_parts_and_with_where_they_end() {
        let keys = [
            Key::new(&[7; 32], "a", "b"),
            Key::new(&[8; 32], "a", "b"),
            Key::new(&[7; 32], "c", "b"),
            Key::new(&[7; 32], "a", "c"),
            Key::new(&[7; 32], "", "ba"),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    }

    #[test]
    fn a_file_cut_anywhere_or_with_any_byte_altered_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), Cache::LIMIT);
        let given = Features { attention_mask: Some(vec![1, 0]), ..features(4, 0.5) };
        assert!(cache.put(&key("a"), &given, MayRemove::Yes));
        let path = path(dir.path(), "a");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.get(&key("a")), None, "cut at {at}");
            let mut altered = whole.clone();
            altered[at] ^= 0x10;
            fs::write(&path, altered).unwrap();
            assert_eq!(cache.get(&key("a")), None, "altered at {at}");
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert_eq!(cache.get(&key("a")), None);
        assert!(cache.put(&key("a"), &given, MayRemove::Yes));
        assert_eq!(cache.get(&key("a")), Some(given));
        assert_eq!((cache.hits(), cache.misses()), (1, 2 * whole.len() as u64 + 1));
    }

    /// It lies where another clip's belongs, as after a careless copy.
    #[test]
    fn the_whole_file_of_another_clip_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), Cache::LIMIT);
        assert!(cache.put(&key("a"), &features(4, 0.5), MayRemove::Yes));
        let other = path(dir.path(), "b");
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::copy(path(dir.path(), "a"), other).unwrap();
        assert_eq!(cache.get(&key("b")), None);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_the_limit_holds() {
        let dir = tempfile::tempdir().unwrap();
        let limit = 4 * file_bytes(100);
        let before = Cache::new(dir.path(), limit);
        for (name, hours) in [("a", 4), ("b", 3), ("c", 2), ("d", 1)] {
            assert!(before.put(&key(name), &features(100, 0.0), MayRemove::Yes));
            age(&path(dir.path(), name), hours);
        }
        let now = Cache::new(dir.path(), limit);
        assert!(now.get(&key("a")).is_some()); // The oldest, but used just now.
        assert!(!now.put(&key("e"), &features(100, 0.0), MayRemove::No));
        for name in ["b", "c", "d"] {
            assert!(path(dir.path(), name).exists(), "{name} went before all clips were looked up");
        }
        assert!(now.put(&key("e"), &features(100, 0.0), MayRemove::Yes));
        let left = |name: &str| path(dir.path(), name).exists();
        assert_eq!(["a", "b", "c", "d", "e"].map(left), [true, false, true, true, true]);
        let total: u64 = files(&dir.path().join("features")).iter().map(|file| file.bytes).sum();
        assert!(total <= limit, "{total}");
    }

    #[test]
    fn nothing_this_run_uses_is_removed_for_more_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 3 * file_bytes(100));
        let kept: Vec<usize> = (0..10)
            .filter(|clip| cache.put(&key(&clip.to_string()), &features(100, 0.0), MayRemove::Yes))
            .collect();
        assert_eq!(kept, [0, 1, 2]);
        for clip in kept {
            assert!(cache.get(&key(&clip.to_string())).is_some());
        }
    }

    #[test]
    fn nothing_is_removed_for_what_would_not_fit_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let limit = 2 * file_bytes(100);
        assert!(Cache::new(dir.path(), limit).put(&key("old"), &features(100, 0.0), MayRemove::Yes));
        assert!(!Cache::new(dir.path(), limit).put(&key("huge"), &features(300, 0.0), MayRemove::Yes));
        assert!(path(dir.path(), "old").exists());
    }

    #[test]
    fn what_a_killed_process_left_unfinished_is_cleared_away_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("features").join("ab");
        fs::create_dir_all(&folder).unwrap();
        for (name, hours) in [("old", 30), ("new", 0)] {
            let file = folder.join(format!("{UNFINISHED}{name}"));
            fs::write(&file, "half").unwrap();
            age(&file, hours);
        }
        assert!(Cache::new(dir.path(), 1000).put(&key("a"), &features(1, 0.0), MayRemove::No));
        let left = |name: &str| folder.join(format!("{UNFINISHED}{name}")).exists();
        assert_eq!(["old", "new"].map(left), [false, true]);
    }

    #[test]
    fn a_cache_that_cannot_be_written_keeps_nothing_and_does_not_mind() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let cache = Cache::new(&file, Cache::LIMIT);
        assert!(!cache.put(&key("a"), &features(4, 0.0), MayRemove::Yes));
        assert_eq!(cache.get(&key("a")), None);
    }

    #[test]
    fn the_user_names_the_folder_or_the_system_does() {
        let dir = |variables: &[(&str, &str)], home: Option<&str>| {
            let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
            user_dir(get, home.map(PathBuf::from))
        };
        let (own, xdg) = (("EARMARK_CACHE", "own"), ("XDG_CACHE_HOME", "/xdg"));
        assert_eq!(dir(&[own, xdg], Some("/home/ada")), Some("own".into()));
        assert_eq!(dir(&[("EARMARK_CACHE", ""), xdg], Some("/home/ada")), Some("/xdg/earmark".into()));
        assert_eq!(
            dir(&[("XDG_CACHE_HOME", "xdg")], Some("/home/ada")),
            Some("/home/ada/.cache/earmark".into())
        );
        assert_eq!(dir(&[], None), None);
    }
}
