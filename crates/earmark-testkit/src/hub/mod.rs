//! A Hub on the loopback interface: repositories with revisions and commits, large files behind a redirect to another
//! port, uploads by git-LFS and by commit, tokens, and failures on demand.
//!
//! It has the API that `huggingface_hub` 2.4.0 uses, with Xet from `offer_xet` on, and keeps everything
//! in memory.
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

mod state;
mod calls;
mod storage;
mod xet;
mod answer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::http::{Request, Response, Server};
use state::{Shared, State, Stored, is_large};

pub use answer::{git_oid, sha256};

/// A Hub that answers until it is dropped.
pub struct LoopbackHub {
    server: Server,
    storage: Server,
    xet: Option<Server>,
    state: Shared,
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
        LoopbackHub { server, storage, xet: None, state }
    }

    /// Offers large files by Xet, too, from a storage of its own.
    pub fn offer_xet(&mut self) {
        let state = Arc::clone(&self.state);
        let xet = Server::start(move |request| {
            let fault = lock(&state).xet_fault.clone();
            fault.and_then(|fault| fault(request)).unwrap_or_else(|| lock(&state).xet(request))
        });
        lock(&self.state).xet_url = xet.url();
        self.xet = Some(xet);
    }

    /// The Xet storage.
    pub fn xet(&self) -> &Server {
        self.xet.as_ref().expect("this Hub offers Xet")
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The Hub's own server, which has the requests that came.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The server large files come from and go to.
    pub fn storage(&self) -> &Server {
        &self.storage
    }

    /// Adds a token whose user may read everything, and write if `write`.
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

    /// As [`add`](LoopbackHub::add), to a branch, or as the commit whose hash `revision` is: for clients that pin one.
    pub fn add_at(&self, repo: &str, revision: &str, files: &[(&str, &[u8])]) {
        let commit = self.add(repo, "main", files);
        if revision.len() == 40 {
            let mut state = lock(&self.state);
            let commits = &mut state.repos.get_mut(repo).unwrap().commits;
            let tree = commits[&commit].clone();
            commits.insert(revision.to_owned(), tree);
        } else if revision != "main" {
            self.add(repo, revision, files);
        }
    }

    /// Hides the repository from requests without a token.
    pub fn make_private(&self, repo: &str) {
        lock(&self.state).repos.get_mut(repo).unwrap().private = true;
    }

    /// Hides the repository's files from requests without a token.
    pub fn make_gated(&self, repo: &str) {
        lock(&self.state).repos.get_mut(repo).unwrap().gated = true;
    }

    /// Whether the repository is private; `None` if it does not exist.
    pub fn is_private(&self, repo: &str) -> Option<bool> {
        lock(&self.state).repos.get(repo).map(|repo| repo.private)
    }

    /// The files of a branch or commit, by path; empty if there is no such thing.
    pub fn files(&self, repo: &str, revision: &str) -> BTreeMap<String, Vec<u8>> {
        let state = lock(&self.state);
        let tree = state.repos.get(repo).and_then(|repo| repo.at(revision)).map(|(_, tree)| tree);
        tree.into_iter().flatten().map(|(path, file)| (path.clone(), file.bytes.to_vec())).collect()
    }

    /// How many commits the repository has in all branches.
    pub fn commits(&self, repo: &str) -> usize {
        lock(&self.state).repos.get(repo).map_or(0, |repo| repo.commits.len())
    }

    /// The commit a branch stands for.
    pub fn head(&self, repo: &str, branch: &str) -> Option<String> {
        lock(&self.state).repos.get(repo)?.branches.get(branch).cloned()
    }

    /// Sends clients to this address for uploads and large files, instead of the storage's.
    pub fn set_storage_url(&self, url: &str) {
        lock(&self.state).storage_url = url.to_owned();
    }

    /// Asks for large files in parts of so many bytes.
    pub fn set_part_size(&self, bytes: usize) {
        lock(&self.state).part_size = Some(bytes);
    }

    /// Lists so many files per page.
    pub fn set_page_size(&self, files: usize) {
        lock(&self.state).page = files;
    }

    /// Answers requests to the Hub with `fault`; where it returns `None`, the Hub answers as usual.
    pub fn set_fault(&self, fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) {
        lock(&self.state).fault = Some(Arc::new(fault));
    }

    /// As [`set_fault`](LoopbackHub::set_fault), for the storage.
    pub fn set_storage_fault(&self, fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) {
        lock(&self.state).storage_fault = Some(Arc::new(fault));
    }

    /// As [`set_fault`](LoopbackHub::set_fault), for the Xet storage.
    pub fn set_xet_fault(&self, fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) {
        lock(&self.state).xet_fault = Some(Arc::new(fault));
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        let mut state = lock(&self.state);
        (state.fault, state.storage_fault, state.xet_fault) = (None, None, None);
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    // A panic in one answer fails its own test.
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
