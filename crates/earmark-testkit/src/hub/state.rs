//! What the Hub keeps: repositories, commits, LFS objects and tokens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::answer::{error, sha1};
use crate::http::{Request, Response};

pub(super) type Shared = Arc<Mutex<State>>;
pub(super) type Fault = dyn Fn(&Request) -> Option<Response> + Send + Sync;

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) bytes: Arc<Vec<u8>>,
    /// Kept in LFS: its etag is its SHA-256, and its bytes come from the storage.
    pub(super) lfs: bool,
}

#[derive(Default)]
pub(super) struct State {
    /// By `models/owner/name`.
    pub(super) repos: BTreeMap<String, Repository>,
    /// LFS objects by SHA-256.
    pub(super) objects: BTreeMap<String, Arc<Vec<u8>>>,
    /// Parts of objects on their way, by SHA-256 and number.
    pub(super) parts: BTreeMap<(String, usize), Vec<u8>>,
    /// User and whether they may write, by token.
    pub(super) tokens: BTreeMap<String, (String, bool)>,
    pub(super) fault: Option<Arc<Fault>>,
    pub(super) storage_fault: Option<Arc<Fault>>,
    pub(super) storage_url: String,
    /// By hash.
    pub(super) xorbs: BTreeMap<String, Vec<u8>>,
    pub(super) xet_fault: Option<Arc<Fault>>,
    /// Empty if this Hub has no Xet storage.
    pub(super) xet_url: String,
    /// Bytes of a part when large files come in several.
    pub(super) part_size: Option<usize>,
    /// Files of a page of a listing.
    pub(super) page: usize,
    pub(super) commits: u64,
}

#[derive(Default)]
pub(super) struct Repository {
    pub(super) private: bool,
    pub(super) gated: bool,
    /// Commits by branch.
    pub(super) branches: BTreeMap<String, String>,
    /// Files by path, by commit.
    pub(super) commits: BTreeMap<String, BTreeMap<String, Stored>>,
    pub(super) pull_requests: usize,
}

impl Repository {
    pub(super) fn at(&self, revision: &str) -> Option<(&String, &BTreeMap<String, Stored>)> {
        self.commits.get_key_value(self.branches.get(revision).map_or(revision, String::as_str))
    }
}

impl State {
    pub(super) fn commit(&mut self, repo: &str, branch: &str, tree: BTreeMap<String, Stored>) -> String {
        self.commits += 1;
        let commit = sha1(format!("commit {}", self.commits).as_bytes());
        let repo = self.repos.get_mut(repo).unwrap();
        repo.commits.insert(commit.clone(), tree);
        repo.branches.insert(branch.to_owned(), commit.clone());
        commit
    }

    /// The user of the request's token and whether they may write; an unknown token is a refusal.
    pub(super) fn user(&self, request: &Request) -> Result<Option<&(String, bool)>, Response> {
        match request.headers.get("authorization").and_then(|it| it.strip_prefix("Bearer ")) {
            None => Ok(None),
            Some(token) => self
                .tokens
                .get(token)
                .map(Some)
                .ok_or_else(|| error(401, "", "Invalid credentials in Authorization header")),
        }
    }

    pub(super) fn visible(&self, repo: &str, user: Option<&(String, bool)>) -> Result<&Repository, Response> {
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

    pub(super) fn at(
        &self,
        repo: &str,
        revision: &str,
    ) -> Result<(&String, &BTreeMap<String, Stored>), Response> {
        let found = self.repos.get(repo).and_then(|repo| repo.at(revision));
        found.ok_or_else(|| error(404, "RevisionNotFound", &format!("Invalid rev id: {revision}")))
    }
}

/// What git attributes say goes to LFS, and whatever is too large for git.
pub(super) fn is_large(path: &str, size: usize) -> bool {
    let large = [".safetensors", ".bin", ".parquet", ".wav", ".flac", ".npy", ".zip", ".gz"];
    size > 0 && (size > 10 << 20 || path.contains("tfevents") || large.iter().any(|end| path.ends_with(end)))
}
