//! From packets to samples: symphonia's decoders, and `opus_pure` for the codec they lack.

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::FormatId;
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::packet::Packet;

use crate::codec_names;
use crate::error::ErrorKind;
use crate::packets::demuxer::PacketConfig;
use crate::packets::guard::guarded;
use crate::packets::opus::{self, Opus};
use crate::packets::{aac, mpeg};

/// Sixteen seconds of stereo, where real packets hold a tenth of a second.
const MAX_PACKET_SAMPLES: u64 = 1 << 21;

pub(crate) struct PacketDecoder {
    codec: Codec,
    /// What it was made for.
    config: PacketConfig,
    is_aac: bool,
    replication: BandReplication,
}

enum Codec {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

/// Whether an AAC stream is HE-AAC: how many of its first frames end in spectral band replication.
#[derive(Debug, Clone, Copy, Default)]
struct BandReplication {
    looked: u32,
    found: u32,
}

impl BandReplication {
    /// How many frames are inspected.
    const ENOUGH: u32 = 32;

    /// The stream's header declares it.
    fn declared() -> BandReplication {
        BandReplication { looked: Self::ENOUGH, found: Self::ENOUGH }
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

impl PacketDecoder {
    pub(crate) fn new(
        params: &AudioCodecParameters,
        container: FormatId,
    ) -> Result<PacketDecoder, ErrorKind> {
        let decoder = |codec| PacketDecoder {
            codec,
            config: PacketConfig::Fixed,
            is_aac: params.codec == CODEC_ID_AAC,
            replication: BandReplication::default(),
        };
        if params.codec == CODEC_ID_OPUS {
            let head = params.extra_data.as_deref().unwrap_or_default();
            return Ok(decoder(Codec::Opus(Box::new(Opus::new(head, container == FORMAT_ID_ISOMP4)?))));
        }
        // Decoders allocate what the header declares before they see a packet.
        let frames = params.max_frames_per_packet.unwrap_or(0);
        let channels = params.channels.as_ref().map_or(0, |channels| channels.count());
        if frames.saturating_mul(channels as u64) > MAX_PACKET_SAMPLES {
            let reason = format!("packets of {frames} frames of {channels} channels");
            return Err(ErrorKind::Malformed { reason });
        }
        // The ends of MPEG audio are trimmed here: symphonia drops what is joined to the first end.
        let options = AudioDecoderOptions::default().gapless(!mpeg::is_container(container));
        match guarded(|| symphonia::default::get_codecs().make_audio_decoder(params, &options))? {
            Ok(symphonia) => Ok(decoder(Codec::Symphonia(symphonia))),
            Err(SymphoniaError::Unsupported(_)) => Err(ErrorKind::unsupported(format!(
                "{} in {}",
                codec_names::codec(params.codec),
                codec_names::container(container)
            ))),
            Err(e) => Err(ErrorKind::malformed(e.to_string())),
        }
    }

    /// The stream's header says that it is HE-AAC.
    pub(crate) fn declare_band_replication(&mut self) {
        self.replication = BandReplication::declared();
    }

    /// Whether the stream is HE-AAC, by its header or its frames.
    pub(crate) fn has_band_replication(&self) -> bool {
        self.replication.is_certain()
    }

    /// Frames at the start that only warm the decoder up, where the codec's header counts them.
    pub(crate) fn pre_skip(&self) -> Option<u64> {
        match &self.codec {
            Codec::Symphonia(_) => None,
            Codec::Opus(opus) => Some(opus.pre_skip),
        }
    }

    /// Makes another decoder where a packet needs one.
    pub(crate) fn fit(&mut self, config: PacketConfig, container: FormatId) -> Result<(), ErrorKind> {
        let params = match (config, self.config) {
            (config, made_for) if config == made_for => return Ok(()),
            (PacketConfig::Flac(config), PacketConfig::Flac(made_for)) if config.fits(&made_for) => {
                return Ok(());
            }
            (PacketConfig::Fixed, _) => return Ok(()),
            // The first decoder is made from the container's description of the stream.
            (PacketConfig::Mpeg(_), PacketConfig::Fixed) => None,
            (PacketConfig::Mpeg(config), _) => Some(config.params()),
            (PacketConfig::Flac(config), _) => Some(config.params()),
            (PacketConfig::Adts(config), _) => {
                if let aac::Scope::Nothing(what) = aac::scope(&config.specific()) {
                    return Err(ErrorKind::unsupported(format!("{what} in ADTS")));
                }
                Some(config.params())
            }
        };
        if let Some(params) = params {
            *self =
                PacketDecoder { replication: self.replication, ..PacketDecoder::new(&params, container)? };
        }
        self.config = config;
        Ok(())
    }

    /// Replaces `planes` by what a packet holds: its rate and channels, or `None` when it holds nothing. The inner `Err`
    /// says what is wrong with the packet.
    pub(crate) fn decode(
        &mut self,
        packet: &Packet,
        planes: &mut Vec<Vec<f32>>,
    ) -> Result<Result<Option<(u32, usize)>, String>, ErrorKind> {
        if self.is_aac {
            self.replication.look(&packet.data);
        }
        guarded(|| match &mut self.codec {
            Codec::Symphonia(decoder) => {
                let buffer = decoder.decode(packet).map_err(|e| e.to_string())?;
                let (hz, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                if buffer.frames() == 0 {
                    return Ok(None);
                }
                buffer.copy_to_vecs_planar(planes);
                let hz = if let PacketConfig::Flac(config) = self.config { config.rate } else { hz };
                Ok(Some((hz, channels)))
            }
            Codec::Opus(opus) => {
                opus.decode(&packet.data, planes)?;
                // The last page of Ogg counts the padding of the last packet; its ticks are frames.
                for plane in planes.iter_mut() {
                    let padding = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX);
                    plane.truncate(plane.len().saturating_sub(padding));
                }
                Ok(Some((opus::RATE, planes.len())).filter(|_| !planes[0].is_empty()))
            }
        })
    }
}

pub(crate) fn aac_scope(params: &AudioCodecParameters) -> aac::Scope {
    match &params.extra_data {
        Some(config) if params.codec == CODEC_ID_AAC => aac::scope(config),
        _ => aac::Scope::Whole,
    }
}
