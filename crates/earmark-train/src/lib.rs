//! Fine-tuning: recipes, loop, metrics, checkpoints, export, evaluation.
//!
//! [`train`] runs a [`Job`]: it hears every clip once ([`Clips`]), splits them, teaches a [`Pretrained`](earmark_pipeline::Pretrained) by the choices of a
//! [`Recipe`], and leaves a folder with the recipe, the split, the diary, the checkpoints and the best model, which
//! `transformers` opens. The arithmetic is that of the Hugging Face Trainer (transformers 5.23.0 `trainer.py`): order of
//! the clips, learning rate, clipping, which checkpoint is best. `tests/golden/train` holds a reference run, and the tests
//! compare every step with it.
#![forbid(unsafe_code)]

mod run; // Read first: one run from the first clip to the model folder.

mod cache;
mod card;
mod checkpoint;
mod clips;
mod error;
mod evaluate;
mod figure;
mod fresh;
mod interrupt;
mod loss_scale;
mod memory;
mod metrics;
mod optimization;
mod optimizer;
mod output;
mod recipe;
mod recipes;
mod report;
mod schedule;
mod split;
mod tensorboard;

pub use run::{EpochDone, Event, Finished, Job, Outcome, Plan, Start, StepDone, Watch, plan, train};

pub use cache::Cache;
pub use card::{CardDataset, ModelCard};
pub use clips::{Clips, Ear};
pub use error::{BadClip, BrokenCheckpoint, Error, ErrorKind};
pub use evaluate::{Evaluation, evaluate};
pub use figure::{confusion_svg, curves_svg};
pub use fresh::Fresh;
pub use memory::is_out_of_memory;
pub use metrics::{ClassReport, ConfusionMatrix, EpochRecord, EvaluationReport, StepRecord, wilson_interval};
pub use output::OutputFolder;
pub use recipe::{DownmixName, Precision, Recipe, ResamplerName, SplitBy};
pub use recipes::{PRESETS, gtzan, preset, sample};
pub use report::{RunReport, report_html};
pub use split::SplitFile;
pub use tensorboard::EventWriter;
