use std::path::{Path, PathBuf};

use earmark_audio::{
    DecodeOptions, Decoded, Downmix, SampleRate, Warning, Waveform, decode_bytes, decode_file,
};
use earmark_error::{Attempt as _, Context as _};
use earmark_features::{Resampler, resample};

use crate::error::{Doing, Error};

/// A sound to decode: a file, its bytes, or samples. Samples need their rate, so pass them as a [`Waveform`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Sound {
    /// A file in any format that `earmark-audio` reads.
    File(PathBuf),
    /// The bytes of such a file.
    Bytes(Vec<u8>),
    /// A name for error messages, and the bytes of a sound file.
    Named(String, Vec<u8>),
    /// Mono samples at a known rate.
    Waveform(Waveform),
}

impl Sound {
    /// Its name in error messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Sound::File(path) => format!("`{}`", earmark_fs::text(path)),
            Sound::Bytes(_) => "the sound in memory".to_owned(),
            Sound::Named(name, _) => format!("`{name}`"),
            Sound::Waveform(_) => "the clip in memory".to_owned(),
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

/// How a sound is decoded and resampled to a model's sample rate.
#[derive(Debug, Clone, Default)]
pub struct AudioOptions {
    /// The downmix to mono, and the longest clip that is decoded.
    pub decode: DecodeOptions,
    /// How clips are resampled to the model's rate.
    pub resampler: Resampler,
}

/// A decoded clip at a model's sample rate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecodedSound {
    /// The clip.
    pub waveform: Waveform,
    /// The length of the sound, in seconds.
    pub duration: f64,
    /// Problems of the file that did not prevent decoding it.
    pub warnings: Vec<Warning>,
}

impl AudioOptions {
    /// Decodes a file like the pipeline of transformers: downmix `0.7071 * (L + R)`, with torchaudio's resampler in place of
    /// ffmpeg's.
    pub fn as_transformers() -> AudioOptions {
        let decode = DecodeOptions { downmix: Downmix::Sqrt2, ..DecodeOptions::default() };
        AudioOptions { decode, resampler: Resampler::Torchaudio }
    }

    /// Decodes `sound` to mono and resamples it to `rate`.
    ///
    /// # Errors
    /// When it cannot be read or decoded, or the two rates are too far apart to resample.
    pub fn decode(&self, sound: impl Into<Sound>, rate: SampleRate) -> Result<DecodedSound, Error> {
        let sound = sound.into();
        let name = sound.name();
        let doing = || Doing(format!("cannot decode {name}"));
        let decoded = |decoded: Decoded| (decoded.waveform, decoded.warnings);
        let (waveform, warnings) = match sound {
            // The error of a file has its name, and fewer words where there is no such file.
            Sound::File(path) => decode_file(path, &self.decode)
                .map(decoded)
                .map_err(|error| Doing(error.to_string()).failed(error.into()))?,
            Sound::Bytes(bytes) | Sound::Named(_, bytes) => {
                decode_bytes(bytes, &self.decode).map(decoded).with_context(doing)?
            }
            Sound::Waveform(waveform) => (waveform, Vec::new()),
        };
        let duration = waveform.duration().as_secs_f64();
        let resampling = || Doing(format!("cannot resample {name}"));
        let waveform = resample(waveform, rate, self.resampler).with_context(resampling)?;
        Ok(DecodedSound { waveform, duration, warnings })
    }
}
