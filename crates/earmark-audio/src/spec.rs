use crate::error::ErrorKind;
use crate::waveform::SampleRate;

/// The rate and the channels of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spec {
    pub(crate) rate: SampleRate,
    pub(crate) channels: usize,
}

impl Spec {
    /// More than any recording has; a header that claims 65 535 channels is not one.
    const MAX_CHANNELS: usize = 256;

    /// More than any converter has.
    const MAX_HZ: u32 = 100_000_000;

    pub(crate) fn new(hz: u32, channels: usize) -> Result<Spec, ErrorKind> {
        let rate = SampleRate::new(hz).filter(|rate| rate.hz() <= Self::MAX_HZ);
        let rate = rate.ok_or_else(|| ErrorKind::malformed(format!("its sample rate is {hz} Hz")))?;
        match channels {
            0 => Err(ErrorKind::malformed("it has no channels")),
            1..=Self::MAX_CHANNELS => Ok(Spec { rate, channels }),
            _ => Err(ErrorKind::unsupported(format!("{channels} channels"))),
        }
    }
}
