//! Decoding while the sound is recorded: raw samples or a WAV, from a pipe that may never end.

use std::io::{self, Read, Seek, SeekFrom};

use earmark_error::Context as _;

use crate::byte_stream::ByteStream;
use crate::decoder::Decoder;
use crate::error::{Error, ErrorKind, Origin};
use crate::options::{DecodeOptions, LiveFormat};
use crate::source::Source;

impl Decoder {
    /// Decodes from a pipe with little delay: a block is returned as soon as a twentieth of a second has arrived, and no more
    /// than that is held. [`DecodeOptions::max_duration`] applies: for a microphone set it to
    /// [`Duration::MAX`](std::time::Duration::MAX).
    ///
    /// # Errors
    /// As [`Decoder::open`], with [`Origin::Bytes`]; a WAV of other than plain samples needs [`Decoder::from_stream`].
    pub fn live(
        reader: impl Read + Send + 'static,
        format: LiveFormat,
        options: &DecodeOptions,
    ) -> Result<Decoder, Error> {
        let source = ByteStream::new_forward(Forward { reader, head: Vec::new(), position: 0 });
        let source = match format {
            LiveFormat::Wav => Source::live_wav(source),
            LiveFormat::Raw { samples, rate, channels } => Source::live_raw(source, samples, rate, channels),
        };
        let source = source.map_err(|kind| match kind {
            ErrorKind::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => ErrorKind::Empty,
            kind => kind,
        });
        Ok(Decoder::over(Origin::Bytes, source.context(Origin::Bytes)?, options))
    }
}

/// A reader that seeks forward only, but for its first bytes, which are kept: the format is recognised before the header is
/// read.
struct Forward<R> {
    reader: R,
    head: Vec<u8>,
    position: u64,
}

/// How many first bytes are kept.
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
            // All that was read so far is kept.
            Some(target) if self.position <= self.head.len() as u64 => {
                self.position = target;
                Ok(target)
            }
            _ => Err(io::Error::new(io::ErrorKind::NotSeekable, "a pipe cannot seek backwards")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::downmix::Downmix;
    use crate::options::RawSamples;
    use crate::waveform::SampleRate;

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
    fn raw_samples_are_decoded_as_they_are_written() {
        let bytes: Vec<u8> = [0i16, 16_384, -32_768, 8192].iter().flat_map(|x| x.to_le_bytes()).collect();
        let raw =
            |channels| LiveFormat::Raw { samples: RawSamples::S16, rate: SampleRate::HZ_16000, channels };
        let decoded =
            |channels| all(Decoder::live(io::Cursor::new(bytes.clone()), raw(channels), &endless()).unwrap());
        assert_eq!(decoded(1), [0.0, 0.5, -1.0, 0.25]);
        assert_eq!(decoded(2), [0.25, -0.375]);
        assert!(Decoder::live(io::empty(), raw(0), &endless()).is_err());
    }

    #[test]
    fn a_wav_is_decoded_before_it_ends() {
        /// A quarter of a second, then an error: a decoder that reads ahead runs into it.
        struct Microphone(io::Cursor<Vec<u8>>);
        impl Read for Microphone {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::other("read ahead")),
                    read => Ok(read),
                }
            }
        }
        // The size that sox and arecord write to a pipe, for unknown.
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
    fn what_is_not_a_wav_is_refused() {
        for bytes in [&b""[..], b"RIFF", b"ID3 and so on, for a while longer than a header"] {
            let decoder = Decoder::live(io::Cursor::new(bytes.to_vec()), LiveFormat::Wav, &endless());
            assert!(decoder.is_err(), "{bytes:?}");
        }
    }
}
