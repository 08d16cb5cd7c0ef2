use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::store::burn_pack::Tensor as PackTensor;
use earmark_error::Context as _;

use crate::checkpoint::file;
use crate::error::{Error, ErrorKind, Using};

/// Files of one checkpoint.
const MOST_SHARDS: usize = 1 << 10;

/// The tensors of a checkpoint in several files. The index's `weight_map` says which file holds which key; every file named must
/// lie beside the index. As the reference, all that a file holds is read, whether the index has it or not.
pub(crate) fn open(dir: &Path, index: &Path) -> Result<BTreeMap<String, PackTensor>, Error> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let broken = |why: String| Err(ErrorKind::BrokenWeights(why)).context(Using(index));
    let text = earmark_config::read(index).context(Using(index))?;
    let Index { weight_map } = serde_json::from_slice(&text).context(Using(index))?;
    let files: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
    if files.len() > MOST_SHARDS {
        return broken(format!("it lists {} files; the limit is {MOST_SHARDS}", files.len()));
    }
    let mut shards: BTreeMap<&str, BTreeMap<String, PackTensor>> = BTreeMap::new();
    for name in files {
        if Path::new(name).file_name().is_none_or(|plain| plain != name) {
            return broken(format!("it lists `{name}`, which is not a plain file name"));
        }
        let path = dir.join(name);
        shards.insert(name, file::open(&path)?);
    }
    let absent = weight_map.iter().find(|(key, file)| !shards[file.as_str()].contains_key(*key));
    if let Some((key, file)) = absent {
        return broken(format!("`{key}` is not in `{file}`, although the index lists it there"));
    }
    let mut tensors = BTreeMap::new();
    for (key, tensor) in shards.into_values().flatten() {
        if let Some(other) = tensors.insert(key, tensor) {
            return broken(format!("`{}` is in two of its files", other.name));
        }
    }
    Ok(tensors)
}
