//! Which source of a time counts.

use std::io;
use std::path::Path;

use super::time::RecordingTime;
use super::{metadata, name};

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
}
