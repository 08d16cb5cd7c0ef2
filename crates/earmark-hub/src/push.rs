//! Uploads: git-LFS for large files, then one commit for all, as Python's `huggingface_hub` 2.4.0 does without xet.
//!
//! Not by hf-hub 1.0.0: where the Hub's LFS answer is not xet it puts large files into the commit's body, whole, in base64,
//! several copies at a time in memory; it repeats a commit that may have happened; and it has no timeout. ARCHITECTURE.md
//! has the measurement.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::blocking::RequestBuilder;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cache::{Commit, hex};
use crate::error::{Error, ErrorKind, Missing, Subject};
use crate::hub::Hub;
use crate::list::{Head, RemoteFile};
use crate::repo::{FileName, Repo, Revision};
use crate::transport::{
    Again, Failure, Finish, MAX_JSON, SLOWEST, Target, Transport, Tries, off_runtime, origin, repo_url,
    shown, text,
};
use crate::upload::{Part, Taken, Uploader, check_address};

/// Files of one question to the Hub.
const BATCH: usize = 256;

/// Most bytes of the files that the Hub wants inside the commit; it takes those above 10 MB by git-LFS.
const MAX_INLINE: u64 = 256 << 20;

/// What goes to the Hub, all of it in one commit.
#[derive(Debug, Clone)]
pub struct Push {
    /// Where to; the revision is the branch, made if there is none of that name.
    pub repo: Repo,
    /// Path in the repository and file on this machine.
    pub files: Vec<(String, PathBuf)>,
    /// The commit's message.
    pub message: String,
    /// Whether a repository that has to be made is private.
    pub private: bool,
    /// Whether to propose the commit as a pull request instead of making it.
    pub create_pr: bool,
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The page to look at: of the pull request, or of the repository.
    pub page: String,
    /// The commit; `None` when the Hub had every file already and none was made.
    pub commit: Option<String>,
    /// Paths of the files the commit changed.
    pub sent: Vec<String>,
    /// Files the Hub had already.
    pub unchanged: usize,
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The user's name.
    pub name: String,
    /// What the token may do, such as `write`, if the Hub says so.
    pub role: Option<String>,
}

/// A file on its way.
struct Local {
    path: String,
    file: PathBuf,
    size: u64,
    sha256: String,
    git_oid: String,
    /// Its first bytes, by which the Hub tells text from the rest.
    sample: Vec<u8>,
    /// When it was last written, as it was read: what is sent later must be the same.
    modified: Option<SystemTime>,
}

impl Hub {
    /// Asks whose token this is.
    ///
    /// # Errors
    /// Offline, no token, one that is not valid, or no answer.
    pub fn whoami(&self) -> Result<Account, Error> {
        let ask = || {
            let transport = self.writer()?;
            let mut url = self.endpoint.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(["api", "whoami-v2"]);
            }
            let call = Call { url, endpoint: &self.endpoint, repo: None };
            let answer = off_runtime(|| transport.send(&call, false, |url| transport.following.get(url)))?;
            let name = answer.get("name").and_then(Value::as_str).ok_or_else(|| call.malformed("`name`"))?;
            let role = answer.pointer("/auth/accessToken/role").and_then(Value::as_str);
            Ok(Account { name: transport.scrub(name), role: role.map(|role| transport.scrub(role)) })
        };
        ask().map_err(|kind: ErrorKind| Error::new(Subject::Account, kind.of_writing()))
    }

    /// Uploads files in one commit, and compares what the Hub then holds with what was sent.
    ///
    /// What the Hub has already is not sent again, so a push that failed is repeated by calling this once more; when nothing
    /// differs, no commit is made. A commit happens as a whole or not at all.
    ///
    /// # Errors
    /// Offline or no token, before anything is sent; a file that cannot be read; a token that may not write, no answer, or
    /// a refusal; somebody else's commit meanwhile; a Hub that holds other bytes afterwards.
    pub fn push(&self, push: &Push) -> Result<Pushed, Error> {
        for (path, _) in &push.files {
            FileName::new(path)?;
        }
        let run = || {
            let transport = self.writer()?;
            let locals = push.files.iter().map(|(path, file)| Local::read(path, file));
            let locals = locals.collect::<Result<Vec<_>, _>>()?;
            off_runtime(|| {
                let uploader = Uploader::new(transport)?;
                Pushing { hub: self, transport, uploader, push }.run(&locals)
            })
        };
        run().map_err(|kind: ErrorKind| Error::new(Subject::Push(push.repo.clone()), kind.of_writing()))
    }

    /// The transport, if it may write.
    fn writer(&self) -> Result<&Arc<Transport>, ErrorKind> {
        match &self.transport {
            None => Err(ErrorKind::OfflinePush),
            Some(transport) if !transport.token_sent => Err(ErrorKind::NoToken),
            Some(transport) => Ok(transport),
        }
    }
}

