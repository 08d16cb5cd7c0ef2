use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;

use crate::exit::Done;
use crate::output::messages;

const EXAMPLES: &str = "\
Examples:
  earmark man ~/.local/share/man/man1
  man earmark-classify";

/// Write a man page per command to a folder.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder, created if it does not exist.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args, command: clap::Command) -> Result<Done> {
    let doing = || format!("cannot write man pages to `{}`", args.folder.display());
    fs::create_dir_all(&args.folder).with_context(doing)?;
    clap_mangen::generate_to(command, &args.folder).with_context(doing)?;
    messages::note(format_args!("wrote the man pages to {}", args.folder.display()));
    Ok(Done::Well)
}
