//! Pushes during a training: its checkpoints as they are saved, and at the end the model.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, bail};
use earmark_hub::{Hub, Push, Pushed, Repo};

use crate::args::hub::HubArgs;
use crate::output::messages;
use crate::upload::commit::{report, with_owner};
use crate::upload::files::UploadFiles;

/// Pushes every checkpoint of a training, one at a time, on a thread of their own: a checkpoint that is saved during a push
/// waits, and a newer one replaces it. None of them can fail the training.
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
                "--push-to-hub needs a token whose role is write, and this one's is read: log in with another by `earmark login`"
            );
        }
        let repo = with_owner(&hub, Repo::model(repo)?)?;
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
            messages::warning("the push of the checkpoints crashed");
        }
        if !finished {
            return;
        }
        messages::note(format_args!("pushing the model to {}", target.repo.id));
        let files = UploadFiles::run(&target.run, &target.repo, false);
        match files.and_then(|files| target.push(&hub, &files, "End of training".to_owned())) {
            Ok(pushed) => {
                report(&pushed);
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
            let files = UploadFiles::checkpoint(&self.run, step);
            if let Err(error) = files.and_then(|files| self.push(hub, &files, message)) {
                self.warn(&error);
            }
        }
    }

    fn push(&self, hub: &Hub, files: &UploadFiles, message: String) -> Result<Pushed> {
        let push = Push {
            repo: self.repo.clone(),
            files: files.files.clone(),
            message,
            private: self.private,
            create_pr: false,
        };
        Ok(hub.push(&push)?)
    }

    fn warn(&self, error: &anyhow::Error) {
        let (run, repo) = (self.run.display(), &self.repo.id);
        let text = messages::failure(error).then("the training continues and is saved; when it is done, run");
        messages::warning(text.then(format_args!("  earmark push {run} --repo {repo}")));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use earmark_testkit::hub::LoopbackHub;

    use super::*;

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
        let left =
            fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(left.filter(|name| !name.starts_with("checkpoint-")).eq([""; 0]), "no copy is left");
    }
}
