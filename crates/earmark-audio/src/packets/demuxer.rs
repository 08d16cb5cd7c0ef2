//! From a container to its packets: symphonia's demuxers, and two of our own for FLAC and ADTS.

use std::io;
use std::time::Duration;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{
    FORMAT_ID_ADTS, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_OGG,
};
use symphonia::core::formats::{FormatId, FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration as Ticks, Timestamp};

use crate::byte_stream::ByteStream;
use crate::codec_names;
use crate::error::ErrorKind;
use crate::packets::guard::guarded;
use crate::packets::{aac, flac, matroska, mp4, mpeg, ogg};
use crate::waveform::SampleRate;

/// Takes a container apart into packets.
pub(crate) enum Demuxer {
    Symphonia { format: Box<dyn FormatReader>, track: u32, mpeg: Option<Mpeg> },
    Flac(Box<flac::Frames>),
    Adts(Box<aac::Frames>),
}

/// Where a stream of MPEG audio stands: the header of its last frame, and the packet that was read ahead to confirm another
/// header.
#[derive(Default)]
pub(crate) struct Mpeg {
    config: Option<mpeg::Config>,
    ahead: Option<Step>,
}

/// What comes next out of a container.
pub(crate) enum Step {
    Packet(Packet, PacketConfig),
    /// A packet of another track.
    OtherTrack,
    /// Something that is no packet was passed over.
    Damaged,
    /// Another stream of the same kind begins, of so many frames.
    Stream {
        promised: u64,
    },
    /// Other streams begin.
    Restart,
    /// The stream stops in the middle of a packet.
    Cut,
    /// The demuxer cannot go on: why.
    Lost(String),
    End,
}

/// What a packet's own header says about how it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketConfig {
    /// Nothing: only the container describes the codec.
    Fixed,
    Mpeg(mpeg::Config),
    Flac(flac::Config),
    Adts(aac::Config),
}

impl Demuxer {
    pub(crate) fn next(&mut self) -> Result<Step, ErrorKind> {
        match self {
            Demuxer::Symphonia { format, track, mpeg: None } => packet(&mut **format, *track),
            Demuxer::Symphonia { format, track, mpeg: Some(mpeg) } => mpeg.next(&mut **format, *track),
            Demuxer::Flac(frames) => Ok(match frames.next()? {
                flac::Next::Frame(config, data) => Step::Packet(bare(data), PacketConfig::Flac(config)),
                flac::Next::Damaged => Step::Damaged,
                flac::Next::Stream(promised) => Step::Stream { promised },
                flac::Next::End => Step::End,
            }),
            Demuxer::Adts(frames) => Ok(match frames.next()? {
                aac::Next::Frame(config, data) => Step::Packet(bare(data), PacketConfig::Adts(config)),
                aac::Next::Damaged => Step::Damaged,
                aac::Next::Cut => Step::Cut,
                aac::Next::End => Step::End,
            }),
        }
    }
}

impl Demuxer {
    /// How long the stream is by its header, which need not be right.
    pub(crate) fn duration(&self, rate: SampleRate) -> Option<Duration> {
        match self {
            Demuxer::Symphonia { format, .. } => {
                let info = format.media_info();
                let seconds = info.time_base?.calc_duration_saturating(info.duration?).as_secs_f64();
                Duration::try_from_secs_f64(seconds).ok().filter(|it| !it.is_zero())
            }
            Demuxer::Flac(frames) => Some(frames.promised()).filter(|&it| it > 0).map(|it| rate.time(it)),
            Demuxer::Adts(_) => None,
        }
    }
}

impl Mpeg {
    fn next(&mut self, format: &mut dyn FormatReader, track: u32) -> Result<Step, ErrorKind> {
        let step = match self.ahead.take() {
            Some(step) => step,
            None => packet(format, track)?,
        };
        let Step::Packet(packet, _) = step else { return Ok(step) };
        let Some(config) = mpeg::Config::of(&packet.data) else { return Ok(Step::Damaged) };
        if self.config.is_some_and(|last| last != config) {
            // What looks like a frame within a damaged one is not followed by another like it.
            let next = self::packet(format, track)?;
            let agrees =
                matches!(&next, Step::Packet(next, _) if mpeg::Config::of(&next.data) == Some(config));
            self.ahead = Some(next);
            if !agrees {
                return Ok(Step::Damaged);
            }
        }
        self.config = Some(config);
        Ok(Step::Packet(packet, PacketConfig::Mpeg(config)))
    }
}

