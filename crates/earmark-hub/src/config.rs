//! Settings of a [`Hub`](crate::Hub): from the environment as Python reads it, or from code.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use earmark_error::Context as _;
use reqwest::Url;

use crate::error::{Error, ErrorKind, Subject};
use crate::http::rate::MinRate;
use crate::http::timeouts::Timeouts;
use crate::progress::Progress;
use crate::token::Token;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// Settings of a [`Hub`](crate::Hub).
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct HubBuilder {
    pub(crate) endpoint: String,
    pub(crate) cache_dir: PathBuf,
    pub(crate) token: Option<Token>,
    token_file: Option<PathBuf>,
    pub(crate) offline: bool,
    pub(crate) progress: Option<Arc<dyn Progress>>,
    pub(crate) timeouts: Timeouts,
    pub(crate) xet: Option<bool>,
    pub(crate) xet_cache: Option<PathBuf>,
}

impl HubBuilder {
    pub(crate) fn new(cache_dir: PathBuf) -> HubBuilder {
        HubBuilder {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            cache_dir,
            token: None,
            token_file: None,
            offline: false,
            progress: None,
            timeouts: Timeouts::default(),
            xet: None,
            xet_cache: None,
        }
    }

    /// Settings from the environment, read as Python's `huggingface_hub` 2.4.0 reads them:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `HF_ENDPOINT` | another Hub, or a mirror |
    /// | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME`/hub, `XDG_CACHE_HOME`/huggingface/hub | the cache, first one set; else `~/.cache/huggingface/hub` |
    /// | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`/token | the token, first one found |
    /// | `HF_HUB_DISABLE_IMPLICIT_TOKEN` | no token |
    /// | `HF_HUB_DISABLE_XET` | no [Xet](HubBuilder::xet) when `1`, `true`, `yes` or `on`; else Xet, also with a mirror |
    /// | `HF_XET_CACHE`, `HF_HOME`/xet | what is kept of chunks that were sent by Xet |
    /// | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE` | offline when `1`, `true`, `yes` or `on` |
    ///
    /// An empty variable counts as unset.
    ///
    /// # Errors
    /// When there is no home folder, and no variable sets the cache.
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
            .ok_or(ErrorKind::NoCacheDir)
            .context(Subject::Settings)?;
        let xet_cache = path("HF_XET_CACHE").or_else(|| hf_home.as_ref().map(|home| home.join("xet")));
        let token_file = path("HF_TOKEN_PATH").or_else(|| hf_home.map(|home| home.join("token")));
        let token = if flag("HF_HUB_DISABLE_IMPLICIT_TOKEN") == Some(true) {
            None
        } else {
            let text = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
            text.or_else(|| read_token(token_file.as_deref()?))
        };

        let mut builder = HubBuilder::new(cache_dir);
        builder.token = token.filter(|token| !token.is_empty()).map(Token::new);
        builder.token_file = token_file;
        builder.xet = flag("HF_HUB_DISABLE_XET").map(|disabled| !disabled);
        builder.xet_cache = xet_cache;
        builder.offline = flag("HF_HUB_OFFLINE").or_else(|| flag("TRANSFORMERS_OFFLINE")).unwrap_or(false);
        if let Some(endpoint) = text("HF_ENDPOINT") {
            builder.endpoint = endpoint;
        }
        Ok(builder)
    }

    /// The file that holds the token, whether or not it exists: `HF_TOKEN_PATH`, or `token` in `HF_HOME`.
    pub fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// Another Hub, or a mirror: `http` or `https`, a host, perhaps a path.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// The folder that holds `models--owner--name` folders; created when first needed.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache_dir = folder.into();
        self
    }

    /// The token, which is sent to the endpoint and to no other host.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token.into()));
        self
    }

    /// Whether to use the cache alone and open no socket.
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Whether large files come and go by Xet where the Hub offers it. By default they do with the public Hub, and not with a
    /// mirror, from which the Xet storage may be out of reach.
    pub fn xet(mut self, xet: bool) -> Self {
        self.xet = Some(xet);
        self
    }

    /// The receiver of the progress of downloads and uploads.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// How many times a request is repeated when the network fails or the server is busy; default 4. After a wrong length or
    /// checksum it is repeated once.
    pub fn retries(mut self, retries: u32) -> Self {
        self.timeouts.retries = retries;
        self
    }

    /// The delay before the first repeat, doubled before each further one; default 250 ms.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.timeouts.retry_delay = delay;
        self
    }

    /// How long to wait for the next bytes of an answer; default 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.read = timeout;
        self
    }

    /// The minimum rate of a download, an answer or an upload, averaged over `window`; default 1024 bytes per second over 30 s.
    /// A slower transfer fails with [`ErrorKind::TooSlow`], even if a byte comes now and then. The next download of a large
    /// (LFS) file resumes it.
    pub fn min_rate(mut self, bytes_per_second: u64, window: Duration) -> Self {
        self.timeouts.min_rate = MinRate { bytes_per_second, window };
        self
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

pub(crate) fn parse_endpoint(text: &str) -> Result<Url, ErrorKind> {
    let bad = |why: &str| ErrorKind::Endpoint { why: why.to_owned() };
    let url = Url::parse(text).map_err(|e| ErrorKind::Endpoint { why: e.to_string() })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Errors show the endpoint.
        return Err(bad("it holds a user name or password; use HF_TOKEN instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a `?` or `#` part"));
    }
    Ok(url)
}

fn read_token(file: &Path) -> Option<String> {
    // A token has a few dozen characters.
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
    fn xet_is_for_the_public_hub_unless_the_variable_says_otherwise() {
        assert_eq!(builder(&[]).xet, None);
        assert_eq!(builder(&[("HF_HUB_DISABLE_XET", "1")]).xet, Some(false));
        assert_eq!(builder(&[("HF_HUB_DISABLE_XET", "0")]).xet, Some(true));
        let cache = |vars: &[(&str, &str)]| builder(vars).xet_cache.unwrap();
        assert_eq!(cache(&[("HF_HOME", "/hf")]), Path::new("/hf/xet"));
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_XET_CACHE", "/chunks")]), Path::new("/chunks"));
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
