//! The session with hf-xet, and the token for the storage.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use xet::XetError;
use xet::xet_session::{HeaderMap, XetConfig, XetSession, XetSessionBuilder, header};

use crate::api::json::MAX_JSON;
use crate::api::urls::RepoUrl;
use crate::error::ErrorKind;
use crate::http::client::Http;
use crate::http::timeouts::Timeouts;

/// Longest delay before hf-xet repeats a request; its own limit is six minutes.
const MAX_DELAY: Duration = Duration::from_secs(8);

/// What of a download may wait in memory to be written. Its own limit is a quarter of the machine's memory: of a file of 1 GB,
/// 444 MB were resident on a machine with 24 GB.
const BUFFER: &str = "128mb";

/// Why a transfer by Xet ended.
pub(crate) enum Stop {
    /// The other way is open.
    GiveUp(String),
    /// The other way would fail, too.
    Fail(ErrorKind),
}

impl Stop {
    pub(crate) fn give_up(why: impl fmt::Display) -> Stop {
        Stop::GiveUp(why.to_string())
    }
}

impl From<XetError> for Stop {
    fn from(error: XetError) -> Stop {
        Stop::give_up(error)
    }
}

impl From<ErrorKind> for Stop {
    fn from(kind: ErrorKind) -> Stop {
        Stop::Fail(kind)
    }
}

/// hf-xet, as long as it works.
pub(crate) struct Xet {
    /// What it keeps of chunks that were sent, in the folder that Python's library uses.
    cache_dir: PathBuf,
    enabled: AtomicBool,
    /// Made when first needed: it has threads.
    session: Mutex<Option<XetSession>>,
}

/// Where a file comes from or goes to, and the token for it.
pub(crate) struct Storage {
    pub(crate) url: Url,
    /// Where hf-xet gets the next token, with the token of the Hub.
    pub(crate) refresh: (String, HeaderMap),
    pub(crate) token: (String, u64),
}

impl Xet {
    pub(crate) fn new(cache_dir: PathBuf, enabled: bool) -> Xet {
        Xet { cache_dir, enabled: AtomicBool::new(enabled), session: Mutex::default() }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Whether the transfer was made. If it gave up, that is told with what is done `instead`; and as it would cost each file the same
    /// wait again, Xet is not tried again.
    pub(crate) fn attempt(
        &self,
        http: &Http,
        file: &str,
        instead: &str,
        transfer: impl FnOnce() -> Result<(), Stop>,
    ) -> Result<bool, ErrorKind> {
        let why = match transfer() {
            Ok(()) => return Ok(true),
            Err(Stop::Fail(kind)) => return Err(kind),
            Err(Stop::GiveUp(why)) => why,
        };
        if self.enabled.swap(false, Ordering::Relaxed) {
            // Addresses of the storage are signed.
            let words = why.split(' ').map(|word| word.split('?').next().unwrap_or_default());
            let why = http.one_line(&words.collect::<Vec<_>>().join(" "));
            tracing::warn!(file, why, "cannot use the Xet storage; using {instead} instead");
        }
        Ok(false)
    }

    pub(crate) fn session(&self, timeouts: &Timeouts) -> Result<XetSession, XetError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*session {
            return Ok(session.clone());
        }
        let mut config = XetConfig::new();
        config.telemetry.enabled = false;
        config.client.connect_timeout = timeouts.connect();
        config.client.read_timeout = timeouts.read;
        config.client.retry_max_attempts = timeouts.retries as usize;
        config.client.retry_base_delay = timeouts.retry_delay;
        config.client.retry_max_duration = MAX_DELAY;
        config.reconstruction.download_buffer_size = BUFFER.into();
        config.reconstruction.download_buffer_perfile_size = "0mb".into();
        config.reconstruction.download_buffer_limit = BUFFER.into();
        let made = XetSessionBuilder::new_with_config(config).with_cache_dir(&self.cache_dir).build()?;
        Ok(session.insert(made).clone())
    }
}

impl Http {
    /// The storage that the Hub names; `target` is the API's call `xet-read-token` or `xet-write-token`.
    pub(crate) fn xet_storage(&self, target: &RepoUrl<'_>) -> Result<Storage, Stop> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            access_token: String,
            exp: u64,
            cas_url: String,
        }
        let (answer, _) = self.json::<Answer>(target, MAX_JSON).map_err(Stop::give_up)?;
        let url = Url::parse(&answer.cas_url).map_err(|_| Stop::give_up(target.malformed("`casUrl`")))?;
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.header()?);
        }
        Ok(Storage {
            url,
            refresh: (target.url.to_string(), headers),
            token: (answer.access_token, answer.exp),
        })
    }
}
