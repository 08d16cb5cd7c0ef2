use std::path::PathBuf;

use crate::repo::Repo;

/// What to push, all of it in one commit.
#[derive(Debug, Clone)]
pub struct Push {
    /// The repository, created if there is none of that name; the revision is the branch, created likewise.
    pub repo: Repo,
    /// Path in the repository and file on this machine.
    pub files: Vec<(String, PathBuf)>,
    /// The commit's message.
    pub message: String,
    /// Whether a repository that is created is private.
    pub private: bool,
    /// Whether to open a pull request instead of committing to the branch.
    pub create_pr: bool,
}

/// The result of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The page of the pull request, or of the repository.
    pub page: String,
    /// The commit; `None` if the Hub had every file already.
    pub commit: Option<String>,
    /// Paths of the files that the commit changed.
    pub sent: Vec<String>,
    /// Files that the Hub had already.
    pub unchanged: usize,
}
