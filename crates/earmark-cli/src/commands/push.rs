//! `push`: a run's model, or a folder in Hugging Face layout, to the Hub; and the pushes a training makes on its way.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_hub::{ErrorKind, Hub, Push, Pushed, Repo};
use tempfile::TempDir;

use crate::args::model::HubArgs;
use crate::output::escape::escape;
use crate::output::{messages, stdout};
use crate::{Done, error};

const EXAMPLES: &str = "\
Examples:
  earmark push runs/gtzan/20260102-030405 --repo me/distilhubert-gtzan
  earmark push ./model --repo me/model --private
  earmark push ./model --repo someone/model --create-pr

It needs a token that may write: see `earmark login`. A push that failed is simply repeated: what the
Hub has already is not sent again.";

/// Largest model card that is read.
const MAX_CARD: u64 = 16 << 20;

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
    let repo = owned(&hub, named)?;
    let cargo = if args.folder.join("recipe.toml").is_file() {
        Cargo::run(&args.folder, &repo, args.checkpoints)?
    } else {
        Cargo::folder(&args.folder, args.checkpoints)?
    };
    let push = Push {
        repo,
        files: cargo.files,
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
    tell(&pushed);
    writeln!(stdout::stdout(), "{}", escape(&pushed.page))?;
    Ok(Done::Well)
}

fn tell(pushed: &Pushed) {
    match &pushed.commit {
        None => messages::note("the Hub has all of it already, so there was nothing to commit"),
        Some(commit) => {
            let (sent, short) = (pushed.sent.len(), commit.get(..8).unwrap_or(commit));
            messages::note(format_args!(
                "commit {short}: {sent} files sent and compared, {} were there already",
                pushed.unchanged
            ));
        }
    }
}

/// The repository with its owner: the token's, where none is named.
pub(crate) fn owned(hub: &Hub, repo: Repo) -> Result<Repo> {
    if repo.id.as_str().contains('/') {
        return Ok(repo);
    }
    let id = format!("{}/{}", hub.whoami()?.name, repo.id);
    Ok(Repo { id: id.parse()?, ..repo })
}

/// What goes to the Hub.
pub(crate) struct Cargo {
    pub(crate) files: Vec<(String, PathBuf)>,
    /// Holds what had to be written for the Hub, until it is sent.
    _written: Option<TempDir>,
}

impl Cargo {
    /// A folder as it is.
    fn folder(folder: &Path, checkpoints: bool) -> Result<Cargo> {
        if !folder.is_dir() {
            bail!("there is no folder `{}`", folder.display());
        }
        if !folder.join("config.json").is_file() {
            bail!(
                "`{}` is neither a run (it has no recipe.toml) nor a model (it has no config.json)",
                folder.display()
            );
        }
        let mut files = Vec::new();
        gather(folder, "", checkpoints, &mut files)?;
        stay_inside(folder, &files)?;
        Ok(Cargo { files, _written: None })
    }

    /// A finished run's model, and what tells of its training.
    pub(crate) fn run(run: &Path, repo: &Repo, checkpoints: bool) -> Result<Cargo> {
        let model = run.join("model");
        if !model.join("config.json").is_file() {
            bail!("the run `{}` has no model yet: `earmark train --resume {0}` finishes it", run.display());
        }
        let mut files = Vec::new();
        gather(&model, "", checkpoints, &mut files)?;
        diary(run, &mut files)?;
        if checkpoints {
            for entry in sorted(run)? {
                if is_checkpoint(&name_of(&entry)) {
                    gather(&entry, &format!("{}/", name_of(&entry)), true, &mut files)?;
                }
            }
        }
        stay_inside(run, &files)?;
        // In the run's folder the card's examples speak of the folder; on the Hub, of the repository.
        let written = tempfile::tempdir().context("cannot write the card for the Hub")?;
        if let Some((_, path)) = files.iter_mut().find(|(name, _)| name == "README.md") {
            let card = earmark_fs::read_to_string(&*path, MAX_CARD)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            let card = card
                .replace("--model .\n", &format!("--model {}\n", repo.id))
                .replace("model=\".\")", &format!("model=\"{}\")", repo.id))
                .replace("from_pretrained(\".\")", &format!("from_pretrained(\"{}\")", repo.id));
            *path = written.path().join("README.md");
            fs::write(&*path, card).context("cannot write the card for the Hub")?;
        }
        Ok(Cargo { files, _written: Some(written) })
    }

