//! All that a [`Hub`] does, each in a line or two: the work is in the rooms.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_error::{Attempt as _, Context as _};
use reqwest::Url;

use crate::api::tree::RemoteFile;
use crate::cache::layout::RepoCache;
use crate::config::{HubBuilder, parse_endpoint};
use crate::download::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Subject};
use crate::http::client::Http;
use crate::progress::Progress;
use crate::push::account::Account;
use crate::push::request::{Push, Pushed};
use crate::ranges::file::HubFile;
use crate::repo::{FileName, Repo};
use crate::web::address::redacted;
use crate::web::body::Body;
use crate::web::file::WebFile;
use crate::xet::session::Xet;

/// A Hugging Face Hub: an endpoint, a local cache and an optional token.
///
/// Calls block. They may be made on any thread, those of an async runtime included.
pub struct Hub {
    pub(crate) endpoint: Url,
    pub(crate) cache_dir: PathBuf,
    /// `None` offline, so that no code path can open a socket.
    pub(crate) http: Option<Arc<Http>>,
    pub(crate) progress: Option<Arc<dyn Progress>>,
    pub(crate) xet: Xet,
}

impl Hub {
    /// The Hub of this environment, see [`HubBuilder::from_env`].
    ///
    /// # Errors
    /// When a variable is invalid: an endpoint that is not a URL, a token that cannot be a header; or there is no home folder.
    pub fn from_env() -> Result<Hub, Error> {
        HubBuilder::from_env()?.build()
    }

    /// The public Hub without a token, whatever the environment says.
    pub fn builder(cache_dir: impl Into<PathBuf>) -> HubBuilder {
        HubBuilder::new(cache_dir.into())
    }

    /// The folder that holds `models--owner--name` folders.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// Whether it is offline, and so never opens a socket.
    pub fn is_offline(&self) -> bool {
        self.http.is_none()
    }

    /// Fetches one file and returns its path in the cache.
    ///
    /// Online, a branch or tag is looked up each time, and a file that changed is downloaded again; without an answer, the
    /// cached file is used. The files of a commit cannot change, so a cached one opens no socket.
    ///
    /// # Errors
    /// A file name that leaves the repository, no such file, no access, no network and no cached copy, bytes that differ from
    /// the metadata, or a cache that cannot be written. After an error the cache holds no wrong file.
    pub fn fetch(&self, repo: &Repo, file: &str) -> Result<PathBuf, Error> {
        let name = FileName::new(file)?;
        let cached = self.locate(repo, name)?;
        RepoCache::new(&self.cache_dir, repo).write_ref(&repo.revision, &cached.commit);
        Ok(cached.path)
    }

    /// Fetches the first of `files` that exists. Returns its index in `files` and its path in the cache.
    ///
    /// # Errors
    /// As for [`Hub::fetch`], or none of them exists.
    pub fn fetch_first(&self, repo: &Repo, files: &[&str]) -> Result<(usize, PathBuf), Error> {
        self.fetch_first_of(repo, files)
    }

    /// Fetches a model, all of it from one commit.
    ///
    /// That is `config.json`; `processor_config.json` and `preprocessor_config.json` if they exist; and the weights:
    /// `model.safetensors` or `pytorch_model.bin`, or the index of either with the shards that it lists, the first that exists.
    ///
    /// # Errors
    /// As for [`Hub::fetch`], no weights in any of these forms, or an index that lists no shards.
    pub fn fetch_model(&self, repo: &Repo) -> Result<Snapshot, Error> {
        self.model(repo, |_| &[])
    }

