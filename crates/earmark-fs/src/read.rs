//! Reading paths that may name anything: a FIFO without a writer, `/dev/zero`, a gigabyte instead of a kilobyte.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

/// First line of a Git LFS pointer, which stands in for a large file.
const LFS_POINTER: &str = "version https://git-lfs.github.com/spec/v1";
/// Maximum size of a pointer, by its specification.
const LFS_POINTER_SIZE: u64 = 1024;

/// Opens a regular file for reading.
///
/// # Errors
///
/// Those of the system; `InvalidInput` for anything but a regular file, as opening a FIFO would wait for a writer and a device
/// such as `/dev/zero` has no end; `InvalidData` for a Git LFS pointer, which stands for a file that was not downloaded.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Opening a FIFO then returns at once. Regular files are read as usual.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_file() {
        if metadata.len() <= LFS_POINTER_SIZE {
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
/// Those of [`open`] and of reading; `FileTooLarge`, whose message names the limit.
pub fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    // The file may grow meanwhile, and files below /proc have length 0.
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
/// Those of [`read`]; `InvalidData` if it is not UTF-8.
pub fn read_to_string(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 from byte {at} on"))
    })
}

/// Fails on a Git LFS pointer. Leaves the file at its beginning.
fn refuse_lfs_pointer(file: &mut File) -> io::Result<()> {
    let mut text = Vec::new();
    file.by_ref().take(LFS_POINTER_SIZE).read_to_end(&mut text)?;
    file.rewind()?;
    if !text.starts_with(LFS_POINTER.as_bytes()) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&text);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
    let size = size.map_or(String::new(), |size| format!(" ({size} bytes)"));
    let why = format!("it is a Git LFS pointer, not the file itself{size}; run `git lfs pull` to get it");
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than the limit of {limit} bytes"))
}
