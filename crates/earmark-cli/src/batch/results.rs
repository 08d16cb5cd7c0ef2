//! Where the results of a job go: to the journal of its output, or to stdout.

use anyhow::Result;

use crate::batch::journal::Journal;
use crate::batch::prepare::Reading;
use crate::batch::record::WindowProgress;
use crate::batch::result_folder::ResultFolder;
use crate::exit::Done;
use crate::output::causes::brief;
use crate::output::count::count;
use crate::output::messages;
use crate::output::results::rows::{InputResult, Row};
use crate::output::results::writer::Writer;
use crate::output::stdout::Stdout;

pub(crate) enum Sink {
    Journal(Journal),
    Folder(ResultFolder),
    Stdout(Writer<Stdout>),
}

/// Keeps results as they come.
pub(crate) struct Results {
    pub(crate) sink: Sink,
    pub(crate) done: Done,
    pub(crate) bar: indicatif::ProgressBar,
    /// Whether the time of day is wanted.
    pub(crate) times: bool,
    /// Inputs whose time is not known.
    pub(crate) untimed: Vec<String>,
}

impl Results {
    /// Keeps the result of an input: how long it plays in seconds, and its rows. A failure becomes a row and a line on stderr.
    pub(crate) fn keep(&mut self, reading: &Reading, rows: Result<(f64, Vec<Row>)>) -> Result<()> {
        let input = reading.input.name();
        let result = match rows {
            Ok((duration, mut rows)) => {
                if self.times {
                    match reading.began {
                        Some(began) => rows.iter_mut().for_each(|row| row.set_time(began)),
                        None => self.untimed.push(input.clone()),
                    }
                }
                InputResult { input, duration: Some(duration), rows }
            }
            Err(error) => InputResult::failed(input, brief(&*error)),
        };
        for error in result.errors() {
            self.done = Done::InPart;
            messages::error(error);
        }
        self.bar.inc(1);
        match &mut self.sink {
            Sink::Journal(journal) => journal.done(reading.stamp, result),
            Sink::Folder(folder) => folder.write(reading.stamp, &result),
            Sink::Stdout(writer) => writer.write(&result),
        }
    }

    /// Keeps the windows that were scored of an input that goes on.
    pub(crate) fn keep_windows(&mut self, reading: &Reading, progress: WindowProgress) -> Result<()> {
        match &mut self.sink {
            Sink::Journal(journal) => journal.windows(&reading.input.name(), reading.stamp, progress),
            Sink::Folder(folder) => folder.windows(&reading.input.name(), reading.stamp, progress),
            Sink::Stdout(_) => Ok(()),
        }
    }

    /// Reports the inputs whose time is not known.
    pub(crate) fn report_untimed(&self) {
        if let [first, rest @ ..] = self.untimed.as_slice() {
            let others = if rest.is_empty() {
                String::new()
            } else {
                format!(" and {} more", count(rest.len(), "file"))
            };
            messages::warning(format_args!(
                "no time in the metadata or the name of `{first}`{others}: their results have none"
            ));
        }
    }
}