impl Local {
    /// Reads the file once, for all that has to be known of it before it is sent.
    fn read(path: &str, file: &Path) -> Result<Local, ErrorKind> {
        let failed = |source| ErrorKind::LocalFile { path: file.to_owned(), source };
        let mut open = earmark_fs::open(file).map_err(failed)?;
        let metadata = open.metadata().map_err(failed)?;
        let size = metadata.len();
        let mut sha256 = Sha256::new();
        let mut sha1 = <sha1::Sha1 as sha1::Digest>::new();
        sha1::Digest::update(&mut sha1, format!("blob {size}\0"));
        let (mut sample, mut read, mut buffer) = (Vec::new(), 0, vec![0; 1 << 16]);
        loop {
            let n = open.read(&mut buffer).map_err(failed)?;
            if n == 0 {
                break;
            }
            let bytes = &buffer[..n];
            sha256.update(bytes);
            sha1::Digest::update(&mut sha1, bytes);
            let room = 512 - sample.len();
            sample.extend_from_slice(&bytes[..n.min(room)]);
            read += n as u64;
        }
        if read != size {
            return Err(failed(io::Error::other("it changed while it was read")));
        }
        Ok(Local {
            path: path.to_owned(),
            file: file.to_owned(),
            size,
            sha256: hex(&sha256.finalize()),
            git_oid: hex(&sha1::Digest::finalize(sha1)),
            sample,
            modified: metadata.modified().ok(),
        })
    }

    /// That the file is still the one that was read: the Hub takes a large file's SHA-256 from us.
    fn unchanged(&self) -> Result<(), ErrorKind> {
        let failed = |source| ErrorKind::LocalFile { path: self.file.clone(), source };
        let now = std::fs::metadata(&self.file).map_err(failed)?;
        if (now.len(), now.modified().ok()) == (self.size, self.modified) {
            return Ok(());
        }
        Err(failed(io::Error::other("it changed while it was sent; nothing was committed, push again")))
    }

    /// Whether the Hub holds these bytes.
    fn equals(&self, remote: &RemoteFile) -> bool {
        self.size == remote.size
            && match &remote.sha256 {
                Some(sha256) => *sha256 == self.sha256,
                None => remote.git_oid.as_deref() == Some(&*self.git_oid),
            }
    }
}

/// One push that is under way.
struct Pushing<'a> {
    hub: &'a Hub,
    transport: &'a Transport,
    uploader: Uploader,
    push: &'a Push,
}

