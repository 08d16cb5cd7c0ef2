use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use earmark_hub::{ErrorKind, Push, Repo};

use crate::args::hub::HubArgs;
use crate::exit::Done;
use crate::output::escape::escape;
use crate::output::{messages, stdout};
use crate::upload::commit::{report, with_owner};
use crate::upload::files::UploadFiles;

const EXAMPLES: &str = "\
Examples:
  earmark push runs/gtzan/20260102-030405 --repo me/distilhubert-gtzan
  earmark push ./model --repo me/model --private
  earmark push ./model --repo someone/model --create-pr

It needs a token that may write: see `earmark login`. A push that failed is simply repeated: what the
Hub has already is not sent again.";

/// Upload a trained model to the Hugging Face Hub.
///
/// Of a run, that is what model/ holds, and report.html, confusion_matrix.svg, metrics.jsonl and TensorBoard's events
/// beside it. All goes in one commit, which happens whole or not at all and is compared afterwards.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run folder, or a folder in Hugging Face layout.
    #[arg(value_name = "RUN|DIR")]
    folder: PathBuf,

    /// The repository, made if there is none; without an owner, yours.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,

    /// Make the repository private, if it has to be made.
    #[arg(long)]
    private: bool,

    /// The branch, made if there is none [default: main].
    #[arg(long, value_name = "BRANCH")]
    revision: Option<String>,

    /// Propose the files as a pull request.
    #[arg(long)]
    create_pr: bool,

    /// The commit's message.
    #[arg(long, value_name = "TEXT", default_value = "Upload by earmark")]
    message: String,

    /// Send checkpoints too.
    #[arg(long)]
    checkpoints: bool,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let hub = args.hub.open()?;
    let revision = args.revision.as_ref().map(|revision| format!("@{revision}")).unwrap_or_default();
    let named = Repo::model(&format!("{}{revision}", args.repo))?;
    let repo = with_owner(&hub, named)?;
    let files = if args.folder.join("recipe.toml").is_file() {
        UploadFiles::run(&args.folder, &repo, args.checkpoints)?
    } else {
        UploadFiles::folder(&args.folder, args.checkpoints)?
    };
    let push = Push {
        repo,
        files: files.files,
        message: args.message.clone(),
        private: args.private,
        create_pr: args.create_pr,
    };
    let pushed = hub.push(&push).inspect_err(|error| {
        if !matches!(*error.kind, ErrorKind::NoToken | ErrorKind::OfflinePush | ErrorKind::LocalFile { .. }) {
            messages::note(
                "not pushed; once the cause is gone, repeat the command: what arrived is not sent twice",
            );
        }
    })?;
    report(&pushed);
    writeln!(stdout::stdout(), "{}", escape(&pushed.page))?;
    Ok(Done::Well)
}
