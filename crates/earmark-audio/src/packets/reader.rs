//! Everything that comes in packets: from a container to blocks of samples, trimmed at both ends.

use std::collections::VecDeque;
use std::io::{Seek as _, SeekFrom};
use std::time::Duration;

use symphonia::core::codecs::audio::CODEC_ID_NULL_AUDIO;
use symphonia::core::formats::FormatId;

use crate::byte_stream::ByteStream;
use crate::codec_names;
use crate::error::ErrorKind;
use crate::options::Warning;
use crate::packets::aac;
use crate::packets::decoder::{PacketDecoder, aac_scope};
use crate::packets::demuxer::{self, Demuxer, Opened, Step};
use crate::packets::ends::Ends;
use crate::packets::mpeg;
use crate::spec::Spec;
use crate::waveform::SampleRate;

/// Packets without a sample in them before the stream is given up: an index can claim four thousand million empty
/// ones in a hundred bytes.
const MAX_IDLE_PACKETS: u32 = 1 << 20;

pub(crate) struct PacketReader {
    demuxer: Demuxer,
    container: FormatId,
    decoder: PacketDecoder,
    /// Of the first block; those that follow may have other channels.
    spec: Spec,
    expected: Option<Duration>,
    /// Bytes of the last packet that was decoded.
    packet: usize,
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
        mut input: ByteStream,
        endless: bool,
        left_out: Option<String>,
    ) -> Result<PacketReader, ErrorKind> {
        let Opened { demuxer, container, truncated } = demuxer::open(&input)?;
        let (params, scope) = match &demuxer {
            Demuxer::Symphonia { format, .. } => {
                let params = match demuxer::audio_track(&**format) {
                    Some(track) => demuxer::params(track),
                    None => return Err(demuxer::undecoded(&mut input, container, None)),
                };
                (params.clone(), aac_scope(&params))
            }
            Demuxer::Flac(frames) => (frames.first()?.params(), aac::Scope::Whole),
            Demuxer::Adts(frames) => (frames.config().params(), aac::scope(&frames.config().specific())),
        };
        if let aac::Scope::Nothing(what) = &scope {
            return Err(ErrorKind::unsupported(format!("{what} in {}", codec_names::container(container))));
        }
        let mut decoder = match PacketDecoder::new(&params, container) {
            Ok(decoder) => decoder,
            Err(ErrorKind::Unsupported { .. }) if params.codec == CODEC_ID_NULL_AUDIO => {
                return Err(demuxer::undecoded(&mut input, container, Some(&params)));
            }
            Err(kind) => return Err(kind),
        };
        if scope == aac::Scope::Core {
            decoder.declare_band_replication();
        }
        let mut reader = PacketReader {
            demuxer,
            container,
            decoder,
            spec: Spec { rate: SampleRate::HZ_48000, channels: 0 }, // Replaced by those of the first block.
            expected: None,
            packet: 0,
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
        let spec = reader.decode_next(&mut block)?.ok_or(ErrorKind::Empty)?;
        reader.spec = spec;
        reader.decoded = frames_of(&block);
        reader.expected = reader.demuxer.duration(spec.rate).or_else(|| {
            // Frames of a constant bit rate are of one size.
            let packets = input.len() / (reader.packet as u64).max(1);
            mpeg::is_container(container).then(|| spec.rate.time(packets.saturating_mul(reader.decoded)))
        });
        reader.ahead.push_back(block);
        // The demuxer shares the position of `input`: it must be put back.
        let place = input.stream_position().map_err(ErrorKind::Read)?;
        let ends = Ends::read(&reader.demuxer, container, spec.rate.hz(), &mut input);
        input.seek(SeekFrom::Start(place)).map_err(ErrorKind::Read)?;
        reader.next_skip = reader.decoder.pre_skip().unwrap_or(ends.skip);
        reader.padding = ends.padding;
        reader.left = ends.frames;
        reader.alone = ends.with_padding;
        reader.owed = ends.promised;
        reader.links = ends.links;
        reader.endless = ends.is_live.unwrap_or(endless);
        reader.truncated |= ends.is_cut;
        reader.left_out = ends.left_out.or(reader.left_out);
        Ok(reader)
    }

    pub(crate) fn spec(&self) -> Spec {
        self.spec
    }

    /// How long the stream is by its container, or by the size of its first packet.
    pub(crate) fn expected_duration(&self) -> Option<Duration> {
        self.expected
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.decoder.has_band_replication() {
            warnings.push(Warning::CoreOnly);
        }
        if self.damaged > 0 {
            warnings.push(Warning::SkippedPackets { count: self.damaged });
        }
        // It may be known at the start that something is left out; the warning needs the time where the sound ends.
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

    /// Drops delay and padding from a block, and returns the frames left.
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
                Step::OtherTrack => continue,
                Step::Damaged => {
                    self.damaged += 1;
                    reason.get_or_insert_with(|| "a packet is malformed".to_owned());
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
                // After such an error symphonia's demuxers do not resynchronise.
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
            if let Err(kind) = self.decoder.fit(config, self.container) {
                return self.stop(kind);
            }
            match self.decoder.decode(&packet, planes)? {
                Ok(Some((hz, channels))) => {
                    self.packet = packet.data.len();
                    return Spec::new(hz, channels).map(Some);
                }
                Ok(None) => {}
                Err(e) => {
                    self.damaged += 1;
                    reason = reason.or(Some(e));
                }
            }
        }
        Err(ErrorKind::malformed("a million packets in a row contain no samples"))
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
                self.left_out = Some(format!("{what} follows, which is not supported"));
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
        let Some(next) = demuxer::audio_track(&**format) else {
            return Err(ErrorKind::unsupported(format!(
                "a stream without audio in {}",
                codec_names::container(self.container)
            )));
        };
        self.decoder = PacketDecoder::new(&demuxer::params(next), self.container)?;
        *track = next.id;
        if let Some(skip) = self.decoder.pre_skip() {
            self.next_skip = skip;
        }
        Ok(())
    }
}

fn frames_of(planes: &[Vec<f32>]) -> u64 {
    planes.first().map_or(0, |plane| plane.len() as u64)
}
