use std::io::Write as _;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::args::hub::HubArgs;
use crate::exit::Done;
use crate::output::escape::escape;
use crate::output::{messages, stdout};

/// Print the Hub account of your token.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let account = args.hub.open()?.whoami()?;
    writeln!(stdout::stdout(), "{}", escape(&account.name))?;
    if let Some(role) = account.role {
        messages::note(format_args!("the token's role is {role}"));
    }
    Ok(Done::Well)
}
