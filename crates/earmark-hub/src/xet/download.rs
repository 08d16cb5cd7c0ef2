//! A whole file from the Xet storage.

use std::fs;
use std::io::{Read as _, Seek as _};

use earmark_error::Context as _;
use sha2::{Digest as _, Sha256};
use xet::XetError;
use xet::xet_session::XetFileInfo;

use crate::api::metadata::FileMetadata;
use crate::api::urls::RepoUrl;
use crate::cache::layout::RepoCache;
use crate::commit::hex;
use crate::error::{CachePath, ErrorKind};
use crate::http::client::Http;
use crate::http::redirect::check_redirect;
use crate::hub::Hub;
use crate::partial::{self, Partial};
use crate::progress::ProgressGuard;
use crate::repo::FileName;
use crate::xet::session::Storage;
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
        let give_up = |why: &str| {
            self.xet.give_up(http, file.as_str(), why, "plain HTTPS");
            Ok(false)
        };
        let pinned = target.repo.at(metadata.commit.as_revision());
        let storage = match http.xet_storage(&RepoUrl::api(target.endpoint, &pinned, "xet-read-token")) {
            Ok(storage) => storage,
            Err(kind) => return give_up(&kind.to_string()),
        };
        if let Err(bad) = check_redirect(target.endpoint.scheme(), &storage.url) {
            return give_up(&bad.to_string());
        }
        let mut partial = cache.partial(etag, locked)?;
        let progress = ProgressGuard(self.progress.as_deref());
        progress.started(file.as_str(), Some(*size));
        if let Err(why) = self.receive(http, storage, xet_hash, *size, &partial, &progress) {
            return give_up(&why);
        }
        let (length, received) = digest(&mut partial)?;
        if (length, &*received) != (*size, sha256) {
            let (expected, sha256) = (*size, sha256.to_owned());
            let kind = if length == expected {
                ErrorKind::Checksum { received, expected: sha256 }
            } else {
                ErrorKind::Length { received: length, expected }
            };
            return give_up(&kind.to_string());
        }
        partial.publish()?;
        Ok(true)
    }

    fn receive(
        &self,
        http: &Http,
        storage: Storage,
        xet_hash: &str,
        size: u64,
        into: &Partial,
        progress: &ProgressGuard<'_>,
    ) -> Result<(), String> {
        let text = |error: XetError| error.to_string();
        let session = self.xet.session(&http.timeouts)?;
        let group = session.new_file_download_group().map_err(text)?;
        let group = group
            .with_endpoint(storage.url.as_str().trim_end_matches('/'))
            .with_token_info(storage.token.0, storage.token.1)
            .with_token_refresh_url(storage.refresh.0, storage.refresh.1)
            .build_blocking()
            .map_err(text)?;
        let info = XetFileInfo::new(xet_hash.to_owned(), size);
        group.download_file_to_path_blocking(info, into.path.clone()).map_err(text)?;
        let mut told = 0;
        let look = || {
            let report = group.progress();
            let done = report.total_bytes_completed.min(size);
            if done > told {
                progress.advanced(done - told);
                told = done;
            }
            let steps = report.total_transfer_bytes_completed + report.total_bytes_completed;
            Moved { steps, all_sent: false }
        };
        let finishing = group.clone();
        watch(&http.timeouts, move || finishing.finish_blocking(), look, || group.abort()).map(drop)
    }
}

/// Length and SHA-256 of what was received.
fn digest(partial: &mut Partial) -> Result<(u64, String), ErrorKind> {
    let reading = || CachePath(&partial.path);
    let (mut hasher, mut length, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    partial.file.rewind().with_context(reading)?;
    loop {
        let n = partial.file.read(&mut buffer).with_context(reading)?;
        if n == 0 {
            return Ok((length, hex(&hasher.finalize())));
        }
        hasher.update(&buffer[..n]);
        length += n as u64;
    }
}
