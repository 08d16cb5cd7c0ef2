//! Lists of a commit's files: a noted one, or what is on the disk.

use std::fs;

use earmark_fs::{EntryKind, Walk};

use crate::api::tree::{RemoteFile, TreeEntry};
use crate::cache::layout::RepoCache;
use crate::commit::Commit;
use crate::partial::create_parent;

/// Largest list that is read back.
const MAX_LISTING: u64 = 1 << 30;

impl RepoCache {
    /// The noted list of the commit's files. One that cannot be read counts as none, so it is asked for again.
    pub(crate) fn read_listing(&self, commit: &Commit) -> Option<Vec<RemoteFile>> {
        let bytes = earmark_fs::read(self.listing_path(commit), MAX_LISTING).ok()?;
        let entries: Vec<TreeEntry> = serde_json::from_slice(&bytes).ok()?;
        entries.into_iter().map(RemoteFile::from_entry).collect()
    }

    /// Notes the list. If the cache cannot be written, the next call asks again.
    pub(crate) fn write_listing(&self, commit: &Commit, files: &[RemoteFile]) {
        let path = self.listing_path(commit);
        let entries: Vec<TreeEntry> = files.iter().map(RemoteFile::to_entry).collect();
        let text = serde_json::to_vec(&entries).expect("strings and numbers are JSON");
        if let Err(error) = create_parent(&path).and_then(|()| earmark_fs::write(&path, text)) {
            tracing::debug!(path = %path.display(), %error, "cannot record the list of files");
        }
    }

    /// The files of the commit that are in the cache, sorted by path.
    pub(crate) fn files_on_disk(&self, commit: &Commit) -> Vec<RemoteFile> {
        let mut found = Vec::new();
        // What cannot be read counts as missing, and so does a link to a blob that is gone.
        let entries = Walk::new(self.snapshot(commit)).into_iter().flatten();
        for entry in entries.filter(|entry| entry.kind == EntryKind::File) {
            let parts: Option<Vec<&str>> = entry.relative.iter().map(|part| part.to_str()).collect();
            let (Some(parts), Ok(metadata)) = (parts, fs::metadata(&entry.path)) else { continue };
            let path = parts.join("/");
            found.push(RemoteFile { path, size: metadata.len(), sha256: None, git_oid: None });
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }
}
