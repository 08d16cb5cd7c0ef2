use std::path::PathBuf;

use earmark_error::Attempt;

/// A run that could not start, continue or finish: the operation that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
#[non_exhaustive]
pub struct Error {
    /// The operation that failed, such as "cannot write `runs/gtzan/1/recipe.toml`".
    pub doing: String,
    /// Why it failed.
    #[source]
    pub kind: Box<ErrorKind>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The dataset cannot be opened, decoded or split.
    #[error(transparent)]
    Data(#[from] earmark_data::Error),
    /// The extractor refused a clip or a preprocessor configuration.
    #[error(transparent)]
    Features(#[from] earmark_features::Error),
    /// The labels are invalid.
    #[error(transparent)]
    Labels(#[from] earmark_labels::Error),
    /// The model could not be opened or written.
    #[error(transparent)]
    Pipeline(earmark_pipeline::ErrorKind),
    /// A file of the model is missing or invalid.
    #[error(transparent)]
    Model(#[from] earmark_models::Error),
    /// The configuration of the network is invalid.
    #[error(transparent)]
    Config(#[from] earmark_models::ErrorKind),
    /// A JSON file is invalid.
    #[error("invalid JSON")]
    Json(#[from] serde_json::Error),
    /// A recipe is not valid TOML.
    #[error("not a valid recipe")]
    Toml(#[from] toml::de::Error),
    /// A model card that cannot be changed.
    #[error("{0}")]
    Card(String),
    /// A value of the recipe that is not allowed.
    #[error("`{key}` {why}")]
    Value {
        /// The field of the recipe.
        key: &'static str,
        /// What is wrong; the end of a sentence that starts with the key.
        why: String,
    },
    /// A key that is not a setting.
    #[error("unknown setting `{key}`{}", did_you_mean(near))]
    UnknownSetting {
        /// The key.
        key: String,
        /// The keys that are nearly the same, the likeliest first.
        near: Vec<&'static str>,
    },
    /// The recipe of a run lacks a setting.
    #[error("it has no `{0}`")]
    MissingSetting(&'static str),
    /// Clips that cannot be used.
    #[error("{}", list_bad(.0))]
    BadClips(Vec<BadClip>),
    /// The model's output is not finite for some clips, and is for others.
    #[error("the model's output is NaN or infinite for {}", list_clips(clips))]
    NotANumber {
        /// Their indices among the opened clips.
        rows: Vec<usize>,
        /// The clips themselves.
        clips: Vec<BadClip>,
    },
    /// The model's output is not finite for any clip, so its weights are to blame.
    #[error("the model's output is {value} for every clip: its weights are unusable")]
    NoNumbers {
        /// NaN or infinity.
        value: f64,
    },
    /// The folder for the output is not empty: it contains these names.
    #[error("the folder is not empty: it contains {}", list_names(.0))]
    Occupied(Vec<String>),
    /// Another process writes to the folder at this moment.
    #[error("another process is using it")]
    Running,
    /// A stop was requested.
    #[error("it was interrupted")]
    Interrupted,
    /// The folder of a run that stopped before its first checkpoint.
    #[error(
        "it has no checkpoint to resume from, because it stopped before its first one: start the run again"
    )]
    NoCheckpoint,
    /// None of the checkpoints can be read.
    #[error("none of its checkpoints can be read: {}", list_broken(.0))]
    BrokenCheckpoints(Vec<BrokenCheckpoint>),
    /// A file of a checkpoint was changed after it was written.
    #[error("`{file}` is damaged: {why}")]
    Damaged {
        /// Its name in the checkpoint's folder.
        file: String,
        /// What differs.
        why: String,
    },
    /// All clips have one class.
    #[error("every clip is `{0}`: a classifier needs at least two classes")]
    OneClass(String),
    /// A class that a stratified split cannot have in both parts.
    #[error(
        "class `{0}` has only 1 clip, and a stratified split needs 2 of every class: add one, or leave the class out"
    )]
    LoneClip(String),
    /// The data changed since the run began.
    #[error("the clips differ from those that the run started with ({0}): restore them, or start a new run")]
    OtherData(String),
    /// Labels of the model and the data differ.
    #[error("the model has the labels {}, but the data has {}", list(model), list(data))]
    OtherLabels {
        /// The model's labels in class order.
        model: Vec<String>,
        /// The data's.
        data: Vec<String>,
    },
    /// The checkpoint's head is for another number of labels.
    #[error("the model's head has {found} labels, but {wanted} are needed")]
    OtherHead {
        /// Labels of the model's head.
        found: usize,
        /// The data's.
        wanted: usize,
    },
    /// A checkpoint whose output is always NaN.
    #[error("its weights cannot be trained: {0}")]
    UnusableWeight(String),
    /// The loss or the gradient is no longer finite.
    #[error("the {what} is {value}: the run diverged")]
    Diverged {
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// NaN or infinity.
        value: f64,
    },
    /// Not even one clip fits into the device's memory.
    #[error("the device has too little memory for a single clip")]
    OutOfMemory,
    /// The device cannot compute in this dtype.
    #[error("the device cannot compute in {0}")]
    NoSuchPrecision(&'static str),
    /// The optimizer's state cannot be read back.
    #[error("the optimizer state cannot be used: {0}")]
    Optimizer(String),
}

/// A clip that cannot be trained on.
#[derive(Debug)]
pub struct BadClip {
    /// Its file.
    pub path: PathBuf,
    /// Why, with every cause.
    pub why: String,
}

/// A checkpoint that cannot be read.
#[derive(Debug)]
pub struct BrokenCheckpoint {
    /// Its folder.
    pub path: PathBuf,
    /// Why, with every cause.
    pub why: String,
}

/// The operation that failed, such as "cannot write `split.json`".
pub(crate) struct Doing(pub(crate) String);

impl Attempt for Doing {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { doing: self.0, kind: Box::new(kind) }
    }
}

impl From<earmark_pipeline::Error> for Error {
    fn from(error: earmark_pipeline::Error) -> Error {
        Doing(error.doing).failed(ErrorKind::Pipeline(*error.kind))
    }
}

fn did_you_mean(near: &[&str]) -> String {
    let near: Vec<String> = near.iter().map(|key| format!("`{key}`")).collect();
    if near.is_empty() { String::new() } else { format!(": did you mean {}?", near.join(" or ")) }
}

fn list_bad(clips: &[BadClip]) -> String {
    let mut text = match clips.len() {
        1 => "1 clip cannot be used".to_owned(),
        n => format!("{n} clips cannot be used"),
    };
    for (place, clip) in clips.iter().take(SHOWN).enumerate() {
        let mark = if place == 0 { ":" } else { ";" };
        text.push_str(&format!("{mark} `{}`: {}", clip.path.display(), clip.why));
    }
    if clips.len() > SHOWN {
        text.push_str(&format!("; and {} more", clips.len() - SHOWN));
    }
    text
}

/// Clips, files or folders that a message names before it only counts them.
const SHOWN: usize = 20;

fn list_clips(clips: &[BadClip]) -> String {
    let names: Vec<String> = clips.iter().map(|clip| format!("`{}`", clip.path.display())).collect();
    list(&names)
}

fn list_names(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    list(&names)
}

fn list_broken(checkpoints: &[BrokenCheckpoint]) -> String {
    checkpoints.iter().take(SHOWN).map(|it| it.why.as_str()).collect::<Vec<_>>().join("; ")
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, … ({} in all)", names.len()) } else { shown }
}
