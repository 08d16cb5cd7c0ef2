//! Encoder delay, padding and length of a track, which containers declare and symphonia does not apply.

use std::collections::VecDeque;

use symphonia::core::codecs::audio::well_known::CODEC_ID_VORBIS;
use symphonia::core::formats::FormatId;
use symphonia::core::formats::well_known::{FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_OGG};

use crate::byte_stream::ByteStream;
use crate::options::JOINED;
use crate::packets::demuxer::{self, Demuxer};
use crate::packets::{matroska, mp4, mpeg, ogg};

/// The ends of a track, counted in frames of samples.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// Frames to drop at the start: what the encoder put before the sound.
    pub(crate) skip: u64,
    /// Frames to drop at the end.
    pub(crate) padding: u64,
    /// How many are left between the two, where the container counts them.
    pub(crate) frames: Option<u64>,
    /// All frames with both ends, where the stream may be followed by another and its end is then not trimmed.
    pub(crate) with_padding: Option<u64>,
    /// At least so many frames are there to be decoded; fewer are a file that was cut short.
    pub(crate) promised: u64,
    /// Whether the file stops in the middle of something.
    pub(crate) is_cut: bool,
    /// Whether the writer could not know where the end would be; `None` where this container does not say.
    pub(crate) is_live: Option<bool>,
    /// Why what follows is left out, if anything does.
    pub(crate) left_out: Option<String>,
    /// The files of Ogg that follow the first, by their codecs.
    pub(crate) links: VecDeque<Option<&'static str>>,
}

impl Ends {
    /// Reads them, for a track at `rate`. It leaves `input` anywhere.
    pub(crate) fn read(demuxer: &Demuxer, container: FormatId, rate: u32, input: &mut ByteStream) -> Ends {
        let mut read = Ends::default();
        let format = match demuxer {
            Demuxer::Flac(frames) => return Ends { promised: frames.promised(), ..read },
            Demuxer::Adts(_) => return read,
            Demuxer::Symphonia { format, .. } => format,
        };
        let Some(track) = demuxer::audio_track(&**format) else { return read };
        let declared = track.num_frames.filter(|frames| *frames > 0); // A fragmented MP4 declares 0, for unknown.
        if container == FORMAT_ID_ISOMP4 {
            let ends = mp4::ends(input);
            read.is_cut = ends.is_cut;
            // The fragments of a second file are decoded with those of the first.
            if ends.is_joined && declared.is_some() {
                read.left_out = Some(JOINED.to_owned());
            }
            if let Some(edit) = mp4::edit(input, track.id) {
                read.skip = frames(edit.skip, edit.timescale.into(), rate);
            }
            read.frames = declared;
        } else if container == FORMAT_ID_MKV {
            let ends = matroska::ends(input, track.id.into());
            // Vorbis' delay is its first block, which a decoder swallows by itself.
            if demuxer::params(track).codec != CODEC_ID_VORBIS {
                read.skip = frames(ends.delay, 1_000_000_000, rate);
            }
            read.padding = frames(ends.padding, 1_000_000_000, rate);
            read.is_live = Some(ends.live);
            if ends.is_joined {
                read.left_out = Some(JOINED.to_owned());
            }
        } else if container == FORMAT_ID_OGG {
            read.links = ogg::links(input).into_iter().skip(1).collect();
        } else if mpeg::is_container(container) {
            // Some encoders count the frame that holds the count, and the first frame may be silent for want of
            // the one before it: two frames are not worth a warning.
            read.promised = declared.unwrap_or(0).saturating_sub(2 * 1152);
            // What the encoder added at both ends. Where more follows, since MP3s are joined end to end, the inner
            // ends stay, as in ffmpeg.
            read.skip = track.delay.unwrap_or(0).into();
            read.padding = track.padding.unwrap_or(0).into();
            read.with_padding = declared.map(|frames| read.skip + frames + read.padding);
        }
        read
    }
}

/// `ticks` of which there are `scale` a second, in frames at `rate`, to the nearest.
fn frames(ticks: u64, scale: u64, rate: u32) -> u64 {
    let scale = u128::from(scale.max(1));
    let frames = (u128::from(ticks) * u128::from(rate) + scale / 2) / scale;
    u64::try_from(frames).unwrap_or(u64::MAX)
}
