use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::error::{Error, ErrorKind, Subject};
use crate::transport::{Patience, Rate, Token, Transport};

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// The Hugging Face Hub as seen from here: an endpoint, a cache, perhaps a token.
///
/// Calls block, and may be made from anywhere, an async runtime's threads included.
pub struct Hub {
    pub(crate) endpoint: Url,
    pub(crate) cache_dir: PathBuf,
    /// `None` when offline: what does not exist cannot open a socket.
    pub(crate) transport: Option<Arc<Transport>>,
    pub(crate) progress: Option<Arc<dyn Progress>>,
}

impl Hub {
    /// The Hub of this environment, see [`HubBuilder::from_env`].
    ///
    /// # Errors
    /// A variable that cannot be used: an endpoint that is no URL, a token no header can carry, no home
    /// folder.
    pub fn from_env() -> Result<Hub, Error> {
        HubBuilder::from_env()?.build()
    }

    /// The public Hub without a token, whatever the environment says.
    pub fn builder(cache_dir: impl Into<PathBuf>) -> HubBuilder {
        HubBuilder {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            cache_dir: cache_dir.into(),
            token: None,
            token_file: None,
            offline: false,
            progress: None,
            patience: Patience {
                retries: 4,
                retry_delay: Duration::from_millis(250),
                timeout: Duration::from_secs(30),
                rate: Rate { bytes_per_second: 1 << 10, window: Duration::from_secs(30) },
            },
        }
    }

    /// The folder that holds `models--owner--name` folders.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// Whether no socket will ever be opened.
    pub fn is_offline(&self) -> bool {
        self.transport.is_none()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("endpoint", &self.endpoint.as_str())
            .field("cache_dir", &self.cache_dir)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Hub`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct HubBuilder {
    endpoint: String,
    cache_dir: PathBuf,
    token: Option<Token>,
    token_file: Option<PathBuf>,
    offline: bool,
    progress: Option<Arc<dyn Progress>>,
    patience: Patience,
}

impl HubBuilder {
    /// Settings from the environment, read as Python's `huggingface_hub` 2.4.0 reads them:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `HF_ENDPOINT` | another Hub, or a mirror |
    /// | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME`/hub, `XDG_CACHE_HOME`/huggingface/hub | the cache, first one set; else `~/.cache/huggingface/hub` |
    /// | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`/token | the token, first one found |
    /// | `HF_HUB_DISABLE_IMPLICIT_TOKEN` | no token |
    /// | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE` | offline when `1`, `true`, `yes` or `on` |
    ///
    /// An empty variable counts as unset.
    ///
    /// # Errors
    /// There is no home folder, and no variable names a cache.
    pub fn from_env() -> Result<HubBuilder, Error> {
        HubBuilder::from_vars(&|name| std::env::var_os(name), std::env::home_dir().as_deref())
    }

    fn from_vars(var: &dyn Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Result<HubBuilder, Error> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |name: &str| var(name).map(|value| value.to_string_lossy().trim().to_owned());
        let flag = |name: &str| {
            text(name).map(|v| ["1", "true", "yes", "on"].contains(&v.to_ascii_lowercase().as_str()))
        };
        let path = |name: &str| {
            let path = PathBuf::from(var(name)?);
            Some(match (path.strip_prefix("~"), home) {
                (Ok(rest), Some(home)) => home.join(rest),
                _ => path,
            })
        };

        let hf_home = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| home.map(|home| home.join(".cache/huggingface")));
        let cache_dir = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| hf_home.as_ref().map(|home| home.join("hub")))
            .ok_or_else(|| Error::new(Subject::Settings, ErrorKind::NoCacheDir))?;
        let token_file = path("HF_TOKEN_PATH").or_else(|| hf_home.map(|home| home.join("token")));
        let token = if flag("HF_HUB_DISABLE_IMPLICIT_TOKEN") == Some(true) {
            None
        } else {
            let text = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
            text.or_else(|| read_token(token_file.as_deref()?))
        };

        let mut builder = Hub::builder(cache_dir);
        builder.token = token.filter(|token| !token.is_empty()).map(Token::new);
        builder.token_file = token_file;
        builder.offline = flag("HF_HUB_OFFLINE").or_else(|| flag("TRANSFORMERS_OFFLINE")).unwrap_or(false);
        if let Some(endpoint) = text("HF_ENDPOINT") {
            builder.endpoint = endpoint;
        }
        Ok(builder)
    }

    /// Where the environment keeps the token, whether or not there is one: `HF_TOKEN_PATH`, or `token` in `HF_HOME`.
    pub fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// Another Hub, or a mirror: `http` or `https`, a host, perhaps a path.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// The folder that holds `models--owner--name` folders; made when first needed.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache_dir = folder.into();
        self
    }

    /// The token to show to the endpoint, and to no other host.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token.into()));
        self
    }

    /// Whether to live off the cache and open no socket.
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Who hears about downloads.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// How often a request is repeated when the network fails or the server is busy; 4 unless set. A wrong
    /// length or checksum is given one repeat, as a second one says that the server means it.
    pub fn retries(mut self, retries: u32) -> Self {
        self.patience.retries = retries;
        self
    }

    /// The wait before the first repeat, doubled before each next one; a quarter of a second unless set.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.patience.retry_delay = delay;
        self
    }

    /// How long the other side may be silent; 30 seconds unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.patience.timeout = timeout;
        self
    }

    /// The least that a download, an answer or an upload moves, averaged over `window`; 1024 bytes a second over 30 seconds
    /// unless set. A server that keeps below it is given up on ([`ErrorKind::TooSlow`]), however often it sends a byte; a large
    /// (LFS) file's next download goes on where that one stood.
    pub fn least_rate(mut self, bytes_per_second: u64, window: Duration) -> Self {
        self.patience.rate = Rate { bytes_per_second, window };
        self
    }

    /// The Hub with these settings. Nothing is sent and no folder is made yet.
    ///
    /// # Errors
    /// An endpoint that is no URL, a token no header can carry, or an HTTP client that does not start.
    pub fn build(self) -> Result<Hub, Error> {
        let settings = |kind| Error::new(Subject::Settings, kind);
        let endpoint = parse_endpoint(&self.endpoint).map_err(settings)?;
        let transport = if self.offline {
            None
        } else {
            Some(Arc::new(Transport::new(self.token.as_ref(), &self.patience).map_err(settings)?))
        };
        Ok(Hub { endpoint, cache_dir: self.cache_dir, transport, progress: self.progress })
    }
}

