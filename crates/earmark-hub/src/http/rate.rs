//! The minimum rate of a transfer. The client limits the time of each read, but a server that sends a byte just before that
//! limit would keep the connection open for ever.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// The minimum rate, averaged over a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MinRate {
    pub(crate) bytes_per_second: u64,
    pub(crate) window: Duration,
}

impl MinRate {
    /// Whether so many bytes in that time are too few.
    pub(crate) fn is_missed(self, bytes: u64, spent: Duration) -> bool {
        (bytes as f64) < self.bytes_per_second as f64 * spent.as_secs_f64()
    }
}

/// Measures the rate of reading.
#[derive(Debug)]
pub(crate) struct RateMeter {
    min: MinRate,
    spent: Duration,
    bytes: u64,
}

impl RateMeter {
    pub(crate) fn new(min: MinRate) -> RateMeter {
        RateMeter { min, spent: Duration::ZERO, bytes: 0 }
    }

    /// Reads, and counts only the time spent reading: what the caller does between reads is not the server's fault.
    ///
    /// Below the minimum it fails with an error of the kind `TimedOut` that holds [`TooSlow`].
    pub(crate) fn read(&mut self, from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
        let before = Instant::now();
        let read = from.read(into)?;
        self.spent += before.elapsed();
        self.bytes += read as u64;
        if read > 0 && self.spent >= self.min.window {
            let RateMeter { min, spent, bytes } = *self;
            if min.is_missed(bytes, spent) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, TooSlow { bytes, spent }));
            }
            *self = RateMeter::new(min);
        }
        Ok(read)
    }
}

/// A transfer below the minimum rate.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("only {bytes} bytes in {spent:.1?}")]
pub(crate) struct TooSlow {
    pub(crate) bytes: u64,
    pub(crate) spent: Duration,
}