impl Pushing<'_> {
    fn run(&self, locals: &[Local]) -> Result<Pushed, ErrorKind> {
        let repo = &self.push.repo;
        let parent = self.head()?;
        let before = self.tree(&parent)?;
        let differs = |tree: &BTreeMap<String, RemoteFile>, local: &Local| {
            !tree.get(&local.path).is_some_and(|remote| local.equals(remote))
        };
        let mut sending: Vec<&Local> = locals.iter().filter(|local| differs(&before, local)).collect();
        let unchanged = locals.len() - sending.len();
        let page = repo_url(&self.hub.endpoint, repo).to_string();
        if sending.is_empty() {
            return Ok(Pushed { page, commit: None, sent: Vec::new(), unchanged });
        }
        let mut large = Vec::new();
        for files in sending.clone().chunks(BATCH) {
            for (local, mode) in files.iter().zip(self.modes(files)?) {
                match mode {
                    Mode::Large => large.push(*local),
                    Mode::Small => {}
                    Mode::Ignored => {
                        tracing::warn!(file = local.path, "left out: the repository's .gitignore names it");
                        sending.retain(|other| other.path != local.path);
                    }
                }
            }
        }
        let inline = || sending.iter().filter(|local| !large.iter().any(|other| other.path == local.path));
        if inline().map(|local| local.size).sum::<u64>() > MAX_INLINE {
            let file = inline().max_by_key(|local| local.size).map_or("", |local| &local.path);
            let what = format!("what the Hub wants inside the commit, `{file}` above all,");
            return Err(ErrorKind::TooLarge { what, limit: MAX_INLINE });
        }
        for files in large.chunks(BATCH) {
            self.upload(files)?;
        }
        sending.iter().try_for_each(|local| local.unchanged())?;
        let (commit, pull_request) = self.commit(&sending, &large, &parent)?;
        let after = self.tree(&commit)?;
        if let Some(wrong) = sending.iter().find(|local| differs(&after, local)) {
            return Err(ErrorKind::PushDiffers {
                file: wrong.path.clone(),
                commit: commit.as_str().to_owned(),
            });
        }
        Ok(Pushed {
            page: pull_request.unwrap_or(page),
            commit: Some(commit.as_str().to_owned()),
            sent: sending.iter().map(|local| local.path.clone()).collect(),
            unchanged,
        })
    }

    /// The commit to build on, with repository and branch made if there are none.
    fn head(&self) -> Result<Commit, ErrorKind> {
        match self.ask_head(&self.push.repo.revision) {
            Err(ErrorKind::NotFound { what: Missing::Repo | Missing::Unknown, .. }) => {
                self.create()?;
                match self.ask_head(&self.push.repo.revision) {
                    Err(ErrorKind::NotFound { .. }) => self.branch(),
                    done => done,
                }
            }
            Err(ErrorKind::NotFound { what: Missing::Revision, .. }) => self.branch(),
            done => done,
        }
    }

    fn ask_head(&self, revision: &Revision) -> Result<Commit, ErrorKind> {
        let repo = self.push.repo.at(revision.clone());
        let target = Target::api(&self.hub.endpoint, &repo, "revision");
        let (head, _) = self.transport.json::<Head>(&target, MAX_JSON)?;
        head.commit().ok_or_else(|| target.malformed("`sha`").kind)
    }

    fn create(&self) -> Result<(), ErrorKind> {
        let Push { repo, private, .. } = self.push;
        let (owner, name) = match repo.id.as_str().split_once('/') {
            Some((owner, name)) => (Some(owner), name),
            None => (None, repo.id.as_str()),
        };
        let kind = repo.kind.to_string();
        let mut body = json!({ "name": name, "type": kind, "private": private });
        if let Some(owner) = owner {
            body["organization"] = json!(owner);
        }
        let call = self.call(&["api", "repos", "create"]);
        // 409: it is there already, perhaps since a moment ago.
        self.transport.send(&call, true, |url| json_body(self.transport.staying.post(url), &body)).map(drop)
    }

    fn branch(&self) -> Result<Commit, ErrorKind> {
        let Push { repo, .. } = self.push;
        if repo.revision == Revision::default() || repo.revision.is_commit() {
            // An empty repository, or one that is shown to nobody without a right to it.
            return self.ask_head(&repo.revision);
        }
        let target = Target::api(&self.hub.endpoint, repo, "branch");
        let call = Call { url: target.url, endpoint: &self.hub.endpoint, repo: Some(repo) };
        let body = json!({});
        self.transport.send(&call, true, |url| json_body(self.transport.staying.post(url), &body))?;
        self.ask_head(&repo.revision)
    }

    fn tree(&self, commit: &Commit) -> Result<BTreeMap<String, RemoteFile>, ErrorKind> {
        let repo = self.push.repo.at(commit.as_revision());
        let files = self.transport.tree(&self.hub.endpoint, &repo)?;
        Ok(files.into_iter().map(|file| (file.path.clone(), file)).collect())
    }

    /// How the Hub wants each of these.
    fn modes(&self, files: &[&Local]) -> Result<Vec<Mode>, ErrorKind> {
        let target = Target::api(&self.hub.endpoint, &self.push.repo, "preupload");
        let call = Call { url: target.url, endpoint: &self.hub.endpoint, repo: Some(&self.push.repo) };
        let asked = files.iter().map(|local| {
            let sample = STANDARD.encode(&local.sample);
            json!({ "path": local.path, "size": local.size, "sample": sample, "sha": local.sha256 })
        });
        let body = json!({ "files": asked.collect::<Vec<_>>() });
        let answer =
            self.transport.send(&call, false, |url| json_body(self.transport.staying.post(url), &body))?;
        let answers = answer.get("files").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mode = |local: &&Local| {
            let found = answers.iter().find(|it| it.get("path").and_then(Value::as_str) == Some(&local.path));
            let found = found.ok_or_else(|| call.malformed("list of files"))?;
            if found.get("shouldIgnore").and_then(Value::as_bool) == Some(true) {
                return Ok(Mode::Ignored);
            }
            match found.get("uploadMode").and_then(Value::as_str) {
                // git-LFS has no empty files.
                Some("lfs") if local.size > 0 => Ok(Mode::Large),
                Some("lfs" | "regular") => Ok(Mode::Small),
                _ => Err(call.malformed("`uploadMode`")),
            }
        };
        files.iter().map(mode).collect()
    }

    /// Brings large files to the storage, those it lacks.
    fn upload(&self, files: &[&Local]) -> Result<(), ErrorKind> {
        let mut url = repo_url(&self.hub.endpoint, &self.push.repo);
        let path = format!("{}.git/info/lfs/objects/batch", url.path());
        url.set_path(&path);
        let call = Call { url, endpoint: &self.hub.endpoint, repo: Some(&self.push.repo) };
        let objects: Vec<_> =
            files.iter().map(|local| json!({ "oid": local.sha256, "size": local.size })).collect();
        let body = json!({
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "objects": objects,
            "hash_algo": "sha256",
        });
        let answer = self.transport.send(&call, false, |url| {
            self.transport.staying.post(url).headers(lfs_headers()).body(body.to_string())
        })?;
        let answers = answer.get("objects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for local in files {
            let found =
                answers.iter().find(|it| it.get("oid").and_then(Value::as_str) == Some(&local.sha256));
            let found = found.ok_or_else(|| call.malformed("list of objects"))?;
            if let Some(message) = found.pointer("/error/message").and_then(Value::as_str) {
                let message = self.transport.scrub(message);
                return Err(ErrorKind::PushRefused { status: 422, page: call.page(), message });
            }
            // No action: the storage has it.
            if let Some(upload) = found.pointer("/actions/upload") {
                self.upload_one(local, upload, &call)?;
                if let Some(verify) = found.pointer("/actions/verify/href").and_then(Value::as_str) {
                    self.verify(local, verify, &call)?;
                }
            }
        }
        Ok(())
    }

    fn upload_one(&self, local: &Local, upload: &Value, call: &Call<'_>) -> Result<(), ErrorKind> {
        let progress = Finish(self.hub.progress.as_deref());
        progress.started(&local.path, Some(local.size));
        let href = self.address(local, upload.get("href"), call)?;
        let empty = serde_json::Map::new();
        let header = upload.get("header").and_then(Value::as_object).unwrap_or(&empty);
        let chunk = header
            .get("chunk_size")
            .and_then(|it| it.as_str().map_or_else(|| it.as_u64(), |t| t.parse().ok()));
        let Some(chunk) = chunk.filter(|chunk| *chunk > 0) else {
            let headers = self.headers(local, &href, header, call)?;
            self.put(local, 0, local.size, &href, &headers)?;
            return Ok(());
        };
        // The other keys are part numbers, `00001` and on, each with its address.
        let mut parts = BTreeMap::new();
        for (key, value) in header {
            if let Ok(number) = key.parse::<u64>() {
                parts.insert(number, self.address(local, Some(value), call)?);
            }
        }
        if parts.len() as u64 != local.size.div_ceil(chunk)
            || !parts.keys().copied().eq(1..=parts.len() as u64)
        {
            return Err(call.malformed("list of parts"));
        }
        let mut done = Vec::new();
        for (number, url) in &parts {
            let from = (number - 1) * chunk;
            let length = chunk.min(local.size - from);
            let answer = self.put(local, from, length, url, &HeaderMap::new())?;
            let etag = text(&answer.headers, "etag").ok_or_else(|| call.malformed("`ETag`"))?;
            done.push(json!({ "partNumber": number, "etag": etag }));
        }
        let body = json!({ "oid": local.sha256, "parts": done }).to_string();
        self.repeat(local, &href, |_| self.uploader.post(&href, &lfs_headers(), body.clone(), &local.path))
            .map(drop)
    }

    /// An address in the Hub's answer that this file may go to.
    fn address(&self, local: &Local, value: Option<&Value>, call: &Call<'_>) -> Result<Url, ErrorKind> {
        let url = value.and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
        let url = url.ok_or_else(|| call.malformed("`href`"))?;
        self.check(local, &url)?;
        Ok(url)
    }

    fn check(&self, local: &Local, url: &Url) -> Result<(), ErrorKind> {
        check_address(&self.hub.endpoint, url).map_err(|why| ErrorKind::UploadAddress {
            file: local.path.clone(),
            address: origin(url),
            why,
        })
    }

    /// The headers that the Hub names for an upload, but those that say where a request goes and how it ends.
    fn headers(
        &self,
        local: &Local,
        url: &Url,
        header: &serde_json::Map<String, Value>,
        call: &Call<'_>,
    ) -> Result<HeaderMap, ErrorKind> {
        const OURS: [&str; 8] = [
            "connection",
            "content-length",
            "expect",
            "host",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in header.iter().filter_map(|(name, value)| Some((name, value.as_str()?))) {
            // The Hub has the token, but nobody else should have it from us.
            if self.transport.is_token_in(value) && url.origin() != self.hub.endpoint.origin() {
                let header = self.transport.scrub(name);
                return Err(ErrorKind::UploadHeader { file: local.path.clone(), header });
            }
            let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) = parsed.ok_or_else(|| call.malformed("`header`"))?;
            if !OURS.contains(&name.as_str()) && !name.as_str().starts_with("proxy-") {
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }

    /// Sends a part of the file to the storage, which is not shown the token: the address is signed.
    fn put(
        &self,
        local: &Local,
        from: u64,
        length: u64,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Taken, ErrorKind> {
        let failed = |source| Failure::last(ErrorKind::LocalFile { path: local.file.clone(), source });
        self.repeat(local, url, |again| {
            let mut file = earmark_fs::open(&local.file).map_err(failed)?;
            file.seek(SeekFrom::Start(from)).map_err(failed)?;
            let part = Part::new(file, length, self.hub.progress.clone().filter(|_| !again));
            self.uploader.put(url, headers, part, &local.path)
        })
    }

    fn verify(&self, local: &Local, address: &str, call: &Call<'_>) -> Result<(), ErrorKind> {
        let url = self.address(local, Some(&Value::from(address)), call)?;
        let body = json!({ "oid": local.sha256, "size": local.size }).to_string();
        // The token only where it belongs.
        let own = url.origin() == self.hub.endpoint.origin();
        let send = |_: bool| {
            if !own {
                return self.uploader.post(&url, &lfs_headers(), body.clone(), &local.path);
            }
            let request = self.transport.staying.post(url.clone()).headers(lfs_headers()).body(body.clone());
            let answer = request.send().map_err(|error| {
                let (server, file) = (origin(&url), local.path.clone());
                Failure::of_request(error, |source| ErrorKind::UploadCut { server, file, source })
            })?;
            Ok(Taken { status: answer.status(), headers: answer.headers().clone() })
        };
        self.repeat(local, &url, send).map(drop)
    }

    /// Sends to an address that the Hub gave, until it is taken or it is hopeless.
    fn repeat(
        &self,
        local: &Local,
        url: &Url,
        send: impl Fn(bool) -> Result<Taken, Failure>,
    ) -> Result<Taken, ErrorKind> {
        let mut tries = Tries::new(self.transport, self.transport.retries);
        let mut again = false;
        loop {
            let failure = match send(again) {
                Ok(taken) if taken.status.is_success() => return Ok(taken),
                Ok(taken) => self.not_taken(local, url, &taken),
                Err(failure) => failure,
            };
            tries.pause_or_give_up(failure)?;
            again = true;
        }
    }

    fn not_taken(&self, local: &Local, url: &Url, Taken { status, headers }: &Taken) -> Failure {
        let file = local.path.clone();
        let next = text(headers, "location").and_then(|location| url.join(location).ok());
        match next.filter(|_| status.is_redirection()) {
            Some(next) => Failure::last(ErrorKind::UploadAddress {
                file,
                address: origin(&next),
                why: "by a redirect of the storage",
            }),
            None => {
                let kind = ErrorKind::Upload { server: origin(url), status: status.as_u16(), file };
                Failure { kind, again: Again::of(*status, headers) }
            }
        }
    }

    /// The commit, and the page of its pull request.
    fn commit(
        &self,
        files: &[&Local],
        large: &[&Local],
        parent: &Commit,
    ) -> Result<(Commit, Option<String>), ErrorKind> {
        let Push { repo, message, create_pr, .. } = self.push;
        let header = json!({ "summary": message, "description": "", "parentCommit": parent.as_str() });
        let mut body = json!({ "key": "header", "value": header }).to_string();
        for local in files {
            body.push('\n');
            let line = if large.iter().any(|other| other.path == local.path) {
                let value = json!({
                    "path": local.path, "algo": "sha256", "oid": local.sha256, "size": local.size,
                });
                json!({ "key": "lfsFile", "value": value })
            } else {
                let failed = |source| ErrorKind::LocalFile { path: local.file.clone(), source };
                let bytes = earmark_fs::read(&local.file, local.size).map_err(failed)?;
                let value =
                    json!({ "path": local.path, "encoding": "base64", "content": STANDARD.encode(bytes) });
                json!({ "key": "file", "value": value })
            };
            body.push_str(&line.to_string());
        }
        body.push('\n');
        let mut url = Target::api(&self.hub.endpoint, repo, "commit").url;
        if *create_pr {
            url.set_query(Some("create_pr=1"));
        }
        let call = Call { url, endpoint: &self.hub.endpoint, repo: Some(repo) };
        let timeout = self.transport.timeout + Duration::from_secs(body.len() as u64 / SLOWEST);
        // Not repeated blindly: an answer that was lost may be that of a commit that was made.
        let mut tries = Tries::new(self.transport, self.transport.retries);
        let answer = loop {
            let request = self.transport.staying.post(call.url.clone()).timeout(timeout);
            let request = request.header(header::CONTENT_TYPE, "application/x-ndjson").body(body.clone());
            match self.transport.try_send(&call, false, request) {
                Ok(answer) => break answer,
                Err(failure) if matches!(failure.again, Again::Never) => return Err(failure.kind),
                Err(failure) => {
                    if !create_pr
                        && let Ok(head) = self.ask_head(&repo.revision)
                        && head != *parent
                    {
                        // Ours if it holds what we sent; the comparison that follows says so.
                        return Ok((head, None));
                    }
                    tries.pause_or_give_up(failure)?;
                }
            }
        };
        let oid = answer.get("commitOid").and_then(Value::as_str).and_then(Commit::new);
        let commit = oid.ok_or_else(|| call.malformed("`commitOid`"))?;
        let page = answer.get("pullRequestUrl").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
        let page = page.map(|url| shown(&url));
        Ok((commit, page))
    }

    fn call(&self, path: &[&str]) -> Call<'_> {
        let mut url = self.hub.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Call { url, endpoint: &self.hub.endpoint, repo: Some(&self.push.repo) }
    }
}

enum Mode {
    Large,
    Small,
    Ignored,
}

/// A call of the API.
struct Call<'a> {
    url: Url,
    endpoint: &'a Url,
    repo: Option<&'a Repo>,
}

