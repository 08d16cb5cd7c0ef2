//! Opus (RFC 6716, RFC 7845), which symphonia demuxes and has no decoder for.

use opus_pure::{OpusDecoder, OpusMSDecoder};

use crate::error::ErrorKind;

/// Opus always decodes at this rate, whatever was recorded.
pub(crate) const RATE: u32 = 48_000;
/// 120 ms, the longest packet there is.
const MAX_FRAMES: usize = 5760;

pub(crate) struct Opus {
    streams: Streams,
    channels: usize,
    /// Frames at the start to drop, while the decoder converges.
    pub(crate) pre_skip: u64,
    gain: f32,
    interleaved: Vec<f32>,
}

enum Streams {
    One(Box<OpusDecoder>),
    Many(Box<OpusMSDecoder>),
}

impl Opus {
    /// Reads the identification header, `OpusHead`, of RFC 7845 section 5.1; MP4 keeps it in big-endian order.
    pub(crate) fn new(head: &[u8], big_endian: bool) -> Result<Opus, ErrorKind> {
        let Some([b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', _version, channels, rest @ ..]) =
            head.first_chunk::<19>()
        else {
            return Err(ErrorKind::malformed("its Opus header is truncated"));
        };
        let [skip_0, skip_1, _, _, _, _, gain_0, gain_1, family] = *rest;
        let half = |bytes| {
            if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
        };
        let channels = usize::from(*channels);
        let streams = match (family, channels) {
            (0, 1 | 2) => OpusDecoder::new(RATE as i32, channels).map(|one| Streams::One(Box::new(one))),
            (1, 1..=8) => {
                OpusMSDecoder::new(RATE as i32, channels, 1).map(|many| Streams::Many(Box::new(many)))
            }
            _ => {
                let what = format!("Opus with {channels} channels in mapping family {family}");
                return Err(ErrorKind::unsupported(what));
            }
        }
        .map_err(|e| ErrorKind::unsupported(format!("Opus: {e}")))?;
        if let Streams::Many(many) = &streams {
            let layout = many.layout();
            let declared = (head.get(19), head.get(20), head.get(21..21 + channels));
            let standard = (layout.nb_streams as u8, layout.nb_coupled_streams as u8, &layout.mapping[..]);
            if declared != (Some(&standard.0), Some(&standard.1), Some(standard.2)) {
                return Err(ErrorKind::unsupported("Opus with an unusual channel mapping"));
            }
        }
        // Q7.8 decibels, to be applied by every decoder.
        let decibels = f32::from(half([gain_0, gain_1]).cast_signed()) / 256.0;
        Ok(Opus {
            streams,
            channels,
            pre_skip: half([skip_0, skip_1]).into(),
            gain: 10f32.powf(decibels / 20.0),
            interleaved: vec![0.0; MAX_FRAMES * channels],
        })
    }

    /// Decodes one packet into `planes`; `Err` says what is wrong with the packet.
    pub(crate) fn decode(&mut self, packet: &[u8], planes: &mut Vec<Vec<f32>>) -> Result<(), String> {
        // The decoder takes an empty packet for a lost one and would invent sound.
        if packet.is_empty() {
            return Err("an Opus packet is empty".into());
        }
        let frames = match &mut self.streams {
            Streams::One(one) => one.decode(packet, MAX_FRAMES, &mut self.interleaved),
            Streams::Many(many) => many.decode(packet, MAX_FRAMES, &mut self.interleaved),
        }
        .map_err(|e| e.to_string())?;
        planes.resize_with(self.channels, Vec::new);
        let decoded = &self.interleaved[..frames * self.channels];
        for (plane, channel) in planes.iter_mut().zip(wav_order(self.channels)) {
            plane.clear();
            let samples = decoded.iter().skip(*channel).step_by(self.channels);
            plane.extend(samples.map(|x| x * self.gain));
        }
        Ok(())
    }
}

/// Where each channel of WAV's order (left, right, centre, bass, back, sides) lies in Vorbis', which Opus uses.
fn wav_order(channels: usize) -> &'static [usize] {
    match channels {
        3 => &[0, 2, 1],
        5 => &[0, 2, 1, 3, 4],
        6 => &[0, 2, 1, 5, 3, 4],
        7 => &[0, 2, 1, 6, 5, 3, 4],
        8 => &[0, 2, 1, 7, 5, 6, 3, 4],
        _ => &[0, 1, 2, 3],
    }
}
