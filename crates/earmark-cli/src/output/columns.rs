//! Text in columns.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::output::escape::escape;

/// Rows of text, escaped, all to the left.
pub(crate) fn left<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    filled(header, rows).trim_fmt()
}

fn filled<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| escape(&cell).into_owned()));
    }
    table
}

/// Rows of text, escaped: the first column to the left, the others to the right.
pub(crate) fn numeric<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = filled(header, rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
