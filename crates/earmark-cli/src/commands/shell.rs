//! What a shell and `man` want to know of the command.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use clap_complete::Shell;

use crate::Done;
use crate::output::{messages, stdout};

const EXAMPLES: &str = "\
Examples:
  earmark completions bash > ~/.local/share/bash-completion/completions/earmark
  earmark completions zsh > ~/.zfunc/_earmark
  earmark completions fish > ~/.config/fish/completions/earmark.fish";

/// Write completions for a shell to stdout.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

const MAN_EXAMPLES: &str = "\
Examples:
  earmark man ~/.local/share/man/man1 && man earmark-classify";

/// Write manual pages, one for each command, into a folder.
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// The folder; made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn completions(args: &Completions, command: &mut clap::Command) -> Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "earmark", &mut script);
    // Not by `generate` itself, which panics when a pipe closes.
    stdout::stdout().write_all(&script)?;
    Ok(Done::Well)
}

pub(crate) fn man(args: &Man, command: clap::Command) -> Result<Done> {
    let doing = || format!("cannot write manual pages into `{}`", args.folder.display());
    fs::create_dir_all(&args.folder).with_context(doing)?;
    clap_mangen::generate_to(command, &args.folder).with_context(doing)?;
    messages::note(format_args!("wrote the manual pages into {}", args.folder.display()));
    Ok(Done::Well)
}
