//! A date and a time of day.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// When a recording began: a date and a time of day, and the offset from UTC where the file states one.
///
/// [`Display`](fmt::Display) is ISO 8601.
///
/// ```
/// use earmark_audio::RecordingTime;
///
/// let time = RecordingTime::of_name("SITE3_20210510_190000+0200.wav").unwrap();
/// assert_eq!(time.to_string(), "2021-05-10T19:00:00+02:00");
/// assert_eq!(time.after(2.5).unwrap().to_string(), "2021-05-10T19:00:02.5+02:00");
///
/// let time = RecordingTime::of_name("20210510_190000.WAV").unwrap();
/// assert_eq!(time.to_string(), "2021-05-10T19:00:00");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingTime {
    pub(super) local: DateTime,
    pub(super) offset: Option<Offset>,
}

impl RecordingTime {
    /// The time `seconds` later, to the microsecond; `None` beyond the year 9999. Without an offset from UTC nothing is known
    /// of a change of the clocks in between.
    #[must_use]
    pub fn after(self, seconds: f64) -> Option<RecordingTime> {
        let micros = (seconds * 1e6).round();
        if !(0.0..1e18).contains(&micros) {
            return None;
        }
        let local = self.local.checked_add(SignedDuration::from_micros(micros as i64)).ok()?;
        Some(RecordingTime { local, ..self })
    }
}

impl fmt::Display for RecordingTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.local.fmt(f)?;
        match self.offset.map(|offset| offset.seconds() / 60) {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}
