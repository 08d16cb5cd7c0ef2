//! The files of a dataset, on a loopback Hub or in a folder.

use std::fs;
use std::path::Path;

use crate::hub::LoopbackHub;

/// A published dataset: its files on the Hub, and those that come from web addresses.
#[derive(Debug, Clone, Default)]
pub struct Planted {
    /// `datasets/marsyas/gtzan`; empty where none of it is on the Hub.
    pub repo: &'static str,
    /// A branch, or a commit by its hash.
    pub revision: &'static str,
    /// Files of the repository by their paths.
    pub files: Vec<(String, Vec<u8>)>,
    /// Files from web addresses by the last part of the address. A test has no server for these; where they are downloaded to, a
    /// file of that name is taken as downloaded.
    pub downloads: Vec<(String, Vec<u8>)>,
}

impl Planted {
    /// Commits the files to a Hub.
    pub fn add_to(&self, hub: &LoopbackHub) {
        let files: Vec<(&str, &[u8])> =
            self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        if !files.is_empty() {
            hub.add_at(self.repo, self.revision, &files);
        }
    }

    /// Writes what comes from web addresses into a folder of downloads.
    pub fn write_downloads(&self, folder: &Path) {
        write(folder, &self.downloads);
    }
}

/// Writes files, and the folders they are in.
pub(super) fn write(root: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
