//! Everything that comes in packets: symphonia's decoders, over its demuxers and two of our own.
//!
//! Symphonia is fuzzed by its authors and by browsers that ship it, and still it is a hundred thousand lines that
//! read what strangers send: each call into it is guarded, so that a panic in there is an error out here.

use std::collections::VecDeque;
use std::io::{self, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, CODEC_ID_NULL_AUDIO,
};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{
    FORMAT_ID_ADTS, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_MP1, FORMAT_ID_MP2,
    FORMAT_ID_MP3, FORMAT_ID_OGG,
};
use symphonia::core::formats::{FormatId, FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration as Ticks, Timestamp};

use crate::decoder::Warning;
use crate::error::ErrorKind;
use crate::input::Input;
use crate::names;
use crate::packets::opus::Opus;
use crate::packets::{aac, flac, matroska, mp4, mpeg, ogg, opus};
use crate::pcm::chunks::JOINED;
use crate::source::Spec;
use crate::waveform::SampleRate;

/// Packets without a sample in them before the stream is given up: an index can claim four thousand million empty
/// ones in a hundred bytes.
const MAX_IDLE_PACKETS: u32 = 1 << 20;

/// Sixteen seconds of stereo, where real packets hold a tenth of a second.
const MAX_PACKET_SAMPLES: u64 = 1 << 21;

pub(crate) struct PacketReader {
    demuxer: Demuxer,
    container: FormatId,
    codec: Codec,
    /// Of the first block; those that follow may have other channels.
    spec: Spec,
    /// The blocks after the one handed out, one or more until the end: the last ones have an end to trim, and only then
    /// are known to be the last.
    ahead: VecDeque<Vec<Vec<f32>>>,
    ended: bool,
    /// Frames still to be dropped at the start: encoder delay that the container declares and symphonia leaves in.
    skip: u64,
    /// Such frames of a stream whose first block is not handed out yet.
    next_skip: u64,
    /// Frames decoded, and how many there are if no other stream follows the first, whose end is trimmed only then.
    decoded: u64,
    alone: Option<u64>,
    /// Frames still to be handed out, where the container counts them.
    left: Option<u64>,
    /// Frames to be dropped at the end.
    padding: u64,
    /// Frames the container promised and that have not come, where it can be taken at its word.
    owed: u64,
    /// Files of Ogg that are still to come, by their codecs.
    links: VecDeque<Option<&'static str>>,
    /// Whether the writer could not know where the end would be, so that reaching it unawares is no damage.
    endless: bool,
    damaged: u64,
    truncated: bool,
    /// Frames handed out, and why those after them are not, if they are not.
    handed: u64,
    left_out: Option<String>,
}

impl PacketReader {
    /// `left_out` says why there is more than will be decoded, if the header showed it.
    pub(crate) fn open(
        mut input: Input,
        endless: bool,
        left_out: Option<String>,
    ) -> Result<PacketReader, ErrorKind> {
        let Opened { demuxer, container, truncated } = open(&input)?;
        let (params, scope) = match &demuxer {
            Demuxer::Symphonia { format, .. } => {
                let params = match audio_track(&**format) {
                    Some(track) => params(track),
                    None => return Err(undecoded(&mut input, container, None)),
                };
                (params.clone(), aac_scope(&params))
            }
            Demuxer::Flac(frames) => (frames.first()?.params(), aac::Scope::Whole),
            Demuxer::Adts(frames) => (frames.config().params(), aac::scope(&frames.config().specific())),
        };
        if let aac::Scope::Nothing(what) = &scope {
            return Err(ErrorKind::unsupported(format!("{what} in {}", names::container(container))));
        }
        let mut codec = match Codec::new(&params, container) {
            Ok(codec) => codec,
            Err(ErrorKind::Unsupported { .. }) if params.codec == CODEC_ID_NULL_AUDIO => {
                return Err(undecoded(&mut input, container, Some(&params)));
            }
            Err(kind) => return Err(kind),
        };
        if scope == aac::Scope::Core {
            codec.replication = Replication::said();
        }
        let mut reader = PacketReader {
            demuxer,
            container,
            codec,
            spec: Spec { rate: SampleRate::HZ_48000, channels: 0 }, // Until the first block says.
            ahead: VecDeque::new(),
            ended: false,
            skip: 0,
            next_skip: 0,
            decoded: 0,
            alone: None,
            left: None,
            padding: 0,
            owed: 0,
            links: VecDeque::new(),
            endless,
            damaged: 0,
            truncated,
            handed: 0,
            left_out,
        };
        let mut block = Vec::new();
        reader.spec = reader.decode_next(&mut block)?.ok_or(ErrorKind::Empty)?;
        reader.decoded = frames_of(&block);
        reader.ahead.push_back(block);
        // The demuxer reads on from where it is: this look elsewhere must leave no trace.
        let place = input.stream_position().map_err(ErrorKind::Read)?;
        reader.trim(&mut input);
        input.seek(SeekFrom::Start(place)).map_err(ErrorKind::Read)?;
        Ok(reader)
    }

