use std::fmt;
use std::path::PathBuf;

use crate::repo::Repo;

/// Something the Hub, the network or the cache would not do: what was wanted, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{subject}")]
#[non_exhaustive]
pub struct Error {
    /// What was being done.
    pub subject: Subject,
    /// What went wrong.
    #[source]
    pub kind: Box<ErrorKind>,
}

impl Error {
    pub(crate) fn new(subject: Subject, kind: ErrorKind) -> Error {
        Error { subject, kind: Box::new(kind) }
    }
}

/// What was being done when it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// Setting up a [`Hub`](crate::Hub).
    Settings,
    /// Reading a name; the start of it, escaped.
    Name(String),
    /// Fetching a file.
    File(Repo, String),
    /// Fetching whichever files a repository has.
    Repo(Repo),
    /// Uploading to a repository.
    Push(Repo),
    /// Asking whose token it is.
    Account,
    /// Fetching what is behind a web address, shown without what may be a password or a signature.
    Address(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Settings => f.write_str("cannot set up the Hub"),
            Subject::Name(name) => write!(f, "cannot use the name `{name}`"),
            Subject::File(repo, file) => write!(f, "cannot fetch `{file}` of {repo}"),
            Subject::Repo(repo) => write!(f, "cannot fetch {repo}"),
            Subject::Push(repo) => write!(f, "cannot push to {repo}"),
            Subject::Account => f.write_str("cannot tell whose token this is"),
            Subject::Address(url) => write!(f, "cannot fetch `{url}`"),
        }
    }
}

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A repository, revision or file cannot be called that.
    #[error("not a {what}: {why}")]
    Name {
        /// What the name was meant for.
        what: &'static str,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The endpoint is not the address of a Hub.
    #[error("the endpoint (HF_ENDPOINT) must look like `https://huggingface.co`: {why}")]
    Endpoint {
        /// The rule it breaks. The address is not repeated: it may hold a password.
        why: String,
    },
    /// The token cannot be sent.
    #[error("the token (HF_TOKEN, or the file `huggingface-cli login` wrote) holds characters no token has")]
    Token,
    /// Nothing says where the cache is.
    #[error("there is no home folder to keep the cache in: set HF_HOME or HF_HUB_CACHE")]
    NoCacheDir,
    /// The HTTP client did not start.
    #[error("the HTTP client did not start")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Offline, and the file is not cached.
    #[error(
        "offline, and the cache at `{}` does not hold it: fetch it once while online (without --offline and HF_HUB_OFFLINE), \
         or use a folder that is here", cache_dir.display()
    )]
    Offline {
        /// The cache that was searched.
        cache_dir: PathBuf,
    },
    /// Offline, and it lies on the web.
    #[error("offline: download it while online (without --offline and HF_HUB_OFFLINE), and name the file")]
    OfflineAddress,
    /// No answer from a web address.
    #[error("no answer from {host}: check the address and the network")]
    AddressUnreachable {
        /// Whom the request went to.
        host: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A server that only gives whole files.
    #[error("its server does not give parts of files: fetch it whole")]
    NoRanges,
    /// A web address that does not give its file.
    #[error("the server answered {status}: {}", address_advice(*status))]
    AddressStatus {
        /// The HTTP status.
        status: u16,
    },
    /// No answer.
    #[error(
        "no answer from {endpoint}: check the network; without one, use a folder that is here, \
         or HF_HUB_OFFLINE=1 with a warm cache"
    )]
    Unreachable {
        /// Where the request went.
        endpoint: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection ended before the file did.
    #[error("the connection to {server} was cut after {received}{} bytes: try again", of(*expected))]
    Interrupted {
        /// Scheme, host and port of who sent it.
        server: String,
        /// Bytes that came.
        received: u64,
        /// Bytes there should be, if that is known.
        expected: Option<u64>,
        /// What the HTTP client said.
        #[source]
        source: std::io::Error,
    },
    /// The other side keeps the connection open and sends next to nothing; see
    /// [`HubBuilder::least_rate`](crate::HubBuilder::least_rate).
    #[error("{server} sent only {bytes} bytes in {seconds:.1} seconds, so it was given up on: try again")]
    TooSlow {
        /// Scheme, host and port of who sent it.
        server: String,
        /// Bytes that came.
        bytes: u64,
        /// In what time.
        seconds: f64,
    },
    /// An answer, or a part of it, that would take more memory or disk than it can need.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, in bytes unless `what` says otherwise.
        limit: u64,
    },
    /// A redirect from https to a connection that anybody on the way can read and change, or to what is no web address.
    #[error("it is redirected to `{to}`: refused, as what comes from there could be anybody's")]
    InsecureRedirect {
        /// Scheme, host and port it leads to.
        to: String,
    },
    /// A redirect after the last one that is followed.
    #[error("it leads from one address to the next without an end")]
    Redirects,
    /// The repository is gated or private.
    #[error(
        "the Hub answered {status}, so this is gated or private: {}, and accept the licence \
         if {page} asks for it", token_advice(*token_sent)
    )]
    AccessDenied {
        /// 401 or 403.
        status: u16,
        /// The page to look at in a browser.
        page: String,
        /// Whether a token was sent.
        token_sent: bool,
    },
    /// There is no such repository, revision or file.
    #[error("{what}: compare with {page}")]
    NotFound {
        /// Which of the three.
        what: Missing,
        /// The page to look at in a browser.
        page: String,
    },
    /// None of the files that would do exists.
    #[error("it has none of {}: compare with {page}", files.join(", "))]
    NoneOf {
        /// What would have done.
        files: Vec<String>,
        /// The page to look at in a browser.
        page: String,
    },
    /// Any other refusal.
    #[error("the Hub answered {status} for {url}: {}", status_advice(*status))]
    Status {
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        url: String,
    },
    /// The answer is not one a Hub gives.
    #[error("the answer for {url} has no usable {what}: is HF_ENDPOINT a Hugging Face Hub?")]
    Malformed {
        /// What is missing or wrong.
        what: &'static str,
        /// What was asked for.
        url: String,
    },
    /// The file is longer or shorter than the Hub said.
    #[error("{received} bytes came where the Hub promised {expected}; nothing was kept, try again")]
    Length {
        /// Bytes that came, or were announced.
        received: u64,
        /// Bytes the file has.
        expected: u64,
    },
    /// The file is not the one the Hub has.
    #[error("its SHA-256 is {received} where the Hub promised {expected}; nothing was kept, try again")]
    Checksum {
        /// SHA-256 of what came, hexadecimal.
        received: String,
        /// SHA-256 of the file, hexadecimal.
        expected: String,
    },
    /// The file is not the one that was opened.
    #[error("it changed on the Hub while it was read: start over")]
    Changed,
    /// A read beyond the end.
    #[error("it has {len} bytes, so there are no {wanted} at byte {offset}")]
    PastTheEnd {
        /// Where the read began.
        offset: u64,
        /// How much it wanted.
        wanted: usize,
        /// The file's length.
        len: u64,
    },
    /// `model.safetensors.index.json` does not list shards.
    #[error("it does not list the shards: {why}")]
    Index {
        /// What is wrong with it.
        why: String,
    },
    /// Offline, and something should be sent.
    #[error("offline: nothing was sent; do it while online (without --offline and HF_HUB_OFFLINE)")]
    OfflinePush,
    /// No token, and something needs one.
    #[error(
        "there is no token: `earmark login` keeps one (make it at https://huggingface.co/settings/tokens), or set HF_TOKEN"
    )]
    NoToken,
    /// The Hub does not know the token.
    #[error(
        "the Hub does not take this token: make another at https://huggingface.co/settings/tokens, then `earmark login`"
    )]
    BadToken,
    /// The token may read, or belongs to somebody else.
    #[error(
        "the Hub answered {status}: the token may not write to {page}; check the name, and `earmark login` with a token \
         whose role is write"
    )]
    NoWriteAccess {
        /// 401 or 403.
        status: u16,
        /// The page to look at in a browser.
        page: String,
    },
    /// The branch is no longer what the push was prepared for.
    #[error("somebody else committed meanwhile, and nothing of this push was: push again")]
    MovedOn,
    /// No answer while something was sent, or was to be.
    #[error("no answer from {endpoint}: check the network and try again")]
    NoAnswer {
        /// Where the request went.
        endpoint: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A refusal with a reason.
    #[error("the Hub answered {status} for {page}: {message}")]
    PushRefused {
        /// The HTTP status.
        status: u16,
        /// The page to look at in a browser.
        page: String,
        /// What the Hub said, shortened.
        message: String,
    },
    /// The storage did not take a file.
    #[error(
        "the storage {server} answered {status} for `{file}`, and nothing was committed: push again, what it took already \
         is not sent twice"
    )]
    Upload {
        /// Scheme, host and port of the storage.
        server: String,
        /// The HTTP status.
        status: u16,
        /// The file's path in the repository.
        file: String,
    },
    /// The connection to the storage broke.
    #[error(
        "the connection to {server} broke while `{file}` was sent, and nothing was committed: push again, what arrived \
         already is not sent twice"
    )]
    UploadCut {
        /// Scheme, host and port of the storage.
        server: String,
        /// The file's path in the repository.
        file: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The storage keeps the connection open and takes next to nothing; see
    /// [`HubBuilder::least_rate`](crate::HubBuilder::least_rate).
    #[error(
        "{server} took only {bytes} bytes of `{file}` in {seconds:.1} seconds, so it was given up on, and nothing was \
         committed: push again, what arrived already is not sent twice"
    )]
    UploadTooSlow {
        /// Scheme, host and port of the storage.
        server: String,
        /// The file's path in the repository.
        file: String,
        /// Bytes that went.
        bytes: u64,
        /// In what time.
        seconds: f64,
    },
    /// The Hub names an address for a file that no file is sent to.
    #[error("the Hub would have `{file}` sent to {address}, {why}: refused, and nothing was committed")]
    UploadAddress {
        /// The file's path in the repository.
        file: String,
        /// Scheme, host and port of the address.
        address: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The Hub names headers for an upload that would send the token to the storage, or break the request.
    #[error(
        "the Hub would have `{file}` sent with the header `{header}`: refused, and nothing was committed"
    )]
    UploadHeader {
        /// The file's path in the repository.
        file: String,
        /// The header's name.
        header: String,
    },
    /// The Hub holds something else than what was sent.
    #[error("commit {commit} does not hold the `{file}` that was sent: push again")]
    PushDiffers {
        /// The file's path in the repository.
        file: String,
        /// The commit.
        commit: String,
    },
    /// A file to be sent cannot be read.
    #[error("`{}` cannot be read", path.display())]
    LocalFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The cache could not be read or written.
    #[error("the cache could not be used at `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Which part of a name the Hub does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The repository.
    Repo,
    /// The revision.
    Revision,
    /// The file.
    File,
    /// The Hub did not say.
    Unknown,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Repo => "no such repository (or a private one: set HF_TOKEN)",
            Missing::Revision => "the repository has no such revision",
            Missing::File => "the revision has no such file",
            Missing::Unknown => "no such repository, revision or file",
        })
    }
}

