//! Which files go to the Hub.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use earmark_eval::Calibration;
use earmark_fs::{Entry, Walk};
use earmark_hub::Repo;
use tempfile::TempDir;

use crate::output::messages;

/// The model card.
pub(crate) const CARD: &str = "README.md";
/// Largest model card that is read.
pub(crate) const MAX_CARD: u64 = 16 << 20;

/// The files of one commit, by their names on the Hub.
pub(crate) struct UploadFiles {
    pub(crate) files: Vec<(String, PathBuf)>,
    /// Holds the files that were written for the Hub, until they are sent.
    written: Option<TempDir>,
}

impl UploadFiles {
    /// A folder as it is.
    pub(crate) fn folder(folder: &Path, checkpoints: bool) -> Result<UploadFiles> {
        if !folder.is_dir() {
            bail!("no folder `{}`", folder.display());
        }
        if !folder.join("config.json").is_file() {
            bail!("`{}` is neither a run (no recipe.toml) nor a model (no config.json)", folder.display());
        }
        let mut files = Vec::new();
        gather(folder, "", checkpoints, &mut files)?;
        refuse_links_outside(folder, &files)?;
        Ok(UploadFiles { files, written: None })
    }

    /// A finished run's model, and the records of its training.
    pub(crate) fn run(run: &Path, repo: &Repo, checkpoints: bool) -> Result<UploadFiles> {
        let model = run.join("model");
        if !model.join("config.json").is_file() {
            bail!(
                "the run `{}` has no model yet: finish it with `earmark train --resume {0}`",
                run.display()
            );
        }
        let mut files = Vec::new();
        gather(&model, "", checkpoints, &mut files)?;
        records(run, &mut files)?;
        if checkpoints {
            for entry in sorted(run)? {
                if is_checkpoint(&name_of(&entry)) {
                    gather(&entry, &format!("{}/", name_of(&entry)), true, &mut files)?;
                }
            }
        }
        refuse_links_outside(run, &files)?;
        let mut files = UploadFiles { files, written: None };
        // In the run's folder the card's examples speak of the folder; on the Hub, of the repository.
        if let Some((_, path)) = files.files.iter().find(|(name, _)| name == CARD) {
            let card = earmark_fs::read_to_string(path, MAX_CARD)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            let card = card
                .replace("--model .\n", &format!("--model {}\n", repo.id))
                .replace("model=\".\")", &format!("model=\"{}\")", repo.id))
                .replace("from_pretrained(\".\")", &format!("from_pretrained(\"{}\")", repo.id));
            let card = card + &calibration(&model, repo)?;
            files.write(CARD, card)?;
        }
        Ok(files)
    }

    /// Adds a file by its name on the Hub, in place of the one that has it.
    pub(crate) fn add(&mut self, name: String, path: PathBuf) {
        self.files.retain(|(other, _)| *other != name);
        self.files.push((name, path));
    }

    /// Writes a file for the Hub alone.
    pub(crate) fn write(&mut self, name: &str, text: String) -> Result<()> {
        let doing = || format!("cannot write `{name}` for the Hub");
        let folder = match self.written.take() {
            Some(folder) => folder,
            None => tempfile::tempdir().with_context(doing)?,
        };
        let path = folder.path().join(name.replace('/', "-"));
        self.written = Some(folder);
        fs::write(&path, text).with_context(doing)?;
        self.add(name.to_owned(), path);
        Ok(())
    }

    /// A checkpoint of a run that is being trained: links and copies, since the run may soon add to these files or remove them.
    pub(crate) fn checkpoint(run: &Path, step: u64) -> Result<UploadFiles> {
        // Resuming the run removes what a killed process left under this name.
        let written = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(run);
        let written = written.context("cannot copy the checkpoint")?;
        let mut files = Vec::new();
        for name in ["config.json", "preprocessor_config.json", "model.safetensors"] {
            let (from, to) = (run.join(format!("checkpoint-{step}")).join(name), written.path().join(name));
            fs::hard_link(&from, &to)
                .or_else(|_| fs::copy(&from, &to).map(drop))
                .with_context(|| format!("cannot read `{}`", from.display()))?;
            files.push((name.to_owned(), to));
        }
        let mut rest = Vec::new();
        records(run, &mut rest)?;
        for (number, (name, from)) in rest.into_iter().enumerate() {
            let to = written.path().join(format!("record-{number}"));
            fs::copy(&from, &to).with_context(|| format!("cannot read `{}`", from.display()))?;
            files.push((name, to));
        }
        Ok(UploadFiles { files, written: Some(written) })
    }
}

