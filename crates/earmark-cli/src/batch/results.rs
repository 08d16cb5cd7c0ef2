//! Where the results of a job go: to the journal of its output, or to stdout.

use anyhow::Result;

use crate::batch::journal::Journal;
use crate::batch::prepare::Reading;
use crate::batch::record::WindowProgress;
use crate::exit::Done;
use crate::output::causes::brief;
use crate::output::messages;
use crate::output::results::rows::{InputResult, Row};
use crate::output::results::writer::Writer;
use crate::output::stdout::Stdout;

pub(crate) enum Sink {
    Journal(Journal),
    Stdout(Writer<Stdout>),
}

/// Keeps results as they come.
pub(crate) struct Results {
    pub(crate) sink: Sink,
    pub(crate) done: Done,
    pub(crate) bar: indicatif::ProgressBar,
}

impl Results {
    /// Keeps the result of an input: how long it plays in seconds, and its rows. A failure becomes a row and a line on stderr.
    pub(crate) fn keep(&mut self, reading: &Reading, rows: Result<(f64, Vec<Row>)>) -> Result<()> {
        let input = reading.input.name();
        let result = match rows {
            Ok((duration, rows)) => InputResult { input, duration: Some(duration), rows },
            Err(error) => InputResult::failed(input, brief(&*error)),
        };
        for error in result.errors() {
            self.done = Done::InPart;
            messages::error(error);
        }
        self.bar.inc(1);
        match &mut self.sink {
            Sink::Journal(journal) => journal.done(reading.stamp, result),
            Sink::Stdout(writer) => writer.write(&result),
        }
    }

    /// Keeps the windows that were scored of an input that goes on.
    pub(crate) fn keep_windows(&mut self, reading: &Reading, progress: WindowProgress) -> Result<()> {
        match &mut self.sink {
            Sink::Journal(journal) => journal.windows(&reading.input.name(), reading.stamp, progress),
            Sink::Stdout(_) => Ok(()),
        }
    }
}
