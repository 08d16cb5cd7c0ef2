//! The list of a revision's files, as the API's tree gives it.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::api::urls::RepoUrl;
use crate::error::ErrorKind;
use crate::http::client::Http;
use crate::repo::{FileName, Repo};

/// Most pages of a list, of 1 000 files each: a server could name a next page for ever.
const MAX_PAGES: u64 = 2_000;

/// Largest page of a list: one of 1 000 files has some hundred KB.
const MAX_PAGE: u64 = 16 << 20;

/// Most files of a list: some 200 MB of memory. The largest datasets of the Hub have a few hundred thousand.
const MAX_FILES: u64 = 1_000_000;

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteFile {
    /// Its path in the repository, with `/` between parts; never outside the repository.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, if it is kept in LFS.
    pub sha256: Option<String>,
    /// Its git object id: of a file that is not in LFS, the SHA-1 of `blob LENGTH\0` and its bytes.
    pub git_oid: Option<String>,
}

/// An entry of the API's tree. The cache keeps lists in the same form.
#[derive(Serialize, Deserialize)]
pub(crate) struct TreeEntry {
    #[serde(rename = "type", default, skip_serializing)]
    kind: Option<String>,
    path: String,
    /// Directories may have none.
    size: Option<u64>,
    oid: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Serialize, Deserialize)]
struct Lfs {
    oid: Option<String>,
}

impl RemoteFile {
    /// `None` for a path that leads out of the repository, or a file of unknown length.
    pub(crate) fn from_entry(entry: TreeEntry) -> Option<RemoteFile> {
        FileName::checked(&entry.path).ok()?;
        let sha256 = entry.lfs.and_then(|lfs| lfs.oid);
        Some(RemoteFile { path: entry.path, size: entry.size?, sha256, git_oid: entry.oid })
    }

    pub(crate) fn to_entry(&self) -> TreeEntry {
        TreeEntry {
            kind: None,
            path: self.path.clone(),
            size: Some(self.size),
            oid: self.git_oid.clone(),
            lfs: self.sha256.clone().map(|oid| Lfs { oid: Some(oid) }),
        }
    }
}

impl Http {
    /// The files of a revision, sorted by path.
    pub(crate) fn tree(&self, endpoint: &Url, repo: &Repo) -> Result<Vec<RemoteFile>, ErrorKind> {
        let mut target = RepoUrl::api(endpoint, repo, "tree");
        target.url.set_query(Some("recursive=true"));
        let too_large = |what: &str, limit| {
            let what = format!("the Hub's list of files of {repo}, in {what},");
            ErrorKind::TooLarge { what, limit }
        };
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let (page, next) = self.json::<Vec<TreeEntry>>(&target, MAX_PAGE)?;
            for entry in page {
                if entry.kind.as_deref() == Some("directory") {
                    continue;
                }
                let file = RemoteFile::from_entry(entry);
                files.push(file.ok_or_else(|| target.malformed("list of files"))?);
            }
            if files.len() as u64 > MAX_FILES {
                return Err(too_large("files", MAX_FILES));
            }
            match next {
                Some(next) => target.url = next,
                None => {
                    files.sort_by(|a, b| a.path.cmp(&b.path));
                    return Ok(files);
                }
            }
        }
        Err(too_large("pages", MAX_PAGES))
    }
}
