#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod features; // Read first: what comes out.
mod preprocessor; // Then which extractor a model needs,
mod audio_processor; // by two sets of names,
mod extractors; // the extractors, a file each,
mod dsp; // and what they are made of.
mod resample;

mod settings;
mod checks;
mod error;

pub use checks::MAX_AMPLITUDE;
pub use dsp::numpy_rng::CropRng;
pub use error::{Error, ErrorKind, Task};
pub use extractors::ast::{AstConfig, AstExtractor};
pub use extractors::ced::{CedConfig, CedExtractor};
pub use extractors::clap::{ClapConfig, ClapExtractor, ClapPadding, ClapTruncation, Crop};
pub use extractors::seamless::{FrameBatch, SeamlessM4TConfig, SeamlessM4TExtractor};
pub use extractors::wav2vec2::{Batch, PadOptions, Padding, Wav2Vec2Extractor};
pub use extractors::whisper::{WhisperConfig, WhisperExtractor, WhisperOptions};
pub use features::Features;
pub use preprocessor::Preprocessor;
pub use resample::{Resampler, StreamResampler, resample};
pub use settings::PaddingSide;