    /// Reads what the container says about the ends of the track.
    fn trim(&mut self, input: &mut Input) {
        let rate = self.spec.rate.hz();
        match &self.demuxer {
            Demuxer::Flac(frames) => self.owed = frames.promised(),
            Demuxer::Adts(_) => {}
            Demuxer::Symphonia { format, .. } => {
                let Some(track) = audio_track(&**format) else { return };
                let promised = track.num_frames.filter(|frames| *frames > 0); // A fragmented MP4 says 0: it does not know.
                if self.container == FORMAT_ID_ISOMP4 {
                    let ends = mp4::ends(input);
                    self.truncated |= ends.is_cut;
                    // The fragments of a second file are decoded with those of the first.
                    if ends.is_joined && promised.is_some() {
                        self.left_out = Some(JOINED.to_owned());
                    }
                    if let Some(edit) = mp4::edit(input, track.id) {
                        self.next_skip = frames(edit.skip, edit.timescale.into(), rate);
                    }
                    self.left = promised;
                } else if self.container == FORMAT_ID_MKV {
                    let ends = matroska::ends(input, track.id.into());
                    // Vorbis' delay is its first block, which a decoder swallows by itself.
                    if params(track).codec != CODEC_ID_VORBIS {
                        self.next_skip = frames(ends.delay, 1_000_000_000, rate);
                    }
                    self.padding = frames(ends.padding, 1_000_000_000, rate);
                    self.endless = ends.live;
                    if ends.is_joined {
                        self.left_out = Some(JOINED.to_owned());
                    }
                } else if self.container == FORMAT_ID_OGG {
                    self.links = ogg::links(input).into_iter().skip(1).collect();
                } else if is_mpeg_audio(self.container) {
                    // Some encoders count the frame that holds the count, and the first frame may be silent for want of
                    // the one before it: two frames are not worth a warning.
                    self.owed = promised.unwrap_or(0).saturating_sub(2 * 1152);
                    // What the encoder added at both ends. Where more follows, since MP3s are joined end to end, the inner
                    // ends stay, as in ffmpeg.
                    self.next_skip = track.delay.unwrap_or(0).into();
                    self.padding = track.padding.unwrap_or(0).into();
                    self.alone = promised.map(|frames| self.next_skip + frames + self.padding);
                }
            }
        }
        if let Decoder::Opus(opus) = &self.codec.decoder {
            self.next_skip = opus.pre_skip;
        }
    }

    pub(crate) fn spec(&self) -> Spec {
        self.spec
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.codec.replication.is_certain() {
            warnings.push(Warning::CoreOnly);
        }
        if self.damaged > 0 {
            warnings.push(Warning::SkippedPackets { count: self.damaged });
        }
        // What comes after the end is known at the start, and told at the end.
        if let Some(what) = self.left_out.clone().filter(|_| self.ahead.is_empty()) {
            warnings.push(Warning::LeftOut { at: self.spec.rate.time(self.handed), what });
        }
        // Where a file that was written live ends is not known, and so not where it ends early.
        let is_joined = self.endless && self.left_out.is_some();
        if self.truncated && !is_joined {
            warnings.push(Warning::Truncated);
        }
        warnings
    }

    /// Replaces `planes` by the next samples. Their number of channels may change; their rate does not.
    pub(crate) fn next_block(&mut self, planes: &mut Vec<Vec<f32>>) -> Result<bool, ErrorKind> {
        while let Some(block) = self.ahead.pop_front() {
            let spare = std::mem::replace(planes, block);
            self.skip += std::mem::take(&mut self.next_skip);
            self.look_ahead(spare)?;
            let left = self.cut(planes);
            if left > 0 {
                self.handed += left;
                return Ok(true);
            }
        }
        self.truncated |= self.owed > 0 && self.left_out.is_none();
        Ok(false)
    }

