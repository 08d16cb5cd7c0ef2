#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod scores; // Read first: the table of scores that everything here takes.
mod metrics; // Numbers from scores and true labels,
mod intervals; // how far another draw of clips could move them,
mod compare; // whether two models differ,
mod calibration; // and what makes probabilities and decisions of scores.
mod error;

pub use scores::ScoreMatrix;

pub use metrics::class::{Averages, ClassCounts, ClassReport, Prf};
pub use metrics::confusion::ConfusionMatrix;
pub use metrics::loss::{cross_entropy, log_loss};
pub use metrics::multi_label::MultiLabel;
pub use metrics::ranking::{ClassMeans, average_precision, roc_auc};
pub use metrics::reliability::{Reliability, ReliabilityBin};
pub use metrics::single_label::SingleLabel;

pub use intervals::accuracy::{AccuracyInterval, IntervalMethod, accuracy_interval};
pub use intervals::bootstrap::{Bootstrap, BootstrapInterval};
pub use intervals::clusters::Clusters;
pub use intervals::mean::MeanInterval;
pub use intervals::wilson::wilson_interval;

pub use compare::mcnemar::{McNemar, McNemarTest};
pub use compare::paired::Comparison;

pub use calibration::file::{Calibration, FittedOn, Quality};
pub use calibration::method::Method;
pub use calibration::platt::Platt;
pub use calibration::temperature::Temperature;
pub use calibration::thresholds::{FittedThresholds, Objective, Thresholds};

pub use error::{Error, ErrorKind};
