//! `DIR/<label>/<clip>`: the layout of `datasets`' `audiofolder`, of GTZAN, and of most collections at home.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use earmark_audio::is_sound;
use earmark_labels::{LabelId, LabelSet};

use crate::dataset::{About, AudioDataset, Clip};
use crate::error::ErrorKind;

/// See [`AudioDataset::open_folder`].
pub(crate) fn open(root: &Path) -> Result<AudioDataset, ErrorKind> {
    if !root.is_dir() {
        return Err(ErrorKind::NoFolder);
    }
    let mut classes = entries(root)?;
    classes.retain(|entry| entry.path.is_dir());
    match classes.as_slice() {
        [] => return Err(ErrorKind::NoClasses),
        [only] => {
            return Err(ErrorKind::OneClass { class: only.name.clone() });
        }
        _ => {}
    }

    let names = classes.iter().map(|class| class.name.as_str());
    let labels = LabelSet::from_names(names).expect("a folder's entries have names of their own");
    let mut clips = Vec::new();
    let mut skipped = Vec::new();
    for (index, class) in classes.iter().enumerate() {
        let before = clips.len();
        for entry in entries(&class.path)? {
            if is_sound(&entry.path) && entry.path.is_file() {
                let name = format!("{}/{}", class.name, entry.name);
                clips.push(Clip::new(name, entry.path, LabelId::new(index)));
            } else {
                skipped.push(entry.path);
            }
        }
        if clips.len() == before {
            return Err(ErrorKind::EmptyClass { class: class.name.clone() });
        }
    }
    let name = root.file_name().map_or_else(|| "folder".into(), |name| name.to_string_lossy().into_owned());
    Ok(AudioDataset { name, root: root.to_path_buf(), clips, labels, about: About::default(), skipped })
}

/// Every file below a folder, by its path there with `/`, in byte order of folders and names; hidden ones are passed over.
pub(crate) fn files_below(root: &Path) -> Result<Vec<(String, PathBuf)>, ErrorKind> {
    let mut found = Vec::new();
    for entry in entries(root)? {
        if entry.path.is_dir() {
            let below = files_below(&entry.path)?;
            found.extend(below.into_iter().map(|(name, path)| (format!("{}/{name}", entry.name), path)));
        } else {
            found.push((entry.name, entry.path));
        }
    }
    Ok(found)
}

struct Entry {
    name: String,
    path: PathBuf,
}

/// What a folder holds except hidden entries, in byte order of the names.
fn entries(folder: &Path) -> Result<Vec<Entry>, ErrorKind> {
    let mut found = Vec::new();
    let unlisted = |source| ErrorKind::Unlisted { folder: folder.to_path_buf(), source };
    for entry in fs::read_dir(folder).map_err(unlisted)? {
        let path = entry.map_err(unlisted)?.path();
        match path.file_name().map(OsStr::to_str) {
            Some(Some(name)) if name.starts_with('.') => {}
            Some(Some(name)) => found.push(Entry { name: name.to_owned(), path }),
            _ => return Err(ErrorKind::NotUtf8 { path }),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