/// What the card says of a calibration beside the model: it is made when the card is there already.
fn calibration(model: &Path, repo: &Repo) -> Result<String> {
    let path = model.join(Calibration::FILE);
    if !path.exists() {
        return Ok(String::new());
    }
    let text = earmark_fs::read_to_string(&path, MAX_CARD)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let calibration: Calibration = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is no calibration: make it anew, or remove it", path.display()))?;
    let Calibration { before, after, fitted_on, .. } = calibration;
    Ok(format!(
        "\n## Calibration\n\n\
         `{}` makes calibrated probabilities of the logits. It was fitted on {} clips; on {} others the log loss went from {:.4} to \
         {:.4}, and the expected calibration error from {:.4} to {:.4}.\n\n\
         ```sh\nearmark classify clip.wav --model {} --calibrated\n```\n",
        Calibration::FILE,
        fitted_on.clips,
        after.clips,
        before.log_loss,
        after.log_loss,
        before.ece,
        after.ece,
        repo.id
    ))
}

/// The records of a run's training, under the names that the Trainer of `transformers` gives them.
fn records(run: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
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

/// Refuses links to files outside the folder: a model from elsewhere could link to anything. The links of a snapshot in the
/// Hub's cache may lead to the blobs beside it.
fn refuse_links_outside(folder: &Path, files: &[(String, PathBuf)]) -> Result<()> {
    let real = |path: &Path| path.canonicalize().with_context(|| format!("cannot open `{}`", path.display()));
    let folder = real(folder)?;
    let snapshots = folder.parent().filter(|above| above.ends_with("snapshots"));
    let blobs = snapshots.and_then(Path::parent).map(|repo| repo.join("blobs"));
    for (_, path) in files {
        let target = real(path)?;
        if !target.starts_with(&folder) && !blobs.as_ref().is_some_and(|blobs| target.starts_with(blobs)) {
            bail!(
                "`{}` is a link to a file outside the folder: nothing was uploaded; replace it with the file, or remove it",
                path.display()
            );
        }
    }
    Ok(())
}

/// Names with a dot that are not hidden from the Hub.
const PUBLISHED: [&str; 2] = [".gitattributes", ".eval_results"];

/// Every file below a folder that may be published.
fn gather(folder: &Path, prefix: &str, checkpoints: bool, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let mut entries = Walk::new(folder).into_iter();
    while let Some(entry) = entries.next() {
        let Entry { path, relative, is_link, .. } = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let doing = format!("cannot read `{}`", error.path.display());
                return Err(anyhow::Error::new(error.source).context(doing));
            }
        };
        let parts: Option<Vec<&str>> = relative.iter().map(|part| part.to_str()).collect();
        let Some(parts) = parts else {
            bail!(
                "the name of `{}` is not UTF-8, as the Hub requires: nothing was uploaded; rename it",
                path.display()
            );
        };
        let (name, shown) = (parts[parts.len() - 1], format!("{prefix}{}", parts.join("/")));
        if path.is_dir() && is_checkpoint(name) && !checkpoints {
            messages::note(format_args!("skipped {shown}/ (--checkpoints uploads it)"));
            entries.skip_folder();
        } else if name.starts_with('.') && !PUBLISHED.contains(&name) {
            messages::note(format_args!("skipped {shown}, a hidden file"));
            entries.skip_folder();
        } else if path.is_dir() && !is_link {
            // The walk goes into it.
        } else if !path.is_file() {
            let what = if path.is_dir() { "a link to a folder" } else { "not a regular file" };
            messages::note(format_args!("skipped {shown}, {what}"));
        } else {
            if is_secret(&path, name) {
                bail!(
                    "`{}` looks like a token or a key: nothing was uploaded; move it out of the folder first",
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
