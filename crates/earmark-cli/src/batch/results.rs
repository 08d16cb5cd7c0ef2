//! Where the results of a job go: to the journal of its output, or to stdout.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::batch::prepare::Reading;
use crate::batch::progress::Progress;
use crate::batch::saved::journal::Journal;
use crate::batch::saved::record::WindowProgress;
use crate::batch::saved::result_folder::ResultFolder;
use crate::batch::summary::Summary;
use crate::exit::Done;
use crate::output::causes::brief;
use crate::output::count::count;
use crate::output::results::format::{Format, Style};
use crate::output::results::rows::{InputResult, Row};
use crate::output::results::writer::Writer;
use crate::output::stdout::Stdout;
use crate::output::{messages, progress, stdout};

pub(crate) enum Sink {
    Journal(Journal),
    Folder(ResultFolder),
    Stdout(Printed),
}

/// Results on stdout. Clones write to the same.
#[derive(Clone)]
pub(crate) struct Printed {
    /// Until the end is written.
    writer: Arc<Mutex<Option<Writer<Stdout>>>>,
    format: Format,
}

impl Printed {
    pub(crate) fn new(style: Style) -> Result<Printed> {
        let writer = Writer::new(stdout::stdout(), style)?;
        Ok(Printed { writer: Arc::new(Mutex::new(Some(writer))), format: style.format })
    }

    fn write(&self, result: &InputResult) -> Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.as_mut() {
            Some(writer) => progress::aside(|| writer.write(result)),
            // The job was interrupted, and the process ends.
            None => Ok(()),
        }
    }

    /// Writes what follows the last row.
    pub(crate) fn finish(&self) -> Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        writer.map_or(Ok(()), Writer::finish)
    }

    /// As [`finish`](Self::finish), for a job that was interrupted: it does not wait long for a row that is being written to a
    /// pipe which nobody reads.
    pub(crate) fn end(&self) {
        for _ in 0..20 {
            let writer = match self.writer.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
                Err(TryLockError::Poisoned(writer)) => writer.into_inner().take(),
                Ok(mut writer) => writer.take(),
            };
            // Nobody is left to tell of an error.
            let _ = writer.map_or(Ok(()), Writer::finish);
            return;
        }
    }
}

/// Keeps results as they come.
pub(crate) struct Results {
    pub(crate) sink: Sink,
    pub(crate) done: Done,
    /// Of those on stdout.
    pub(crate) summary: Summary,
    pub(crate) progress: Arc<Progress>,
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
        self.progress.done(reading.place, result.duration);
        match &mut self.sink {
            Sink::Journal(journal) => journal.done(reading.stamp, result),
            Sink::Folder(folder) => folder.write(reading.stamp, &result),
            Sink::Stdout(printed) => {
                self.summary.add(&result, printed.format);
                printed.write(&result)
            }
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
