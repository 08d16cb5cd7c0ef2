use reqwest::blocking::Response;

use crate::api::urls::{RepoUrl, files_page, repo_page};
use crate::error::{ErrorKind, Missing};
use crate::http::address::{header_text, redacted};
use crate::http::client::Http;
use crate::http::retry::{Failure, Retry};

impl Http {
    /// What an answer without success means.
    pub(crate) fn refusal(&self, target: &RepoUrl<'_>, response: &Response) -> Failure {
        let status = response.status().as_u16();
        let repo_page = || repo_page(target.endpoint, target.repo).to_string();
        let files_page = || files_page(target.endpoint, target.repo);
        let not_found = |what, page| Failure::from(ErrorKind::NotFound { what, page });
        match (status, header_text(response.headers(), "x-error-code")) {
            // The code first: without a token, the Hub answers 401 for a repository that does not exist.
            (_, Some("RepoNotFound")) => not_found(Missing::Repo, repo_page()),
            (_, Some("RevisionNotFound")) => not_found(Missing::Revision, repo_page()),
            (_, Some("EntryNotFound")) => not_found(Missing::File, files_page()),
            (404, _) => not_found(Missing::Unknown, files_page()),
            (401 | 403, _) => {
                let token_sent = self.has_token();
                ErrorKind::AccessDenied { status, page: repo_page(), token_sent }.into()
            }
            _ => Failure {
                kind: ErrorKind::Status { status, url: redacted(&target.url) },
                retry: Retry::of_status(response.status(), response.headers()),
            },
        }
    }
}
