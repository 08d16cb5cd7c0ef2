//! Sound that is still being made: raw samples or a WAV, from a pipe that may never end.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::decoder::{DecodeOptions, Decoder};
use crate::error::{Error, ErrorKind, Origin, UnknownName};
use crate::input::Input;
use crate::source::Source;
use crate::waveform::SampleRate;

/// How raw samples are written: little-endian, one of each channel and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawSamples {
    /// Unsigned bytes.
    U8,
    /// 16-bit integers.
    S16,
    /// 24-bit integers in three bytes.
    S24,
    /// 32-bit integers.
    S32,
    /// 32-bit floats.
    F32,
}

impl RawSamples {
    /// Every kind.
    pub const ALL: &[RawSamples] =
        &[RawSamples::U8, RawSamples::S16, RawSamples::S24, RawSamples::S32, RawSamples::F32];

    /// Its name, as flags write it.
    pub const fn name(self) -> &'static str {
        match self {
            RawSamples::U8 => "u8",
            RawSamples::S16 => "s16",
            RawSamples::S24 => "s24",
            RawSamples::S32 => "s32",
            RawSamples::F32 => "f32",
        }
    }
}

impl fmt::Display for RawSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RawSamples {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<RawSamples, UnknownName> {
        let known = RawSamples::ALL.iter().find(|known| known.name() == text);
        known.copied().ok_or_else(|| UnknownName::new(text, RawSamples::ALL.iter().map(|known| known.name())))
    }
}

/// What comes through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveFormat {
    /// A WAV of plain samples, whose header need not know how many.
    Wav,
    /// Samples without a header.
    Raw {
        /// How each is written.
        samples: RawSamples,
        /// Samples a second, in each channel.
        rate: SampleRate,
        /// How many channels.
        channels: usize,
    },
}

impl Decoder {
    /// Decodes from a pipe as it comes: a block is handed out as soon as a twentieth of a second is there, and nothing is held
    /// but that. [`DecodeOptions::max_duration`] holds as always: a microphone wants [`Duration::MAX`](std::time::Duration).
    ///
    /// # Errors
    /// As [`Decoder::open`], with [`Origin::Bytes`]; a WAV of other than plain samples needs [`Decoder::from_stream`].
    pub fn live(
        reader: impl Read + Send + 'static,
        format: LiveFormat,
        options: &DecodeOptions,
    ) -> Result<Decoder, Error> {
        let source = Input::new_forward(Forward { reader, head: Vec::new(), position: 0 });
        let source = match format {
            LiveFormat::Wav => Source::live_wav(source),
            LiveFormat::Raw { samples, rate, channels } => Source::live_raw(source, samples, rate, channels),
        };
        source.map(|source| Decoder::over(Origin::Bytes, source, options)).map_err(|kind| match kind {
            ErrorKind::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Origin::Bytes.blame(ErrorKind::Empty)
            }
            kind => Origin::Bytes.blame(kind),
        })
    }
}

/// A reader that goes forward only, but for its first bytes: a header is looked at before it is read.
struct Forward<R> {
    reader: R,
    head: Vec<u8>,
    position: u64,
}

/// Bytes that can be gone back to.
const HEAD: usize = 64;

impl<R: Read> Read for Forward<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(held) = self.head.get(self.position as usize..).filter(|held| !held.is_empty()) {
            let read = held.len().min(buffer.len());
            buffer[..read].copy_from_slice(&held[..read]);
            self.position += read as u64;
            return Ok(read);
        }
        let read = self.reader.read(buffer)?;
        if self.position == self.head.len() as u64 {
            let keep = (HEAD - self.head.len()).min(read);
            self.head.extend_from_slice(&buffer[..keep]);
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read> Seek for Forward<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        match target {
            Some(target) if target >= self.position => {
                let skip = target - self.position;
                let skipped = io::copy(&mut self.by_ref().take(skip), &mut io::sink())?;
                if skipped < skip { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(target) }
            }
            // All that was read so far is still in the head.
            Some(target) if self.position <= self.head.len() as u64 => {
                self.position = target;
                Ok(target)
            }
            _ => Err(io::Error::new(io::ErrorKind::NotSeekable, "a pipe does not go back")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Downmix;
    use std::time::Duration;

    fn endless() -> DecodeOptions {
        DecodeOptions { downmix: Downmix::Mean, max_duration: Duration::MAX }
    }

    fn all(mut decoder: Decoder) -> Vec<f32> {
        let mut samples = Vec::new();
        while let Some(block) = decoder.next_block().unwrap() {
            samples.extend_from_slice(block);
        }
        samples
    }

    #[test]
    fn a_kind_of_samples_is_known_by_its_name() {
        for &samples in RawSamples::ALL {
            assert_eq!(samples.to_string().parse(), Ok(samples));
            assert_eq!(serde_json::to_value(samples).unwrap(), samples.name());
        }
        assert!("s8".parse::<RawSamples>().is_err());
    }

    #[test]
    fn raw_samples_are_heard_as_they_are_written() {
        let bytes: Vec<u8> = [0i16, 16_384, -32_768, 8192].iter().flat_map(|x| x.to_le_bytes()).collect();
        let raw =
            |channels| LiveFormat::Raw { samples: RawSamples::S16, rate: SampleRate::HZ_16000, channels };
        let heard =
            |channels| all(Decoder::live(io::Cursor::new(bytes.clone()), raw(channels), &endless()).unwrap());
        assert_eq!(heard(1), [0.0, 0.5, -1.0, 0.25]);
        assert_eq!(heard(2), [0.25, -0.375]);
        assert!(Decoder::live(io::empty(), raw(0), &endless()).is_err());
    }

    #[test]
    fn a_wav_is_heard_before_it_ends() {
        /// A quarter of a second, then an error: whoever asks for more than that has read ahead.
        struct Microphone(io::Cursor<Vec<u8>>);
        impl Read for Microphone {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::other("read ahead")),
                    read => Ok(read),
                }
            }
        }
        // As sox and arecord write to a pipe: a size that stands for none.
        let mut wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00".to_vec();
        wav.extend(16_000u32.to_le_bytes());
        wav.extend(32_000u32.to_le_bytes());
        wav.extend([2, 0, 16, 0]);
        wav.extend(b"LIST\x04\x00\x00\x00abcddata");
        wav.extend(0x7fff_ffffu32.to_le_bytes());
        wav.extend([0, 64].repeat(4000));
        let mut decoder =
            Decoder::live(Microphone(io::Cursor::new(wav)), LiveFormat::Wav, &endless()).unwrap();
        for _ in 0..5 {
            assert_eq!(decoder.next_block().unwrap().unwrap(), [0.5; 800]);
        }
        assert!(decoder.next_block().is_err());
    }

    #[test]
    fn what_is_no_wav_is_refused() {
        for bytes in [&b""[..], b"RIFF", b"ID3 and so on, for a while longer than a header"] {
            let heard = Decoder::live(io::Cursor::new(bytes.to_vec()), LiveFormat::Wav, &endless());
            assert!(heard.is_err(), "{bytes:?}");
        }
    }
}
