use std::io::Write as _;

use anyhow::Result;
use earmark_data::CATALOG;

use crate::exit::Done;
use crate::output::{columns, stdout};

pub(crate) fn run() -> Result<Done> {
    let rows = CATALOG.iter().map(|dataset| {
        let configs = dataset.configs;
        let more =
            if configs.len() > 4 { format!(", … ({} in all)", configs.len()) } else { String::new() };
        let some = configs.iter().take(4).map(|config| config.name).collect::<Vec<_>>().join(", ");
        [dataset.id.to_owned(), format!("{some}{more}"), dataset.licence.unwrap_or("none stated").to_owned()]
    });
    let mut out = stdout::stdout();
    writeln!(out, "{}", columns::left(["dataset", "configurations", "licence"], rows))?;
    Ok(Done::Well)
}
