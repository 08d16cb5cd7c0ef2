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
//! [`AudioClassifier`] knows the labels it was trained on, [`ZeroShotClassifier`] takes any sentence for a label, and
//! [`AudioEmbedder`] gives vectors, by base checkpoints too. All hear a file, bytes or a waveform ([`Sound`]) as [`Hearing`]
//! says. Every number they give is finite: what is not is an error. It does not fetch models (`earmark-hub`).
#![forbid(unsafe_code)]

mod caution;
mod classify;
mod embed;
mod error;
mod extractor;
mod forward;
mod pretrained; // Read first: what a model's folder holds.
mod sound;
mod windows;
mod zero_shot;

pub use caution::Caution;
pub use classify::AudioClassifier;
pub use embed::AudioEmbedder;
pub use error::{Error, ErrorKind};
pub use extractor::{find_extractor, read_extractor, read_preprocessor};
pub use pretrained::{Pretrained, family_of};
pub use sound::{Heard, Hearing, Sound};
pub use windows::{Window, WindowIter, WindowSpan, Windows};
pub use zero_shot::{Candidates, HYPOTHESIS_TEMPLATE, ZeroShotClassifier};
