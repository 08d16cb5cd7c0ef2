//! The Hub's own answers: the API, git-LFS and the addresses of files.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::{body_json, error, git_oid, json_response, ranged, sha256};
use super::state::{Repository, State, Stored, is_large};
use crate::http::{Request, Response};

impl State {
    pub(super) fn hub(&mut self, request: &Request) -> Response {
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
                    ("GET", None | Some("revision")) => self.info(request, &repo, revision),
                    ("GET", Some("tree")) => self.tree(request, &repo, revision),
                    ("GET", Some("xet-read-token")) if self.offers_xet() => Ok(self.xet_token("xet-read")),
                    _ if user.is_none() => Err(error(401, "", "Log in to write")),
                    _ if user.as_ref().is_some_and(|(_, write)| !write) => {
                        Err(error(403, "", "This token has no write access"))
                    }
                    ("GET", Some("xet-write-token")) if self.offers_xet() => Ok(self.xet_token("xet-write")),
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

    fn offers_xet(&self) -> bool {
        !self.xet_url.is_empty()
    }

    /// Rust clients read the body, Python's the headers.
    fn xet_token(&self, token: &str) -> Response {
        let (expires, url) = (4_000_000_000_u64, &self.xet_url);
        json_response(&json!({ "accessToken": token, "exp": expires, "casUrl": url }))
            .header("X-Xet-Access-Token", token)
            .header("X-Xet-Token-Expiration", expires.to_string())
            .header("X-Xet-Cas-Url", url)
    }

    fn info(&self, request: &Request, repo: &str, revision: &str) -> Result<Response, Response> {
        let (commit, tree) = self.at(repo, revision)?;
        let siblings: Vec<Value> = tree.keys().map(|path| json!({ "rfilename": path })).collect();
        let id = repo.split_once('/').unwrap().1;
        if request.query("expand").as_deref() == Some("sha") {
            return Ok(json_response(&json!({ "_id": "1", "id": id, "sha": commit })));
        }
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
        if self.offers_xet() && asked["transfers"].as_array().is_some_and(|it| it.contains(&json!("xet"))) {
            return Ok(json_response(&json!({ "transfer": "xet", "objects": [] })));
        }
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
            let found = Response::new(302, "Found")
                .header("Location", format!("{}/blob/{oid}?signature=s3cr3t", self.storage_url))
                .header("X-Linked-ETag", format!("\"{oid}\""))
                .header("X-Linked-Size", bytes.len().to_string())
                .header("X-Repo-Commit", commit.clone());
            if !self.offers_xet() {
                return Ok(found);
            }
            // The storage finds a file by any hash. This one is at hand.
            let (host, id) = (&request.headers["host"], repo.split_once('/').unwrap().1);
            let token = format!("http://{host}/api/{kind}/{id}/xet-read-token/{commit}");
            return Ok(found
                .header("X-Xet-Hash", oid)
                .header("Link", format!("<{token}>; rel=\"xet-auth\"")));
        }
        Ok(ranged(request, bytes)
            .header("ETag", format!("\"{}\"", git_oid(bytes)))
            .header("X-Repo-Commit", commit.clone()))
    }
}
