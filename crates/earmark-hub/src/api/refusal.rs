use reqwest::blocking::Response;

use crate::api::urls::{RepoUrl, files_page};
use crate::error::{ErrorKind, Missing};
use crate::http::address::{header_text, redacted};
use crate::http::client::Http;
use crate::http::retry::{Failure, Retry};

impl Http {
    /// What an answer without success means.
    pub(crate) fn refusal(&self, target: &RepoUrl<'_>, response: &Response) -> Failure {
        let (status, headers) = (response.status(), response.headers());
        let kind = self.refused(target, status.as_u16(), header_text(headers, "x-error-code"));
        Failure { kind, retry: Retry::of_status(status, headers) }
    }

    /// The same by status and `X-Error-Code`.
    pub(crate) fn refused(&self, target: &RepoUrl<'_>, status: u16, code: Option<&str>) -> ErrorKind {
        let files_page = || files_page(target.endpoint, target.repo);
        match (status, code) {
            // The code first: without a token, the Hub answers 401 for a repository that does not exist.
            (_, Some("RepoNotFound")) => ErrorKind::NotFound { what: Missing::Repo, page: target.page() },
            (_, Some("RevisionNotFound")) => {
                ErrorKind::NotFound { what: Missing::Revision, page: target.page() }
            }
            (_, Some("EntryNotFound")) => ErrorKind::NotFound { what: Missing::File, page: files_page() },
            (404, _) => ErrorKind::NotFound { what: Missing::Unknown, page: files_page() },
            (401 | 403, _) => {
                ErrorKind::AccessDenied { status, page: target.page(), token_sent: self.has_token() }
            }
            _ => ErrorKind::Status { status, url: redacted(&target.url) },
        }
    }
}