    /// Decodes until so much lies ahead that no end is handed out untrimmed.
    fn look_ahead(&mut self, mut spare: Vec<Vec<f32>>) -> Result<(), ErrorKind> {
        while !self.ended && self.frames_ahead() <= self.padding {
            let mut block = std::mem::take(&mut spare);
            match self.decode_next(&mut block)? {
                Some(spec) if spec.rate == self.spec.rate => {
                    self.decoded += frames_of(&block);
                    self.ahead.push_back(block);
                }
                Some(spec) => {
                    let what = format!("the sample rate changes from {} to {}", self.spec.rate, spec.rate);
                    self.left_out = Some(what);
                    self.ended = true;
                }
                None => self.ended = true,
            }
        }
        if let Some(alone) = self.alone.take_if(|_| self.ended) {
            // Of a stream that is cut short, the padding is missing first.
            let missing = alone.saturating_sub(self.decoded);
            self.padding = if self.decoded > alone { 0 } else { self.padding.saturating_sub(missing) };
        }
        Ok(())
    }

    fn frames_ahead(&self) -> u64 {
        self.ahead.iter().map(|block| frames_of(block)).sum()
    }

    /// Drops from a block what is not meant to be heard, and returns the frames left.
    fn cut(&mut self, planes: &mut [Vec<f32>]) -> u64 {
        let frames = frames_of(planes);
        let mut end = self.left.map_or(frames, |left| left.min(frames));
        if self.ended {
            end = end.min((frames + self.frames_ahead()).saturating_sub(self.padding));
        }
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
            let (packet, config) = match self.demuxer.next()? {
                Step::Packet(packet, config) => (packet, config),
                Step::Passed => continue,
                Step::Damaged => {
                    self.damaged += 1;
                    reason.get_or_insert_with(|| "a packet makes no sense".to_owned());
                    continue;
                }
                Step::Stream { promised } => {
                    self.owed += promised;
                    continue;
                }
                Step::Restart => {
                    self.links.pop_front();
                    match self.restart() {
                        Ok(()) => continue,
                        Err(kind) => return self.stop(kind),
                    }
                }
                Step::Cut => {
                    self.truncated |= !self.endless;
                    return self.ended(reason);
                }
                // A demuxer that lost its way does not find back.
                Step::Lost(why) => {
                    self.truncated = true;
                    return self.ended(reason.or(Some(why)));
                }
                // Symphonia passes over a file of Ogg in which it knows no codec.
                Step::End => match self.links.pop_front() {
                    Some(codec) => {
                        let codec = codec.unwrap_or("a stream without audio");
                        return self.stop(ErrorKind::unsupported(format!("{codec} in Ogg")));
                    }
                    None => return self.ended(reason),
                },
            };
            if let Err(kind) = self.codec.fit(config, self.container) {
                return self.stop(kind);
            }
            match self.codec.decode(&packet, planes)? {
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

    /// What follows has no decoder. At the start that is an error, later the end.
    fn stop(&mut self, kind: ErrorKind) -> Result<Option<Spec>, ErrorKind> {
        match kind {
            ErrorKind::Unsupported { what } if self.spec.channels > 0 => {
                self.left_out = Some(format!("{what} follows, for which there is no decoder"));
                Ok(None)
            }
            kind => Err(kind),
        }
    }

    /// Another stream begins where one ended: Ogg files may be joined end to end.
    fn restart(&mut self) -> Result<(), ErrorKind> {
        let Demuxer::Symphonia { format, track, .. } = &mut self.demuxer else {
            return Ok(());
        };
        let Some(next) = audio_track(&**format) else {
            return Err(ErrorKind::unsupported(format!(
                "a stream without audio in {}",
                names::container(self.container)
            )));
        };
        self.codec = Codec::new(&params(next), self.container)?;
        *track = next.id;
        if let Decoder::Opus(opus) = &self.codec.decoder {
            self.next_skip = opus.pre_skip;
        }
        Ok(())
    }
}

/// Where packets come from.
enum Demuxer {
    Symphonia { format: Box<dyn FormatReader>, track: u32, mpeg: Option<Mpeg> },
    Flac(Box<flac::Frames>),
    Adts(Box<aac::Frames>),
}

/// What the last frame of an MPEG stream was, and the one that was read to judge it.
#[derive(Default)]
struct Mpeg {
    config: Option<mpeg::Config>,
    ahead: Option<Step>,
}

/// What comes next out of a container.
enum Step {
    Packet(Packet, Config),
    /// A packet of another track.
    Passed,
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
    Lost(String),
    End,
}

/// What a packet says about how it is decoded, where packets do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Config {
    Fixed,
    Mpeg(mpeg::Config),
    Flac(flac::Config),
    Adts(aac::Config),
}

impl Demuxer {
    fn next(&mut self) -> Result<Step, ErrorKind> {
        match self {
            Demuxer::Symphonia { format, track, mpeg: None } => packet(&mut **format, *track),
            Demuxer::Symphonia { format, track, mpeg: Some(mpeg) } => mpeg.next(&mut **format, *track),
            Demuxer::Flac(frames) => Ok(match frames.next()? {
                flac::Next::Frame(config, data) => Step::Packet(bare(data), Config::Flac(config)),
                flac::Next::Damaged => Step::Damaged,
                flac::Next::Stream(promised) => Step::Stream { promised },
                flac::Next::End => Step::End,
            }),
            Demuxer::Adts(frames) => Ok(match frames.next()? {
                aac::Next::Frame(config, data) => Step::Packet(bare(data), Config::Adts(config)),
                aac::Next::Damaged => Step::Damaged,
                aac::Next::Cut => Step::Cut,
                aac::Next::End => Step::End,
            }),
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
        Ok(Step::Packet(packet, Config::Mpeg(config)))
    }
}

/// The next packet of symphonia's.
fn packet(format: &mut dyn FormatReader, track: u32) -> Result<Step, ErrorKind> {
    Ok(match guarded(|| format.next_packet())? {
        Ok(Some(packet)) if packet.track_id == track => Step::Packet(packet, Config::Fixed),
        Ok(Some(_)) => Step::Passed,
        Ok(None) => Step::End,
        Err(SymphoniaError::ResetRequired) => Step::Restart,
        Err(SymphoniaError::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => Step::Cut,
        Err(SymphoniaError::IoError(e)) => return Err(ErrorKind::Read(e)),
        Err(e) => Step::Lost(e.to_string()),
    })
}

/// A packet of a stream that counts nothing but its data.
fn bare(data: Box<[u8]>) -> Packet {
    Packet::new(0, Timestamp::ZERO, Ticks::ZERO, data)
}

struct Codec {
    decoder: Decoder,
    /// What it was made for.
    config: Config,
    is_aac: bool,
    replication: Replication,
}

enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

/// How sure it is that an AAC stream is HE-AAC: among its first frames, how many end in band replication.
#[derive(Debug, Clone, Copy, Default)]
struct Replication {
    looked: u32,
    found: u32,
}

impl Replication {
    /// Frames that are looked at.
    const ENOUGH: u32 = 32;

    /// The header says so.
    fn said() -> Replication {
        Replication { looked: Self::ENOUGH, found: Self::ENOUGH }
    }

    fn look(&mut self, frame: &[u8]) {
        if self.looked < Self::ENOUGH {
            self.looked += 1;
            self.found += u32::from(aac::ends_in_band_replication(frame));
        }
    }

    fn is_certain(self) -> bool {
        self.looked >= 8 && self.found * 4 >= self.looked * 3
    }
}

impl Codec {
    fn new(params: &AudioCodecParameters, container: FormatId) -> Result<Codec, ErrorKind> {
        let codec = |decoder| Codec {
            decoder,
            config: Config::Fixed,
            is_aac: params.codec == CODEC_ID_AAC,
            replication: Replication::default(),
        };
        if params.codec == CODEC_ID_OPUS {
            let head = params.extra_data.as_deref().unwrap_or_default();
            return Ok(codec(Decoder::Opus(Box::new(Opus::new(head, container == FORMAT_ID_ISOMP4)?))));
        }
        // Decoders set aside what the header asks for before they see a packet.
        let frames = params.max_frames_per_packet.unwrap_or(0);
        let channels = params.channels.as_ref().map_or(0, |channels| channels.count());
        if frames.saturating_mul(channels as u64) > MAX_PACKET_SAMPLES {
            let reason = format!("packets of {frames} frames of {channels} channels");
            return Err(ErrorKind::Malformed { reason });
        }
        // The ends of MPEG audio are trimmed here: symphonia drops what is joined to the first end.
        let options = AudioDecoderOptions::default().gapless(!is_mpeg_audio(container));
        match guarded(|| symphonia::default::get_codecs().make_audio_decoder(params, &options))? {
            Ok(decoder) => Ok(codec(Decoder::Symphonia(decoder))),
            Err(SymphoniaError::Unsupported(_)) => Err(ErrorKind::unsupported(format!(
                "{} in {}",
                names::codec(params.codec),
                names::container(container)
            ))),
            Err(e) => Err(ErrorKind::malformed(e.to_string())),
        }
    }

    /// Makes another decoder where a packet needs one.
    fn fit(&mut self, config: Config, container: FormatId) -> Result<(), ErrorKind> {
        let params = match (config, self.config) {
            (config, made_for) if config == made_for => return Ok(()),
            (Config::Flac(config), Config::Flac(made_for)) if config.fits(&made_for) => return Ok(()),
            (Config::Fixed, _) => return Ok(()),
            // The first decoder is made from what the container says about the stream.
            (Config::Mpeg(_), Config::Fixed) => None,
            (Config::Mpeg(config), _) => Some(config.params()),
            (Config::Flac(config), _) => Some(config.params()),
            (Config::Adts(config), _) => {
                if let aac::Scope::Nothing(what) = aac::scope(&config.specific()) {
                    return Err(ErrorKind::unsupported(format!("{what} in ADTS")));
                }
                Some(config.params())
            }
        };
        if let Some(params) = params {
            *self = Codec { replication: self.replication, ..Codec::new(&params, container)? };
        }
        self.config = config;
        Ok(())
    }

    /// Replaces `planes` by what a packet holds: its rate and channels, or `None` when it holds nothing. The inner `Err`
    /// says why the packet is no good.
    fn decode(
        &mut self,
        packet: &Packet,
        planes: &mut Vec<Vec<f32>>,
    ) -> Result<Result<Option<(u32, usize)>, String>, ErrorKind> {
        if self.is_aac {
            self.replication.look(&packet.data);
        }
        guarded(|| match &mut self.decoder {
            Decoder::Symphonia(decoder) => {
                let buffer = decoder.decode(packet).map_err(|e| e.to_string())?;
                let (hz, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                if buffer.frames() == 0 {
                    return Ok(None);
                }
                buffer.copy_to_vecs_planar(planes);
                let hz = if let Config::Flac(config) = self.config { config.rate } else { hz };
                Ok(Some((hz, channels)))
            }
            Decoder::Opus(opus) => {
                opus.decode(&packet.data, planes)?;
                // Ogg says in the last page how much of the last packet is padding; the ticks are frames.
                for plane in planes.iter_mut() {
                    let padding = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX);
                    plane.truncate(plane.len().saturating_sub(padding));
                }
                Ok(Some((opus::RATE, planes.len())).filter(|_| !planes[0].is_empty()))
            }
        })
    }
}

struct Opened {
    demuxer: Demuxer,
    container: FormatId,
    /// Whether the file seems to be cut short.
    truncated: bool,
}

/// Recognises the container.
fn open(input: &Input) -> Result<Opened, ErrorKind> {
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
        Ok(format) if is_mpeg_audio(format.format_info().format) => (probe(input, false)?, false),
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
    let mpeg = is_mpeg_audio(container).then(Mpeg::default);
    Ok(Opened { demuxer: Demuxer::Symphonia { format, track, mpeg }, container, truncated })
}

/// Whether a file starts as Ogg, Matroska and MP4 do.
fn is_container([a, b, c, d, name @ ..]: [u8; 8]) -> bool {
    [*b"OggS", [0x1a, 0x45, 0xdf, 0xa3]].contains(&[a, b, c, d])
        || [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"].contains(&&name)
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

/// The error for a file in which symphonia finds nothing to decode: what it does hold.
fn undecoded(input: &mut Input, container: FormatId, params: Option<&AudioCodecParameters>) -> ErrorKind {
    let codec = match container {
        FORMAT_ID_ISOMP4 => mp4::audio_codec(input).map(|code| names::four_letters(&code)),
        FORMAT_ID_MKV => matroska::audio_codec(input).map(|id| names::matroska(&id)),
        FORMAT_ID_OGG => ogg::links(input).into_iter().flatten().next().map(str::to_owned),
        _ => params.map(|params| names::codec(params.codec)),
    };
    let container = names::container(container);
    match codec {
        Some(codec) => ErrorKind::unsupported(format!("{codec} in {container}")),
        None => ErrorKind::unsupported(format!("{container} without a track of audio")),
    }
}

fn frames_of(planes: &[Vec<f32>]) -> u64 {
    planes.first().map_or(0, |plane| plane.len() as u64)
}

fn audio_track(format: &dyn FormatReader) -> Option<&Track> {
    format.default_track(TrackType::Audio)
}

fn params(track: &Track) -> AudioCodecParameters {
    track.codec_params.as_ref().and_then(|params| params.audio()).cloned().unwrap_or_default()
}

fn aac_scope(params: &AudioCodecParameters) -> aac::Scope {
    match &params.extra_data {
        Some(config) if params.codec == CODEC_ID_AAC => aac::scope(config),
        _ => aac::Scope::Whole,
    }
}

fn is_mpeg_audio(container: FormatId) -> bool {
    [FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3].contains(&container)
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