impl fmt::Debug for HubBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubBuilder")
            .field("cache_dir", &self.cache_dir)
            .field("token", &self.token)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// Hears about each file that is downloaded; a cached file is silent.
///
/// Calls come from the downloading thread and hold it up, so they should be quick.
pub trait Progress: Send + Sync {
    /// `file` starts from its first byte; `total` is its length if the Hub told it. A download that has to
    /// start over says so by another call.
    fn started(&self, file: &str, total: Option<u64>);
    /// This many more bytes came.
    fn advanced(&self, bytes: u64);
    /// The last call for this file, whether it is now cached or failed.
    fn finished(&self);
}

fn parse_endpoint(text: &str) -> Result<Url, ErrorKind> {
    let bad = |why: &str| ErrorKind::Endpoint { why: why.to_owned() };
    let url = Url::parse(text).map_err(|e| ErrorKind::Endpoint { why: e.to_string() })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // It would be shown in every error.
        return Err(bad("it holds a user name or password; use HF_TOKEN instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a `?` or `#` part"));
    }
    Ok(url)
}

fn read_token(file: &Path) -> Option<String> {
    // A token has a few dozen characters; whatever else is in the file would be refused.
    Some(earmark_fs::read_to_string(file, 4096).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(vars: &[(&str, &str)]) -> HubBuilder {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        HubBuilder::from_vars(&var, Some(Path::new("/home/me"))).unwrap()
    }

    fn token(builder: &HubBuilder) -> Option<&str> {
        builder.token.as_ref().map(Token::reveal)
    }

    #[test]
    fn bare_environment_means_the_public_hub_and_the_usual_cache() {
        let builder = builder(&[("HF_ENDPOINT", ""), ("HF_HUB_OFFLINE", "")]);
        assert_eq!(builder.endpoint, "https://huggingface.co");
        assert_eq!(builder.cache_dir, Path::new("/home/me/.cache/huggingface/hub"));
        assert_eq!(token(&builder), None);
        assert!(!builder.offline);
    }

    #[test]
    fn cache_variables_rank_as_in_python() {
        let all = [
            ("XDG_CACHE_HOME", "/xdg"),
            ("HF_HOME", "~/hf"),
            ("HUGGINGFACE_HUB_CACHE", "/old"),
            ("HF_HUB_CACHE", "/new"),
        ];
        let found = ["/xdg/huggingface/hub", "/home/me/hf/hub", "/old", "/new"];
        for (set, found) in (1..).zip(found) {
            assert_eq!(builder(&all[..set]).cache_dir, Path::new(found));
        }
    }

    #[test]
    fn offline_is_on_for_the_four_words_in_any_case_and_nothing_else() {
        for on in ["1", "true", "YES", "On", "TRUE"] {
            assert!(builder(&[("HF_HUB_OFFLINE", on)]).offline, "{on}");
        }
        for off in ["0", "false", "no", "off", "2", "y"] {
            assert!(!builder(&[("HF_HUB_OFFLINE", off)]).offline, "{off}");
        }
        assert!(builder(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
        assert!(!builder(&[("TRANSFORMERS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn token_comes_from_the_variable_then_the_file() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "hf_from_file\n").unwrap();
        let home = home.path().to_str().unwrap();
        assert_eq!(token(&builder(&[("HF_HOME", home)])), Some("hf_from_file"));
        assert_eq!(
            token(&builder(&[("HF_HOME", home), ("HF_TOKEN", " hf_from_env\n")])),
            Some("hf_from_env")
        );
        assert_eq!(token(&builder(&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")])), None);
    }

    #[test]
    fn no_home_and_no_variable_is_an_error_that_names_the_variables() {
        let error = HubBuilder::from_vars(&|_| None, None).unwrap_err();
        assert!(error.kind.to_string().contains("HF_HOME"), "{}", error.kind);
    }

    #[test]
    fn endpoint_must_be_a_plain_http_address() {
        for good in ["https://huggingface.co", "http://127.0.0.1:80/", "https://mirror.example/hf"] {
            assert!(parse_endpoint(good).is_ok(), "{good}");
        }
        for bad in ["huggingface.co", "ftp://x", "https://x?y", "file:///etc"] {
            assert!(parse_endpoint(bad).is_err(), "{bad}");
        }
        let error = parse_endpoint("https://me:secret@x").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