    /// A checkpoint of a run that goes on: links and copies, as the run may soon write on or clean up.
    fn checkpoint(run: &Path, step: u64) -> Result<Cargo> {
        // By its name, whoever resumes the run knows what a killed process left of it.
        let written = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(run);
        let written = written.context("cannot put the checkpoint aside")?;
        let mut files = Vec::new();
        for name in ["config.json", "preprocessor_config.json", "model.safetensors"] {
            let (from, to) = (run.join(format!("checkpoint-{step}")).join(name), written.path().join(name));
            fs::hard_link(&from, &to)
                .or_else(|_| fs::copy(&from, &to).map(drop))
                .with_context(|| format!("cannot read `{}`", from.display()))?;
            files.push((name.to_owned(), to));
        }
        let mut rest = Vec::new();
        diary(run, &mut rest)?;
        for (number, (name, from)) in rest.into_iter().enumerate() {
            let to = written.path().join(format!("diary-{number}"));
            fs::copy(&from, &to).with_context(|| format!("cannot read `{}`", from.display()))?;
            files.push((name, to));
        }
        Ok(Cargo { files, _written: Some(written) })
    }
}

/// What a run tells of its training, under the names the Trainer gives it.
fn diary(run: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for name in ["report.html", "confusion_matrix.svg", "metrics.jsonl"] {
        let path = run.join(name);
        if path.is_file() {
            files.push((name.to_owned(), path));
        }
    }
    let events = run.join("tensorboard");
    if events.is_dir() {
        for path in sorted(&events)?.into_iter().filter(|path| path.is_file()) {
            files.push((format!("runs/{}", name_of(&path)), path));
        }
    }
    Ok(())
}

/// Links to files are followed, but not out of the folder that was named: a model from elsewhere could link to anything. Those
/// of a snapshot in the Hub's cache lead to the blobs beside it.
fn stay_inside(folder: &Path, files: &[(String, PathBuf)]) -> Result<()> {
    let real = |path: &Path| path.canonicalize().with_context(|| format!("cannot open `{}`", path.display()));
    let folder = real(folder)?;
    let snapshots = folder.parent().filter(|above| above.ends_with("snapshots"));
    let blobs = snapshots.and_then(Path::parent).map(|repo| repo.join("blobs"));
    for (_, path) in files {
        let target = real(path)?;
        if !target.starts_with(&folder) && !blobs.as_ref().is_some_and(|blobs| target.starts_with(blobs)) {
            bail!(
                "`{}` is a link that leads out of the folder: nothing was sent, put the file itself there or remove it",
                path.display()
            );
        }
    }
    Ok(())
}

/// Every file below a folder that may go.
fn gather(folder: &Path, prefix: &str, checkpoints: bool, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for path in sorted(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            bail!("the name of `{}` is not UTF-8, which the Hub wants: nothing was sent", path.display());
        };
        let shown = format!("{prefix}{name}");
        if path.is_dir() && is_checkpoint(&name) && !checkpoints {
            messages::note(format_args!("left out {shown}/ (--checkpoints sends it)"));
        } else if name.starts_with('.') && name != ".gitattributes" {
            messages::note(format_args!("left out {shown}, which is hidden"));
        } else if path.is_dir() && !path.is_symlink() {
            gather(&path, &format!("{shown}/"), checkpoints, files)?;
        } else if !path.is_file() {
            let what = if path.is_dir() { "a link to a folder" } else { "no regular file" };
            messages::note(format_args!("left out {shown}, which is {what}"));
        } else {
            if is_secret(&path, &name) {
                bail!(
                    "`{}` looks like a token or a key: nothing was sent, move it away first",
                    path.display()
                );
            }
            files.push((shown, path));
        }
    }
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = read().with_context(|| format!("cannot read `{}`", folder.display()))?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_checkpoint(name: &str) -> bool {
    name.strip_prefix("checkpoint-").is_some_and(|step| step.parse::<u64>().is_ok())
}

