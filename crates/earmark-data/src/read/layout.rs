//! How the files of a published dataset are laid out: Parquet shards, or archives of sound files.

use crate::error::ErrorKind;
use crate::example::Fields;
use crate::read::remote::RemoteFile;

/// The files of one split.
pub(crate) enum Layout {
    /// Parquet shards, and which of their rows belong to the configuration, if not all do.
    Shards { files: Vec<RemoteFile>, keep: Option<RowFilter> },
    /// Archives of sound files.
    Archives(Vec<Archive>),
}

/// Whether a row, by its fields, belongs to a configuration.
pub(crate) type RowFilter = fn(&Fields) -> bool;

/// A tar of sound files.
pub(crate) struct Archive {
    pub(crate) file: RemoteFile,
    /// A table that says more about its files.
    pub(crate) table: Option<RemoteFile>,
    /// The folder it is unpacked to, below the folder of datasets.
    pub(crate) folder: String,
    pub(crate) limits: Limits,
    /// What its files are.
    pub(crate) index: MakeIndex,
}

/// The most bytes that an archive may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// In one file.
    pub(crate) file: u64,
    /// In all of them.
    pub(crate) total: u64,
}

/// Makes an index, given the text of the archive's table if it has one.
pub(crate) type MakeIndex =
    Box<dyn FnOnce(Option<&str>) -> Result<Box<dyn ArchiveIndex>, ErrorKind> + Send + Sync>;

/// Knows the files of an archive by their paths.
pub(crate) trait ArchiveIndex: Send {
    /// The path that a file is unpacked to; `None` for a file that is no clip of any split, which is not unpacked.
    fn unpacked_path(&self, path: &str) -> Option<String>;

    /// What an unpacked file is; `None` for a clip of another split.
    fn clip(&self, path: &str) -> Result<Option<ClipInfo>, ErrorKind>;
}

/// What is known of a clip beside its sound.
pub(crate) struct ClipInfo {
    pub(crate) label: usize,
    pub(crate) fields: Fields,
    /// Whether a longer recording is cut to one second.
    pub(crate) one_second: bool,
}
