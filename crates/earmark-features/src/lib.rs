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
mod preprocessor; // Then which extractor a model needs,
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
pub use extractors::clap::{ClapConfig, ClapExtractor, ClapPadding, ClapTruncation, Crop};
pub use extractors::wav2vec2::{Batch, PadOptions, Padding, Wav2Vec2Extractor};
pub use extractors::whisper::{WhisperConfig, WhisperExtractor, WhisperOptions};
pub use features::Features;
pub use preprocessor::Preprocessor;
pub use resample::{Resampler, StreamResampler, resample};
pub use settings::PaddingSide;
