//! Parquet with the columns of the CSV.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Result, bail};
use earmark_data::Shard;
use serde_json::Value;

use crate::output::results::read::columns::{self, Columns};
use crate::output::results::read::found::Found;

pub(super) fn read(file: &Path, visit: &mut dyn FnMut(Found<'_>)) -> Result<()> {
    let name = file.display();
    let table = Shard::table_of(file)?;
    let all = table.columns();
    // The others are not even unpacked.
    let names: Vec<&str> =
        all.iter().copied().filter(|column| columns::known().contains(&column.trim())).collect();
    let columns = match Columns::find(&all).and_then(|_| Columns::find(&names)) {
        Ok(columns) => columns,
        Err(why) => bail!("`{name}`: {why}"),
    };
    for (number, row) in (1..).zip(table.table_rows(&names)?) {
        let row = row?;
        let cells: Vec<Cow<'_, str>> = names.iter().map(|name| text(row.get(*name))).collect();
        match columns.sound(&cells) {
            Ok(found) => found.into_iter().for_each(&mut *visit),
            Err(why) => bail!("`{name}`: row {number} {why}"),
        }
    }
    Ok(())
}

/// A value as the CSV has it.
fn text(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(other.to_string()),
    }
}
