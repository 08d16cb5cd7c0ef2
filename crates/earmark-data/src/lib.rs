#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod dataset; // Read first: the list of clips that every way of opening a dataset makes,
mod clip; // what it lists,
mod example; // and what a stream gives.
mod open; // Then how a folder is opened,
mod catalog; // what is published,
mod read; // where clips come from,
mod duplicates; // which of them are equal,
mod groups; // which depend on each other,
mod protocol; // which are scored,
mod split; // and what can be done with them.
mod write;

pub mod sample;

mod burn_dataset;
mod error;
mod random;

pub use burn_dataset::LabelledWaveform;
pub use catalog::spec::{ClassColumn, Config, Selection, Spec, SplitSpec};
pub use catalog::{CATALOG, esc50, fleurs, gtzan, minds14, speech_commands};
pub use clip::Clip;
pub use dataset::{AudioDataset, DatasetInfo, SkipReason, Skipped};
pub use duplicates::{Duplicates, SampleHash, SampleHasher};
pub use error::{Error, ErrorKind, Task};
pub use example::{Example, Fields};
pub use groups::{Clusters, GroupField, GroupKind};
pub use protocol::{Part, Protocol, Scored};
pub use random::{permutation, torch_randperm};
pub use read::field_table::FieldTable;
pub use read::label_column::{LabelColumn, Labelling};
pub use read::parquet::shard::{Examples, Shard, TableRows};
pub use read::parquet::vectors::{VectorRow, VectorRows, VectorTable};
pub use read::read_at::{LocalFile, ReadAt, Sequential};
pub use read::remote::{Fetch, FetchError, Location, RemoteFile};
pub use read::stream::{Position, Shuffled, Stream};
pub use split::{
    PartSize, Split, SplitSizes, TestSize, fold_split, group_split, k_folds, published_split, shuffle,
    split_in_order, stratified_split, train_test_split,
};
