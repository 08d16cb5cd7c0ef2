#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod family; // Read first: what a `model_type` says of a model,
mod table; // and what each of them says.
mod json; // How the files are read that name one.

pub use family::{Blocks, Convolutions, Extractor, Family, Keys, Network, Positions, SpansOf};
pub use json::{KeyError, MOST_BYTES, Object, config, object, read, shown, whole};
pub use table::{
    AST, CED, CLAP, DATA2VEC_AUDIO, FAMILIES, HUBERT, SEW, SEW_D, UNISPEECH, UNISPEECH_SAT, WAV2VEC2,
    WAV2VEC2_BERT, WAV2VEC2_CONFORMER, WAVLM, WHISPER, WHISPER_WITH_DECODER, family,
};
