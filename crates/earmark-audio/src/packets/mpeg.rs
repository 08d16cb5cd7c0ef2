//! The frame headers of MPEG audio (ISO/IEC 11172-3, 2.4.2.3). Symphonia's decoder is made for the rate and the channels of
//! the first frame, and refuses others.

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3};
use symphonia::core::formats::FormatId;
use symphonia::core::formats::well_known::{FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3};

/// The format of a frame, for which a decoder is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    /// The bits of the version and the layer.
    kind: u8,
    rate: u8,
    is_mono: bool,
}

impl Config {
    pub(crate) fn of(frame: &[u8]) -> Option<Config> {
        let [_, kind, rate, mode, ..] = *frame else { return None };
        Some(Config { kind: kind >> 1 & 15, rate: rate >> 2 & 3, is_mono: mode >> 6 == 3 })
    }

    pub(crate) fn params(self) -> AudioCodecParameters {
        let mut params = AudioCodecParameters::new();
        params.for_codec(match self.kind & 3 {
            3 => CODEC_ID_MP1,
            2 => CODEC_ID_MP2,
            _ => CODEC_ID_MP3,
        });
        params
    }
}

/// Whether a container is a stream of MPEG audio and nothing else.
pub(crate) fn is_container(container: FormatId) -> bool {
    [FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3].contains(&container)
}
