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
use crate::upload::evaluations;
use crate::upload::files::UploadFiles;

const EXAMPLES: &str = "\
Examples:
  earmark push runs/gtzan/20260102-030405 --repo me/distilhubert-gtzan
  earmark push ./model --repo me/model --private
  earmark push ./model --repo someone/model --create-pr
  # with what `earmark eval --model ./model --dataset gtzan -o scores` wrote
  earmark push ./model --repo me/model --evaluation scores

It needs a token with write access, see `earmark login`. If a push fails, run
the command again: files that are already uploaded are skipped.";

/// Upload a model to the Hugging Face Hub.
///
/// A run is uploaded as the contents of model/ with report.html, confusion_matrix.svg, metrics.jsonl and the TensorBoard
/// events. All files go in one commit, and are compared with the Hub's afterwards.
///
/// An evaluation's scores go into `model-index` of the model card and, for a dataset of the Hub, into .eval_results/; its report.json
/// goes into evaluation/. Its report.html and predictions.parquet stay here, unless their folder lies in the model's.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Run folder, or model folder in Hugging Face layout.
    #[arg(value_name = "RUN|DIR")]
    folder: PathBuf,

    /// Repository, created if it does not exist. Without OWNER/, your own.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,

    /// Create the repository as private, if it does not exist.
    #[arg(long)]
    private: bool,

    /// Branch, created if it does not exist [default: main].
    #[arg(long, value_name = "BRANCH")]
    revision: Option<String>,

    /// Open a pull request with the files.
    #[arg(long)]
    create_pr: bool,

    /// Commit message.
    #[arg(long, value_name = "TEXT", default_value = "Upload by earmark")]
    message: String,

    /// Folder that `earmark eval -o` wrote for this model: publish its scores. Can be given several times.
    #[arg(long, value_name = "DIR")]
    evaluation: Vec<PathBuf>,

    /// Upload checkpoints too.
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
    let is_run = args.folder.join("recipe.toml").is_file();
    let mut files = match is_run {
        true => UploadFiles::run(&args.folder, &repo, args.checkpoints)?,
        false => UploadFiles::folder(&args.folder, args.checkpoints)?,
    };
    let model = if is_run { args.folder.join("model") } else { args.folder.clone() };
    evaluations::add(&mut files, &model, &args.evaluation, &repo)?;
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
                "push failed; fix the problem and run it again: files that are already uploaded are skipped",
            );
        }
    })?;
    report(&pushed);
    writeln!(stdout::stdout(), "{}", escape(&pushed.page))?;
    Ok(Done::Well)
}
