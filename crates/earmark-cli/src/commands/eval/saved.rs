//! The folder of an evaluation, and what it depends on.

use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_data::AudioDataset;
use earmark_train::OutputFolder;
use sha2::{Digest as _, Sha256};

use super::record::{About, Batch, JOURNAL, Record, SHARD, Sound, hex};
use super::results::FILES;
use super::subject::Subject;
use super::summary::{Summary, Wrong};
use crate::args::model;
use crate::args::training::run::advise;
use crate::journal::{Journal, Settings};
use crate::output::tables::predictions::ClipPrediction;

/// The folder that an evaluation writes to: a new or an empty one, or that of an evaluation to be resumed.
pub(super) fn open_folder(path: &Path) -> Result<OutputFolder> {
    OutputFolder::create_or_resume(path, JOURNAL, &FILES).map_err(advise)
}

/// The answers so far, in a folder.
pub(super) struct Saved {
    /// Locked as long as this lives.
    folder: OutputFolder,
    journal: Journal<Record>,
    about: About,
    /// The first row without an answer.
    pub(super) next_row: usize,
    /// Whether the sounds of its mistakes are kept.
    has_sounds: bool,
    /// Whether every clip is done.
    pub(super) is_done: bool,
}

impl Saved {
    /// Begins an evaluation, or resumes it. Refuses one of other settings.
    pub(super) fn open(folder: OutputFolder, about: About, settings: &Settings) -> Result<Saved> {
        let path = folder.path().to_path_buf();
        let mut journal = Journal::lock(path.join(JOURNAL), &path, settings, || Ok(()))?;
        let (mut known, mut next_row, mut has_sounds, mut is_done) = (None, about.rows.0, false, false);
        journal.read(None, |line| match line {
            Record::Settings(_) => {}
            Record::About(about) => known = Some(about),
            Record::Batch(batch) => next_row = batch.rows.1.clamp(about.rows.0, about.rows.1),
            Record::Sounds(_) => has_sounds = true,
            Record::End => is_done = true,
        })?;
        let about = match known {
            None => {
                journal.append(&Record::About(Box::new(about.clone())))?;
                about
            }
            // Settings alike, and something else: a version that counts otherwise.
            Some(known) if known.of_all_parts() != about.of_all_parts() || known.rows != about.rows => {
                anyhow::bail!(
                    "`{}` was begun on other clips or with other labels: choose another --output",
                    path.display()
                )
            }
            Some(known) => *known,
        };
        Ok(Saved { folder, journal, about, next_row, has_sounds, is_done })
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn add(&mut self, batch: Batch) -> Result<()> {
        self.next_row = batch.rows.1;
        self.journal.append(&Record::Batch(batch))
    }

    /// Every clip is done; `sounds` gives the sounds of clips that are wrong.
    pub(super) fn end(&mut self, sounds: impl FnOnce(&[Wrong]) -> Vec<Sound>) -> Result<()> {
        if !self.has_sounds && !self.is_done {
            let wrong = self.sum_up(|_| Ok(()))?.mistakes.worst;
            // One line, so that it is there whole or not at all.
            self.journal.append(&Record::Sounds(sounds(&wrong)))?;
            self.has_sounds = true;
        }
        if !self.is_done {
            self.journal.append(&Record::End)?;
            self.is_done = true;
        }
        Ok(())
    }

    /// Sums up all answers, and gives what is predicted for each clip to `write`.
    pub(super) fn sum_up(&mut self, mut write: impl FnMut(ClipPrediction) -> Result<()>) -> Result<Summary> {
        let mut summary = Summary::new(&self.about);
        let mut lines = self.journal.lines()?;
        while let Some((_, line)) = lines.next()? {
            match line {
                Record::Batch(batch) => summary.add(batch, &mut write)?,
                Record::Sounds(sounds) => summary.add_sounds(sounds),
                Record::Settings(_) | Record::About(_) | Record::End => {}
            }
        }
        Ok(summary)
    }

    /// Leaves the folder as it was found where nothing has been scored: other flags may then be tried in it.
    pub(super) fn give_up(self) -> Result<()> {
        if self.next_row == self.about.rows.0 && !self.is_done { self.journal.remove() } else { Ok(()) }
    }

    /// The results are written, and the journal has had its day.
    pub(super) fn remove_journal(self) -> Result<()> {
        self.journal.remove()
    }
}

/// What changes the results, each by its flag or its name. --skip-bad does not: what was scored before the first clip that
/// cannot be used is the same with it and without.
pub(super) fn settings(subject: &Subject, about: &About, batch_size: usize) -> Result<Settings> {
    let Subject { recipe, dataset, folder, .. } = subject;
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut settings = vec![
        text("earmark", env!("CARGO_PKG_VERSION")),
        text("--model", &about.model),
        text("--device", &about.made.device),
        text("--dtype", &about.made.dtype),
        text("--resampler", &recipe.resampler.to_string()),
        text("--downmix", &recipe.downmix.to_string()),
        text("--max-duration", &recipe.max_duration.to_string()),
        text("--eval-batch-size", &batch_size.to_string()),
        text("the dataset", &about.dataset),
        text("--split", &about.split),
        text("--protocol", about.protocol.as_ref().map_or("not there", |it| it.name.as_str())),
        text("the clips", &fingerprint(dataset)),
        text(SHARD, &about.shard.map_or_else(|| "not there".to_owned(), |shard| shard.to_string())),
    ];
    if let Some(prompts) = &about.prompts {
        settings.push(text("--template", &prompts.templates.join(" | ")));
        settings.push(text("the labels in it", &prompts.labels.join(", ")));
    }
    settings.extend(model::files(folder).context("cannot tell the model from others")?);
    Ok(settings)
}

/// How many clips there are, and a hash of their names, classes and groups in their order.
fn fingerprint(dataset: &AudioDataset) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    let fields = dataset.group_fields();
    for clip in &dataset.clips {
        add(&clip.name);
        add(dataset.labels.name(clip.label).unwrap_or_default());
        // A table that was edited since gives other intervals.
        fields.iter().for_each(|field| add(&clip.group(&field.name).unwrap_or_default()));
    }
    format!("{} of hash {}", dataset.clips.len(), &hex::text(&hash.finalize())[..16])
}
