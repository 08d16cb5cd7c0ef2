//! The embeddings of the clips, which are kept: the next probe of them computes none.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use earmark_data::{AudioDataset, Clip};
use earmark_features::Features;
use earmark_pipeline::{AudioEmbedder, ErrorKind};
use earmark_train::{Cache, Error, Forward, Preparation, Recipe, Scoring, ScoringOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::args::Args;
use crate::args::model;
use crate::args::training::run::advise;
use crate::hex::{self, Floats};
use crate::journal::{Journal, Line, Settings};
use crate::output::count::count;
use crate::output::messages;
use crate::output::progress::bar;

/// The file that keeps them.
pub(super) const JOURNAL: &str = "embeddings.journal";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    /// The first line.
    Settings(Settings),
    Batch(Batch),
}

impl Line for Record {
    fn of_settings(settings: Settings) -> Record {
        Record::Settings(settings)
    }

    fn settings(&self) -> Option<&Settings> {
        match self {
            Record::Settings(settings) => Some(settings),
            Record::Batch(_) => None,
        }
    }
}

/// Clips that follow one another.
#[derive(Debug, Serialize, Deserialize)]
struct Batch {
    /// The row behind the last.
    end: usize,
    clips: Vec<Embedded>,
    left_out: Vec<LeftOut>,
}

/// A clip with its embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Embedded {
    /// Its row in the dataset.
    pub(super) row: usize,
    #[serde(with = "hex")]
    pub(super) sha256: [u8; 32],
    pub(super) vector: Floats,
}

/// A clip that could not be used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LeftOut {
    pub(super) path: String,
    pub(super) why: String,
}

/// What a model embeds, and how.
pub(super) struct Embedding<'a> {
    pub(super) model: AudioEmbedder,
    pub(super) folder: &'a Path,
    pub(super) device: Device,
    pub(super) device_name: &'a str,
    pub(super) recipe: Recipe,
}

impl Embedding<'_> {
    /// The embedding of every clip that can be used, in the order of the dataset.
    pub(super) fn all(
        self,
        args: &Args,
        dataset: &AudioDataset,
        output: &Path,
        stop: &AtomicBool,
    ) -> Result<(Vec<Embedded>, Vec<LeftOut>)> {
        let settings = self.settings(args, dataset)?;
        let mut journal = Journal::<Record>::lock(output.join(JOURNAL), output, &settings, || Ok(()))?;
        let (mut clips, mut left_out, mut next) = (Vec::new(), Vec::new(), 0);
        let rows = dataset.clips.len();
        journal.read(None, |line| {
            if let Record::Batch(batch) = line {
                // A file may hold anything.
                next = batch.end.clamp(next, rows);
                clips.extend(batch.clips.into_iter().filter(|clip| clip.row < rows));
                left_out.extend(batch.left_out);
            }
        })?;
        if next == rows {
            messages::note(format_args!("the embeddings of {} are there already", count(rows, "clip")));
        } else if next > 0 {
            messages::note(format_args!("resumed after {next} of {rows} clips"));
        }
        let bar = bar(rows as u64, "embedding {bar:30} {pos}/{len} clips, {eta} left");
        bar.set_position(next as u64);
        bar.reset_eta();
        let mut scoring = self.scoring(args, dataset, next);
        let mut each = || -> Result<()> {
            while next < rows
                && let Some(batch) = scoring.next(stop).map_err(advise)?
            {
                let end = batch.rows.end;
                let embedded: Vec<Embedded> = batch
                    .clips
                    .into_iter()
                    .map(|clip| Embedded { row: clip.row, sha256: clip.sha256, vector: Floats(clip.logits) })
                    .collect();
                let bad: Vec<LeftOut> = batch
                    .left_out
                    .into_iter()
                    .map(|clip| LeftOut { path: earmark_fs::text(&clip.path), why: clip.why })
                    .collect();
                clips.extend(embedded.iter().cloned());
                left_out.extend(bad.iter().cloned());
                journal.append(&Record::Batch(Batch { end, clips: embedded, left_out: bad }))?;
                bar.set_position(end as u64);
            }
            Ok(())
        };
        let embedded = each();
        bar.finish_and_clear();
        embedded?;
        Ok((clips, left_out))
    }

    fn scoring(self, args: &Args, dataset: &AudioDataset, from: usize) -> Scoring {
        let Embedding { model, device, recipe, .. } = self;
        let options = ScoringOptions {
            preparation: Preparation::of(model.preprocessor().clone(), model.min_samples(), &recipe),
            cache: Cache::of_user(),
            batch_size: args.batch_size.get(),
            skip_bad: args.skip_bad,
            slow: device == Device::flex(),
        };
        Scoring::new(dataset, from..dataset.clips.len(), Arc::new(Embedder(model)), options)
    }

    /// What changes the embeddings, each by its flag or its name.
    fn settings(&self, args: &Args, dataset: &AudioDataset) -> Result<Settings> {
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let pool = self.model.pool().map_or_else(|| "its own".to_owned(), |pool| pool.to_string());
        let mut settings = args.model.settings();
        settings.extend([
            text("--device", self.device_name),
            text("--max-duration", &self.recipe.max_duration.to_string()),
            text("--layer", &self.model.layer().to_string()),
            text("--pool", &pool),
            text("--skip-bad", &args.skip_bad.to_string()),
            text("the clips", &fingerprint(dataset)),
        ]);
        settings.extend(model::files(self.folder).context("cannot tell the model from others")?);
        Ok(settings)
    }
}

/// The model, batch by batch.
struct Embedder(AudioEmbedder);

impl Forward for Embedder {
    fn logits(&self, batch: &[&Features]) -> Result<Vec<Vec<f32>>, Error> {
        let clips: Vec<Features> = batch.iter().map(|&clip| clip.clone()).collect();
        let vector = |embedding: Result<Vec<f32>, earmark_pipeline::Error>| match embedding {
            // Whether that is the clip's fault or the model's shows when all clips are done.
            Err(error) => match &*error.kind {
                ErrorKind::NotFinite { value, .. } => Ok(vec![*value]),
                _ => Err(error.into()),
            },
            Ok(vector) => Ok(vector),
        };
        self.0.embeddings(&clips).into_iter().map(vector).collect()
    }
}

/// How many clips there are, and a hash of their names, and of the sizes and times of their files.
fn fingerprint(dataset: &AudioDataset) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    for clip in &dataset.clips {
        add(&clip.name);
        add(&stamp(clip).unwrap_or_default());
    }
    format!("{} of hash {}", dataset.clips.len(), &hex::text(&hash.finalize())[..16])
}

fn stamp(clip: &Clip) -> Option<String> {
    let file = std::fs::metadata(&clip.path).ok()?;
    let since = file.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(format!("{} {}", file.len(), since.as_nanos()))
}
