use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use earmark_error::Attempt;

/// A sound that could not be read or written: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{} {origin}", self.kind.attempt())]
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

/// What is tried is to read the sound from there, or to write it there.
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
            Origin::Bytes => f.write_str("memory"),
        }
    }
}

/// A name that is none of those a choice has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is unknown: expected one of {}", .expected.join(", "))]
#[non_exhaustive]
pub struct UnknownName {
    /// The name.
    pub found: String,
    /// The names there are.
    pub expected: Vec<&'static str>,
}

impl UnknownName {
    /// The one of `all` that `name` calls `text`.
    ///
    /// # Errors
    /// When there is none: all their names.
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
    #[error("it holds no samples")]
    Empty,
    /// A float file holds NaN or infinity, or channels that add up to it.
    #[error("sample {index}, at {:.3} s, is {value}, not a finite number", .at.as_secs_f64())]
    NotFinite {
        /// Position of the first such sample.
        index: usize,
        /// The same in time.
        at: Duration,
        /// What it is: NaN or an infinity.
        value: f32,
    },
    /// The bytes could not be read.
    #[error("it could not be read")]
    Read(#[source] io::Error),
    /// The file could not be written.
    #[error("it could not be written")]
    Write(#[source] io::Error),
    /// No container this crate knows begins like this.
    #[error(
        "it is not in a known format (WAV, Wave64, AU, AIFF, CAF, FLAC, MP3, AAC, Ogg, MP4/M4A, Matroska/WebM)"
    )]
    Unrecognised,
    /// The container is known and contradicts itself.
    #[error("it is malformed: {reason}")]
    Malformed {
        /// The first contradiction.
        reason: String,
    },
    /// The container is known and holds something this crate has no decoder for.
    #[error("it cannot be decoded: {what}; convert it to WAV or FLAC")]
    Unsupported {
        /// The codec or variant.
        what: String,
    },
    /// It is a file of another kind.
    #[error("it is {what}")]
    NotSound {
        /// What it is.
        what: &'static str,
    },
    /// It decodes to more than [`DecodeOptions::max_duration`](crate::DecodeOptions::max_duration) allows.
    #[error("it decodes to more than {limit:?} of sound, which is the limit")]
    TooLong {
        /// The cap that was passed.
        limit: Duration,
    },
    /// It decodes to more samples per byte than any recording: it is made to fill the memory.
    #[error(
        "it decodes to more than {minutes} minutes and to more than {limit} samples a byte of it, which is the limit"
    )]
    TooDense {
        /// The most samples per byte; it holds for files that decode to more than `minutes`.
        limit: u64,
        /// The minutes, at 48 kHz.
        minutes: u64,
    },
    /// A stream that cannot be rewound is held in memory, and this one is too large for that.
    #[error("it streams more than {limit} bytes; save it to a file first")]
    TooLarge {
        /// The largest stream that is held.
        limit: u64,
    },
    /// The chosen down-mix is not defined for this many channels.
    #[error("it has {channels} channels, for which only the down-mix `mean` is defined")]
    Downmix {
        /// How many there are.
        channels: usize,
    },
    /// A decoder panicked: a bug of its own, worth a report with the file.
    #[error("the decoder gave up: {message}")]
    Panicked {
        /// What it said.
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

    fn attempt(&self) -> &'static str {
        match self {
            ErrorKind::Write(_) => "failed to write audio to",
            _ => "failed to read audio from",
        }
    }
}
