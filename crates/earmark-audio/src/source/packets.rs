//! Everything that comes in packets, through symphonia.
//!
//! Symphonia is fuzzed by its authors and by browsers that ship it, and still it is a hundred thousand lines that
//! read what strangers send: each call into it is guarded, so that a panic in there is an error out here.

use std::io::{self, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::well_known::{CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{
    FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3,
};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::opus::Opus;
use super::{Input, Spec, matroska, mp4, opus};
use crate::decoder::Warning;
use crate::error::ErrorKind;
use crate::waveform::SampleRate;

/// Packets without a sample in them before the stream is given up: an index can claim four thousand million empty
/// ones in a hundred bytes.
const MAX_IDLE_PACKETS: u32 = 1 << 20;

/// Sixteen seconds of stereo, where real packets hold a tenth of a second.
const MAX_PACKET_SAMPLES: u64 = 1 << 21;

pub(crate) struct PacketReader {
    format: Box<dyn FormatReader>,
    track: u32,
    codec: Codec,
    spec: Spec,
    /// The block after the one handed out: the last one has an end to trim, and only then is known to be the last.
    ahead: Option<Vec<Vec<f32>>>,
    /// Frames still to be dropped at the start: encoder delay that the container declares and symphonia leaves in.
    skip: u64,
    /// Such frames of a stream whose first block is not handed out yet.
    next_skip: u64,
    /// Frames still to be handed out, where the container counts them.
    left: Option<u64>,
    /// Frames to be dropped from the last block.
    padding: u64,
    /// Frames the container promised and that have not come, where it can be taken at its word.
    owed: u64,
    /// Whether the writer could not know where the end would be, so that reaching it unawares is no damage.
    endless: bool,
    damaged: u64,
    truncated: bool,
    changed: bool,
}

enum Codec {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

impl PacketReader {
    pub(super) fn open(mut input: Input, endless: bool) -> Result<PacketReader, ErrorKind> {
        let (format, truncated) = open_format(&input)?;
        let track = audio_track(&*format)?.clone();
        let mut reader = PacketReader {
            codec: Codec::new(&track, is_mp4(&*format))?,
            track: track.id,
            spec: Spec { rate: SampleRate::HZ_48000, channels: 0 }, // Until the first block says.
            ahead: None,
            skip: 0,
            next_skip: 0,
            left: None,
            padding: 0,
            owed: 0,
            endless,
            damaged: 0,
            truncated,
            changed: false,
            format,
        };
        let mut block = Vec::new();
        reader.spec = reader.decode_next(&mut block)?.ok_or(ErrorKind::Empty)?;
        reader.ahead = Some(block);
        // The demuxer reads on from where it is: this look elsewhere must leave no trace.
        let place = input.stream_position().map_err(ErrorKind::Read)?;
        reader.trim(&mut input, &track);
        input.seek(SeekFrom::Start(place)).map_err(ErrorKind::Read)?;
        Ok(reader)
    }

    /// Reads what the container says about the ends of the track.
    fn trim(&mut self, input: &mut Input, track: &Track) {
        let rate = self.spec.rate.hz();
        let promised = track.num_frames.filter(|frames| *frames > 0); // A fragmented MP4 says 0: it does not know.
        let format = self.format.format_info();
        if format.format == FORMAT_ID_ISOMP4 {
            self.truncated |= mp4::is_cut(input);
            if let Some(edit) = mp4::edit(input, track.id) {
                self.next_skip = frames(edit.skip, edit.timescale.into(), rate);
            }
            self.left = promised;
        } else if format.format == FORMAT_ID_MKV {
            let ends = matroska::ends(input, track.id.into());
            // Vorbis' delay is its first block, which a decoder swallows by itself.
            if !is_vorbis(track) {
                self.next_skip = frames(ends.delay, 1_000_000_000, rate);
            }
            self.padding = frames(ends.padding, 1_000_000_000, rate);
            self.endless = ends.live;
        } else if format.format == FORMAT_ID_FLAC {
            self.owed = promised.unwrap_or(0);
        } else if is_mpeg_audio(&*self.format) {
            // Some encoders count the frame that holds the count, and the first frame may be silent for want of the
            // one before it: two frames are not worth a warning.
            self.owed = promised.unwrap_or(0).saturating_sub(2 * 1152);
        }
        if let Codec::Opus(opus) = &self.codec {
            self.next_skip = opus.pre_skip;
        }
    }

    pub(super) fn spec(&self) -> Spec {
        self.spec
    }

    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.damaged > 0 {
            warnings.push(Warning::SkippedPackets { count: self.damaged });
        }
        if self.changed {
            warnings.push(Warning::FormatChanged);
        }
        if self.truncated {
            warnings.push(Warning::Truncated);
        }
        warnings
    }

    pub(super) fn next_block(&mut self, planes: &mut Vec<Vec<f32>>) -> Result<bool, ErrorKind> {
        while let Some(block) = self.ahead.take() {
            let mut next = std::mem::replace(planes, block);
            self.skip += std::mem::take(&mut self.next_skip);
            match self.decode_next(&mut next)? {
                Some(spec) if spec == self.spec => self.ahead = Some(next),
                Some(_) => self.changed = true,
                None => {}
            }
            if self.cut(planes) > 0 {
                return Ok(true);
            }
        }
        self.truncated |= self.owed > 0 && !self.changed;
        Ok(false)
    }

    /// Drops from a block what is not meant to be heard, and returns the frames left.
    fn cut(&mut self, planes: &mut [Vec<f32>]) -> u64 {
        let frames = planes.first().map_or(0, |plane| plane.len() as u64);
        let end = self.left.map_or(frames, |left| left.min(frames));
        let end = if self.ahead.is_none() { end.saturating_sub(self.padding) } else { end };
        let start = self.skip.min(end);
        for plane in planes {
            plane.truncate(end as usize);
            plane.drain(..start as usize);
        }
        self.skip -= start;
        self.left = self.left.map(|left| left - end);
        self.owed = self.owed.saturating_sub(frames);
        end - start
    }

    /// Replaces `planes` by the next packet that decodes to anything. `None` at the end.
    fn decode_next(&mut self, planes: &mut Vec<Vec<f32>>) -> Result<Option<Spec>, ErrorKind> {
        let mut reason = None;
        for _ in 0..MAX_IDLE_PACKETS {
            let format = &mut self.format;
            let packet = match guarded(|| format.next_packet())? {
                Ok(Some(packet)) if packet.track_id == self.track => packet,
                Ok(Some(_)) => continue,
                Ok(None) => return self.ended(reason),
                Err(SymphoniaError::ResetRequired) => {
                    self.restart()?;
                    continue;
                }
                Err(SymphoniaError::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    self.truncated |= !self.endless;
                    return self.ended(reason);
                }
                Err(SymphoniaError::IoError(e)) => return Err(ErrorKind::Read(e)),
                // A demuxer that lost its way does not find back.
                Err(e) => {
                    self.truncated = true;
                    return self.ended(reason.or_else(|| Some(e.to_string())));
                }
            };
            let codec = &mut self.codec;
            match guarded(|| codec.decode(&packet, planes))? {
                Ok(Some((hz, channels))) => return Spec::new(hz, channels).map(Some),
                Ok(None) => {}
                Err(e) => {
                    self.damaged += 1;
                    reason = reason.or(Some(e));
                }
            }
        }
        Err(ErrorKind::malformed("a million packets in a row hold no sample"))
    }

    /// The stream is over. Nothing decoded at all, and a reason for it, is an error.
    fn ended(&self, reason: Option<String>) -> Result<Option<Spec>, ErrorKind> {
        match reason {
            Some(reason) if self.spec.channels == 0 => Err(ErrorKind::Malformed { reason }),
            _ => Ok(None),
        }
    }

    /// Another stream begins where one ended: Ogg files may be joined end to end.
    fn restart(&mut self) -> Result<(), ErrorKind> {
        let track = audio_track(&*self.format)?.clone();
        self.codec = Codec::new(&track, is_mp4(&*self.format))?;
        self.track = track.id;
        if let Codec::Opus(opus) = &self.codec {
            self.next_skip = opus.pre_skip;
        }
        Ok(())
    }
}

impl Codec {
    fn new(track: &Track, mp4: bool) -> Result<Codec, ErrorKind> {
        let params = track.codec_params.as_ref().and_then(|params| params.audio());
        let params = params.ok_or_else(|| ErrorKind::unsupported("an audio codec that is not known"))?;
        if params.codec == CODEC_ID_OPUS {
            let head = params.extra_data.as_deref().unwrap_or_default();
            return Ok(Codec::Opus(Box::new(Opus::new(head, mp4)?)));
        }
        // Decoders set aside what the header asks for before they see a packet.
        let frames = params.max_frames_per_packet.unwrap_or(0);
        let channels = params.channels.as_ref().map_or(0, |channels| channels.count());
        if frames.saturating_mul(channels as u64) > MAX_PACKET_SAMPLES {
            let reason = format!("packets of {frames} frames of {channels} channels");
            return Err(ErrorKind::Malformed { reason });
        }
        let options = AudioDecoderOptions::default();
        match guarded(|| symphonia::default::get_codecs().make_audio_decoder(params, &options))? {
            Ok(decoder) => Ok(Codec::Symphonia(decoder)),
            Err(SymphoniaError::Unsupported(_)) => {
                Err(ErrorKind::unsupported(format!("no decoder for audio codec {}", params.codec)))
            }
            Err(e) => Err(ErrorKind::malformed(e.to_string())),
        }
    }

    /// Replaces `planes` by what a packet holds: its rate and channels, or `None` when it holds nothing. `Err` says
    /// why the packet is no good.
    fn decode(
        &mut self,
        packet: &Packet,
        planes: &mut Vec<Vec<f32>>,
    ) -> Result<Option<(u32, usize)>, String> {
        match self {
            Codec::Symphonia(decoder) => {
                let buffer = decoder.decode(packet).map_err(|e| e.to_string())?;
                let (hz, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                if buffer.frames() == 0 {
                    return Ok(None);
                }
                buffer.copy_to_vecs_planar(planes);
                Ok(Some((hz, channels)))
            }
            Codec::Opus(opus) => {
                opus.decode(&packet.data, planes)?;
                // Ogg says in the last page how much of the last packet is padding; the ticks are frames.
                for plane in planes.iter_mut() {
                    let padding = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX);
                    plane.truncate(plane.len().saturating_sub(padding));
                }
                Ok(Some((opus::RATE, planes.len())).filter(|_| !planes[0].is_empty()))
            }
        }
    }
}

/// Recognises the container; also says whether the file seems to be cut short.
fn open_format(input: &Input) -> Result<(Box<dyn FormatReader>, bool), ErrorKind> {
    match probe(input, true) {
        // Where it can seek, symphonia guesses the length of an MP3 without a tag from the first frames, and then
        // drops all that comes after. With a variable bit rate that can be half of the file.
        Ok(format) if is_mpeg_audio(&*format) => Ok((probe(input, false)?, false)),
        Ok(format) => Ok((format, false)),
        Err(kind @ (ErrorKind::Read(_) | ErrorKind::Panicked { .. })) => Err(kind),
        // Ogg's last page or Matroska's last cluster is not where it should be. Read forwards it does not matter.
        Err(kind) => probe(input, false).map(|format| (format, true)).map_err(|_| kind),
    }
}

fn probe(input: &Input, seekable: bool) -> Result<Box<dyn FormatReader>, ErrorKind> {
    let stream = MediaSourceStream::new(
        Box::new(input.rewound(seekable).map_err(ErrorKind::Read)?),
        MediaSourceStreamOptions::default(),
    );
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    guarded(|| symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata))?.map_err(|e| {
        match e {
            SymphoniaError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                ErrorKind::malformed("it ends before its first sample")
            }
            SymphoniaError::IoError(e) => ErrorKind::Read(e),
            SymphoniaError::Unsupported(what) if what.contains("no suitable format reader") => {
                ErrorKind::Unrecognised
            }
            // Symphonia calls a missing index, segment or chunk unsupported.
            SymphoniaError::Unsupported(what) if !what.contains("missing") => ErrorKind::unsupported(what),
            e => ErrorKind::malformed(e.to_string()),
        }
    })
}

fn audio_track(format: &dyn FormatReader) -> Result<&Track, ErrorKind> {
    format.default_track(TrackType::Audio).ok_or_else(|| ErrorKind::unsupported("it has no audio track"))
}

fn is_mp4(format: &dyn FormatReader) -> bool {
    format.format_info().format == FORMAT_ID_ISOMP4
}

fn is_mpeg_audio(format: &dyn FormatReader) -> bool {
    [FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3].contains(&format.format_info().format)
}

fn is_vorbis(track: &Track) -> bool {
    let params = track.codec_params.as_ref().and_then(|params| params.audio());
    params.is_some_and(|params| params.codec == CODEC_ID_VORBIS)
}

/// `ticks` of which there are `scale` a second, in frames at `rate`, to the nearest.
fn frames(ticks: u64, scale: u64, rate: u32) -> u64 {
    let scale = u128::from(scale.max(1));
    let frames = (u128::from(ticks) * u128::from(rate) + scale / 2) / scale;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// Runs foreign code that must not take us down with it.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, ErrorKind> {
    // Whatever the panic left half-done is dropped with the reader: its owner gets an error and stops.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let message = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
        ErrorKind::Panicked { message: message.unwrap_or_else(|| "no reason given".into()) }
    })
}
