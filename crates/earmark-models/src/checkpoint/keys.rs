//! What a parameter is called in a file.

use earmark_config::Keys;

/// The field of a network that stands for the base model: [`Architecture`](crate::Architecture).
const BASE: &str = "base.";

/// The name that a file has for the parameter at `path` of a network. Renames are undone elsewhere.
pub(crate) fn in_file(keys: &Keys, path: &str) -> String {
    match path.strip_prefix(BASE) {
        Some(rest) => format!("{}{rest}", keys.base),
        None => path.to_owned(),
    }
}
