#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod recipe; // Read first: every choice of a run.
mod presets;
mod run; // One run, from the first clip to the model folder:
mod clips; // the prepared clips,
mod step; // the optimizer steps,
mod evaluate; // the metrics,
mod artifacts; // and the files that are left.
mod probe; // What is fitted in seconds instead: a head on frozen embeddings.

mod background;
mod error;

pub use recipe::{
    Check, ClassWeights, Freeze, Frozen, Precision, Recipe, Sampling, ScheduleKind, Setting, SplitBy,
    ValFromTrain, Values,
};

pub use presets::{PRESETS, gtzan, preset, sample};

pub use run::batch_size::{FoundBatchSize, find_batch_size};
pub use run::event::{Callback, EpochDone, Event, StepDone};
pub use run::job::{Finished, Job, Outcome, Plan, Start};
pub use run::model_setup::ModelSetup;
pub use run::output_folder::OutputFolder;
pub use run::split::{SplitFile, draw_split};
pub use run::summary::{RunState, RunSummary};
pub use run::time_spent::TimeSpent;
pub use run::{plan, train};

pub use clips::Clips;
pub use clips::cache::Cache;
pub use clips::conflicts::{Conflicts, LabelConflict};
pub use clips::prepare::Preparation;
pub use clips::stream::usable_clips;
pub use clips::targets::Targets;

pub use step::memory::is_out_of_memory;

pub use evaluate::forward::{ClassifierForward, Forward};
pub use evaluate::mistakes::Mistake;
pub use evaluate::records::{EpochRecord, MultiLabelRecord, StepRecord};
pub use evaluate::report::{Confidences, EvaluationReport, PartScore, PartScores, ProtocolRecord};
pub use evaluate::scoring::{ScoredBatch, ScoredClip, Scoring, ScoringOptions};
pub use evaluate::tally::{ClipScores, ClusterField, Tally};
pub use evaluate::{Evaluation, evaluate};

pub use probe::draw::{draw_per_class, stratified_folds};
pub use probe::fit::Probe;
pub use probe::strength::{STRENGTHS, choose_c};

pub use artifacts::BURN_VERSION;
pub use artifacts::card::{CardDataset, ModelCard};
pub use artifacts::evaluation_page::{EvaluationPage, HeardMistake, MistakeSound, evaluation_html};
pub use artifacts::figures::confusion::confusion_svg;
pub use artifacts::figures::curves::curves_svg;
pub use artifacts::hub::eval_results::eval_results_yaml;
pub use artifacts::hub::model_index::add_results;
pub use artifacts::hub::result::EvaluationResult;
pub use artifacts::report::{RunReport, report_html};
pub use artifacts::run_info::{RunInfo, Session};
pub use artifacts::tensorboard::EventWriter;

pub use error::{BadClip, BrokenCheckpoint, Error, ErrorKind};
