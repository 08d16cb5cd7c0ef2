//! The repository and the branch that are pushed to, looked up and created through hf-hub, whose calls meet the real Hub every day.
//!
//! hf-hub gets a client of ours, because its own waits without a deadline and follows redirects. It also reads answers of
//! any size, so one is bounded by its time alone, and forgets `Retry-After` of all answers but 429.

use std::error::Error as _;

use hf_hub::{HFClient, HFClientSync, HFError, HFResult};
use hf_hub::{RepoType, RepoTypeDataset, RepoTypeModel, split_id};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use crate::api::urls::{RepoUrl, repo_page};
use crate::commit::Commit;
use crate::error::ErrorKind;
use crate::http::client::{Http, USER_AGENT, async_client};
use crate::http::retry::{Failure, Retries, Retry};
use crate::hub::Hub;
use crate::repo::{Repo, RepoKind};

/// A repository at the branch that is pushed to.
pub(crate) struct Repository<'a> {
    client: HFClientSync,
    http: &'a Http,
    endpoint: &'a Url,
    repo: &'a Repo,
}

impl<'a> Repository<'a> {
    pub(crate) fn new(hub: &'a Hub, http: &'a Http, repo: &'a Repo) -> Result<Self, ErrorKind> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| ErrorKind::Client(error);
        let client = async_client(&http.timeouts).timeout(http.timeouts.read);
        let token = http.token.as_ref().ok_or(ErrorKind::NoToken)?;
        let client = HFClient::builder()
            .client(client.build().map_err(|error| failed(error.into()))?)
            .endpoint(hub.endpoint.as_str())
            .token(token.reveal())
            .user_agent(USER_AGENT)
            .cache_enabled(false)
            .retry_max_attempts(0) // Ours tell why, and wait as long as the server asks.
            .build_sync()
            .map_err(|error| failed(error.into()))?;
        Ok(Repository { client, http, endpoint: &hub.endpoint, repo })
    }

    /// The commit at the head of the branch.
    pub(crate) fn head(&self) -> Result<Commit, ErrorKind> {
        let target = RepoUrl::api(self.endpoint, self.repo, "revision");
        let ((owner, name), revision) = (split_id(self.repo.id.as_str()), self.repo.revision.as_str());
        // The rest of what the Hub knows of a repository is long, and hf-hub reads all that comes.
        let only = || vec!["sha".to_owned()];
        let look_up = || match self.repo.kind {
            RepoKind::Model => self
                .client
                .model(owner, name)
                .info()
                .revision(revision)
                .expand(only())
                .send()
                .map(|it| it.sha),
            RepoKind::Dataset => self
                .client
                .dataset(owner, name)
                .info()
                .revision(revision)
                .expand(only())
                .send()
                .map(|it| it.sha),
        };
        let refused = |status: StatusCode, code: Option<&str>, _: Option<&str>| match status.is_redirection()
        {
            true => self.http.push_refused(&target, status, None),
            false => self.http.refused(&target, status.as_u16(), code),
        };
        let sha = self.call(&target, look_up, refused)?;
        sha.as_deref().and_then(Commit::new).ok_or_else(|| target.malformed("`sha`"))
    }

    /// Creates the repository. That it exists already is no error.
    pub(crate) fn create(&self, private: bool) -> Result<(), ErrorKind> {
        let url = repo_page(self.endpoint, self.repo);
        let target = RepoUrl { url, endpoint: self.endpoint, repo: self.repo };
        let create = || match self.repo.kind {
            RepoKind::Model => self.create_as(RepoTypeModel, private),
            RepoKind::Dataset => self.create_as(RepoTypeDataset, private),
        };
        self.write(&target, create)
    }

    fn create_as(&self, kind: impl RepoType, private: bool) -> HFResult<()> {
        let id = self.repo.id.as_str();
        self.client
            .create_repository()
            .repo_id(id)
            .repo_type(kind)
            .private(private)
            .exist_ok(true)
            .send()
            .map(drop)
    }

    /// Creates the branch at the head of `main`. That it exists already is no error.
    pub(crate) fn create_branch(&self) -> Result<(), ErrorKind> {
        let target = RepoUrl::api(self.endpoint, self.repo, "branch");
        self.write(&target, || match self.repo.kind {
            RepoKind::Model => self.branch_as(RepoTypeModel),
            RepoKind::Dataset => self.branch_as(RepoTypeDataset),
        })
    }

    fn branch_as(&self, kind: impl RepoType) -> HFResult<()> {
        let (owner, name) = split_id(self.repo.id.as_str());
        let branch = self.repo.revision.as_str();
        match self.client.repository(kind, owner, name).create_branch().branch(branch).send() {
            Err(HFError::Conflict { .. }) => Ok(()),
            done => done,
        }
    }

    fn write(&self, target: &RepoUrl<'_>, call: impl Fn() -> HFResult<()>) -> Result<(), ErrorKind> {
        let refused = |status: StatusCode, _: Option<&str>, message: Option<&str>| {
            self.http.push_refused(target, status, message)
        };
        self.call(target, call, refused)
    }

    /// Runs a call, with retries. `refused` says what an answer without success means, by its status, its `X-Error-Code` and what
    /// the Hub says.
    fn call<T>(
        &self,
        target: &RepoUrl<'_>,
        call: impl Fn() -> HFResult<T>,
        refused: impl Fn(StatusCode, Option<&str>, Option<&str>) -> ErrorKind,
    ) -> Result<T, ErrorKind> {
        Retries::new(&self.http.timeouts).run(|| {
            let (context, asked) = match call() {
                Ok(answer) => return Ok(answer),
                Err(HFError::RateLimited { context, retry_after }) => (context, retry_after),
                Err(
                    HFError::Http { context }
                    | HFError::AuthRequired { context }
                    | HFError::Forbidden { context }
                    | HFError::Conflict { context }
                    | HFError::RepoNotFound { context: Some(context), .. }
                    | HFError::RevisionNotFound { context: Some(context), .. },
                ) => (context, None),
                Err(HFError::Request { source, .. }) if !is_of_json(&source) => {
                    return Err(target.unreachable(source));
                }
                Err(_) => return Err(target.malformed("JSON").into()),
            };
            let (code, message) = (context.error_code.as_deref(), context.server_message.as_deref());
            let by_status = || Retry::of_status(context.status, &HeaderMap::new());
            Err(Failure {
                kind: refused(context.status, code, message),
                retry: asked.map_or_else(by_status, Retry::After),
            })
        })
    }
}

/// Whether the answer came, and is not the JSON that was expected.
fn is_of_json(error: &reqwest::Error) -> bool {
    error.source().is_some_and(|source| source.is::<serde_json::Error>())
}
