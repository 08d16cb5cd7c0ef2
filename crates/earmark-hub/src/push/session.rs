//! One push, step by step: compare, upload large files, commit, compare again.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use earmark_error::Context as _;
use reqwest::Url;
use reqwest::header;
use serde::Deserialize;
use serde_json::json;

use crate::api::tree::RemoteFile;
use crate::api::urls::{RepoUrl, repo_page};
use crate::commit::Commit;
use crate::error::{ErrorKind, Missing, PushedFile};
use crate::http::address::redacted;
use crate::http::client::{Http, off_runtime, upload_timeout};
use crate::http::retry::{Retries, Retry};
use crate::hub::Hub;
use crate::push::local_file::LocalFile;
use crate::push::repository::Repository;
use crate::push::request::{Push, Pushed};
use crate::push::storage::StorageClient;
use crate::repo::Revision;

/// Files per call of the API.
pub(crate) const BATCH: usize = 256;

/// Most bytes of the files that go inside the commit. The Hub asks for those above 10 MB by git-LFS.
const MAX_INLINE: u64 = 256 << 20;

impl Hub {
    pub(crate) fn try_push(&self, push: &Push) -> Result<Pushed, ErrorKind> {
        let http = self.authenticated()?;
        let files = push.files.iter().map(|(path, file)| LocalFile::read(path, file));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        off_runtime(|| {
            let storage = StorageClient::new(&http.timeouts)?;
            let repository = Repository::new(self, http, &push.repo)?;
            PushSession { hub: self, http, repository, storage, push }.run(&files)
        })
    }
}

/// A push in progress.
pub(crate) struct PushSession<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) http: &'a Http,
    repository: Repository<'a>,
    pub(crate) storage: StorageClient,
    pub(crate) push: &'a Push,
}

