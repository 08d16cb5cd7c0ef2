use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use earmark_error::{Attempt, reason};

/// A sound that could not be read or written: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.kind.headline(&self.origin))]
#[non_exhaustive]
pub struct Error {
    /// Where the bytes came from, or were going.
    pub origin: Origin,
    /// What was wrong with them.
    #[source]
    pub kind: ErrorKind,
}

/// Where a sound's bytes came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Bytes in memory or from a reader.
    Bytes,
}

/// The operation is to read the sound from there, or to write it there.
impl Attempt for Origin {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { origin: self, kind }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(f, "`{}`", earmark_fs::text(path)),
            Origin::Bytes => f.write_str("the sound"),
        }
    }
}

/// A string that is not one of the names of an option, as [`FromStr`](std::str::FromStr) returns it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown value `{found}`: expected one of {}", .expected.join(", "))]
#[non_exhaustive]
pub struct UnknownName {
    /// The string.
    pub found: String,
    /// The names it could have been.
    pub expected: Vec<&'static str>,
}

impl UnknownName {
    /// The value in `all` whose name, by `name`, is `text`.
    ///
    /// # Errors
    /// When there is none.
    pub fn find<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, UnknownName> {
        let unknown = || UnknownName {
            found: text.to_owned(),
            expected: all.iter().map(|&known| name(known)).collect(),
        };
        all.iter().copied().find(|&known| name(known) == text).ok_or_else(unknown)
    }
}

/// What was wrong with a sound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It has no samples.
    #[error("it contains no samples")]
    Empty,
    /// A float file contains NaN or an infinity, or channels whose sum overflows to one.
    #[error("sample {index}, at {:.3} s, is {value}, not a finite number", .at.as_secs_f64())]
    NotFinite {
        /// Position of the first such sample.
        index: usize,
        /// Its time.
        at: Duration,
        /// Its value: NaN or an infinity.
        value: f32,
    },
    /// The bytes could not be read.
    #[error("{}", reason(.0))]
    Read(#[source] io::Error),
    /// The file could not be written.
    #[error("{}", reason(.0))]
    Write(#[source] io::Error),
    /// It does not start like any container that this crate reads.
    #[error(
        "not a supported audio format (WAV, Wave64, AU, AIFF, CAF, FLAC, MP3, AAC, Ogg, MP4/M4A, Matroska/WebM)"
    )]
    Unrecognised,
    /// The container is supported, but its content is inconsistent or damaged.
    #[error("malformed: {reason}")]
    Malformed {
        /// The first problem found.
        reason: String,
    },
    /// The container is supported, but not the codec in it.
    #[error("{what} is not supported; convert it to WAV or FLAC")]
    Unsupported {
        /// The codec or variant.
        what: String,
    },
    /// It is a known kind of file without sound, such as a playlist.
    #[error("not a sound file but {what}")]
    NotSound {
        /// What it is.
        what: &'static str,
    },
    /// It decodes to more than [`DecodeOptions::max_duration`](crate::DecodeOptions::max_duration) allows.
    #[error("it is longer than the limit of {limit:?}")]
    TooLong {
        /// The limit.
        limit: Duration,
    },
    /// It decodes to more samples per byte than any recording, so it was made to exhaust memory.
    #[error(
        "it decodes to more than {minutes} minutes and more than {limit} samples per byte, which no real recording does"
    )]
    TooDense {
        /// The largest number of samples per byte; checked for files that decode to more than `minutes`.
        limit: u64,
        /// Minutes of mono sound at 48 kHz that are decoded without that check.
        minutes: u64,
    },
    /// A stream that cannot seek is held in memory, and this one is too large for that.
    #[error("the stream is longer than {limit} bytes; save it to a file first")]
    TooLarge {
        /// The largest stream that is held, in bytes.
        limit: u64,
    },
    /// The chosen downmix is not defined for this many channels.
    #[error("it has {channels} channels; only the downmix `mean` supports more than two")]
    Downmix {
        /// How many there are.
        channels: usize,
    },
    /// A decoder panicked: a bug in the decoder, worth reporting with the file.
    #[error("the decoder crashed: {message}")]
    Panicked {
        /// The panic message.
        message: String,
    },
}

impl ErrorKind {
    pub(crate) fn malformed(reason: impl Into<String>) -> ErrorKind {
        ErrorKind::Malformed { reason: reason.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> ErrorKind {
        ErrorKind::Unsupported { what: what.into() }
    }

    /// What an [`Error`] prints: the operation that failed, or the whole reason where a file cannot be read at all.
    fn headline(&self, origin: &Origin) -> String {
        match self {
            ErrorKind::Write(_) => format!("cannot write {origin}"),
            ErrorKind::Read(cause) => format!("{origin}: {}", reason(cause)),
            _ => format!("cannot decode {origin}"),
        }
    }
}
