use std::path::PathBuf;

use burn::tensor::Device;
use earmark_data::AudioDataset;
use earmark_models::NetworkConfig;

use crate::artifacts::card::CardDataset;
use crate::clips::cache::Cache;
use crate::evaluate::report::EvaluationReport;
use crate::recipe::Recipe;
use crate::run::output_folder::OutputFolder;

/// Everything a run needs.
#[derive(Debug)]
pub struct Job {
    /// Its choices.
    pub recipe: Recipe,
    /// Its clips.
    pub dataset: AudioDataset,
    /// What it fine-tunes.
    pub start: Start,
    /// Keeps features for the next run; without it they are made for each run.
    pub cache: Option<Cache>,
    /// Where it computes; without autodiff, the run adds that itself.
    pub device: Device,
    /// Its folder.
    pub output: OutputFolder,
    /// The command that starts it, for `run.json` and the report; empty where a program does.
    pub command: String,
    /// The dataset as the model card names it.
    pub card: CardDataset,
    /// The Hub id of the model that is fine-tuned, for the card; `None` for a network from scratch.
    pub base_model: Option<String>,
}

impl Job {
    /// A run on the CPU, with the user's cache of features; the model card calls the dataset by its own name. Change what should be
    /// otherwise.
    pub fn new(recipe: Recipe, start: Start, dataset: AudioDataset, output: OutputFolder) -> Job {
        let name = dataset.name.clone();
        Job {
            card: CardDataset { name, id: "audiofolder".to_owned(), config: None, split: None },
            cache: Cache::of_user(),
            device: Device::flex(),
            base_model: None,
            command: String::new(),
            recipe,
            dataset,
            start,
            output,
        }
    }
}

/// Where the weights come from.
#[derive(Debug, Clone)]
pub enum Start {
    /// A checkpoint in Hugging Face layout.
    Model(PathBuf),
    /// A new network.
    Scratch(Box<NetworkConfig>),
    /// The newest checkpoint in the run's own folder.
    Resume,
}

/// What a run is going to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Clips to train on.
    pub train: usize,
    /// Clips that choose the epoch; 0 where the held-out clips do.
    pub validation: usize,
    /// Held-out clips, to evaluate on.
    pub test: usize,
    /// Clips of one optimizer step; the last step of an epoch may have fewer.
    pub clips_per_step: usize,
    /// Optimizer steps of an epoch.
    pub steps_per_epoch: u64,
    /// Optimizer steps in all.
    pub steps: u64,
    /// Steps that an earlier session of this run has done.
    pub done: u64,
    /// Parameters of the network.
    pub parameters: usize,
    /// Those of them that are not trained.
    pub frozen: usize,
    /// Parameters of the adapters that are trained beside it.
    pub adapters: usize,
    /// Class names in class order.
    pub labels: Vec<String>,
    /// Whether a clip may have any number of them: the mean average precision then chooses the epoch.
    pub multi_label: bool,
    /// Classes without a clip to train on, so that the model cannot learn them.
    pub untrained: Vec<String>,
    /// Classes that are trained on and have no held-out clip, so that the metrics say nothing about them.
    pub untested: Vec<String>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// All epochs are done and `model/` holds the best of them.
    Finished(Box<Finished>),
    /// It was asked to stop, and saved itself first.
    Stopped {
        /// Steps done.
        step: u64,
        /// Steps there would be.
        steps: u64,
    },
    /// It was asked to stop before anything was trained: nothing has changed.
    Abandoned,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The exported model.
    pub model: PathBuf,
    /// The model's scores on the held-out clips.
    pub report: EvaluationReport,
    /// The epoch it comes from, counted from 1.
    pub best_epoch: u64,
    /// Epochs that were as accurate as that one, itself included: it is the earliest of them.
    pub equally_accurate: usize,
    /// Epochs that were trained.
    pub epochs: u64,
    /// Whether `early_stopping_patience` ended the run before its last epoch.
    pub stopped_early: bool,
}
