//! The published datasets in miniature: as many clips as were published, in the layouts they are published in, each a tenth of
//! a second long. A clip is a tone that encodes its class, so that a classifier that knows the tones is right about all of them.
//!
//! Class names come from the caller, who knows the datasets; repositories, paths, columns and numbers of clips are written down
//! here once more, so that a test compares two accounts of them.
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

mod sound; // How a clip encodes its class.
mod files; // What a dataset is made of,
mod archive; // archives
mod parquet; // and shards.
mod gtzan; // Then a file for each dataset.
mod esc50;
mod speech_commands;
mod minds14;
mod fleurs;

pub use archive::tar_gz;
pub use esc50::{esc50, esc50_clone};
pub use files::Planted;
pub use fleurs::fleurs;
pub use gtzan::{gtzan, gtzan_folder};
pub use minds14::minds14;
pub use parquet::{Row, parquet};
pub use sound::{Sound, class_of_tone, class_tone, wav};
pub use speech_commands::{speech_commands_folder, speech_commands_hf_test, speech_commands_official};
