use std::path::{Path, PathBuf};

use earmark_audio::{
    DecodeOptions, Decoded, Downmix, SampleRate, Warning, Waveform, decode_bytes, decode_file,
};
use earmark_error::Context as _;
use earmark_features::{Resampler, resample};

use crate::error::{Doing, Error};

/// A sound to decode. Samples without a rate are none: make a [`Waveform`] of them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Sound {
    /// A file in any format that `earmark-audio` reads.
    File(PathBuf),
    /// The bytes of such a file.
    Bytes(Vec<u8>),
    /// The bytes of a file from elsewhere, and what errors call it.
    Named(String, Vec<u8>),
    /// Mono samples at a known rate.
    Waveform(Waveform),
}

impl Sound {
    /// What an error calls it.
    pub(crate) fn name(&self) -> String {
        match self {
            Sound::File(path) => format!("`{}`", earmark_fs::text(path)),
            Sound::Bytes(_) => "the bytes given".to_owned(),
            Sound::Named(name, _) => format!("`{name}`"),
            Sound::Waveform(_) => "the clip given".to_owned(),
        }
    }
}

impl From<&str> for Sound {
    fn from(path: &str) -> Sound {
        Sound::File(path.into())
    }
}

impl From<String> for Sound {
    fn from(path: String) -> Sound {
        Sound::File(path.into())
    }
}

impl From<&Path> for Sound {
    fn from(path: &Path) -> Sound {
        Sound::File(path.into())
    }
}

impl From<PathBuf> for Sound {
    fn from(path: PathBuf) -> Sound {
        Sound::File(path)
    }
}

impl From<&PathBuf> for Sound {
    fn from(path: &PathBuf) -> Sound {
        Sound::File(path.clone())
    }
}

impl From<Vec<u8>> for Sound {
    fn from(bytes: Vec<u8>) -> Sound {
        Sound::Bytes(bytes)
    }
}

impl From<Waveform> for Sound {
    fn from(clip: Waveform) -> Sound {
        Sound::Waveform(clip)
    }
}

/// How a sound becomes a clip at a model's rate.
#[derive(Debug, Clone, Default)]
pub struct AudioOptions {
    /// How channels become one, and the longest clip.
    pub decode: DecodeOptions,
    /// How clips get to the model's rate.
    pub resampler: Resampler,
}

/// A clip at a model's rate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecodedSound {
    /// The clip.
    pub waveform: Waveform,
    /// How long it plays, in seconds.
    pub duration: f64,
    /// What was wrong with its file.
    pub warnings: Vec<Warning>,
}

impl AudioOptions {
    /// As the reference's pipeline decodes a file: `0.7071 * (L + R)`, and torchaudio's resampler in place of ffmpeg's.
    pub fn as_transformers() -> AudioOptions {
        let decode = DecodeOptions { downmix: Downmix::Sqrt2, ..DecodeOptions::default() };
        AudioOptions { decode, resampler: Resampler::Torchaudio }
    }

    /// Decodes `sound` and gets it to `rate`.
    ///
    /// # Errors
    /// When it is no sound, or is at a rate that none is recorded at.
    pub fn decode(&self, sound: impl Into<Sound>, rate: SampleRate) -> Result<DecodedSound, Error> {
        let sound = sound.into();
        let name = sound.name();
        let doing = || Doing(format!("cannot hear {name}"));
        let decoded = |decoded: Decoded| (decoded.waveform, decoded.warnings);
        let (waveform, warnings) = match sound {
            Sound::File(path) => decode_file(path, &self.decode).map(decoded).with_context(doing)?,
            Sound::Bytes(bytes) | Sound::Named(_, bytes) => {
                decode_bytes(bytes, &self.decode).map(decoded).with_context(doing)?
            }
            Sound::Waveform(waveform) => (waveform, Vec::new()),
        };
        let duration = waveform.duration().as_secs_f64();
        let waveform = resample(waveform, rate, self.resampler).with_context(doing)?;
        Ok(DecodedSound { waveform, duration, warnings })
    }
}
