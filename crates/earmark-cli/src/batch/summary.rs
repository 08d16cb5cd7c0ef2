//! What a job says when it is done.

use crate::output::clock::{length, times_real_time};
use crate::output::count::count;
use crate::output::results::format::Format;
use crate::output::results::rows::InputResult;

/// What the results of a job hold.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) rows: usize,
    /// Those without a failure.
    pub(crate) files: usize,
    pub(crate) failed: usize,
    /// Seconds of audio in them.
    pub(crate) seconds: f64,
}

impl Summary {
    pub(crate) fn add(&mut self, result: &InputResult, format: Format) {
        self.rows += format.rows(result);
        *(if result.has_failed() { &mut self.failed } else { &mut self.files }) += 1;
        self.seconds += result.duration.unwrap_or(0.0);
    }

    /// As text, with the seconds that this run did of it and how many in each second.
    pub(crate) fn text(self, (here, rate): (f64, f64)) -> String {
        let audio = match here > 0.0 {
            false => String::new(),
            // What a resumed job did before took time that is not known.
            true if here < 0.999 * self.seconds => format!(
                " ({} of audio, {} in this run, {})",
                length(self.seconds),
                length(here),
                times_real_time(rate)
            ),
            true => format!(" ({} of audio, {})", length(self.seconds), times_real_time(rate)),
        };
        let failed = match self.failed {
            0 => String::new(),
            failed => format!("; {} failed", count(failed, "file")),
        };
        format!("{} from {}{audio}{failed}", count(self.rows, "row"), count(self.files, "file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_was_written_and_how_fast() {
        let all = Summary { rows: 600, files: 120, failed: 2, seconds: 600.0 };
        assert_eq!(
            all.text((600.0, 52.3)),
            "600 rows from 120 files (10:00 of audio, 52 × real time); 2 files failed"
        );
        assert_eq!(
            all.text((30.0, 5.24)),
            "600 rows from 120 files (10:00 of audio, 30.0 s in this run, 5.2 × real time); 2 files failed"
        );
        let none = Summary { failed: 1, ..Summary::default() };
        assert_eq!(none.text((0.0, 0.0)), "0 rows from 0 files; 1 file failed");
    }
}
