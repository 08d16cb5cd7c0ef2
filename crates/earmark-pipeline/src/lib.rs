//! Sounds in, labels out: a pretrained model in Hugging Face layout, ready to be asked.
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
//! [`AudioClassifier`] knows the labels it was trained on, [`ZeroShotClassifier`] takes any sentence for a label. Both hear a
//! file, bytes or a waveform ([`Sound`]) as [`Hearing`] says. It does not fetch models (`earmark-hub`).
#![forbid(unsafe_code)]

mod classify;
mod error;
mod extractor;
mod pretrained; // Read first: what a model's folder holds.
mod sound;
mod windows;
mod zero_shot;

pub use classify::AudioClassifier;
pub use error::{Error, ErrorKind};
pub use extractor::{find_extractor, read_extractor, read_preprocessor};
pub use pretrained::Pretrained;
pub use sound::{Heard, Hearing, Sound};
pub use windows::{Window, WindowIter, WindowSpan, Windows};
pub use zero_shot::{Candidates, HYPOTHESIS_TEMPLATE, ZeroShotClassifier};