impl ErrorKind {
    /// Whether a cached copy still stands: nothing was learnt about the file, or only that it cannot be read
    /// now.
    pub(crate) fn spares_the_cache(&self) -> bool {
        match self {
            ErrorKind::NotFound { what, .. } => *what == Missing::Repo,
            ErrorKind::Unreachable { .. }
            | ErrorKind::AccessDenied { .. }
            | ErrorKind::Status { .. }
            | ErrorKind::Malformed { .. }
            | ErrorKind::Interrupted { .. }
            | ErrorKind::TooSlow { .. }
            | ErrorKind::TooLarge { .. }
            | ErrorKind::InsecureRedirect { .. }
            | ErrorKind::Redirects => true,
            _ => false,
        }
    }

    /// The same with the advice for somebody who sends: a warm cache would not help.
    pub(crate) fn of_writing(self) -> ErrorKind {
        match self {
            ErrorKind::Unreachable { endpoint, source } => ErrorKind::NoAnswer { endpoint, source },
            other => other,
        }
    }

    /// Whether what came before a failure is worth going on from: the network failed, not the bytes or the disk.
    pub(crate) fn spares_the_download(&self) -> bool {
        matches!(
            self,
            ErrorKind::Interrupted { .. }
                | ErrorKind::TooSlow { .. }
                | ErrorKind::Unreachable { .. }
                | ErrorKind::Status { .. }
        )
    }

    /// Whether the file, rather than its repository or revision, is what is missing.
    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, ErrorKind::NotFound { what: Missing::File | Missing::Unknown, .. })
    }
}

fn of(expected: Option<u64>) -> String {
    expected.map(|bytes| format!(" of {bytes}")).unwrap_or_default()
}

fn token_advice(token_sent: bool) -> &'static str {
    match token_sent {
        true => "the token that was sent may not read it, try another HF_TOKEN",
        false => "set HF_TOKEN",
    }
}

fn address_advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "it wants a login, so download it by other means and name the file",
        404 | 410 => "there is nothing at this address",
        429 => "too many requests, wait a little",
        500.. => "the server is in trouble, try again later",
        _ => "check the address",
    }
}

fn status_advice(status: u16) -> &'static str {
    match status {
        429 => "too many requests, wait a little or set HF_TOKEN",
        500.. => "the server is in trouble, try again later",
        _ => "check HF_ENDPOINT",
    }
}
