use std::fmt;
use std::path::PathBuf;

use earmark_error::Attempt;

use crate::split::sizes::SplitSizes;

/// Something about a dataset that did not work: what was being done, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {task}")]
#[non_exhaustive]
pub struct Error {
    /// What was being done.
    pub task: Task,
    /// Why it failed.
    #[source]
    pub kind: ErrorKind,
}

/// What was being done when it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Finding a published dataset, or its files.
    Choose(String),
    /// Listing the clips of a folder or a file.
    Open(PathBuf),
    /// Reading the sound of a clip.
    Decode(PathBuf),
    /// Unpacking an archive.
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// The folder it is unpacked into.
        into: PathBuf,
    },
    /// Writing the built-in sample.
    Write(PathBuf),
    /// Writing a dataset out.
    Export(PathBuf),
    /// Splitting so many clips into train and test.
    Split(usize),
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Choose(name) => write!(f, "open the dataset `{name}`"),
            Task::Open(path) => write!(f, "open the dataset in `{}`", path.display()),
            Task::Decode(path) => write!(f, "decode the clip `{}`", path.display()),
            Task::Unpack { archive, into } => {
                write!(f, "unpack `{}` into `{}`", archive.display(), into.display())
            }
            Task::Export(path) => write!(f, "write the dataset to `{}`", path.display()),
            Task::Write(path) => write!(f, "write the sample dataset to `{}`", path.display()),
            Task::Split(clips) => write!(f, "split {clips} clips"),
        }
    }
}

