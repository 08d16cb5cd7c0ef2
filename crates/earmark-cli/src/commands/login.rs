//! `login`, `whoami` and `logout`: the token, kept where Python's `huggingface_hub` looks for it.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_hub::HubBuilder;

use crate::Done;
use crate::args::model::HubArgs;
use crate::output::escape::escape;
use crate::output::{messages, stdout};

const EXAMPLES: &str = "\
Examples:
  earmark login                          paste the token, then Enter
  earmark login --token-file secret.txt
  pass show huggingface | earmark login";

/// Keep a Hugging Face token, for pushes and for private and gated models.
///
/// The token is read from standard input, a file or HF_TOKEN, shown to the Hub once to see whose it is, and written where
/// Python's huggingface_hub keeps it (HF_HOME/token), readable by you alone. It is never an argument: those are seen by
/// everybody on the machine. Make one at https://huggingface.co/settings/tokens.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Login {
    /// A file that holds the token and nothing else; without it, what is piped in, else HF_TOKEN, else you are asked.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    hub: HubArgs,
}

/// Say whose token is used.
#[derive(Debug, ClapArgs)]
pub(crate) struct Whoami {
    #[command(flatten)]
    hub: HubArgs,
}

/// Forget the token that was kept.
#[derive(Debug, ClapArgs)]
pub(crate) struct Logout {}

pub(crate) fn login(args: &Login) -> Result<Done> {
    let builder = HubBuilder::from_env()?;
    let target = token_file(&builder)?;
    let token = read_token(args.token_file.as_deref())?;
    let token = token.trim();
    if token.is_empty() {
        bail!("there is no token on standard input, in HF_TOKEN or in a --token-file");
    }
    if token.contains(char::is_whitespace) {
        bail!("that is no token: it holds more than one word");
    }
    let hub = builder.token(token).offline(args.hub.offline || args.hub.open()?.is_offline()).build()?;
    let account = hub.whoami()?;
    write_secret(&target, token).with_context(|| format!("cannot write `{}`", target.display()))?;
    let role = account.role.map(|role| format!(", role {role}")).unwrap_or_default();
    messages::note(format_args!(
        "logged in as {}{role}; the token is kept in {}",
        account.name,
        target.display()
    ));
    Ok(Done::Well)
}

pub(crate) fn whoami(args: &Whoami) -> Result<Done> {
    let account = args.hub.open()?.whoami()?;
    writeln!(stdout::stdout(), "{}", escape(&account.name))?;
    if let Some(role) = account.role {
        messages::note(format_args!("the token's role is {role}"));
    }
    Ok(Done::Well)
}

pub(crate) fn logout(_: &Logout) -> Result<Done> {
    let file = token_file(&HubBuilder::from_env()?)?;
    match fs::remove_file(&file) {
        Ok(()) => messages::note(format_args!("removed {}", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            messages::note(format_args!("no token was kept in {}", file.display()));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot remove `{}`", file.display())),
    }
    if std::env::var_os("HF_TOKEN").is_some_and(|token| !token.is_empty()) {
        messages::warning("HF_TOKEN is set, and is still used");
    }
    Ok(Done::Well)
}

fn token_file(builder: &HubBuilder) -> Result<PathBuf> {
    let file = builder.token_file().context("there is no home folder to keep a token in: set HF_HOME")?;
    Ok(file.to_path_buf())
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
        messages::note("paste a token from https://huggingface.co/settings/tokens, then press Enter");
        io::stdin().read_line(&mut token).context("cannot read standard input")?;
    } else {
        // A token has a few dozen characters; whatever else comes will be refused.
        io::stdin().take(4096).read_to_string(&mut token).context("cannot read standard input")?;
    }
    Ok(if token.trim().is_empty() { set().unwrap_or_default() } else { token })
}

/// By a rename, so that a token that works is not lost to a full disk; for the owner's eyes from the first byte on.
fn write_secret(file: &Path, token: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = file.with_extension(format!("{}.part", std::process::id()));
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&part).and_then(|mut open| {
        open.write_all(token.as_bytes())?;
        open.sync_all()?;
        fs::rename(&part, file)
    });
    if written.is_err() {
        // After the rename it is gone already.
        let _ = fs::remove_file(&part);
    }
    written
}
