use std::path::PathBuf;

use crate::skip;

/// The folder of larger reference material, when this checkout has one beside it.
///
/// `EARMARK_REFERENCE` names it; without the variable a folder `shared/reference` next to the repository is used.
pub fn reference_dir() -> Option<PathBuf> {
    let dir = match std::env::var_os("EARMARK_REFERENCE") {
        Some(dir) => PathBuf::from(dir),
        None => {
            let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("..");
            repository.join("..").join("shared").join("reference")
        }
    };
    dir.is_dir().then_some(dir)
}

/// A path inside [`reference_dir`], or `None` after saying that `test` is skipped ([`skip`]).
pub fn reference(test: &str, path: &str) -> Option<PathBuf> {
    let found = reference_dir().map(|dir| dir.join(path)).filter(|p| p.exists());
    if found.is_none() {
        skip(test, "no reference material (EARMARK_REFERENCE names its folder)");
    }
    found
}
