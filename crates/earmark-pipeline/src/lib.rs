//! Sounds in, labels out: a pretrained model in Hugging Face layout, ready to use.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use earmark_pipeline::AudioClassifier;
//!
//! let classifier = AudioClassifier::open("models/ast", &Device::flex())?;
//! for prediction in classifier.classify("siren.ogg")? {
//!     println!("{:.3} {}", prediction.score, prediction.label);
//! }
//! # Ok::<(), earmark_pipeline::Error>(())
//! ```
//!
//! [`AudioClassifier`] knows the labels it was trained on, [`ZeroShotClassifier`] takes any sentence for a label, and
//! [`AudioEmbedder`] gives vectors, by base checkpoints too. All take a file, bytes or a waveform ([`Sound`]), decoded as
//! [`AudioOptions`] say. Every number they give is finite: what is not is an error. It does not fetch models (`earmark-hub`).
#![forbid(unsafe_code)]

mod model; // Read first: what a model's folder holds,
mod sound; // and what it is given;
mod classify; // then what is done with both.
mod zero_shot;
mod embed;
mod windows; // Recordings that are too long for one clip.
mod forward; // What classify and embed share.
mod caution;
mod error;

pub use caution::Caution;
pub use classify::AudioClassifier;
pub use embed::AudioEmbedder;
pub use error::{Error, ErrorKind};
pub use model::extractor::{find_extractor, read_extractor, read_preprocessor};
pub use model::family::family_of;
pub use model::pretrained::Pretrained;
pub use sound::{AudioOptions, DecodedSound, Sound};
pub use windows::{Window, WindowIter, WindowSpan, Windows};
pub use zero_shot::{Candidates, HYPOTHESIS_TEMPLATE, ZeroShotClassifier};