    /// As [`fetch_model`](Hub::fetch_model), and before the weights the files that `needed` names when it is shown the folder with
    /// `config.json`: a tokenizer, say.
    ///
    /// # Errors
    /// As for [`Hub::fetch_model`], or one of these files does not exist.
    pub fn fetch_model_with(
        &self,
        repo: &Repo,
        needed: impl FnOnce(&Path) -> &'static [&'static str],
    ) -> Result<Snapshot, Error> {
        self.model(repo, needed)
    }

    /// Fetches the configuration of the feature extractor: `processor_config.json` and `preprocessor_config.json`, as far as
    /// they exist.
    ///
    /// # Errors
    /// As for [`Hub::fetch`], except files that do not exist or, offline, are not in the cache.
    pub fn fetch_extractor(&self, repo: &Repo) -> Result<(), Error> {
        self.extractor(repo)
    }

    /// Fetches a file that a repository need not have: `None` where it does not exist or, offline, is not in the cache.
    ///
    /// # Errors
    /// As for [`Hub::fetch`], all others.
    pub fn fetch_optional(&self, repo: &Repo, file: &str) -> Result<Option<PathBuf>, Error> {
        self.optional(repo, file)
    }

    /// Fetches every file for which `wanted` is true, all of one commit.
    ///
    /// # Errors
    /// As [`Hub::list`] and [`Hub::fetch`]. Files that were fetched before the error stay in the cache.
    pub fn fetch_all(&self, repo: &Repo, wanted: impl Fn(&RemoteFile) -> bool) -> Result<Snapshot, Error> {
        self.fetch_all_of(repo, wanted)
    }

    /// Every file of the revision, sorted by path, all of one commit.
    ///
    /// The list of a commit is kept in the cache, so it is requested once and known offline. Offline and without such a list,
    /// these are the files of the commit that are in the cache.
    ///
    /// # Errors
    /// As [`Hub::pin`], or an answer that is not a list of files.
    pub fn list(&self, repo: &Repo) -> Result<Vec<RemoteFile>, Error> {
        self.try_list(repo).with_context(|| Subject::Repo(repo.clone()))
    }

    /// The same repository at the current commit of its revision, so that all files read from it belong together.
    ///
    /// Offline, or without an answer, that is the last known commit.
    ///
    /// # Errors
    /// No such repository or revision, no access, or no answer and no known commit.
    pub fn pin(&self, repo: &Repo) -> Result<Repo, Error> {
        let commit = self.head_commit(repo).with_context(|| Subject::Repo(repo.clone()))?;
        Ok(repo.at(commit.as_revision()))
    }

    /// Opens a file to read parts of it.
    ///
    /// # Errors
    /// As [`Hub::fetch`]; offline, a file that is not in the cache.
    pub fn open_file(&self, repo: &Repo, file: &str) -> Result<HubFile, Error> {
        let name = FileName::new(file)?;
        let subject = Subject::File(repo.clone(), file.to_owned());
        match self.try_open(repo, name) {
            Ok((len, source)) => Ok(HubFile { subject, len, source }),
            Err(kind) => Err(subject.failed(kind)),
        }
    }

    /// Requests an `http` or `https` address. It caches nothing and sends no token, as the address may lead anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::Offline`] when offline; an invalid address, no answer, or a status other than success.
    pub fn open_url(&self, url: &str) -> Result<Body, Error> {
        self.try_open_url(url).with_context(|| Subject::Address(redacted(url)))
    }

    /// Opens the file at an `http` or `https` address to read parts of it. It caches nothing and sends no token.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a server without range requests.
    pub fn open_url_file(&self, url: &str) -> Result<WebFile, Error> {
        self.try_open_url_file(url).with_context(|| Subject::Address(redacted(url)))
    }

    /// Downloads the file at an `http` or `https` address to `target`, atomically. A download that was interrupted is resumed if
    /// `sha256` will tell whether its halves fit.
    ///
    /// # Errors
    /// As [`open_url`](Hub::open_url); a body that is cut, or has another SHA-256 than `sha256`.
    pub fn fetch_url(&self, url: &str, sha256: Option<&str>, target: &Path) -> Result<(), Error> {
        self.try_fetch_url(url, sha256, target).with_context(|| Subject::Address(redacted(url)))
    }

    /// Uploads files in one commit, and compares what the Hub then holds with what was sent.
    ///
    /// Files that the Hub has already are not sent, so a push that failed can simply be repeated; if nothing differs, no commit
    /// is made. A commit happens as a whole or not at all.
    ///
    /// # Errors
    /// Offline or no token, before anything is sent; a file that cannot be read; a token that may not write, no answer, or
    /// a refusal; another commit meanwhile; a Hub that holds other bytes afterwards.
    pub fn push(&self, push: &Push) -> Result<Pushed, Error> {
        for (path, _) in &push.files {
            FileName::new(path)?;
        }
        self.try_push(push).map_err(ErrorKind::for_upload).with_context(|| Subject::Push(push.repo.clone()))
    }

    /// Looks up the token's user.
    ///
    /// # Errors
    /// Offline, no token, one that is not valid, or no answer.
    pub fn whoami(&self) -> Result<Account, Error> {
        self.try_whoami().map_err(ErrorKind::for_upload).context(Subject::Account)
    }
}

impl HubBuilder {
    /// The Hub with these settings. This sends nothing and creates no folder.
    ///
    /// # Errors
    /// When the endpoint is not a URL, the token cannot be a header, or the HTTP client does not start.
    pub fn build(self) -> Result<Hub, Error> {
        let endpoint = parse_endpoint(&self.endpoint).context(Subject::Settings)?;
        let http = if self.offline {
            None
        } else {
            Some(Arc::new(Http::new(self.token, self.timeouts).context(Subject::Settings)?))
        };
        Ok(Hub {
            xet: Xet::new(
                self.xet_cache.unwrap_or_else(|| self.cache_dir.with_file_name("xet")),
                self.xet.unwrap_or_else(|| endpoint.host_str() == Some("huggingface.co")),
            ),
            endpoint,
            cache_dir: self.cache_dir,
            http,
            progress: self.progress,
        })
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("endpoint", &self.endpoint.as_str())
            .field("cache_dir", &self.cache_dir)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}
