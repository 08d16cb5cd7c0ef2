//! A Hub on the loopback interface: repositories with revisions and commits, large files behind a redirect to another
//! port, uploads by git-LFS and by commit, tokens, and failures on demand.
//!
//! It speaks what `huggingface_hub` 2.4.0 speaks without xet, over real TCP, and keeps everything in memory.
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::http::{Request, Response, Server};

/// A Hub that answers until it is dropped.
pub struct LoopbackHub {
    server: Server,
    storage: Server,
    state: Shared,
}

type Shared = Arc<Mutex<State>>;
type Fault = dyn Fn(&Request) -> Option<Response> + Send + Sync;

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    bytes: Arc<Vec<u8>>,
    /// Kept in LFS: its etag is its SHA-256, and its bytes come from the storage.
    lfs: bool,
}

#[derive(Default)]
struct State {
    /// By `models/owner/name`.
    repos: BTreeMap<String, Repository>,
    /// LFS objects by SHA-256.
    objects: BTreeMap<String, Arc<Vec<u8>>>,
    /// Parts of objects on their way, by SHA-256 and number.
    parts: BTreeMap<(String, usize), Vec<u8>>,
    /// User and whether they may write, by token.
    tokens: BTreeMap<String, (String, bool)>,
    fault: Option<Arc<Fault>>,
    storage_fault: Option<Arc<Fault>>,
    storage_url: String,
    /// Bytes of a part when large files come in several.
    part_size: Option<usize>,
    /// Files of a page of a listing.
    page: usize,
    commits: u64,
}

#[derive(Default)]
struct Repository {
    private: bool,
    gated: bool,
    /// Commits by branch.
    branches: BTreeMap<String, String>,
    /// Files by path, by commit.
    commits: BTreeMap<String, BTreeMap<String, Stored>>,
    pull_requests: usize,
}

impl LoopbackHub {
    /// An empty Hub at any free port.
    pub fn start() -> LoopbackHub {
        LoopbackHub::start_at(0)
    }

