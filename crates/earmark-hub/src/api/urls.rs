//! Addresses of the Hub.

use reqwest::Url;

use crate::error::ErrorKind;
use crate::http::address::redacted;
use crate::http::retry::Failure;
use crate::repo::{FileName, Repo};

/// The address of something in a repository.
pub(crate) struct RepoUrl<'a> {
    pub(crate) url: Url,
    pub(crate) endpoint: &'a Url,
    pub(crate) repo: &'a Repo,
}

impl<'a> RepoUrl<'a> {
    /// A file: `/owner/name/resolve/REVISION/FILE`.
    pub(crate) fn file(endpoint: &'a Url, repo: &'a Repo, file: FileName<'_>) -> RepoUrl<'a> {
        let mut url = repo_page(endpoint, repo);
        if let Ok(mut path) = url.path_segments_mut() {
            // The revision is one segment with its slashes encoded: so the Hub tells it from the file.
            path.push("resolve").push(repo.revision.as_str()).extend(file.as_str().split('/'));
        }
        RepoUrl { url, endpoint, repo }
    }

    /// A call of the API about the revision: `/api/models/owner/name/CALL/REVISION`.
    pub(crate) fn api(endpoint: &'a Url, repo: &'a Repo, call: &str) -> RepoUrl<'a> {
        let mut url = endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("api").push(repo.kind.api_name()).extend(repo.id.as_str().split('/'));
            path.push(call).push(repo.revision.as_str());
        }
        RepoUrl { url, endpoint, repo }
    }

    /// The answer lacks `what`, or has it in a form that cannot be used.
    pub(crate) fn malformed(&self, what: &'static str) -> ErrorKind {
        ErrorKind::Malformed { what, url: redacted(&self.url) }
    }

    pub(crate) fn unreachable(&self, error: reqwest::Error) -> Failure {
        Failure::unreachable(self.endpoint, error)
    }

    /// The page that shows the repository.
    pub(crate) fn page(&self) -> String {
        repo_page(self.endpoint, self.repo).to_string()
    }
}

/// The page of the repository, which is the start of the addresses of its files.
pub(crate) fn repo_page(endpoint: &Url, repo: &Repo) -> Url {
    let mut url = endpoint.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(repo.kind.url_prefix()).extend(repo.id.as_str().split('/'));
    }
    url
}

/// The page that lists the revision's files.
pub(crate) fn files_page(endpoint: &Url, repo: &Repo) -> String {
    format!("{}/tree/{}", repo_page(endpoint, repo), repo.revision)
}
