use std::path::Path;

use earmark_error::Attempt;

/// Numbers that cannot be computed, or a file of this crate that cannot be read or written: what was tried, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {task}")]
#[non_exhaustive]
pub struct Error {
    /// What was tried, such as ``read `model/calibration.json` ``.
    pub task: String,
    /// Why it failed.
    #[source]
    pub kind: ErrorKind,
}

/// What is tried, for [`Error::task`].
#[derive(Debug)]
pub(crate) enum Task<'a> {
    Evaluate,
    Resample,
    Compare,
    Calibrate,
    Thresholds,
    Parse(&'static str),
    Read(&'a Path),
    Write(&'a Path),
}

impl Attempt for Task<'_> {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        let task = match self {
            Task::Evaluate => "evaluate these scores".to_owned(),
            Task::Resample => "resample these clips".to_owned(),
            Task::Compare => "compare these predictions".to_owned(),
            Task::Calibrate => "calibrate these scores".to_owned(),
            Task::Thresholds => "fit thresholds".to_owned(),
            Task::Parse(what) => format!("use this {what}"),
            Task::Read(file) => format!("read `{}`", earmark_fs::text(file)),
            Task::Write(file) => format!("write `{}`", earmark_fs::text(file)),
        };
        Error { task, kind }
    }
}

/// Why it failed. Rows, classes and columns count from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There are no clips.
    #[error("there are no clips")]
    NoClips,
    /// There are no classes.
    #[error("there are no classes")]
    NoClasses,
    /// The number of values is not that of clips, or of clips times classes.
    #[error("there are {got} {what}, expected {expected}")]
    Count {
        /// What was counted, such as `true labels`.
        what: &'static str,
        /// How many there must be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A score is NaN or infinite.
    #[error("row {row} has the score {value} for class {class}; scores must be finite")]
    NotFinite {
        /// The clip's row.
        row: usize,
        /// The class.
        class: usize,
        /// The score.
        value: f64,
    },
    /// A value that is averaged, such as the loss of a clip, is NaN or infinite.
    #[error("row {row} has the value {value}; values must be finite")]
    ValueNotFinite {
        /// The clip's row.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A score that must be a probability is below 0 or above 1.
    #[error("row {row} has the score {value} for class {class}, which is no probability")]
    NotAProbability {
        /// The clip's row.
        row: usize,
        /// The class.
        class: usize,
        /// The score.
        value: f64,
    },
    /// The probabilities of a clip do not sum to 1, as those of exclusive classes must.
    #[error("the scores of row {row} sum to {sum}, expected 1 (softmax probabilities)")]
    NotADistribution {
        /// The clip's row.
        row: usize,
        /// The sum.
        sum: f64,
    },
    /// A true label is no class of the scores.
    #[error("row {row} has the true class {class}, but the scores have {classes} classes")]
    ClassOutOfRange {
        /// The clip's row.
        row: usize,
        /// The true class.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// Reliability bins or bootstrap replicates that are too few.
    #[error("{what} must be at least {least}, not {got}")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// The least that works.
        least: usize,
        /// The number as given.
        got: usize,
    },
    /// Resampling one cluster gives the same clips every time.
    #[error("all clips are of one group, and resampling whole groups needs at least two")]
    OneCluster,
    /// The statistic is undefined on all clips, or on most of the resampled ones.
    #[error("the statistic is undefined for {undefined} of {samples} resampled sets of clips")]
    Undefined {
        /// Resampled sets without a value.
        undefined: usize,
        /// All of them.
        samples: usize,
    },
    /// A number in a file, or an argument, is outside its range.
    #[error("{key} is {value}, expected {expected}")]
    OutOfRange {
        /// The key or the argument.
        key: String,
        /// Its value.
        value: f64,
        /// What it must be, such as `a number above 0`.
        expected: &'static str,
    },
    /// Text that is not one of the choices.
    #[error("`{text}` is not one of {choices}")]
    Unknown {
        /// The text as given.
        text: String,
        /// What it may be.
        choices: &'static str,
    },
    /// A line of a table of thresholds.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The labels of a file are not those of the model.
    #[error("{problem}")]
    Labels {
        /// Which label, and why.
        problem: String,
    },
    /// A file that is not the JSON it should be.
    #[error("it is not a calibration")]
    Json(#[source] serde_json::Error),
    /// A file that cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
