use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use earmark_fs::LockedFile;
use reqwest::StatusCode;

use crate::download::transfer::{Wanted, download};
use crate::error::ErrorKind;
use crate::http::address::header_text;
use crate::http::client::off_runtime;
use crate::http::rate::RateMeter;
use crate::hub::Hub;
use crate::partial::{self, Partial, create_parent};
use crate::web::address::web_address;
use crate::web::body::Body;
use crate::web::file::WebFile;

/// Longest download of unknown length. One whose server announced a length must have it.
const MAX_UNKNOWN: u64 = 64 << 30;

impl Hub {
    pub(crate) fn try_open_url(&self, url: &str) -> Result<Body, ErrorKind> {
        let Some(http) = &self.http else { return Err(ErrorKind::OfflineAddress) };
        let url = web_address(url)?;
        let response = off_runtime(|| http.get_anonymously(&url, None))?;
        let meter = RateMeter::new(http.timeouts.min_rate);
        Ok(Body { expected: response.content_length(), response, meter, received: 0 })
    }

    pub(crate) fn try_open_url_file(&self, url: &str) -> Result<WebFile, ErrorKind> {
        let http = self.http.as_ref().ok_or(ErrorKind::OfflineAddress)?;
        let url = web_address(url)?;
        let response = off_runtime(|| http.get_anonymously(&url, Some("bytes=0-0")))?;
        let range = header_text(response.headers(), "content-range");
        let len = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let len =
            len.filter(|_| response.status() == StatusCode::PARTIAL_CONTENT).ok_or(ErrorKind::NoRanges)?;
        let etag = header_text(response.headers(), "etag").map(str::to_owned);
        Ok(WebFile { http: Arc::clone(http), url, len, etag })
    }

    pub(crate) fn try_fetch_url(
        &self,
        url: &str,
        sha256: Option<&str>,
        target: &Path,
    ) -> Result<(), ErrorKind> {
        let http = self.http.as_ref().ok_or(ErrorKind::OfflineAddress)?;
        let url = web_address(url)?;
        let path = partial::resumable(target);
        // Two that download to one place: the second has a file of its own. Without locks a checksum tells, if there is one.
        let lock = create_parent(&path).and_then(|()| File::options().create(true).append(true).open(&path));
        let lock = lock.map_err(TryLockError::Error).and_then(LockedFile::try_lock);
        let path = if matches!(lock, Err(TryLockError::WouldBlock)) { partial::unique(target) } else { path };
        let mut partial = Partial::open(path, target.to_owned(), sha256.is_some())?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let wanted = Wanted { name: &name, size: None, sha256, unannounced: MAX_UNKNOWN };
        let request = |range: Option<&str>| http.try_get_anonymously(&url, range);
        let progress = self.progress.as_deref();
        let done = off_runtime(|| download(&wanted, &http.timeouts, &mut partial, progress, request));
        if done.as_ref().is_err_and(ErrorKind::keeps_partial) {
            partial.keep();
        }
        done?;
        partial.publish()
    }
}
