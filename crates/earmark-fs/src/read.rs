//! Reading files that may be anything: a FIFO that never answers, `/dev/zero`, a gigabyte where a kilobyte is expected.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

/// The first line of what Git LFS leaves where a large file should be.
const LFS_POINTER: &str = "version https://git-lfs.github.com/spec/v1";
/// The most bytes that such a file has, by its specification.
const LFS_POINTER_MOST: u64 = 1024;

/// Opens a regular file for reading.
///
/// # Errors
///
/// Those of the system, and `InvalidInput` for what is no regular file: opening a FIFO would wait for its writer for ever,
/// and a device such as `/dev/zero` has no end. `InvalidData` for a Git LFS pointer, which stands for a file that was not
/// fetched.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Opening a FIFO returns at once; reading regular files is not changed by it.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_file() {
        if metadata.len() <= LFS_POINTER_MOST {
            refuse_lfs_pointer(&mut file)?;
        }
        return Ok(file);
    }
    let what = if kind.is_dir() { "it is a folder, not a file" } else { "it is not a regular file" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// Those of [`open`] and of reading, and `FileTooLarge`, which says the limit.
pub fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    // The file may grow meanwhile, and those below /proc say that they are empty.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

/// Reads a regular file of at most `limit` bytes that must be UTF-8.
///
/// # Errors
///
/// Those of [`read`], and `InvalidData` for what is not UTF-8.
pub fn read_to_string(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 from byte {at} on"))
    })
}

/// Leaves the file at its beginning.
fn refuse_lfs_pointer(file: &mut File) -> io::Result<()> {
    let mut text = Vec::new();
    file.by_ref().take(LFS_POINTER_MOST).read_to_end(&mut text)?;
    file.rewind()?;
    if !text.starts_with(LFS_POINTER.as_bytes()) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&text);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
    let size = size.map_or(String::new(), |size| format!(" of {size} bytes"));
    let why = format!("it is a Git LFS pointer and not the file{size} itself, which `git lfs pull` fetches");
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than the limit of {limit} bytes"))
}