/// The next packet of symphonia's.
fn packet(format: &mut dyn FormatReader, track: u32) -> Result<Step, ErrorKind> {
    Ok(match guarded(|| format.next_packet())? {
        Ok(Some(packet)) if packet.track_id == track => Step::Packet(packet, PacketConfig::Fixed),
        Ok(Some(_)) => Step::OtherTrack,
        Ok(None) => Step::End,
        Err(SymphoniaError::ResetRequired) => Step::Restart,
        Err(SymphoniaError::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => Step::Cut,
        Err(SymphoniaError::IoError(e)) => return Err(ErrorKind::Read(e)),
        Err(e) => Step::Lost(e.to_string()),
    })
}

/// A packet without a time or a track.
fn bare(data: Box<[u8]>) -> Packet {
    Packet::new(0, Timestamp::ZERO, Ticks::ZERO, data)
}

pub(crate) struct Opened {
    pub(crate) demuxer: Demuxer,
    pub(crate) container: FormatId,
    /// Whether the file seems to be cut short.
    pub(crate) truncated: bool,
}

/// Recognises the container.
pub(crate) fn open(input: &ByteStream) -> Result<Opened, ErrorKind> {
    let flac = |frames| Opened {
        demuxer: Demuxer::Flac(Box::new(frames)),
        container: FORMAT_ID_FLAC,
        truncated: false,
    };
    if let Some(frames) = flac::Frames::open(input.clone())? {
        return Ok(flac(frames));
    }
    let (format, truncated) = match probe(input, true) {
        // Where it can seek, symphonia guesses the length of an MP3 without a tag from the first frames, and then
        // drops all that comes after. With a variable bit rate that can be half of the file.
        Ok(format) if mpeg::is_container(format.format_info().format) => (probe(input, false)?, false),
        Ok(format) => (format, false),
        Err(kind @ (ErrorKind::Read(_) | ErrorKind::Panicked { .. })) => return Err(kind),
        Err(kind) => {
            let codec = ogg::links(&mut input.clone()).into_iter().flatten().next();
            if let Some(codec) = codec.filter(|codec| !["Opus", "Vorbis", "FLAC"].contains(codec)) {
                return Err(ErrorKind::unsupported(format!("{codec} in Ogg")));
            }
            // A stream of FLAC that was cut out of another begins anywhere; within another container it is no stream.
            let (start, _) = input.clone().bytes_at::<8>(0)?;
            if !is_container(start)
                && let Some(frames) = flac::Frames::search(input.clone())?
            {
                return Ok(flac(frames));
            }
            // Ogg's last page or Matroska's last cluster is not where it should be. Read forwards it does not matter.
            (probe(input, false).map_err(|_| kind)?, true)
        }
    };
    let container = format.format_info().format;
    if container == FORMAT_ID_FLAC
        && let Some(frames) = flac::Frames::search(input.clone())?
    {
        return Ok(flac(frames));
    }
    if container == FORMAT_ID_ADTS
        && let Some(frames) = aac::Frames::open(input.clone())?
    {
        return Ok(Opened { demuxer: Demuxer::Adts(Box::new(frames)), container, truncated: false });
    }
    let track = audio_track(&*format).map_or(0, |track| track.id);
    let mpeg = mpeg::is_container(container).then(Mpeg::default);
    Ok(Opened { demuxer: Demuxer::Symphonia { format, track, mpeg }, container, truncated })
}

/// Whether a file starts as Ogg, Matroska and MP4 do.
fn is_container([a, b, c, d, name @ ..]: [u8; 8]) -> bool {
    [*b"OggS", [0x1a, 0x45, 0xdf, 0xa3]].contains(&[a, b, c, d])
        || [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"].contains(&&name)
}

fn probe(input: &ByteStream, seekable: bool) -> Result<Box<dyn FormatReader>, ErrorKind> {
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

/// The error for a file in which symphonia finds nothing to decode: what it does hold.
pub(crate) fn undecoded(
    input: &mut ByteStream,
    container: FormatId,
    params: Option<&AudioCodecParameters>,
) -> ErrorKind {
    let codec = match container {
        FORMAT_ID_ISOMP4 => mp4::audio_codec(input).map(|code| codec_names::four_letters(&code)),
        FORMAT_ID_MKV => matroska::audio_codec(input).map(|id| codec_names::matroska(&id)),
        FORMAT_ID_OGG => ogg::links(input).into_iter().flatten().next().map(str::to_owned),
        _ => params.map(|params| codec_names::codec(params.codec)),
    };
    let container = codec_names::container(container);
    match codec {
        Some(codec) => ErrorKind::unsupported(format!("{codec} in {container}")),
        None => ErrorKind::unsupported(format!("{container} without an audio track")),
    }
}

pub(crate) fn audio_track(format: &dyn FormatReader) -> Option<&Track> {
    format.default_track(TrackType::Audio)
}

pub(crate) fn params(track: &Track) -> AudioCodecParameters {
    track.codec_params.as_ref().and_then(|params| params.audio()).cloned().unwrap_or_default()
}
