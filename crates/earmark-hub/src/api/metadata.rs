//! The metadata of a file: one HEAD request, as Python's `huggingface_hub` 2.4.0 makes it.

use crate::api::urls::RepoUrl;
use crate::commit::{Commit, Etag, is_sha256};
use crate::error::{ErrorKind, Missing};
use crate::http::address::header_text;
use crate::http::client::Http;
use crate::http::redirect::{BadRedirect, same_origin_redirect};
use crate::http::retry::{Failure, Retries};

/// What the Hub says of a file.
#[derive(Debug)]
pub(crate) struct FileMetadata {
    pub(crate) commit: Commit,
    pub(crate) etag: Etag,
    pub(crate) size: Option<u64>,
    /// By which the Xet storage knows the bytes.
    pub(crate) xet_hash: Option<String>,
}

/// The Hub's answer about a file.
pub(crate) enum Lookup {
    Found(FileMetadata),
    /// There is no such file; the commit that lacks it, if the Hub named it.
    Missing(Option<Commit>),
}

impl Http {
    /// Asks for the metadata of a file: once if there is a cached copy to use instead, else with retries.
    pub(crate) fn look_up(&self, target: &RepoUrl<'_>, is_cached: bool) -> Result<Lookup, ErrorKind> {
        let retries = if is_cached { Retries::none() } else { Retries::new(&self.timeouts) };
        retries.run(|| self.try_look_up(target))
    }

    fn try_look_up(&self, target: &RepoUrl<'_>) -> Result<Lookup, Failure> {
        let mut url = target.url.clone();
        for _ in 0..5 {
            let response = self.no_redirect.head(url.clone()).send().map_err(|e| target.unreachable(e))?;
            if let Some(next) = same_origin_redirect(&url, &response) {
                // A renamed repository, or another spelling of its name: the headers are there.
                url = next;
                continue;
            }
            let headers = response.headers();
            let commit = header_text(headers, "x-repo-commit").and_then(Commit::new);
            let status = response.status();
            if !status.is_success() && !status.is_redirection() {
                return match self.refusal(target, &response) {
                    Failure { kind: ErrorKind::NotFound { what: Missing::File, .. }, .. } => {
                        Ok(Lookup::Missing(commit))
                    }
                    failure => Err(failure),
                };
            }
            let etag = header_text(headers, "x-linked-etag").or_else(|| header_text(headers, "etag"));
            let size = header_text(headers, "x-linked-size")
                // The length of a redirect is not the length of the file.
                .or_else(|| header_text(headers, "content-length").filter(|_| status.is_success()));
            return Ok(Lookup::Found(FileMetadata {
                commit: commit.ok_or_else(|| target.malformed("`X-Repo-Commit`"))?,
                etag: etag.and_then(Etag::new).ok_or_else(|| target.malformed("`ETag`"))?,
                size: size.and_then(|size| size.parse().ok()),
                xet_hash: header_text(headers, "x-xet-hash")
                    .filter(|hash| is_sha256(hash))
                    .map(str::to_owned),
            }));
        }
        Err(BadRedirect::TooMany.into())
    }
}