impl PushSession<'_> {
    fn run(&self, files: &[LocalFile]) -> Result<Pushed, ErrorKind> {
        let parent = self.head_or_create()?;
        let before = self.tree(&parent)?;
        let differs = |tree: &BTreeMap<String, RemoteFile>, file: &LocalFile| {
            !tree.get(&file.path).is_some_and(|remote| file.is_same_as(remote))
        };
        let mut sending: Vec<&LocalFile> = files.iter().filter(|file| differs(&before, file)).collect();
        let unchanged = files.len() - sending.len();
        let page = repo_page(&self.hub.endpoint, &self.push.repo).to_string();
        if sending.is_empty() {
            return Ok(Pushed { page, commit: None, sent: Vec::new(), unchanged });
        }
        let mut large = Vec::new();
        for batch in sending.clone().chunks(BATCH) {
            for (file, mode) in batch.iter().zip(self.upload_modes(batch)?) {
                match mode {
                    UploadMode::Lfs => large.push(*file),
                    UploadMode::Inline => {}
                    UploadMode::Ignored => {
                        tracing::warn!(
                            file = file.path,
                            "not uploaded: it matches the repository's .gitignore"
                        );
                        sending.retain(|other| other.path != file.path);
                    }
                }
            }
        }
        let inline = || sending.iter().filter(|file| !large.iter().any(|other| other.path == file.path));
        if inline().map(|file| file.size).sum::<u64>() > MAX_INLINE {
            let file = inline().max_by_key(|file| file.size).map_or("", |file| &file.path);
            let what = format!("the content that the Hub wants inside the commit, mainly `{file}`,");
            return Err(ErrorKind::TooLarge { what, limit: MAX_INLINE });
        }
        for batch in large.chunks(BATCH) {
            self.upload_large(batch)?;
        }
        sending.iter().try_for_each(|file| file.check_unchanged())?;
        let (commit, pull_request) = self.commit(&sending, &large, &parent)?;
        let after = self.tree(&commit)?;
        if let Some(wrong) = sending.iter().find(|file| differs(&after, file)) {
            return Err(ErrorKind::PushMismatch {
                file: wrong.path.clone(),
                commit: commit.as_str().to_owned(),
            });
        }
        Ok(Pushed {
            page: pull_request.unwrap_or(page),
            commit: Some(commit.as_str().to_owned()),
            sent: sending.iter().map(|file| file.path.clone()).collect(),
            unchanged,
        })
    }

    /// The commit to build on. Repository and branch are created if they do not exist.
    fn head_or_create(&self) -> Result<Commit, ErrorKind> {
        match self.repository.head() {
            Err(ErrorKind::NotFound { what: Missing::Repo | Missing::Unknown, .. }) => {
                self.repository.create(self.push.private)?;
                match self.repository.head() {
                    Err(ErrorKind::NotFound { .. }) => self.create_branch(),
                    done => done,
                }
            }
            Err(ErrorKind::NotFound { what: Missing::Revision, .. }) => self.create_branch(),
            done => done,
        }
    }

    fn create_branch(&self) -> Result<Commit, ErrorKind> {
        let revision = &self.push.repo.revision;
        // Else it is an empty repository, or one that this token may not see.
        if *revision != Revision::default() && !revision.is_commit() {
            self.repository.create_branch()?;
        }
        self.repository.head()
    }

    /// The files of the commit by path.
    fn tree(&self, commit: &Commit) -> Result<BTreeMap<String, RemoteFile>, ErrorKind> {
        let repo = self.push.repo.at(commit.as_revision());
        let files = self.http.tree(&self.hub.endpoint, &repo)?;
        Ok(files.into_iter().map(|file| (file.path.clone(), file)).collect())
    }

    /// How the Hub wants to receive each of these files.
    fn upload_modes(&self, files: &[&LocalFile]) -> Result<Vec<UploadMode>, ErrorKind> {
        let target = self.target("preupload");
        let described = files.iter().map(|file| {
            let sample = STANDARD.encode(&file.sample);
            json!({ "path": file.path, "size": file.size, "sample": sample, "sha": file.sha256 })
        });
        let body = json!({ "files": described.collect::<Vec<_>>() });
        let answer: Preupload = self.http.post(&target, |request| {
            request.header(header::CONTENT_TYPE, "application/json").body(body.to_string())
        })?;
        let mode = |file: &&LocalFile| {
            let found = answer.files.iter().find(|found| found.path == file.path);
            let found = found.ok_or_else(|| target.malformed("list of files"))?;
            match &*found.upload_mode {
                _ if found.should_ignore => Ok(UploadMode::Ignored),
                // git-LFS has no empty files.
                "lfs" if file.size > 0 => Ok(UploadMode::Lfs),
                "lfs" | "regular" => Ok(UploadMode::Inline),
                _ => Err(target.malformed("`uploadMode`")),
            }
        };
        files.iter().map(mode).collect()
    }

    /// Makes the commit. Returns it, and the page of its pull request.
    fn commit(
        &self,
        files: &[&LocalFile],
        large: &[&LocalFile],
        parent: &Commit,
    ) -> Result<(Commit, Option<String>), ErrorKind> {
        let Push { create_pr, .. } = self.push;
        let body = self.commit_body(files, large, parent)?;
        let mut target = self.target("commit");
        if *create_pr {
            target.url.set_query(Some("create_pr=1"));
        }
        let timeout = upload_timeout(self.http.timeouts.read, body.len() as u64);
        // If the answer is lost, the commit may have been made, so the head is compared before a repeat.
        let mut retries = Retries::new(&self.http.timeouts);
        let answer: Committed = loop {
            let answer = self.http.try_post(&target, |request| {
                let request = request.header(header::CONTENT_TYPE, "application/x-ndjson");
                request.timeout(timeout).body(body.clone())
            });
            match answer {
                Ok(answer) => break answer,
                Err(failure) if matches!(failure.retry, Retry::Never) => return Err(failure.kind),
                Err(failure) => {
                    if !create_pr
                        && let Ok(head) = self.repository.head()
                        && head != *parent
                    {
                        // It is ours if it holds the files, which the caller compares.
                        return Ok((head, None));
                    }
                    retries.wait_after(failure)?;
                }
            }
        };
        let commit = Commit::new(&answer.commit_oid).ok_or_else(|| target.malformed("`commitOid`"))?;
        let page = answer.pull_request_url.and_then(|url| Url::parse(&url).ok());
        Ok((commit, page.map(|url| redacted(&url))))
    }

    /// A line of JSON for the message and for each file.
    fn commit_body(
        &self,
        files: &[&LocalFile],
        large: &[&LocalFile],
        parent: &Commit,
    ) -> Result<String, ErrorKind> {
        let header =
            json!({ "summary": self.push.message, "description": "", "parentCommit": parent.as_str() });
        let mut body = json!({ "key": "header", "value": header }).to_string();
        body.push('\n');
        for file in files {
            let line = if large.iter().any(|other| other.path == file.path) {
                let value = json!({
                    "path": file.path, "algo": "sha256", "oid": file.sha256, "size": file.size,
                });
                json!({ "key": "lfsFile", "value": value })
            } else {
                let bytes = earmark_fs::read(&file.file, file.size).context(PushedFile(&file.file))?;
                let content = STANDARD.encode(bytes);
                let value = json!({ "path": file.path, "encoding": "base64", "content": content });
                json!({ "key": "file", "value": value })
            };
            body.push_str(&line.to_string());
            body.push('\n');
        }
        Ok(body)
    }

    /// A call of the API about the branch.
    fn target(&self, name: &str) -> RepoUrl<'_> {
        RepoUrl::api(&self.hub.endpoint, &self.push.repo, name)
    }
}

#[derive(Deserialize)]
struct Preupload {
    files: Vec<PreuploadFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreuploadFile {
    path: String,
    upload_mode: String,
    #[serde(default)]
    should_ignore: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Committed {
    commit_oid: String,
    pull_request_url: Option<String>,
}

enum UploadMode {
    Lfs,
    /// Inside the commit.
    Inline,
    /// Not at all: `.gitignore` names it.
    Ignored,
}
