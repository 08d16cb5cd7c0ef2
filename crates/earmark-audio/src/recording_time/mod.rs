//! When a recording began, as its metadata or its file name states it.

mod metadata; // What recorders write into a file,
mod name; // into its name,
mod text; // and how both write a time.

use std::fmt;
use std::io;
use std::path::Path;

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
    local: DateTime,
    offset: Option<Offset>,
}

impl RecordingTime {
    /// The start of the recording `path`. The first of these that is there:
    ///
    /// 1. what a recorder wrote into the file: GUANO (`guan`), Wildlife Acoustics' `wamd`, AudioMoth's comment, in WAV, RF64,
    ///    AIFF and FLAC;
    /// 2. the file name, see [`RecordingTime::of_name`];
    /// 3. the origination time of a Broadcast WAV (`bext`, EBU Tech 3285): last, as editors write there when they saved.
    ///
    /// Without an offset from UTC it is the recorder's clock. Damaged metadata count as none.
    ///
    /// # Errors
    ///
    /// Those of opening and reading the file; `InvalidInput` if it is not a regular file.
    pub fn of_file(path: impl AsRef<Path>) -> io::Result<Option<RecordingTime>> {
        let path = path.as_ref();
        let found = metadata::read(&mut earmark_fs::open(path)?)?;
        let named = || path.file_name().and_then(|name| RecordingTime::of_name(&name.to_string_lossy()));
        Ok(found.recorder.or_else(named).or(found.origination))
    }

    /// The one date and time in a file name, such as `20210510_190000.WAV`, `SITE3_20210510_190000+0200.wav`,
    /// `20210510T190000Z.flac` or `OWL_2021-05-10_T19-00-00.wav`; also the hexadecimal names of AudioMoths until 2020,
    /// such as `5CA3B1F0.WAV`, which are UTC. `None` where there is no date, or more than one.
    pub fn of_name(name: &str) -> Option<RecordingTime> {
        name::read(name)
    }

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
