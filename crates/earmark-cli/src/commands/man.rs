use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;

use crate::exit::Done;
use crate::output::messages;

const EXAMPLES: &str = "\
Examples:
  earmark man ~/.local/share/man/man1 && man earmark-classify";

/// Write manual pages, one for each command, into a folder.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder; made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args, command: clap::Command) -> Result<Done> {
    let doing = || format!("cannot write manual pages into `{}`", args.folder.display());
    fs::create_dir_all(&args.folder).with_context(doing)?;
    clap_mangen::generate_to(command, &args.folder).with_context(doing)?;
    messages::note(format_args!("wrote the manual pages into {}", args.folder.display()));
    Ok(Done::Well)
}
