//! What one PATH of a command names.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use earmark_audio::RecordingTime;
use serde::{Deserialize, Serialize};

/// One sound to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    File(PathBuf),
    Url(String),
    Stdin,
}

impl Input {
    /// What one PATH names by itself. Whether a file is there shows when its turn comes: one missing file should not stop
    /// a thousand others.
    pub(crate) fn new(path: &OsStr) -> Input {
        match path.to_str() {
            Some("-") => Input::Stdin,
            Some(url) if is_url(url) => Input::Url(url.to_owned()),
            _ => Input::File(path.into()),
        }
    }

    /// The file as it is now.
    pub(crate) fn stamp(&self) -> Option<FileStamp> {
        match self {
            Input::File(path) => FileStamp::of(path),
            Input::Url(_) | Input::Stdin => None,
        }
    }

    /// When it was recorded, as its metadata or its name states it. What cannot be read has none: decoding reports why.
    pub(crate) fn recording_time(&self) -> Option<RecordingTime> {
        match self {
            Input::File(path) => RecordingTime::of_file(path).ok().flatten(),
            Input::Url(url) => RecordingTime::of_name(url.split(['?', '#']).next()?),
            Input::Stdin => None,
        }
    }

    /// What messages call it: an address without what may be a password or a signature.
    pub(crate) fn shown(&self) -> String {
        match self {
            Input::Url(url) => earmark_hub::redacted(url),
            Input::File(_) | Input::Stdin => self.name(),
        }
    }

    /// What the results call it. No two files have the same name.
    pub(crate) fn name(&self) -> String {
        match self {
            Input::File(path) => earmark_fs::text(path),
            Input::Url(url) => url.clone(),
            Input::Stdin => "-".to_owned(),
        }
    }

    /// `error` with the name of this input, which the model does not know.
    pub(crate) fn name_in(&self, error: earmark_pipeline::Error) -> earmark_pipeline::Error {
        error.about(&format!("`{}`", self.shown()))
    }

    /// The start of a message about an input that cannot be scored.
    pub(crate) fn cannot_use(&self) -> String {
        format!("cannot use `{}`", self.shown())
    }
}

/// Whether it begins with http:// or https://, in upper or lower case.
fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

/// Size and time of a file when it was read: where one of them differs, the file was changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileStamp {
    pub(crate) bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub(crate) modified: u64,
}

impl FileStamp {
    /// `None` where there is no file.
    fn of(path: &Path) -> Option<FileStamp> {
        let file = fs::metadata(path).ok()?;
        let since = file.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(FileStamp { bytes: file.len(), modified: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) })
    }
}
