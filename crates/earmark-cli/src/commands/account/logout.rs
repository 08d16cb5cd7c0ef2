use std::fs;
use std::io;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use earmark_hub::HubBuilder;

use crate::args::hub::token_file;
use crate::exit::Done;
use crate::output::messages;

/// Delete the token that `earmark login` stored.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<Done> {
    let file = token_file(&HubBuilder::from_env()?)?;
    match fs::remove_file(&file) {
        Ok(()) => messages::note(format_args!("removed {}", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            messages::note(format_args!("no token is stored in {}", file.display()));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot remove `{}`", file.display())),
    }
    if std::env::var_os("HF_TOKEN").is_some_and(|token| !token.is_empty()) {
        messages::warning("HF_TOKEN is set and will still be used");
    }
    Ok(Done::Well)
}
