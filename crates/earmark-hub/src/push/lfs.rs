//! Large files to the storage, by git-LFS where it is not by Xet.

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom};

use earmark_error::Context as _;
use reqwest::Url;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::urls::{RepoUrl, repo_page};
use crate::error::{ErrorKind, PushedFile};
use crate::http::address::{header_text, origin};
use crate::http::retry::{Failure, Retries, Retry};
use crate::progress::ProgressGuard;
use crate::push::destination::check_destination;
use crate::push::local_file::LocalFile;
use crate::push::session::PushSession;
use crate::push::storage::{FilePart, StorageAnswer};

/// The Hub's answer to a batch.
#[derive(Deserialize)]
struct Batch {
    transfer: Option<String>,
    #[serde(default)]
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    error: Option<Refusal>,
    /// None if the storage has it.
    actions: Option<Actions>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

#[derive(Deserialize)]
struct Actions {
    upload: Option<Action>,
    verify: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: Map<String, Value>,
}

impl PushSession<'_> {
    /// Sends large files to the storage, those that it lacks: by Xet if the Hub offers it.
    pub(crate) fn upload_large(&self, files: &[&LocalFile]) -> Result<(), ErrorKind> {
        if self.hub.xet.is_enabled() {
            let (target, batch) = self.batch(files, &["basic", "multipart", "xet"])?;
            if batch.transfer.as_deref() != Some("xet") {
                return self.upload_lfs(files, &target, &batch);
            }
            if self.upload_by_xet(files)? {
                return Ok(());
            }
        }
        let (target, batch) = self.batch(files, &["basic", "multipart"])?;
        self.upload_lfs(files, &target, &batch)
    }

    /// Asks for one of these ways to send the files.
    fn batch(&self, files: &[&LocalFile], transfers: &[&str]) -> Result<(RepoUrl<'_>, Batch), ErrorKind> {
        let mut url = repo_page(&self.hub.endpoint, &self.push.repo);
        let path = format!("{}.git/info/lfs/objects/batch", url.path());
        url.set_path(&path);
        let target = RepoUrl { url, endpoint: &self.hub.endpoint, repo: &self.push.repo };
        let objects: Vec<_> =
            files.iter().map(|file| json!({ "oid": file.sha256, "size": file.size })).collect();
        let body = json!({
            "operation": "upload",
            "transfers": transfers,
            "objects": objects,
            "hash_algo": "sha256",
        });
        let batch =
            self.http.post(&target, |request| request.headers(lfs_headers()).body(body.to_string()))?;
        Ok((target, batch))
    }

    fn upload_lfs(&self, files: &[&LocalFile], target: &RepoUrl<'_>, batch: &Batch) -> Result<(), ErrorKind> {
        for file in files {
            let found = batch.objects.iter().find(|object| object.oid == file.sha256);
            let Object { error, actions, .. } = found.ok_or_else(|| target.malformed("list of objects"))?;
            if let Some(Refusal { message }) = error {
                let message = self.http.one_line(message);
                return Err(ErrorKind::PushRefused { status: 422, page: target.page(), message });
            }
            let Some(Actions { upload: Some(upload), verify }) = actions else { continue };
            self.upload_file(file, upload, target)?;
            if let Some(verify) = verify {
                self.verify(file, &verify.href, target)?;
            }
        }
        Ok(())
    }

    fn upload_file(&self, file: &LocalFile, upload: &Action, target: &RepoUrl<'_>) -> Result<(), ErrorKind> {
        let progress = ProgressGuard(self.hub.progress.as_deref());
        progress.started(&file.path, Some(file.size));
        let href = self.destination(file, Some(&upload.href), target)?;
        let chunk = upload.header.get("chunk_size");
        let chunk = chunk.and_then(|it| it.as_str().map_or_else(|| it.as_u64(), |t| t.parse().ok()));
        match chunk.filter(|chunk| *chunk > 0) {
            Some(chunk) => self.upload_parts(file, &href, &upload.header, chunk, target),
            None => {
                let headers = self.upload_headers(file, &href, &upload.header, target)?;
                self.put(file, 0, file.size, &href, &headers).map(drop)
            }
        }
    }

    /// Sends the file in parts of `chunk` bytes, then names them all at `href`.
    fn upload_parts(
        &self,
        file: &LocalFile,
        href: &Url,
        header: &Map<String, Value>,
        chunk: u64,
        target: &RepoUrl<'_>,
    ) -> Result<(), ErrorKind> {
        // Part numbers `00001` and on, each with its address.
        let mut parts = BTreeMap::new();
        for (key, value) in header {
            if let Ok(number) = key.parse::<u64>() {
                parts.insert(number, self.destination(file, value.as_str(), target)?);
            }
        }
        if parts.len() as u64 != file.size.div_ceil(chunk)
            || !parts.keys().copied().eq(1..=parts.len() as u64)
        {
            return Err(target.malformed("list of parts"));
        }
        let mut done = Vec::new();
        for (number, url) in &parts {
            let from = (number - 1) * chunk;
            let length = chunk.min(file.size - from);
            let answer = self.put(file, from, length, url, &HeaderMap::new())?;
            let etag = header_text(&answer.headers, "etag").ok_or_else(|| target.malformed("`ETag`"))?;
            done.push(json!({ "partNumber": number, "etag": etag }));
        }
        let body = json!({ "oid": file.sha256, "parts": done }).to_string();
        let send = |_| self.storage.post(href, &lfs_headers(), body.clone(), &file.path);
        self.until_accepted(file, href, send).map(drop)
    }

