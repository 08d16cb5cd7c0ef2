//! Remote files that are in memory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use earmark_data::{Fetch, FetchError, Location, ReadAt, RemoteFile};
use earmark_testkit::datasets::Planted;

/// Files as they lie elsewhere, and how many bytes of them were asked for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shelf {
    /// By path in a repository, or the last part of an address.
    pub(crate) files: HashMap<String, Arc<Vec<u8>>>,
    /// Where whole files are put.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) read: Arc<AtomicU64>,
    pub(crate) opened: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Counted {
    bytes: Arc<Vec<u8>>,
    read: Arc<AtomicU64>,
}

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::SeqCst);
        self.bytes.read_exact_at(buffer, offset)
    }
}

impl Fetch for Shelf {
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError> {
        let name = name(file);
        self.opened.lock().unwrap().push(name.clone());
        let bytes = self.files.get(&name).ok_or_else(|| format!("nobody has {name}"))?;
        Ok(Arc::new(Counted { bytes: Arc::clone(bytes), read: Arc::clone(&self.read) }))
    }

    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError> {
        let name = name(file);
        let bytes = self.files.get(&name).ok_or_else(|| format!("nobody has {name}"))?;
        let path = self.folder.clone().unwrap().join(name.replace('/', "_"));
        std::fs::write(&path, bytes.as_slice())?;
        Ok(path)
    }
}

fn name(file: &RemoteFile) -> String {
    match &file.location {
        Location::Hub { path, .. } => path.clone(),
        Location::Web(url) => url.rsplit('/').next().unwrap().to_owned(),
    }
}

impl Shelf {
    /// With the files of a dataset.
    pub(crate) fn of(planted: Planted) -> Shelf {
        let files = planted.files.into_iter().chain(planted.downloads);
        Shelf { files: files.map(|(name, bytes)| (name, Arc::new(bytes))).collect(), ..Shelf::default() }
    }

    /// Whole files are put into this folder.
    pub(crate) fn with_folder(self, folder: &Path) -> Shelf {
        Shelf { folder: Some(folder.to_path_buf()), ..self }
    }
}
