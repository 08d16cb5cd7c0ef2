#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod model; // Read first: what a model's folder holds,
mod sound; // and what it is given;
mod classify; // then what is done with both.
#[cfg(feature = "clap")]
mod zero_shot;
mod embedding; // What is made of a sound in place of labels,
mod embed; // and by what.
mod windows; // Recordings that are too long for one clip.
mod many; // What classify and embed share.
mod forward;
mod caution;
mod error;

pub use caution::Caution;
pub use classify::AudioClassifier;
pub use earmark_models::{Layer, Pool};
pub use embed::{AudioEmbedder, cosine_similarity};
pub use embedding::Embedding;
pub use error::{Error, ErrorKind};
pub use model::extractor::{find_extractor, read_extractor, read_preprocessor};
pub use model::family::family_of;
pub use model::pretrained::Pretrained;
pub use sound::{AudioOptions, DecodedSound, Sound};
pub use windows::{Window, WindowIter, WindowSpan, Windows};
#[cfg(feature = "clap")]
pub use zero_shot::{Candidates, HYPOTHESIS_TEMPLATE, ZeroShotClassifier};
