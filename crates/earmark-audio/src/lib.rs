#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod waveform; // Read first: the type that everything else takes.
mod options; // Then what a caller chooses, and the warnings,

mod decode; // the one-call functions,
mod decoder; // the stream they are written over,
mod downmix;
mod live; // and the same over a pipe.
mod source; // What a stream reads from:
mod pcm; // samples that lie in a file as numbers,
mod packets; // or that a codec makes of packets.

mod recording_time; // When a recording began.
mod wav; // The way back.
mod extensions;
mod error;

mod byte_stream;
mod codec_names;
mod spec;

pub use waveform::{SampleRate, Waveform};

pub use decode::{
    Channels, Decoded, decode_bytes, decode_bytes_channels, decode_file, decode_file_channels, decode_reader,
    decode_stream,
};
pub use decoder::Decoder;
pub use downmix::Downmix;
pub use options::{DecodeOptions, LiveFormat, RawSamples, Warning};
pub use recording_time::RecordingTime;

pub use error::{Error, ErrorKind, Origin, UnknownName};
pub use extensions::{EXTENSIONS, has_audio_extension};
pub use wav::{WavFormat, WavWriter, wav_bytes, write_wav, write_wav_channels};
