use std::time::Duration;

use crate::http::rate::MinRate;

/// How long requests may take, and how often they are repeated.
#[derive(Debug, Clone)]
pub(crate) struct Timeouts {
    pub(crate) retries: u32,
    /// Before the first repeat.
    pub(crate) retry_delay: Duration,
    /// Of each read, not of a whole answer.
    pub(crate) read: Duration,
    pub(crate) min_rate: MinRate,
}

impl Timeouts {
    pub(crate) fn connect(&self) -> Duration {
        self.read.min(Duration::from_secs(10))
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            retries: 4,
            retry_delay: Duration::from_millis(250),
            read: Duration::from_secs(30),
            min_rate: MinRate { bytes_per_second: 1 << 10, window: Duration::from_secs(30) },
        }
    }
}