/// Whether a file is one nobody means to publish, by its name or, if it is small, by what it says.
fn is_secret(path: &Path, name: &str) -> bool {
    const NAMES: [&str; 6] = ["token", "stored_tokens", "credentials", "id_rsa", "id_ed25519", "netrc"];
    let key = [".pem", ".key", ".p12"].iter().any(|end| name.ends_with(end));
    if key || NAMES.contains(&name) {
        return true;
    }
    let text = earmark_fs::read_to_string(path, 1024).unwrap_or_default();
    text.trim().strip_prefix("hf_").is_some_and(|rest| {
        rest.len() >= 20 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Pushes at every save of a training, one at a time, on a thread of their own: a save that comes while one is under way
/// waits, and makes way for a newer one. None of them can fail the training.
pub(crate) struct Pusher {
    saves: Sender<u64>,
    thread: JoinHandle<()>,
    hub: Arc<Hub>,
    target: Target,
}

/// A Hub and a repository that can be pushed to.
pub(crate) struct Checked {
    hub: Arc<Hub>,
    repo: Repo,
    private: bool,
}

/// Whereto a training pushes.
#[derive(Clone)]
struct Target {
    run: PathBuf,
    repo: Repo,
    private: bool,
}

impl Pusher {
    /// Checks that pushing can work, before anything is trained.
    pub(crate) fn check(hub: &HubArgs, repo: &str, private: bool) -> Result<Checked> {
        let hub = hub.open()?;
        let account = hub.whoami().context("--push-to-hub cannot work, so nothing was trained")?;
        if account.role.as_deref() == Some("read") {
            bail!(
                "--push-to-hub needs a token whose role is write, and this one's is read: `earmark login` with another"
            );
        }
        let repo = owned(&hub, Repo::model(repo)?)?;
        Ok(Checked { hub: Arc::new(hub), repo, private })
    }

    pub(crate) fn start(checked: Checked, run: &Path) -> Pusher {
        let Checked { hub, repo, private } = checked;
        let (saves, waiting) = channel();
        let target = Target { run: run.to_owned(), repo, private };
        let thread = std::thread::spawn({
            let (hub, target) = (Arc::clone(&hub), target.clone());
            move || target.push_saves(&hub, &waiting)
        });
        Pusher { saves, thread, hub, target }
    }

    /// A checkpoint was saved.
    pub(crate) fn saved(&self, step: u64) {
        // The thread ends only after this is dropped; if it has panicked, there is nobody to push.
        let _ = self.saves.send(step);
    }

    /// Waits for the pushes under way; then the finished model is pushed, if there is one.
    pub(crate) fn finish(self, finished: bool) {
        let Pusher { saves, thread, hub, target } = self;
        drop(saves);
        if thread.join().is_err() {
            messages::warning("pushing the checkpoints broke off");
        }
        if !finished {
            return;
        }
        messages::note(format_args!("pushing the model to {}", target.repo.id));
        let cargo = Cargo::run(&target.run, &target.repo, false);
        match cargo.and_then(|cargo| target.push(&hub, &cargo, "End of training".to_owned())) {
            Ok(pushed) => {
                tell(&pushed);
                messages::note(format_args!("pushed   {}", pushed.page));
            }
            Err(error) => target.warn(&error),
        }
    }
}

impl Target {
    fn push_saves(&self, hub: &Hub, waiting: &Receiver<u64>) {
        while let Ok(step) = waiting.recv() {
            let step = waiting.try_iter().last().unwrap_or(step);
            let message = format!("Training in progress, step {step}");
            let cargo = Cargo::checkpoint(&self.run, step);
            if let Err(error) = cargo.and_then(|cargo| self.push(hub, &cargo, message)) {
                self.warn(&error);
            }
        }
    }

    fn push(&self, hub: &Hub, cargo: &Cargo, message: String) -> Result<Pushed> {
        let push = Push {
            repo: self.repo.clone(),
            files: cargo.files.clone(),
            message,
            private: self.private,
            create_pr: false,
        };
        Ok(hub.push(&push)?)
    }

    fn warn(&self, error: &anyhow::Error) {
        let (run, repo) = (self.run.display(), &self.repo.id);
        let text = error::chain(error).then("the training goes on and is saved: when it is done,");
        messages::warning(text.then(format_args!("  earmark push {run} --repo {repo}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earmark_testkit::hub::LoopbackHub;

    #[test]
    fn a_newer_save_supersedes_those_that_wait_and_one_that_is_gone_is_only_a_warning() {
        let (loopback, run, cache) =
            (LoopbackHub::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        loopback.add_token("hf_write", "me", true);
        for step in [1, 2, 3] {
            let folder = run.path().join(format!("checkpoint-{step}"));
            fs::create_dir(&folder).unwrap();
            for name in ["config.json", "preprocessor_config.json", "model.safetensors"] {
                fs::write(folder.join(name), format!("{name} {step}")).unwrap();
            }
        }
        let hub = Hub::builder(cache.path()).endpoint(loopback.url()).token("hf_write").build().unwrap();
        let repo = Repo::model("me/model").unwrap();
        let target = Target { run: run.path().to_owned(), repo, private: false };
        for saves in [&[1, 2, 3][..], &[4]] {
            let (sender, waiting) = channel();
            saves.iter().for_each(|step| sender.send(*step).unwrap());
            drop(sender);
            target.push_saves(&hub, &waiting);
            // The commit that made the repository, and the third save's.
            assert_eq!(loopback.commits("models/me/model"), 2);
        }
        let files = loopback.files("models/me/model", "main");
        assert_eq!(files["model.safetensors"], b"model.safetensors 3");
        let left = fs::read_dir(run.path()).unwrap().map(|entry| name_of(&entry.unwrap().path()));
        assert!(left.filter(|name| !is_checkpoint(name)).eq([""; 0]), "nothing stays put aside");
    }
}