impl Call<'_> {
    fn malformed(&self, what: &'static str) -> ErrorKind {
        ErrorKind::Malformed { what, url: shown(&self.url) }
    }

    fn page(&self) -> String {
        self.repo.map_or_else(|| self.endpoint.to_string(), |repo| repo_url(self.endpoint, repo).to_string())
    }
}

impl Transport {
    /// Sends until there is an answer, and reads it. `taken` says that 409 is one.
    fn send(
        &self,
        call: &Call<'_>,
        taken: bool,
        request: impl Fn(Url) -> RequestBuilder,
    ) -> Result<Value, ErrorKind> {
        let mut tries = Tries::new(self, self.retries);
        loop {
            match self.try_send(call, taken, request(call.url.clone())) {
                Ok(answer) => return Ok(answer),
                Err(failure) => tries.pause_or_give_up(failure)?,
            }
        }
    }

    fn try_send(&self, call: &Call<'_>, taken: bool, request: RequestBuilder) -> Result<Value, Failure> {
        let unreachable = |error| {
            Failure::of_request(error, |source| ErrorKind::Unreachable {
                endpoint: call.endpoint.to_string(),
                source,
            })
        };
        let response = request.send().map_err(unreachable)?;
        let status = response.status();
        if status.as_u16() == 409 && taken {
            return Ok(Value::Null);
        }
        if !status.is_success() {
            let again = Again::of_status(&response);
            let said = text(response.headers(), "x-error-message").map(str::to_owned);
            let kind = match status.as_u16() {
                401 if call.repo.is_none() => ErrorKind::BadToken,
                status @ (401 | 403) => ErrorKind::NoWriteAccess { status, page: call.page() },
                412 => ErrorKind::MovedOn,
                status @ (429 | 500..) => ErrorKind::Status { status, url: shown(&call.url) },
                status => {
                    let json: Option<Value> = serde_json::from_slice(&self.start_of(response)).ok();
                    let said = said.or_else(|| Some(json?.get("error")?.as_str()?.to_owned()));
                    let message = self.scrub(&said.unwrap_or_else(|| "it does not say why".to_owned()));
                    ErrorKind::PushRefused { status, page: call.page(), message }
                }
            };
            return Err(Failure { kind, again });
        }
        let body = self.body(response, MAX_JSON)?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|_| Failure::last(call.malformed("JSON")))
    }
}

fn json_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/json").body(body.to_string())
}

fn lfs_headers() -> HeaderMap {
    const LFS: HeaderValue = HeaderValue::from_static("application/vnd.git-lfs+json");
    HeaderMap::from_iter([(header::ACCEPT, LFS), (header::CONTENT_TYPE, LFS)])
}
