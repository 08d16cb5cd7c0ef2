//! The Hub client against a Hub on the loopback interface: what it fetches, what it refuses, what it leaves
//! behind.

#![allow(clippy::unwrap_used)] // A helper that cannot go on fails the test, as it should.

mod cached;
mod offline;
mod refusals;
mod retries;
mod urls;
mod model;
mod progress;
mod web;
mod ranges;
mod listings;
mod interrupted;
mod attacks;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use earmark_hub::{Error, ErrorKind, Hub, HubBuilder, Missing, Progress, Repo};
use earmark_testkit::http::{Request, Response, Server};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const NEXT_COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";
const CONFIG: &str = "/owner/name/resolve/main/config.json";

fn repo() -> Repo {
    Repo::model("owner/name").unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file kept in git, as the Hub answers for it.
fn small(body: &str) -> Response {
    Response::new(200, body).header("ETag", "\"a-git-hash\"").header("X-Repo-Commit", COMMIT)
}

/// A file kept in LFS, after the redirect: its etag is its SHA-256.
fn large(body: &[u8]) -> Response {
    Response::new(200, body).header("ETag", format!("\"{}\"", sha256(body))).header("X-Repo-Commit", COMMIT)
}

fn no_such_file() -> Response {
    Response::new(404, "Entry not found")
        .header("X-Error-Code", "EntryNotFound")
        .header("X-Repo-Commit", COMMIT)
}

/// A cache folder, and a builder with it and the server; waits are short and few.
struct Cache(TempDir);

impl Cache {
    fn new() -> Cache {
        Cache(tempfile::tempdir().unwrap())
    }

    fn builder(&self, server: &Server) -> HubBuilder {
        Hub::builder(self.0.path())
            .endpoint(server.url())
            .retries(2)
            .retry_delay(Duration::from_millis(1))
            .timeout(Duration::from_secs(20))
    }

    fn hub(&self, server: &Server) -> Hub {
        self.builder(server).build().unwrap()
    }

    fn offline(&self, server: &Server) -> Hub {
        self.builder(server).offline(true).build().unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("models--owner--name").join(path)
    }

    /// Every file and link of the cache but locks and notes of absence, relative, sorted.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, root, found);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let mut found = Vec::new();
        walk(self.0.path(), self.0.path(), &mut found);
        found.retain(|path| !path.starts_with(".locks") && !path.contains(".no_exist"));
        found.sort();
        found
    }
}

/// All an error can show, to a person or in a log.
fn message(error: &Error) -> String {
    format!("{error}: {}; {error:?}", error.kind)
}

/// Fails to fetch `config.json`, leaves no file behind, and returns why.
#[track_caller]
fn refused(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> (ErrorKind, Server) {
    let (cache, server) = (Cache::new(), Server::start(handler));
    let error = cache.hub(&server).fetch(&repo(), "config.json").unwrap_err();
    assert_eq!(cache.files(), [""; 0], "{}", message(&error));
    assert!(error.to_string().contains("`config.json` of model `owner/name@main`"), "{error}");
    (*error.kind, server)
}
