//! The files of a model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use earmark_error::Context as _;
use serde::Deserialize;

use crate::cache::layout::{CachedFile, RepoCache};
use crate::download::snapshot::Snapshot;
use crate::error::{CachePath, Error, ErrorKind, Subject};
use crate::hub::Hub;
use crate::repo::{FileName, Repo};

/// Largest index of shards that is read: one of a 400 GB model has some 5 MB.
const MAX_INDEX: u64 = 32 << 20;

/// The forms of weights, the preferred one first.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

impl Hub {
    /// As [`Hub::fetch_model_with`].
    pub(crate) fn model(
        &self,
        repo: &Repo,
        needed: impl FnOnce(&Path) -> &'static [&'static str],
    ) -> Result<Snapshot, Error> {
        let CachedFile { commit, path } = self.locate(repo, FileName::new("config.json")?)?;
        // The branch may move while the other files are fetched.
        let pinned = repo.at(commit.as_revision());
        self.fetch_extractor(&pinned)?;
        for file in needed(path.parent().unwrap_or(&path)) {
            self.fetch(&pinned, file)?;
        }
        let (form, path) = self.fetch_first(&pinned, &WEIGHTS)?;
        if let Some(name) = WEIGHTS[form].strip_suffix(".index.json") {
            let (_, extension) = name.rsplit_once('.').unwrap_or_default();
            let index = || Subject::File(pinned.clone(), WEIGHTS[form].to_owned());
            for shard in shards(&path, extension).with_context(index)? {
                self.fetch(&pinned, &shard)?;
            }
        }
        // Last: offline, the branch should stand for a commit whose files are all in the cache.
        let cache = RepoCache::new(&self.cache_dir, repo);
        cache.write_ref(&repo.revision, &commit);
        Ok(Snapshot::new(&cache, &commit))
    }

    /// As [`Hub::fetch_extractor`].
    pub(crate) fn extractor(&self, repo: &Repo) -> Result<(), Error> {
        // A model may have both, one or neither. Whoever needs one reports that it is missing.
        for file in ["processor_config.json", "preprocessor_config.json"] {
            self.fetch_optional(repo, file)?;
        }
        Ok(())
    }

    /// As [`Hub::fetch_optional`].
    pub(crate) fn optional(&self, repo: &Repo, file: &str) -> Result<Option<PathBuf>, Error> {
        match self.fetch(repo, file) {
            Ok(path) => Ok(Some(path)),
            Err(error)
                if error.kind.is_missing_file() || matches!(*error.kind, ErrorKind::Offline { .. }) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The files that hold the weights, from `{"weight_map": {"tensor": "file", …}}`.
fn shards(index: &Path, extension: &str) -> Result<BTreeSet<String>, ErrorKind> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bad = |why: &str| ErrorKind::Index { why: why.to_owned() };
    let bytes = earmark_fs::read(index, MAX_INDEX).context(CachePath(index))?;
    // Without serde's message, which may repeat any length of the file.
    let Index { weight_map } = serde_json::from_slice(&bytes)
        .map_err(|_| bad("it is not JSON with an object `weight_map` from tensor names to file names"))?;
    if weight_map.is_empty() {
        return Err(bad("`weight_map` is empty"));
    }
    let fits = |file: &String| file.rsplit_once('.').is_some_and(|(_, found)| found == extension);
    if !weight_map.values().all(fits) {
        return Err(bad(&format!("`weight_map` lists something other than a `.{extension}` file")));
    }
    Ok(weight_map.into_values().collect())
}
