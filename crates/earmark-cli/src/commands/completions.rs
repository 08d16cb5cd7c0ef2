use std::io::Write as _;

use anyhow::Result;
use clap::Args as ClapArgs;
use clap_complete::Shell;

use crate::exit::Done;
use crate::output::stdout;

const EXAMPLES: &str = "\
Examples:
  earmark completions bash > ~/.local/share/bash-completion/completions/earmark
  earmark completions zsh > ~/.zfunc/_earmark
  earmark completions fish > ~/.config/fish/completions/earmark.fish";

/// Print a completion script for a shell.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, command: &mut clap::Command) -> Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "earmark", &mut script);
    // `generate` itself would panic when a pipe closes.
    stdout::stdout().write_all(&script)?;
    Ok(Done::Well)
}
