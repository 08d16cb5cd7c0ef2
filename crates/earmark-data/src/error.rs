use std::fmt;
use std::path::PathBuf;

use earmark_error::Attempt;

use crate::split::sizes::SplitSizes;

/// A failure with a dataset: the operation that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {task}")]
#[non_exhaustive]
pub struct Error {
    /// The operation that failed.
    pub task: Task,
    /// Why it failed.
    #[source]
    pub kind: ErrorKind,
}

/// An operation on a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Opening a published dataset by its name.
    Choose(String),
    /// Opening a dataset at a path.
    Open(PathBuf),
    /// Decoding a clip.
    Decode(PathBuf),
    /// Reading a table of vectors.
    Vectors(PathBuf),
    /// Reading a table of fields, or adding them to a dataset.
    Table(PathBuf),
    /// Choosing the clips that a protocol scores.
    Protocol(String),
    /// Unpacking an archive.
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// The folder it is unpacked into.
        into: PathBuf,
    },
    /// Writing the built-in sample.
    Write(PathBuf),
    /// Exporting a dataset.
    Export(PathBuf),
    /// Splitting this many clips into train and test.
    Split(usize),
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Choose(name) => write!(f, "open the dataset `{name}`"),
            Task::Open(path) => write!(f, "open the dataset in `{}`", path.display()),
            Task::Decode(path) => write!(f, "decode the clip `{}`", path.display()),
            Task::Vectors(path) => write!(f, "read the vectors in `{}`", path.display()),
            Task::Table(path) => write!(f, "add the fields of `{}`", path.display()),
            Task::Protocol(name) => write!(f, "use the protocol `{name}`"),
            Task::Unpack { archive, into } => {
                write!(f, "unpack `{}` into `{}`", archive.display(), into.display())
            }
            Task::Export(path) => write!(f, "write the dataset to `{}`", path.display()),
            Task::Write(path) => write!(f, "write the sample dataset to `{}`", path.display()),
            Task::Split(clips) => write!(f, "split {clips} clips into train and test"),
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
    /// The folder does not exist.
    #[error("no such folder; expected a folder with a sub-folder for each class")]
    NoFolder,
    /// The sound files are not in class folders.
    #[error(
        "its sound files are in no class folders; put the clips of each class into a folder named after the class"
    )]
    NoClasses,
    /// No file in it is a sound file.
    #[error("it contains no sound files (by their extensions), and no Parquet file with an audio column")]
    NoSounds,
    /// There is only one class.
    #[error("`{class}` is its only class; a classifier needs at least two")]
    OneClass {
        /// The name of the class.
        class: String,
    },
    /// Folders of splits whose clips are not in class folders.
    #[error("`{}` look like splits, but their clips are in no class folders", folders.join("`, `"))]
    SplitsWithoutClasses {
        /// The folders.
        folders: Vec<String>,
    },
    /// A file whose path contains the names of two splits.
    #[error("the path `{file}` contains the names of two splits, {}; rename the file or its folder", splits.join(" and "))]
    TwoSplits {
        /// The file.
        file: String,
        /// The splits.
        splits: Vec<String>,
    },
    /// Sound files and Parquet files with audio in one folder.
    #[error(
        "it contains both sound files (`{file}`) and Parquet with audio (`{shard}`): open one of them alone"
    )]
    TwoLayouts {
        /// A sound.
        file: String,
        /// A shard.
        shard: String,
    },
    /// Something exceeds a limit.
    #[error("{what}; the limit is {limit}")]
    Limit {
        /// What exceeds the limit, and its size.
        what: String,
        /// The limit.
        limit: String,
    },
    /// A folder that cannot be listed.
    #[error("cannot list the folder `{}`", folder.display())]
    Unlisted {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A GTZAN that is incomplete.
    #[error(
        "it has {clips} clips of {labels} genres, but GTZAN has {wanted_clips} of {wanted_labels}: unpack its archive again"
    )]
    NotGtzan {
        /// Clips found.
        clips: usize,
        /// Of GTZAN's genres, those found.
        labels: usize,
        /// Clips of GTZAN.
        wanted_clips: usize,
        /// Genres of GTZAN.
        wanted_labels: usize,
    },
    /// An archive entry with a path outside the folder that it is unpacked to.
    #[error("entry `{entry}` leads outside the archive; this is not the archive that was expected")]
    Escape {
        /// The entry's path.
        entry: String,
    },
    /// An archive entry that is neither a file nor a folder.
    #[error("entry `{entry}` is a link or a device; this is not the archive that was expected")]
    NotAFile {
        /// The entry's path.
        entry: String,
    },
    /// The same clip twice in one archive.
    #[error("entry `{entry}` occurs twice; this is not the archive that was expected")]
    Repeated {
        /// The entry's path.
        entry: String,
    },
    /// A file, or the whole content, is larger than the dataset could be.
    #[error("{what} is larger than {limit} bytes; this is not the archive that was expected")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The target exists and was not written by this crate.
    #[error("it already exists and was not written by earmark; choose another folder or remove this one")]
    Occupied,
    /// An option of the built-in sample that is out of range.
    #[error("{option} is {value}, but must be between {least} and {most}")]
    OutOfRange {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: f64,
        /// The smallest value allowed.
        least: f64,
        /// The largest value allowed.
        most: f64,
    },
    /// A part of the split would have no clips.
    #[error("{sizes} leaves {train} clips to train on and {test} to test on; both need at least one")]
    EmptyPart {
        /// The requested sizes.
        sizes: SplitSizes,
        /// Clips to train on.
        train: usize,
        /// Clips to test on.
        test: usize,
    },
    /// Both parts together are larger than the dataset.
    #[error("{sizes} is more than the {clips} clips there are; reduce one of them")]
    Oversized {
        /// The requested sizes.
        sizes: SplitSizes,
        /// Clips of the dataset.
        clips: usize,
    },
    /// A size that is not a fraction between 0 and 1.
    #[error("a {part} size of {share} is not a fraction between 0 and 1")]
    NotAFraction {
        /// `train` or `test`.
        part: &'static str,
        /// The requested size.
        share: f64,
    },
    /// A class with a single clip, which cannot be in both parts.
    #[error(
        "class {class} has only 1 clip, and a stratified split needs 2 of each class; add one or drop the class"
    )]
    LoneClip {
        /// The class.
        class: earmark_labels::LabelId,
    },
    /// A part that is too small for all classes.
    #[error("a {part} part of {clips} clips is too small for {classes} classes; it needs one clip of each")]
    FewerThanClasses {
        /// `training` or `test`.
        part: &'static str,
        /// Clips of the part.
        clips: usize,
        /// Classes with clips.
        classes: usize,
    },
    /// All clips are in one group.
    #[error("all clips are in one group, and a group is never split")]
    OneGroup,
    /// The groups are so large that the test part takes all of them.
    #[error(
        "{sizes} takes all {groups} groups, as groups are never split, and leaves none to train on; lower it, or try another seed"
    )]
    LargeGroups {
        /// The requested sizes.
        sizes: SplitSizes,
        /// Number of groups.
        groups: usize,
    },
    /// A fold without clips.
    #[error("no clip is in fold {fold}; the folds are {}", folds.join(", "))]
    NoSuchFold {
        /// The requested fold.
        fold: String,
        /// The folds that exist.
        folds: Vec<String>,
    },
    /// A fold with all clips.
    #[error("every clip is in fold {fold}, which leaves none to train on")]
    OneFold {
        /// The requested fold.
        fold: String,
    },
    /// No clips, no folds.
    #[error("there are no clips, so there are no folds")]
    NoFolds,
    /// A Parquet file that cannot be read.
    #[error("not a valid Parquet file")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Columns that cannot be read.
    #[error("cannot read its columns")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A file that is damaged, or not the expected file.
    #[error("damaged or not the expected file: {0}")]
    Broken(String),
    /// A table without an audio column.
    #[error(
        "no column holds audio; expected `audio` with bytes and path, as `datasets` writes it; its columns: {}",
        columns.join(", ")
    )]
    NoAudioColumn {
        /// Its columns.
        columns: Vec<String>,
    },
    /// A table without the requested column.
    #[error("it has no column `{column}`; its columns: {}", columns.join(", "))]
    NoColumn {
        /// The column.
        column: String,
        /// Its columns.
        columns: Vec<String>,
    },
    /// A dataset that was published without a split for evaluation.
    #[error("it was published without a split for evaluation: split it at random, stratified or by a group")]
    NoPublishedSplit,
    /// The column with the class is ambiguous.
    #[error("choose the column that holds the class; its columns: {}", columns.join(", "))]
    NoLabelColumn {
        /// Its columns, each with examples of its values.
        columns: Vec<String>,
    },
    /// A column with several classes per clip.
    #[error(
        "column `{column}` holds lists: a clip may have several classes, so the dataset has to be opened as multi-label"
    )]
    ManyLabels {
        /// The column.
        column: String,
    },
    /// Clips that may have several classes, and nothing but folders that say them.
    #[error(
        "its folders give each clip one class: several need metadata.csv, metadata.jsonl or Parquet files, with a column of lists or \
         of names joined by `|`"
    )]
    NoLabelLists,
    /// A column in which some values are lists of classes, and others are not.
    #[error(
        "column `{column}` holds lists in some rows and something else, or more than 256 classes, in others"
    )]
    MixedLabels {
        /// The column.
        column: String,
    },
    /// No row has a class.
    #[error("none of its {rows} rows has a class in column `{column}`")]
    NoLabels {
        /// The column.
        column: String,
        /// The number of rows.
        rows: usize,
    },
    /// A clip without the requested field.
    #[error("clip `{clip}` has no `{field}`{}", other_fields(fields))]
    NoField {
        /// The clip.
        clip: String,
        /// The field.
        field: String,
        /// Those it has.
        fields: Vec<String>,
    },
    /// There is no dataset, configuration, split or label column of that name.
    #[error("there is no {what} `{name}`; choose one of {}", known.join(", "))]
    Unknown {
        /// The kind of name, such as `split`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// More or fewer clips than were published.
    #[error("it has {clips} clips, but {wanted} were published: delete `{}` to download it again", file.display())]
    NotWhole {
        /// Clips found.
        clips: usize,
        /// Clips that were published.
        wanted: usize,
        /// The file that they come from.
        file: PathBuf,
    },
    /// A copy of a published dataset without the clips that a protocol is defined for.
    #[error("it has {clips} clips, but the protocol is defined for {wanted}")]
    OtherClips {
        /// Clips found.
        clips: usize,
        /// Clips that the protocol is defined for.
        wanted: usize,
    },
    /// A copy of a published dataset without the parts that a protocol is defined for.
    #[error("its clips have {parts} different values of `{field}`, but the protocol is defined for {wanted}")]
    OtherParts {
        /// The field that tells the parts.
        field: String,
        /// Parts found.
        parts: usize,
        /// Parts that the protocol is defined for.
        wanted: usize,
    },
    /// None of the clips that a protocol could score is left.
    #[error("every artist of its test clips is also trained on, or unknown")]
    NoOtherArtists,
    /// A table of fields that cannot be used.
    #[error("{why}")]
    Table {
        /// What is wrong, with its line.
        why: String,
    },
    /// A folder that is incomplete, and contains files that are not from the archive.
    #[error(
        "it is incomplete and contains other files, such as `{}`: move it away, so that the archive can be unpacked again",
        file.display()
    )]
    NotOurs {
        /// Something that is not from the archive.
        file: PathBuf,
    },
    /// An invalid table of clips.
    #[error("cannot use `{}`: {why}", path.display())]
    BadTable {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        why: String,
    },
    /// A file could not be downloaded.
    #[error("cannot download `{file}`")]
    Fetch {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row whose class is not a class of the dataset.
    #[error("row {row} has `{class}` in `{column}`, which is not a class of the dataset")]
    NoClass {
        /// The row, from 0.
        row: usize,
        /// The column with the class.
        column: String,
        /// Its value.
        class: String,
    },
    /// A row without audio: `datasets` may write only a path.
    #[error("row {0} has no audio")]
    NoSound(usize),
    /// A row after the last.
    #[error("it has no row {0}")]
    NoRow(usize),
    /// A sound could not be decoded.
    #[error(transparent)]
    Audio(earmark_audio::ErrorKind),
    /// A file could not be read or written, or an archive is truncated or damaged.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn other_fields(fields: &[String]) -> String {
    if fields.is_empty() {
        "; it has no other field".to_owned()
    } else {
        format!("; its fields: {}", fields.join(", "))
    }
}

/// The path of the sound is left out: [`Error::task`] has it.
impl From<earmark_audio::Error> for ErrorKind {
    fn from(error: earmark_audio::Error) -> ErrorKind {
        ErrorKind::Audio(error.kind)
    }
}
