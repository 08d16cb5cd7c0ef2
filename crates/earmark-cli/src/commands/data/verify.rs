use std::io::Write as _;

use anyhow::Result;

use super::examine::{examine, report_bad};
use crate::args::dataset::NamedArgs;
use crate::exit::Done;
use crate::output::count::count;
use crate::output::stdout;

pub(crate) fn run(args: &NamedArgs) -> Result<Done> {
    let dataset = args.open()?;
    let rows = examine(&dataset);
    let done = report_bad(&rows);
    let broken = rows.iter().filter(|row| row.duration.is_none()).count();
    let damaged = rows.iter().filter(|row| row.error.is_some()).count() - broken;
    let mut out = stdout::stdout();
    writeln!(
        out,
        "{}: {} intact, {damaged} damaged, {broken} cannot be decoded",
        count(rows.len(), "clip"),
        rows.len() - damaged - broken
    )?;
    Ok(done)
}