    /// An empty Hub at this port.
    pub fn start_at(port: u16) -> LoopbackHub {
        let state: Shared = Arc::new(Mutex::new(State { page: 1000, ..State::default() }));
        let storage = Server::start({
            let state = Arc::clone(&state);
            move |request| {
                let fault = lock(&state).storage_fault.clone();
                fault.and_then(|fault| fault(request)).unwrap_or_else(|| lock(&state).storage(request))
            }
        });
        lock(&state).storage_url = storage.url();
        let server = Server::start_at(port, {
            let state = Arc::clone(&state);
            move |request| {
                let fault = lock(&state).fault.clone();
                fault.and_then(|fault| fault(request)).unwrap_or_else(|| lock(&state).hub(request))
            }
        });
        LoopbackHub { server, storage, state }
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The Hub's own server, with what it was asked.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The server large files come from and go to.
    pub fn storage(&self) -> &Server {
        &self.storage
    }

    /// Lets this token's user read everything, and write if `write`.
    pub fn add_token(&self, token: &str, user: &str, write: bool) {
        lock(&self.state).tokens.insert(token.to_owned(), (user.to_owned(), write));
    }

    /// Commits these files to `models/owner/name` or `datasets/owner/name`, making repository and branch if need be.
    pub fn add(&self, repo: &str, branch: &str, files: &[(&str, &[u8])]) -> String {
        let mut state = lock(&self.state);
        let mut tree = match state.repos.get(repo) {
            Some(found) => found.branches.get(branch).map(|at| found.commits[at].clone()).unwrap_or_default(),
            None => BTreeMap::new(),
        };
        for (path, bytes) in files {
            let stored = Stored { bytes: Arc::new(bytes.to_vec()), lfs: is_large(path, bytes.len()) };
            if stored.lfs {
                state.objects.insert(sha256(bytes), Arc::clone(&stored.bytes));
            }
            tree.insert((*path).to_owned(), stored);
        }
        state.repos.entry(repo.to_owned()).or_default();
        state.commit(repo, branch, tree)
    }

    /// Shows the repository to tokens only.
    pub fn make_private(&self, repo: &str) {
        lock(&self.state).repos.get_mut(repo).unwrap().private = true;
    }

    /// Shows the repository to all, and its files to tokens only.
    pub fn make_gated(&self, repo: &str) {
        lock(&self.state).repos.get_mut(repo).unwrap().gated = true;
    }

    /// Whether the repository is there, and private.
    pub fn is_private(&self, repo: &str) -> Option<bool> {
        lock(&self.state).repos.get(repo).map(|repo| repo.private)
    }

    /// The files of a branch or commit, by path; empty if there is no such thing.
    pub fn files(&self, repo: &str, revision: &str) -> BTreeMap<String, Vec<u8>> {
        let state = lock(&self.state);
        let tree = state.repos.get(repo).and_then(|repo| repo.at(revision)).map(|(_, tree)| tree);
        tree.into_iter().flatten().map(|(path, file)| (path.clone(), file.bytes.to_vec())).collect()
    }

    /// How many commits the repository has, those of all branches.
    pub fn commits(&self, repo: &str) -> usize {
        lock(&self.state).repos.get(repo).map_or(0, |repo| repo.commits.len())
    }

    /// The commit a branch stands for.
    pub fn head(&self, repo: &str, branch: &str) -> Option<String> {
        lock(&self.state).repos.get(repo)?.branches.get(branch).cloned()
    }

    /// Names this address for uploads, in place of the storage's.
    pub fn storage_at(&self, url: &str) {
        lock(&self.state).storage_url = url.to_owned();
    }

    /// Takes large files in parts of so many bytes.
    pub fn in_parts(&self, bytes: usize) {
        lock(&self.state).part_size = Some(bytes);
    }

    /// Lists so many files a page.
    pub fn page(&self, files: usize) {
        lock(&self.state).page = files;
    }

    /// Asks this first about every request to the Hub; `None` lets it answer as usual.
    pub fn fault(&self, fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) {
        lock(&self.state).fault = Some(Arc::new(fault));
    }

    /// Asks this first about every request to the storage.
    pub fn storage_fault(&self, fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) {
        lock(&self.state).storage_fault = Some(Arc::new(fault));
    }

    /// No more failures.
    pub fn heal(&self) {
        let mut state = lock(&self.state);
        (state.fault, state.storage_fault) = (None, None);
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    // A panic in one answer fails its own test.
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Repository {
    fn at(&self, revision: &str) -> Option<(&String, &BTreeMap<String, Stored>)> {
        self.commits.get_key_value(self.branches.get(revision).map_or(revision, String::as_str))
    }
}

impl State {
    fn commit(&mut self, repo: &str, branch: &str, tree: BTreeMap<String, Stored>) -> String {
        self.commits += 1;
        let commit = sha1(format!("commit {}", self.commits).as_bytes());
        let repo = self.repos.get_mut(repo).unwrap();
        repo.commits.insert(commit.clone(), tree);
        repo.branches.insert(branch.to_owned(), commit.clone());
        commit
    }

    /// The user of the request's token and whether they may write; an unknown token is a refusal.
    fn user(&self, request: &Request) -> Result<Option<&(String, bool)>, Response> {
        match request.headers.get("authorization").and_then(|it| it.strip_prefix("Bearer ")) {
            None => Ok(None),
            Some(token) => self
                .tokens
                .get(token)
                .map(Some)
                .ok_or_else(|| error(401, "", "Invalid credentials in Authorization header")),
        }
    }

    fn hub(&mut self, request: &Request) -> Response {
        self.try_hub(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_hub(&mut self, request: &Request) -> Result<Response, Response> {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let user = self.user(request)?.cloned();
        match parts[..] {
            ["api", "whoami-v2"] => match user {
                Some((name, write)) => Ok(json_response(&json!({
                    "type": "user", "id": "1", "name": name, "fullname": name, "isPro": false, "orgs": [],
                    "auth": {"type": "access_token", "accessToken": {
                        "displayName": "test", "role": if write { "write" } else { "read" }}},
                }))),
                None => Err(error(401, "", "Invalid username or password.")),
            },
            ["api", "validate-yaml"] => Ok(json_response(&json!({"errors": [], "warnings": []}))),
            ["api", "repos", "create"] => self.create(request, user),
            ["api", kind @ ("models" | "datasets"), owner, name, ref rest @ ..] => {
                let repo = format!("{kind}/{owner}/{name}");
                self.visible(&repo, user.as_ref())?;
                let revision = rest.get(1).copied().unwrap_or("main");
                match (request.method.as_str(), rest.first().copied()) {
                    ("GET", None | Some("revision")) => self.info(&repo, revision),
                    ("GET", Some("tree")) => self.tree(request, &repo, revision),
                    _ if user.is_none() => Err(error(401, "", "Log in to write")),
                    _ if user.as_ref().is_some_and(|(_, write)| !write) => {
                        Err(error(403, "", "This token has no write access"))
                    }
                    ("POST", Some("branch")) => self.branch(request, &repo, revision),
                    ("POST", Some("preupload")) => self.preupload(request, &repo, revision),
                    ("POST", Some("commit")) => self.take_commit(request, &repo, revision),
                    _ => Err(error(404, "", "no such call")),
                }
            }
            [.., "info", "lfs", "objects", "batch"] => self.batch(request),
            [.., "lfs-verify", oid] => match self.objects.contains_key(oid) {
                true => Ok(json_response(&json!({}))),
                false => Err(error(404, "", "no such object")),
            },
            _ => self.resolve(request, &parts, user.as_ref()),
        }
    }

    fn visible(&self, repo: &str, user: Option<&(String, bool)>) -> Result<&Repository, Response> {
        match self.repos.get(repo) {
            // As the Hub does, so that nobody learns of private repositories.
            None if user.is_none() => Err(error(401, "RepoNotFound", "Repository not found")),
            None => Err(error(404, "RepoNotFound", "Repository not found")),
            Some(found) if found.private && user.is_none() => {
                Err(error(401, "RepoNotFound", "Repository not found"))
            }
            Some(found) => Ok(found),
        }
    }

    fn at(&self, repo: &str, revision: &str) -> Result<(&String, &BTreeMap<String, Stored>), Response> {
        let found = self.repos.get(repo).and_then(|repo| repo.at(revision));
        found.ok_or_else(|| error(404, "RevisionNotFound", &format!("Invalid rev id: {revision}")))
    }

    fn info(&self, repo: &str, revision: &str) -> Result<Response, Response> {
        let (commit, tree) = self.at(repo, revision)?;
        let siblings: Vec<Value> = tree.keys().map(|path| json!({ "rfilename": path })).collect();
        let id = repo.split_once('/').unwrap().1;
        Ok(json_response(&json!({
            "_id": "1", "id": id, "modelId": id, "sha": commit, "private": self.repos[repo].private,
            "gated": false, "disabled": false, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings,
        })))
    }

    fn tree(&self, request: &Request, repo: &str, revision: &str) -> Result<Response, Response> {
        let (_, tree) = self.at(repo, revision)?;
        let skip: usize = request.query("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let entries: Vec<Value> = tree
            .iter()
            .skip(skip)
            .take(self.page)
            .map(|(path, Stored { bytes, lfs })| {
                let mut entry =
                    json!({"type": "file", "path": path, "size": bytes.len(), "oid": git_oid(bytes)});
                if *lfs {
                    entry["lfs"] = json!({"oid": sha256(bytes), "size": bytes.len(), "pointerSize": 130});
                }
                entry
            })
            .collect();
        let answer = json_response(&Value::from(entries));
        let next = skip + self.page;
        if next >= tree.len() {
            return Ok(answer);
        }
        let path = request.path.split("&cursor=").next().unwrap_or_default();
        let host = &request.headers["host"];
        let join = if path.contains('?') { '&' } else { '?' };
        Ok(answer.header("Link", format!("<http://{host}{path}{join}cursor={next}>; rel=\"next\"")))
    }

    fn create(&mut self, request: &Request, user: Option<(String, bool)>) -> Result<Response, Response> {
        let Some((name, true)) = user else {
            return Err(error(
                if user.is_some() { 403 } else { 401 },
                "",
                "This token may not make repositories",
            ));
        };
        let asked = body_json(request)?;
        let kind = if asked["type"] == "dataset" { "datasets" } else { "models" };
        let owner = asked["organization"].as_str().unwrap_or(&name).to_owned();
        let id =
            format!("{owner}/{}", asked["name"].as_str().unwrap_or_default().rsplit('/').next().unwrap());
        let repo = format!("{kind}/{id}");
        let prefix = if kind == "datasets" { "datasets/" } else { "" };
        let url = format!("http://{}/{prefix}{id}", request.headers["host"]);
        let body = json!({"url": url, "name": id, "id": "1"});
        if self.repos.contains_key(&repo) {
            let taken = "You already created this repo";
            let mut body = body;
            body["error"] = json!(taken);
            return Err(Response { status: 409, ..json_response(&body) });
        }
        let private = asked["private"].as_bool().unwrap_or(false);
        self.repos.insert(repo.clone(), Repository { private, ..Repository::default() });
        let attributes = Stored { bytes: Arc::new(b"*.safetensors filter=lfs\n".to_vec()), lfs: false };
        self.commit(&repo, "main", BTreeMap::from([(".gitattributes".to_owned(), attributes)]));
        Ok(json_response(&body))
    }

    fn branch(&mut self, request: &Request, repo: &str, branch: &str) -> Result<Response, Response> {
        let from = body_json(request).ok().and_then(|it| Some(it.get("startingPoint")?.as_str()?.to_owned()));
        if self.repos[repo].branches.contains_key(branch) {
            return Err(error(409, "", "Reference already exists"));
        }
        let commit = self.at(repo, from.as_deref().unwrap_or("main"))?.0.clone();
        self.repos.get_mut(repo).unwrap().branches.insert(branch.to_owned(), commit);
        Ok(json_response(&json!({})))
    }

    fn preupload(&self, request: &Request, repo: &str, revision: &str) -> Result<Response, Response> {
        self.at(repo, revision)?;
        let asked = body_json(request)?;
        let files: Vec<Value> = asked["files"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|file| {
                let path = file["path"].as_str().unwrap_or_default();
                let large = is_large(path, file["size"].as_u64().unwrap_or(0) as usize);
                json!({"path": path, "uploadMode": if large { "lfs" } else { "regular" }, "shouldIgnore": false})
            })
            .collect();
        Ok(json_response(&json!({ "files": files })))
    }

    fn batch(&self, request: &Request) -> Result<Response, Response> {
        if !self.user(request)?.is_some_and(|(_, write)| *write) {
            return Err(error(403, "", "This token has no write access"));
        }
        let (asked, storage) = (body_json(request)?, &self.storage_url);
        let host = &request.headers["host"];
        let objects: Vec<Value> = asked["objects"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|object| {
                let oid = object["oid"].as_str().unwrap_or_default();
                let size = object["size"].as_u64().unwrap_or(0) as usize;
                let mut answer = json!({"oid": oid, "size": size});
                if self.objects.contains_key(oid) {
                    return answer;
                }
                let verify = json!({"href": format!("http://{host}/lfs-verify/{oid}")});
                let upload = match self.part_size {
                    None => json!({"href": format!("{storage}/upload/{oid}?signature=s3cr3t"), "header": {}}),
                    Some(part) => {
                        let mut header = json!({"chunk_size": part.to_string()});
                        for n in 1..=size.div_ceil(part) {
                            let url = format!("{storage}/part/{oid}/{n}?signature=s3cr3t");
                            header[format!("{n:05}")] = json!(url);
                        }
                        json!({"href": format!("{storage}/complete/{oid}?signature=s3cr3t"), "header": header})
                    }
                };
                answer["actions"] = json!({"upload": upload, "verify": verify});
                answer
            })
            .collect();
        let transfer = if self.part_size.is_some() { "multipart" } else { "basic" };
        Ok(json_response(&json!({"transfer": transfer, "objects": objects})))
    }

    fn take_commit(&mut self, request: &Request, repo: &str, revision: &str) -> Result<Response, Response> {
        let bad = |what: &str| error(400, "", what);
        let (head, tree) = self.at(repo, revision)?;
        let (head, mut tree) = (head.clone(), tree.clone());
        for line in request.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_slice(line).map_err(|_| bad("a line is no JSON"))?;
            let value = &line["value"];
            let path = || value["path"].as_str().map(str::to_owned).ok_or_else(|| bad("no path"));
            match line["key"].as_str() {
                Some("header") => {
                    let parent = value["parentCommit"].as_str();
                    if parent.is_some_and(|parent| parent != head) {
                        return Err(error(
                            412,
                            "",
                            "A commit has happened since. Please refresh and try again.",
                        ));
                    }
                }
                Some("file") => {
                    let content = value["content"].as_str().unwrap_or_default();
                    let bytes = STANDARD.decode(content).map_err(|_| bad("no base64"))?;
                    tree.insert(path()?, Stored { bytes: Arc::new(bytes), lfs: false });
                }
                Some("lfsFile") => {
                    let oid = value["oid"].as_str().unwrap_or_default();
                    let object = self.objects.get(oid).filter(|it| value["size"] == it.len());
                    let bytes = Arc::clone(object.ok_or_else(|| bad("an LFS object is missing"))?);
                    tree.insert(path()?, Stored { bytes, lfs: true });
                }
                Some("deletedFile") => {
                    tree.remove(&path()?);
                }
                _ => return Err(bad("a line of no known kind")),
            }
        }
        let host = &request.headers["host"];
        let pull_request = (request.query("create_pr").as_deref() == Some("1")).then(|| {
            let found = self.repos.get_mut(repo).unwrap();
            found.pull_requests += 1;
            found.pull_requests
        });
        let branch = pull_request.map_or_else(|| revision.to_owned(), |n| format!("refs/pr/{n}"));
        let commit = self.commit(repo, &branch, tree);
        let page = repo.strip_prefix("models/").unwrap_or(repo);
        let mut answer = json!({"success": true, "commitOid": commit, "hookOutput": "",
            "commitUrl": format!("http://{host}/{page}/commit/{commit}")});
        if let Some(n) = pull_request {
            answer["pullRequestUrl"] = json!(format!("http://{host}/{page}/discussions/{n}"));
        }
        Ok(json_response(&answer))
    }

    fn resolve(
        &self,
        request: &Request,
        parts: &[&str],
        user: Option<&(String, bool)>,
    ) -> Result<Response, Response> {
        let (kind, parts) = match parts {
            ["datasets", rest @ ..] => ("datasets", rest),
            rest => ("models", rest),
        };
        let [owner, name, "resolve", revision, file @ ..] = parts else {
            return Err(error(404, "", "no such page"));
        };
        let (repo, file) = (format!("{kind}/{owner}/{name}"), file.join("/"));
        if self.visible(&repo, user)?.gated && user.is_none() {
            return Err(error(401, "GatedRepo", "Access to this repository is restricted"));
        }
        let (commit, tree) = self.at(&repo, revision)?;
        let Some(Stored { bytes, lfs }) = tree.get(&file) else {
            return Err(
                error(404, "EntryNotFound", "Entry not found").header("X-Repo-Commit", commit.clone())
            );
        };
        if *lfs {
            let oid = sha256(bytes);
            return Ok(Response::new(302, "Found")
                .header("Location", format!("{}/blob/{oid}?signature=s3cr3t", self.storage_url))
                .header("X-Linked-ETag", format!("\"{oid}\""))
                .header("X-Linked-Size", bytes.len().to_string())
                .header("X-Repo-Commit", commit.clone()));
        }
        Ok(ranged(request, bytes)
            .header("ETag", format!("\"{}\"", git_oid(bytes)))
            .header("X-Repo-Commit", commit.clone()))
    }

    /// What the storage answers: it knows no tokens, as its addresses are signed.
    fn storage(&mut self, request: &Request) -> Response {
        if request.headers.contains_key("authorization") {
            return Response::new(400, "Only one auth mechanism allowed");
        }
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut keep = |oid: &str, bytes: Vec<u8>| {
            if sha256(&bytes) != oid {
                return Response::new(400, "BadDigest");
            }
            self.objects.insert(oid.to_owned(), Arc::new(bytes));
            Response::new(200, "{}").header("Content-Type", "application/json")
        };
        match (request.method.as_str(), &parts[..]) {
            ("GET" | "HEAD", ["blob", oid]) => match self.objects.get(*oid) {
                Some(bytes) => ranged(request, bytes).header("ETag", format!("\"storage-{}\"", &oid[..8])),
                None => Response::new(404, "NoSuchKey"),
            },
            ("PUT", ["upload", oid]) => keep(oid, request.body.clone()),
            ("PUT", ["part", oid, n]) => {
                self.parts.insert(((*oid).to_owned(), n.parse().unwrap()), request.body.clone());
                Response::new(200, "").header("ETag", format!("\"part-{n}\""))
            }
            ("POST", ["complete", oid]) => {
                let Ok(asked) = body_json(request) else { return Response::new(400, "no JSON") };
                let mut bytes = Vec::new();
                for part in asked["parts"].as_array().into_iter().flatten() {
                    let n = part["partNumber"].as_u64().unwrap_or(0) as usize;
                    if part["etag"] != format!("\"part-{n}\"") {
                        return Response::new(400, "InvalidPart");
                    }
                    bytes.extend(self.parts.remove(&((*oid).to_owned(), n)).unwrap_or_default());
                }
                keep(oid, bytes)
            }
            _ => Response::new(404, "NoSuchKey"),
        }
    }
}

/// What git attributes say goes to LFS, and whatever is too large for git.
fn is_large(path: &str, size: usize) -> bool {
    let large = [".safetensors", ".bin", ".parquet", ".wav", ".flac", ".npy", ".zip", ".gz"];
    size > 0 && (size > 10 << 20 || path.contains("tfevents") || large.iter().any(|end| path.ends_with(end)))
}

/// The bytes, or the part that was asked for.
fn ranged(request: &Request, bytes: &[u8]) -> Response {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((start, last)) = range.and_then(|range| range.split_once('-')) else {
        return Response::new(200, bytes).header("Accept-Ranges", "bytes");
    };
    let start: usize = start.parse().unwrap_or(0);
    let last = last.parse().unwrap_or(usize::MAX).min(bytes.len().saturating_sub(1));
    if start >= bytes.len() {
        return Response::new(416, "").header("Content-Range", format!("bytes */{}", bytes.len()));
    }
    let range = format!("bytes {start}-{last}/{}", bytes.len());
    Response::new(206, &bytes[start..=last]).header("Content-Range", range)
}

fn json_response(body: &Value) -> Response {
    Response::new(200, body.to_string()).header("Content-Type", "application/json")
}

fn error(status: u16, code: &'static str, message: &str) -> Response {
    let response = Response { status, ..json_response(&json!({ "error": message })) };
    let response = response.header("X-Error-Message", message);
    if code.is_empty() { response } else { response.header("X-Error-Code", code) }
}

fn body_json(request: &Request) -> Result<Value, Response> {
    serde_json::from_slice(&request.body).map_err(|_| error(400, "", "the body is no JSON"))
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What git calls a file of these bytes.
pub fn git_oid(bytes: &[u8]) -> String {
    sha1(&[format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat())
}

fn sha1(bytes: &[u8]) -> String {
    hex(&<sha1::Sha1 as sha1::Digest>::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
