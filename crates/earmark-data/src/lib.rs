//! Audio classification datasets: which clips there are, what they are, and how they split into train and test.
//!
//! ```
//! use earmark_data::sample::{self, SampleOptions};
//! use earmark_data::{AudioDataset, TestSize, train_test_split};
//!
//! # let dir = tempfile::tempdir()?;
//! # let root = dir.path().join("sample");
//! // Any folder will do whose sub-folders are the classes; the built-in sample is one.
//! sample::write(&root, &SampleOptions { clips_per_genre: 2, seconds: 0.5, seed: 42 })?;
//! let dataset = AudioDataset::open_folder(&root)?;
//! assert_eq!(dataset.clips[0].name, "blues/blues.00000.wav");
//!
//! let split = train_test_split(dataset.clips.len(), TestSize::Fraction(0.1), 42)?;
//! assert_eq!((split.train.len(), split.test.len()), (18, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Opening a dataset reads no audio: [`Clip::decode`] does, clip by clip. Nothing here touches the network
//! (`earmark-hub`), resamples (`earmark-features`) or makes batches (`earmark-train`).
#![forbid(unsafe_code)]

mod dataset; // Read first: the list of clips that every way of opening a dataset makes,
mod clip; // what it lists,
mod example; // and what a stream gives.
mod open; // Then how a folder is opened,
mod catalog; // what is published,
mod read; // where clips come from,
mod split; // and what can be done with them.
mod write;

pub mod sample;

mod burn_dataset;
mod error;
mod random;

pub use burn_dataset::LabelledWaveform;
pub use catalog::spec::{ClassColumn, Config, Selection, Spec, SplitSpec};
pub use catalog::{CATALOG, esc50, fleurs, gtzan, minds14, speech_commands, urbansound8k};
pub use clip::Clip;
pub use dataset::{AudioDataset, DatasetInfo, SkipReason, Skipped};
pub use error::{Error, ErrorKind, Task};
pub use example::{Example, Fields};
pub use random::{permutation, torch_randperm};
pub use read::label_column::LabelColumn;
pub use read::parquet::shard::{Examples, Shard};
pub use read::read_at::{LocalFile, ReadAt, Sequential};
pub use read::remote::{Fetch, FetchError, Location, RemoteFile};
pub use read::stream::{Position, Shuffled, Stream};
pub use split::{
    PartSize, Split, SplitSizes, TestSize, fold_split, group_split, k_folds, published_split, shuffle,
    split_in_order, stratified_split, train_test_split,
};
