//! Misspelled words: `typos.toml`.

use anyhow::Result;

use super::Outcome;
use crate::util::cargo::run as must;
use crate::util::tools::tool;

pub(crate) fn run() -> Result<Outcome> {
    let Some(mut typos) = tool("typos")? else { return Ok(Outcome::no_tools()) };
    must(&mut typos)?;
    Ok(Outcome::Passed)
}
