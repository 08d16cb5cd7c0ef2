//! The token is kept where Python's `huggingface_hub` looks for it.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use console::Term;
use earmark_fs::AtomicFile;
use earmark_hub::HubBuilder;

use crate::args::hub::{HubArgs, token_file};
use crate::exit::Done;
use crate::output::messages;

const EXAMPLES: &str = "\
Examples:
  earmark login
  earmark login --token-file secret.txt
  pass show huggingface | earmark login";

/// Store a Hugging Face token, for push and for private models.
///
/// The token is read from standard input, a file or HF_TOKEN, checked with the Hub, and stored where Python's
/// huggingface_hub keeps it (HF_HOME/token), readable by you only. It cannot be an argument, which every user of the machine
/// could see. Create one at https://huggingface.co/settings/tokens.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// File holding the token and nothing else [default: standard input if piped, else HF_TOKEN, else a prompt].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let builder = HubBuilder::from_env()?;
    let target = token_file(&builder)?;
    let token = read_token(args.token_file.as_deref())?;
    let token = token.trim();
    if token.is_empty() {
        bail!("no token on standard input, in HF_TOKEN or in a --token-file");
    }
    if token.contains(char::is_whitespace) {
        bail!("not a token: it holds more than one word");
    }
    let hub = builder.token(token).offline(args.hub.offline || args.hub.open()?.is_offline()).build()?;
    let account = hub.whoami()?;
    write_token(&target, token).with_context(|| format!("cannot write `{}`", target.display()))?;
    let role = account.role.map(|role| format!(", role {role}")).unwrap_or_default();
    messages::note(format_args!(
        "logged in as {}{role}; the token is stored in {}",
        account.name,
        target.display()
    ));
    Ok(Done::Well)
}

fn read_token(file: Option<&Path>) -> Result<String> {
    if let Some(file) = file {
        return earmark_fs::read_to_string(file, 4096)
            .with_context(|| format!("cannot read `{}`", file.display()));
    }
    let set = || std::env::var("HF_TOKEN").ok().filter(|token| !token.is_empty());
    let mut token = String::new();
    if io::stdin().is_terminal() {
        if let Some(token) = set() {
            return Ok(token);
        }
        token = type_in()?;
    } else {
        // A token has a few dozen characters; whatever else comes will be refused.
        io::stdin().take(4096).read_to_string(&mut token).context("cannot read standard input")?;
    }
    Ok(if token.trim().is_empty() { set().unwrap_or_default() } else { token })
}

/// What is typed at a terminal, which does not show it.
fn type_in() -> Result<String> {
    // It reads standard input whichever it is, but nothing where it is not a terminal.
    let terminal = [Term::stderr(), Term::stdout()].into_iter().find(Term::is_term).context(
        "stdin is a terminal, but neither stdout nor stderr is: pipe the token in, or pass --token-file",
    )?;
    messages::note(
        "paste a token from https://huggingface.co/settings/tokens (it will not be shown), then press Enter",
    );
    terminal.read_secure_line().context("cannot read standard input")
}

/// A token that works is not lost to a full disk: the new one takes its place when it is whole.
fn write_token(file: &Path, token: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = AtomicFile::create_private(file)?;
    file.write_all(token.as_bytes())?;
    file.commit()
}
