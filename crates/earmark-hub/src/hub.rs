use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;

use crate::http::client::Http;
use crate::progress::Progress;

/// A Hugging Face Hub: an endpoint, a local cache and an optional token.
///
/// Calls block. They may be made on any thread, those of an async runtime included.
pub struct Hub {
    pub(crate) endpoint: Url,
    pub(crate) cache_dir: PathBuf,
    /// `None` offline, so that no code path can open a socket.
    pub(crate) http: Option<Arc<Http>>,
    pub(crate) progress: Option<Arc<dyn Progress>>,
}

impl Hub {
    /// The folder that holds `models--owner--name` folders.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// Whether it is offline, and so never opens a socket.
    pub fn is_offline(&self) -> bool {
        self.http.is_none()
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
