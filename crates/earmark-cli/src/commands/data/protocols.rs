use std::io::Write as _;

use anyhow::Result;
use earmark_data::Protocol;

use crate::exit::Done;
use crate::output::{columns, stdout};

pub(crate) fn run() -> Result<Done> {
    let rows = Protocol::all().into_iter().map(|protocol| {
        let clips = protocol.clips.map_or_else(|| "–".to_owned(), |clips| clips.to_string());
        [protocol.name, clips, protocol.summary.to_owned()]
    });
    writeln!(stdout::stdout(), "{}", columns::left(["protocol", "clips", "what is scored"], rows))?;
    Ok(Done::Well)
}
