//! Errors: what was attempted ([`Subject`]), and why it failed ([`ErrorKind`]).

mod kind;

use std::fmt;
use std::io;
use std::path::Path;

use earmark_error::Attempt;

use crate::repo::Repo;

pub use kind::{ErrorKind, Missing};

/// A failure of the Hub, the network or the cache: what was attempted, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{subject}")]
#[non_exhaustive]
pub struct Error {
    /// What was attempted.
    pub subject: Subject,
    /// Why it failed.
    #[source]
    pub kind: Box<ErrorKind>,
}

/// What was attempted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// Setting up a [`Hub`](crate::Hub).
    Settings,
    /// Parsing a name; holds its start, escaped.
    Name(String),
    /// Fetching a file.
    File(Repo, String),
    /// Fetching several files of a repository, or their list.
    Repo(Repo),
    /// Uploading to a repository.
    Push(Repo),
    /// Looking up the token's user.
    Account,
    /// Fetching what is behind a web address, shown without what may be a password or a signature.
    Address(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Settings => f.write_str("cannot set up the Hub client"),
            Subject::Name(name) => write!(f, "cannot use the name `{name}`"),
            Subject::File(repo, file) => write!(f, "cannot fetch `{file}` of {repo}"),
            Subject::Repo(repo) => write!(f, "cannot fetch {repo}"),
            Subject::Push(repo) => write!(f, "cannot push to {repo}"),
            Subject::Account => f.write_str("cannot look up the user of the token"),
            Subject::Address(url) => write!(f, "cannot fetch `{url}`"),
        }
    }
}

impl Attempt for Subject {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { subject: self, kind: Box::new(kind) }
    }
}

/// Reading or writing this path of the cache, or of a download.
pub(crate) struct CachePath<'a>(pub(crate) &'a Path);

impl Attempt for CachePath<'_> {
    type Kind = io::Error;
    type Error = ErrorKind;

    fn failed(self, source: io::Error) -> ErrorKind {
        ErrorKind::Io { path: self.0.to_owned(), source }
    }
}

/// Reading this file, which is to be pushed.
pub(crate) struct PushedFile<'a>(pub(crate) &'a Path);

impl Attempt for PushedFile<'_> {
    type Kind = io::Error;
    type Error = ErrorKind;

    fn failed(self, source: io::Error) -> ErrorKind {
        ErrorKind::LocalFile { path: self.0.to_owned(), source }
    }
}