impl Attempt for Task {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { task: self, kind }
    }
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The folder is not there.
    #[error("there is no such folder; give the folder whose sub-folders are the classes")]
    NoFolder,
    /// The sounds lie in no folders that could be their classes.
    #[error(
        "its sounds lie in no class folders; put the clips of each class into a folder named after the class"
    )]
    NoClasses,
    /// No file of it is a sound.
    #[error(
        "it holds no sounds: neither files that are named as sounds are, nor Parquet with a column of sounds"
    )]
    NoSounds,
    /// There is nothing to tell apart.
    #[error("`{class}` is its only class; a classifier needs at least two")]
    OneClass {
        /// The name of the class.
        class: String,
    },
    /// Folders of splits whose clips lie in no class folders.
    #[error("`{}` look like splits, but their clips lie in no class folders", folders.join("`, `"))]
    SplitsWithoutClasses {
        /// The folders.
        folders: Vec<String>,
    },
    /// A file whose path says two splits at once.
    #[error("`{file}` says two splits at once, {}; rename it or its folder", splits.join(" and "))]
    TwoSplits {
        /// The file.
        file: String,
        /// The splits.
        splits: Vec<String>,
    },
    /// Sound files and shards of sounds in one folder.
    #[error(
        "it holds both sound files (`{file}`) and Parquet with sounds (`{shard}`): open one of them alone"
    )]
    TwoLayouts {
        /// A sound.
        file: String,
        /// A shard.
        shard: String,
    },
    /// More of something than is read.
    #[error("{what}; the limit is {limit}")]
    Limit {
        /// What there is too much of, and how much.
        what: String,
        /// The limit.
        limit: String,
    },
    /// A folder that cannot be listed.
    #[error("folder `{}` cannot be listed", folder.display())]
    Unlisted {
        /// The folder.
        folder: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// A dataset with known contents is not whole.
    #[error(
        "it holds {clips} clips of {labels} genres where GTZAN has {wanted_clips} of {wanted_labels}: unpack its archive again"
    )]
    NotGtzan {
        /// Clips found.
        clips: usize,
        /// Of GTZAN's genres, those found.
        labels: usize,
        /// Clips there should be.
        wanted_clips: usize,
        /// Genres there should be.
        wanted_labels: usize,
    },
    /// An archive entry that leads out of the folder it is unpacked to.
    #[error("entry `{entry}` leads outside the archive; this is not the archive it should be")]
    Escape {
        /// The entry's path.
        entry: String,
    },
    /// An archive entry that is neither a file nor a folder.
    #[error("entry `{entry}` is a link or a device; this is not the archive it should be")]
    NotAFile {
        /// The entry's path.
        entry: String,
    },
    /// The same clip twice in one archive.
    #[error("entry `{entry}` occurs twice; this is not the archive it should be")]
    Repeated {
        /// The entry's path.
        entry: String,
    },
    /// A file, or everything together, is larger than the dataset could be.
    #[error("{what} is larger than {limit} bytes; this is not the archive it should be")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The target exists and was not written by this crate.
    #[error("it already exists and is something else; choose another folder or remove this one")]
    Occupied,
    /// An option of the built-in sample beyond its limits.
    #[error("{option} is {value}, but has to be between {least} and {most}")]
    OutOfRange {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: f64,
        /// The least value allowed.
        least: f64,
        /// The largest value allowed.
        most: f64,
    },
    /// Either part needs a clip.
    #[error("{sizes} leaves {train} clips to train on and {test} to test on; both need at least one")]
    EmptyPart {
        /// The sizes asked for.
        sizes: SplitSizes,
        /// Clips to train on.
        train: usize,
        /// Clips to test on.
        test: usize,
    },
    /// Both parts together are more than the whole.
    #[error("{sizes} is more than the {clips} clips there are; reduce one of them")]
    Oversized {
        /// The sizes asked for.
        sizes: SplitSizes,
        /// Clips there are.
        clips: usize,
    },
    /// A fraction that is none.
    #[error("a {part} size of {share} is not a fraction between 0 and 1")]
    NotAFraction {
        /// `train` or `test`.
        part: &'static str,
        /// The size asked for.
        share: f64,
    },
    /// A class that cannot be in both parts.
    #[error(
        "class {class} has only 1 clip, and a stratified split needs 2 of each class; add one or drop the class"
    )]
    LoneClip {
        /// The class.
        class: earmark_labels::LabelId,
    },
    /// A part that is too small to have every class.
    #[error("a {part} part of {clips} clips is too small for {classes} classes; it needs one clip of each")]
    FewerThanClasses {
        /// `training` or `test`.
        part: &'static str,
        /// Clips of the part.
        clips: usize,
        /// Classes that occur.
        classes: usize,
    },
    /// Nothing can be kept apart.
    #[error("all clips are of one group, and a group is never split")]
    OneGroup,
    /// Whole groups overshoot the size that was asked for until nothing is left.
    #[error(
        "{sizes} takes all {groups} groups whole and leaves none to train on; lower it, or try another seed"
    )]
    LargeGroups {
        /// The sizes asked for.
        sizes: SplitSizes,
        /// Groups there are.
        groups: usize,
    },
    /// A fold without a clip.
    #[error("no clip is in fold {fold}; the folds are {}", folds.join(", "))]
    NoSuchFold {
        /// The fold asked for.
        fold: String,
        /// The folds there are.
        folds: Vec<String>,
    },
    /// A fold with all clips.
    #[error("every clip is in fold {fold}, which leaves none to train on")]
    OneFold {
        /// The fold asked for.
        fold: String,
    },
    /// No clips, no folds.
    #[error("there are no clips, and so no folds")]
    NoFolds,
    /// A Parquet file that cannot be read.
    #[error("it cannot be read as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Columns that cannot be read.
    #[error("its columns cannot be read")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A file that is broken in some other way.
    #[error("it is broken: {0}")]
    Broken(String),
    /// A table without sounds.
    #[error(
        "none of its columns holds sounds; expected `audio` with bytes and path, as `datasets` writes it, and it has {}",
        columns.join(", ")
    )]
    NoAudioColumn {
        /// The columns it has.
        columns: Vec<String>,
    },
    /// A table without the column that is needed.
    #[error("it has no column `{column}`, only {}", columns.join(", "))]
    NoColumn {
        /// The column.
        column: String,
        /// Those it has.
        columns: Vec<String>,
    },
    /// A dataset whose makers keep nothing for evaluation.
    #[error("it was published without a part for evaluation: split it at random, by class or by a group")]
    NoPublishedSplit,
    /// Nothing says plainly what is the class.
    #[error("which column is the class has to be said: it has {}", columns.join(", "))]
    NoLabelColumn {
        /// The columns it has, each with what it looks like.
        columns: Vec<String>,
    },
    /// A column of several classes a clip.
    #[error("the column `{column}` holds lists: several classes a clip are not supported, only one of a set")]
    ManyLabels {
        /// The column.
        column: String,
    },
    /// No row says its class.
    #[error("none of its {rows} rows says a class in `{column}`")]
    NoLabels {
        /// The column.
        column: String,
        /// How many rows there are.
        rows: usize,
    },
    /// A clip without the field that is needed.
    #[error("clip `{clip}` has no `{field}`")]
    NoField {
        /// The clip.
        clip: String,
        /// The field.
        field: String,
    },
    /// There is no dataset, configuration or split of that name.
    #[error("there is no {what} `{name}`; choose one of {}", known.join(", "))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// More or fewer clips than were published.
    #[error("it holds {clips} clips where {wanted} were published: delete `{}`, and it is fetched again", file.display())]
    NotWhole {
        /// Clips found.
        clips: usize,
        /// Clips there should be.
        wanted: usize,
        /// The file they are from.
        file: PathBuf,
    },
    /// A folder that is not whole, and holds more than what could be unpacked again.
    #[error(
        "it is not whole, and holds other things, such as `{}`: move it away, and its archive is unpacked again",
        file.display()
    )]
    NotOurs {
        /// Something that is not from the archive.
        file: PathBuf,
    },
    /// A table of clips that cannot be used.
    #[error("`{}` cannot be used: {why}", path.display())]
    BadTable {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        why: String,
    },
    /// A file that lies elsewhere could not be had.
    #[error("`{file}` could not be fetched")]
    Fetch {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row whose class is none of the dataset's.
    #[error("row {row} has `{class}` in `{column}`, which is no class of the dataset")]
    NoClass {
        /// The row, from 0.
        row: usize,
        /// The column of classes.
        column: String,
        /// What it holds.
        class: String,
    },
    /// A row whose sound is not in the file: `datasets` may leave only a path behind.
    #[error("row {0} holds no sound")]
    NoSound(usize),
    /// A row behind the last.
    #[error("it has no row {0}")]
    NoRow(usize),
    /// The sound did not decode.
    #[error(transparent)]
    Audio(#[from] earmark_audio::Error),
    /// The file system said no, or an archive is cut short or damaged.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
