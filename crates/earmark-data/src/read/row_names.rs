//! What rows of tables are called.

use crate::example::Fields;

/// Columns that say the name of a sound's file.
const COLUMNS: [&str; 5] = ["filename", "file_name", "slice_file_name", "file", "path"];

/// What a row of a shard is called: by the path beside its sound, else by the column that names its file, else by its number.
pub(crate) fn row_name(path: Option<String>, fields: &Fields, row: usize) -> String {
    let is_name = |name: &&str| !name.is_empty();
    let column = || COLUMNS.iter().find_map(|column| fields.get(*column)?.as_str().filter(is_name));
    path.or_else(|| column().map(str::to_owned)).unwrap_or_else(|| format!("row-{row:06}"))
}