    /// An address in the Hub's answer, if this file may be sent there.
    fn destination(
        &self,
        file: &LocalFile,
        href: Option<&str>,
        target: &RepoUrl<'_>,
    ) -> Result<Url, ErrorKind> {
        let url = href.and_then(|href| Url::parse(href).ok());
        let url = url.ok_or_else(|| target.malformed("`href`"))?;
        match check_destination(&self.hub.endpoint, &url) {
            Ok(()) => Ok(url),
            Err(why) => Err(ErrorKind::UploadAddress { file: file.path.clone(), address: origin(&url), why }),
        }
    }

    /// The headers that the Hub names for an upload, without those that say where a request goes and how it ends.
    fn upload_headers(
        &self,
        file: &LocalFile,
        url: &Url,
        header: &Map<String, Value>,
        target: &RepoUrl<'_>,
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
            // The Hub knows the token, the storage must not learn it.
            if self.http.is_token_in(value) && url.origin() != self.hub.endpoint.origin() {
                let header = self.http.one_line(name);
                return Err(ErrorKind::UploadHeader { file: file.path.clone(), header });
            }
            let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) = parsed.ok_or_else(|| target.malformed("`header`"))?;
            if !OURS.contains(&name.as_str()) && !name.as_str().starts_with("proxy-") {
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }

    /// Sends a part of the file to the storage, without the token: the address is signed.
    fn put(
        &self,
        file: &LocalFile,
        from: u64,
        length: u64,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<StorageAnswer, ErrorKind> {
        let reading = || PushedFile(&file.file);
        self.until_accepted(file, url, |is_repeat| {
            let mut open = earmark_fs::open(&file.file).with_context(reading)?;
            open.seek(SeekFrom::Start(from)).with_context(reading)?;
            let part = FilePart::new(open, length, self.hub.progress.clone().filter(|_| !is_repeat));
            self.storage.put(url, headers, part, &file.path)
        })
    }

    /// Tells the address for verification that the file was uploaded.
    fn verify(&self, file: &LocalFile, address: &str, target: &RepoUrl<'_>) -> Result<(), ErrorKind> {
        let url = self.destination(file, Some(address), target)?;
        let body = json!({ "oid": file.sha256, "size": file.size }).to_string();
        // With the token, if it is an address of the Hub.
        let is_hub = url.origin() == self.hub.endpoint.origin();
        let send = |_| {
            if !is_hub {
                return self.storage.post(&url, &lfs_headers(), body.clone(), &file.path);
            }
            let request = self.http.no_redirect.post(url.clone()).headers(lfs_headers()).body(body.clone());
            let answer = request.send().map_err(|error| {
                let (server, file) = (origin(&url), file.path.clone());
                Failure::of_request(error, |source| ErrorKind::UploadCut { server, file, source })
            })?;
            Ok(StorageAnswer { status: answer.status(), headers: answer.headers().clone() })
        };
        self.until_accepted(file, &url, send).map(drop)
    }

    /// Sends to the storage, with retries, until it answers with success. `send` learns whether it is repeated.
    fn until_accepted(
        &self,
        file: &LocalFile,
        url: &Url,
        send: impl Fn(bool) -> Result<StorageAnswer, Failure>,
    ) -> Result<StorageAnswer, ErrorKind> {
        let mut is_repeat = false;
        Retries::new(&self.http.timeouts).run(|| {
            let answer = send(std::mem::replace(&mut is_repeat, true))?;
            if answer.status.is_success() { Ok(answer) } else { Err(storage_refusal(file, url, &answer)) }
        })
    }
}

fn storage_refusal(file: &LocalFile, url: &Url, answer: &StorageAnswer) -> Failure {
    let (status, file) = (answer.status, file.path.clone());
    let next = header_text(&answer.headers, "location").and_then(|location| url.join(location).ok());
    match next.filter(|_| status.is_redirection()) {
        Some(next) => {
            let why = "by a redirect of the storage";
            ErrorKind::UploadAddress { file, address: origin(&next), why }.into()
        }
        None => Failure {
            kind: ErrorKind::Upload { server: origin(url), status: status.as_u16(), file },
            retry: Retry::of_status(status, &answer.headers),
        },
    }
}

fn lfs_headers() -> HeaderMap {
    const LFS: HeaderValue = HeaderValue::from_static("application/vnd.git-lfs+json");
    HeaderMap::from_iter([(header::ACCEPT, LFS), (header::CONTENT_TYPE, LFS)])
}
