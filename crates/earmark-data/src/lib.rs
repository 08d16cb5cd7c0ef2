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

mod dataset; // Read first: the list every loader makes.
mod example; // And what a stream is made of.

mod published; // Then what is published,

pub mod esc50; // a file each,
pub mod fleurs;
pub mod gtzan;
pub mod minds14;
pub mod sample;
pub mod speech_commands;

mod archive; // where clips come from, and what can be done with them.
mod burn_dataset;
mod error;
mod export;
mod folder;
mod landing;
mod local;
mod pages;
mod read_at;
mod rng;
mod split;
mod stream;
mod table;

pub use burn_dataset::LabelledWaveform;
pub use dataset::{About, AudioDataset, Clip, Skipped, Why};
pub use error::{Error, ErrorKind, Task};
pub use example::{Example, Fields};
pub use published::{Fetch, FetchError, Place, Published, RemoteFile, Selection};
pub use read_at::{LocalFile, ReadAt, Sequential};
pub use rng::{permutation, torch_randperm};
pub use split::{
    PartSize, Split, SplitSizes, TestSize, fold_split, group_split, k_folds, published_split, shuffle,
    split_in_order, stratified_split, train_test_split,
};
pub use stream::{Position, Shuffled, Stream};
pub use table::{Examples, Labels, Shard};
