//! Fine-tuning: recipes, loop, metrics, checkpoints, export, evaluation.
//!
//! [`train`] runs a [`Job`]: it hears every clip once ([`Clips`]), splits them, teaches a [`Pretrained`](earmark_pipeline::Pretrained) by the choices of a
//! [`Recipe`], and leaves a folder with the recipe, the split, the diary, the checkpoints and the best model, which
//! `transformers` opens. The arithmetic is that of the Hugging Face Trainer (transformers 5.23.0 `trainer.py`): order of
//! the clips, learning rate, clipping, which checkpoint is best. `tests/golden/train` holds a reference run, and the tests
//! compare every step with it.
#![forbid(unsafe_code)]

mod run; // Read first: one run from the first clip to the model folder.
mod recipe; // What a run is told,
mod presets;
mod clips; // what it learns from,
mod step; // how it learns,
mod evaluate; // how well,
mod artifacts; // and what it leaves.

mod error;

pub use run::{EpochDone, Event, Finished, Job, Outcome, Plan, Start, StepDone, Watch, plan, train};

pub use artifacts::card::{CardDataset, ModelCard};
pub use artifacts::figure::{confusion_svg, curves_svg};
pub use artifacts::report::{RunReport, report_html};
pub use artifacts::tensorboard::EventWriter;
pub use clips::cache::Cache;
pub use clips::{Clips, Ear};
pub use error::{BadClip, BrokenCheckpoint, Error, ErrorKind};
pub use evaluate::metrics::{
    ClassReport, ConfusionMatrix, EpochRecord, EvaluationReport, StepRecord, wilson_interval,
};
pub use evaluate::{Evaluation, evaluate};
pub use presets::{PRESETS, gtzan, preset, sample};
pub use recipe::{Precision, Recipe, SplitBy};
pub use run::fresh::Fresh;
pub use run::output::OutputFolder;
pub use run::split::SplitFile;
pub use step::memory::is_out_of_memory;
