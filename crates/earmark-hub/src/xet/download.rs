//! A whole file from the Xet storage.

use std::fs;

use xet::xet_session::XetFileInfo;

use crate::api::metadata::FileMetadata;
use crate::api::urls::RepoUrl;
use crate::cache::layout::RepoCache;
use crate::download::transfer::Transfer;
use crate::error::ErrorKind;
use crate::http::client::Http;
use crate::http::redirect::check_redirect;
use crate::hub::Hub;
use crate::partial::{self, Partial};
use crate::progress::ProgressGuard;
use crate::repo::FileName;
use crate::xet::session::{Stop, Storage};
use crate::xet::watch::{Moved, watch};

/// Smallest file that comes by Xet: its two requests ahead, for a token and for the list of parts, take longer than a small file.
const MIN_SIZE: u64 = 4 << 20;

impl Hub {
    /// Downloads the file by Xet to its place in the cache, verified; `false` if it has to come by plain HTTPS.
    ///
    /// It starts at the first byte and leaves nothing behind when it fails. hf-xet writes in order, so what a killed process left
    /// is the start of the file, and is resumed by plain HTTPS.
    pub(crate) fn download_by_xet(
        &self,
        http: &Http,
        target: &RepoUrl<'_>,
        cache: &RepoCache,
        file: FileName<'_>,
        metadata: &FileMetadata,
        locked: bool,
    ) -> Result<bool, ErrorKind> {
        let FileMetadata { etag, size: Some(size), xet_hash: Some(xet_hash), .. } = metadata else {
            return Ok(false);
        };
        let Some(sha256) = etag.sha256() else { return Ok(false) };
        let is_resumed =
            fs::metadata(partial::resumable(&cache.blob(etag))).is_ok_and(|partial| partial.len() > 0);
        if *size < MIN_SIZE || is_resumed || !self.xet.is_enabled() {
            return Ok(false);
        }
        self.xet.attempt(http, file.as_str(), "plain HTTPS", || {
            let pinned = target.repo.at(metadata.commit.as_revision());
            let storage = http.xet_storage(&RepoUrl::api(target.endpoint, &pinned, "xet-read-token"))?;
            check_redirect(target.endpoint.scheme(), &storage.url).map_err(Stop::give_up)?;
            let mut partial = cache.partial(etag, locked)?;
            let progress = ProgressGuard(self.progress.as_deref());
            progress.started(file.as_str(), Some(*size));
            self.receive(http, storage, xet_hash, *size, &partial, &progress)?;
            let received = Transfer::of(&mut partial, &http.timeouts)?;
            received.verify(Some(*size), Some(sha256)).map_err(|failure| Stop::give_up(failure.kind))?;
            Ok(partial.publish()?)
        })
    }

    fn receive(
        &self,
        http: &Http,
        storage: Storage,
        xet_hash: &str,
        size: u64,
        into: &Partial,
        progress: &ProgressGuard<'_>,
    ) -> Result<(), Stop> {
        let group = self.xet.session(&http.timeouts)?.new_file_download_group()?;
        let group = group
            .with_endpoint(storage.url.as_str().trim_end_matches('/'))
            .with_token_info(storage.token.0, storage.token.1)
            .with_token_refresh_url(storage.refresh.0, storage.refresh.1)
            .build_blocking()?;
        let info = XetFileInfo::new(xet_hash.to_owned(), size);
        group.download_file_to_path_blocking(info, into.path.clone())?;
        let look = || {
            let report = group.progress();
            let done = report.total_bytes_completed;
            Moved { done, steps: report.total_transfer_bytes_completed + done, all_sent: false }
        };
        let finishing = group.clone();
        let finish = move || finishing.finish_blocking();
        watch(&http.timeouts, (progress, size), finish, look, || group.abort()).map(drop)
    }
}
