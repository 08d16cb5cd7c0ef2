use std::fmt;
use std::path::PathBuf;

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name that no repository, revision or file can have.
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
    #[error("the token (HF_TOKEN, or the file that a login wrote) contains characters that no token has")]
    Token,
    /// No home folder, and no variable that names a cache.
    #[error("no home folder for the cache: set HF_HOME or HF_HUB_CACHE")]
    NoCacheDir,
    /// The HTTP client did not start.
    #[error("cannot start the HTTP client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Offline, and the file is not cached.
    #[error(
        "offline, and it is not in the cache at `{}`: download it once while online (offline mode and HF_HUB_OFFLINE off), \
         or use a local folder", cache_dir.display()
    )]
    Offline {
        /// The cache that was searched.
        cache_dir: PathBuf,
    },
    /// Offline, and it is a web address.
    #[error("offline: download it while online (offline mode and HF_HUB_OFFLINE off), and use the file")]
    OfflineAddress,
    /// No answer from a web address.
    #[error("no answer from {host}: check the address and the network")]
    AddressUnreachable {
        /// The host of the address.
        host: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A server without range requests.
    #[error("its server does not support range requests: download the whole file")]
    NoRanges,
    /// A web address that answers with an error.
    #[error("the server answered {status}: {}", address_advice(*status))]
    AddressStatus {
        /// The HTTP status.
        status: u16,
    },
    /// No answer.
    #[error(
        "no answer from {endpoint}: check the network; without one, use a local folder, \
         or HF_HUB_OFFLINE=1 with a filled cache"
    )]
    Unreachable {
        /// Where the request went.
        endpoint: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection ended before the file did.
    #[error("the connection to {server} broke after {received}{} bytes: try again", of(*expected))]
    Interrupted {
        /// Scheme, host and port of the server.
        server: String,
        /// Bytes received.
        received: u64,
        /// Length of the file, if known.
        expected: Option<u64>,
        /// What the HTTP client said.
        #[source]
        source: std::io::Error,
    },
    /// The server keeps the connection open but sends too slowly; see
    /// [`HubBuilder::min_rate`](crate::HubBuilder::min_rate).
    #[error("{server} is too slow, it sent only {bytes} bytes in {seconds:.1} seconds: try again")]
    TooSlow {
        /// Scheme, host and port of the server.
        server: String,
        /// Bytes received.
        bytes: u64,
        /// Time they took.
        seconds: f64,
    },
    /// An answer, or a part of one, above the limit on memory or disk for it.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, in bytes unless `what` says otherwise.
        limit: u64,
    },
    /// A redirect from https to plain http, which others can read and change, or to something that is no web address.
    #[error("it redirects from https to `{to}`: refused, as that is not secure")]
    InsecureRedirect {
        /// Scheme, host and port of the redirect.
        to: String,
    },
    /// More redirects than are followed.
    #[error("too many redirects")]
    TooManyRedirects,
    /// The repository is gated or private.
    #[error(
        "the Hub answered {status}, so it is gated or private: {}, and accept the licence \
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
    #[error("{what}: see {page}")]
    NotFound {
        /// Which of the three.
        what: Missing,
        /// The page to look at in a browser.
        page: String,
    },
    /// None of several files exists, of which one is needed.
    #[error("it has none of {}: see {page}", files.join(", "))]
    NoneOf {
        /// Those files.
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
    /// An answer that a Hub would not give.
    #[error("the answer for {url} has no valid {what}: check that HF_ENDPOINT is a Hugging Face Hub")]
    Malformed {
        /// What is missing or wrong.
        what: &'static str,
        /// What was asked for.
        url: String,
    },
    /// The download is longer or shorter than the Hub announced.
    #[error("received {received} bytes, but the Hub announced {expected}; nothing was kept, try again")]
    Length {
        /// Bytes received, or announced by the storage.
        received: u64,
        /// Length of the file.
        expected: u64,
    },
    /// The download has another SHA-256 than the Hub announced.
    #[error("its SHA-256 is {received}, but the Hub announced {expected}; nothing was kept, try again")]
    Checksum {
        /// SHA-256 of the download, hexadecimal.
        received: String,
        /// SHA-256 of the file, hexadecimal.
        expected: String,
    },
    /// The file changed since it was opened.
    #[error("it changed on the Hub while it was being read: start over")]
    Changed,
    /// A read beyond the end of the file.
    #[error("cannot read {wanted} bytes at byte {offset}: it has {len}")]
    OutOfRange {
        /// Start of the read.
        offset: u64,
        /// Length of the read.
        wanted: usize,
        /// The file's length.
        len: u64,
    },
    /// `model.safetensors.index.json` does not list shards.
    #[error("invalid list of shards: {why}")]
    Index {
        /// What is wrong with it.
        why: String,
    },
    /// A push while offline.
    #[error("offline: nothing was sent; try again while online (offline mode and HF_HUB_OFFLINE off)")]
    OfflinePush,
    /// No token for a call that needs one.
    #[error(
        "no token: make one at https://huggingface.co/settings/tokens and log in with `earmark login`, or set HF_TOKEN"
    )]
    NoToken,
    /// The Hub does not know the token.
    #[error(
        "the Hub rejected this token: make a new one at https://huggingface.co/settings/tokens, then `earmark login`"
    )]
    BadToken,
    /// The token may only read, or belongs to another user.
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
    /// The branch has a new commit since the push was prepared.
    #[error("the branch has a new commit since the push began, and nothing was committed: push again")]
    Conflict,
    /// No answer to a push.
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
        "the storage {server} answered {status} for `{file}`, and nothing was committed: push again; what it already has is \
         not sent twice"
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
        "the connection to {server} broke while `{file}` was sent, and nothing was committed: push again; what already \
         arrived is not sent twice"
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
    /// The storage keeps the connection open but receives too slowly; see
    /// [`HubBuilder::min_rate`](crate::HubBuilder::min_rate).
    #[error(
        "{server} is too slow, it received only {bytes} bytes of `{file}` in {seconds:.1} seconds, and nothing was committed: \
         push again; what already arrived is not sent twice"
    )]
    UploadTooSlow {
        /// Scheme, host and port of the storage.
        server: String,
        /// The file's path in the repository.
        file: String,
        /// Bytes sent.
        bytes: u64,
        /// Time they took.
        seconds: f64,
    },
    /// The Hub names an upload address that is not allowed.
    #[error("refused to send `{file}` to {address}, {why}; nothing was committed")]
    UploadAddress {
        /// The file's path in the repository.
        file: String,
        /// Scheme, host and port of the address.
        address: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The Hub names an upload header that would send the token to the storage.
    #[error("refused the header `{header}` that the Hub wants for `{file}`; nothing was committed")]
    UploadHeader {
        /// The file's path in the repository.
        file: String,
        /// The header's name.
        header: String,
    },
    /// After the push, the Hub holds other bytes than those that were sent.
    #[error("commit {commit} does not contain the `{file}` that was sent: push again")]
    PushMismatch {
        /// The file's path in the repository.
        file: String,
        /// The commit.
        commit: String,
    },
    /// A file to be sent cannot be read.
    #[error("cannot read `{}`", path.display())]
    LocalFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The cache could not be read or written.
    #[error("cannot use the cache at `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Which part of a file's name does not exist.
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
    /// Whether a cached copy may be used instead: the failure says nothing about the file, or only that it cannot be read now.
    pub(crate) fn allows_cached(&self) -> bool {
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
            | ErrorKind::TooManyRedirects => true,
            _ => false,
        }
    }

    /// The same for an upload, with advice that does not mention the cache.
    pub(crate) fn for_upload(self) -> ErrorKind {
        match self {
            ErrorKind::Unreachable { endpoint, source } => ErrorKind::NoAnswer { endpoint, source },
            other => other,
        }
    }

    /// Whether a later download can resume what came before this failure: the network failed, not the bytes or the disk.
    pub(crate) fn keeps_partial(&self) -> bool {
        matches!(
            self,
            ErrorKind::Interrupted { .. }
                | ErrorKind::TooSlow { .. }
                | ErrorKind::Unreachable { .. }
                | ErrorKind::AddressUnreachable { .. }
                | ErrorKind::Status { .. }
                | ErrorKind::AddressStatus { .. }
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
        true => "the token that was sent has no access, try another HF_TOKEN",
        false => "set HF_TOKEN",
    }
}

fn address_advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "it needs a login: download it by other means and use the file",
        404 | 410 => "there is nothing at this address",
        429 => "too many requests, wait a little",
        500.. => "the server has a problem, try again later",
        _ => "check the address",
    }
}

fn status_advice(status: u16) -> &'static str {
    match status {
        429 => "too many requests, wait a little or set HF_TOKEN",
        500.. => "the server has a problem, try again later",
        _ => "check HF_ENDPOINT",
    }
}
