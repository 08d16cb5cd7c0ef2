//! Turns mono audio into what a pretrained audio model reads: resampled, normalised, or as a log-mel spectrogram.
//!
//! ```no_run
//! use earmark_features::{Preprocessor, Resampler, resample};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clip = earmark_audio::Waveform::new(vec![0.0], earmark_audio::SampleRate::HZ_16000)?;
//! let preprocessor = Preprocessor::from_json(std::fs::read("model/preprocessor_config.json")?)?;
//! let clip = resample(clip, preprocessor.sampling_rate(), Resampler::Hq)?;
//! let features = preprocessor.extract(&clip)?;
//! println!("{:?}", features.shape); // [1024, 128] for an Audio Spectrogram Transformer
//! # Ok(())
//! # }
//! ```
//!
//! Every number is compared with Hugging Face `transformers` 5.23.0 and `torchaudio` 2.9.0, and nothing about a model
//! is hard-coded: its `preprocessor_config.json` says it all. Plain numbers go in and come out; tensors, files and the
//! network belong to other crates.
#![forbid(unsafe_code)]

mod features; // Read first: what comes out.
mod preprocessor;
mod resample;

mod ast;
mod clap;
mod wav2vec2;
mod whisper;

mod crop_rng;
mod error;
mod log;
mod loudness;
mod mel;
mod normalize;
mod spectrum;

pub use ast::{AstConfig, AstExtractor};
pub use clap::{ClapConfig, ClapExtractor, ClapPadding, ClapTruncation, Crop};
pub use crop_rng::CropRng;
pub use error::{Error, ErrorKind, Task};
pub use features::Features;
pub use preprocessor::{PaddingSide, Preprocessor};
pub use resample::{Resampler, StreamResampler, resample};
pub use wav2vec2::{Batch, PadOptions, Padding, Wav2Vec2Extractor};
pub use whisper::{WhisperConfig, WhisperExtractor, WhisperOptions};
