//! What a batch job has done so far, so that the same command after a crash does only the rest.
//!
//! The journal lies beside the results, `NAME.part`, or in the folder that they are in, `.earmark-journal`: first what the job
//! depends on, then a line for each input, and on the way through a long recording one for some windows at a time. Results appear
//! under their own name when the last input is done.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use earmark_fs::AtomicFile;

use crate::args::output::refuse_existing;
use crate::batch::saved::record::{Earlier, Progress, Record, WindowProgress, Written};
use crate::batch::summary::Summary;
use crate::input::path::FileStamp;
use crate::journal::{Journal as Lines, Settings};
use crate::output::results::format::Style;
use crate::output::results::rows::InputResult;
use crate::output::results::writer::Writer;

/// The results of an unfinished job.
#[derive(Debug)]
pub(crate) struct Journal {
    lines: Lines<Record>,
    output: PathBuf,
}

/// What a journal holds.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) inputs: HashMap<String, Earlier>,
    /// The files of a folder of results, by input.
    pub(crate) written: BTreeMap<String, Written>,
}

impl Journal {
    /// Begins the job that writes `output`, or resumes it; gives what is known of the inputs that were begun.
    pub(crate) fn open(
        output: &Path,
        settings: &Settings,
        force: bool,
    ) -> Result<(Journal, HashMap<String, Earlier>)> {
        let check = || refuse_existing(output, force);
        let lines = Lines::lock(beside(output, ".part"), output, settings, check)?;
        let (journal, past) = Journal { lines, output: output.into() }.read(force)?;
        journal.sweep(earmark_fs::parent(output))?;
        Ok((journal, past.inputs))
    }

    /// Where the journal of a folder of results lies.
    pub(crate) fn of_folder(folder: &Path) -> PathBuf {
        folder.join(".earmark-journal")
    }

    /// As [`Journal::open`] for a folder with a file of results for each input; gives also which files it holds.
    pub(crate) fn open_folder(folder: &Path, settings: &Settings, force: bool) -> Result<(Journal, Past)> {
        let lines = Lines::lock(Journal::of_folder(folder), folder, settings, || Ok(()))?;
        let (journal, past) = Journal { lines, output: folder.into() }.read(force)?;
        journal.sweep(folder)?;
        Ok((journal, past))
    }

    fn sweep(&self, folder: &Path) -> Result<()> {
        let doing = || format!("cannot use `{}`", self.lines.path().display());
        earmark_fs::sweep(folder).map(drop).with_context(doing)
    }

    /// What was done so far. With `force` a job of other settings is begun anew.
    fn read(mut self, force: bool) -> Result<(Journal, Past)> {
        let Past { inputs: mut before, mut written } = Past::default();
        self.lines.read(Some(force), |line| match line {
            // The first line.
            Record::Settings(_) => {}
            Record::Done { stamp, result } => {
                let (failed, seconds) = (result.has_failed(), result.duration);
                let progress = Progress::Done { failed, seconds };
                before.insert(result.input, Earlier { stamp, progress });
            }
            Record::Windows { input, stamp, progress } => match before.get_mut(&input) {
                Some(Earlier { stamp: of, progress: Progress::Windows(so_far) }) if *of == stamp => {
                    so_far.count = progress.count;
                    so_far.windows.extend(progress.windows);
                    so_far.totals = progress.totals;
                    so_far.failed = progress.failed;
                }
                _ => _ = before.insert(input, Earlier { stamp, progress: Progress::Windows(progress) }),
            },
            Record::Written(line) => _ = written.insert(line.input.clone(), line),
        })?;
        Ok((self, Past { inputs: before, written }))
    }

    /// Adds the result of an input.
    pub(crate) fn done(&mut self, stamp: Option<FileStamp>, result: InputResult) -> Result<()> {
        self.lines.append(&Record::Done { stamp, result })
    }

    /// Adds some windows of an input that goes on.
    pub(crate) fn windows(
        &mut self,
        input: &str,
        stamp: Option<FileStamp>,
        progress: WindowProgress,
    ) -> Result<()> {
        self.lines.append(&Record::Windows { input: input.to_owned(), stamp, progress })
    }

    /// Adds the file of an input.
    pub(crate) fn written(&mut self, written: &Written) -> Result<()> {
        self.lines.append(&Record::Written(written.clone()))
    }

    /// Keeps of the journal of a folder what its files are, and no windows.
    pub(crate) fn compact(self, written: impl Iterator<Item = Written>) -> Result<()> {
        self.lines.replace(written.map(Record::Written))
    }

    /// Writes the results under their own name, inputs in the order of `order`, and removes the journal.
    pub(crate) fn finish(mut self, style: Style, order: &[String]) -> Result<Summary> {
        let doing = || format!("cannot write `{}`", self.output.display());
        let mut file = BufWriter::new(AtomicFile::create(&self.output).with_context(doing)?);
        let mut writer = Writer::new(&mut file, style).with_context(doing)?;
        // Lines are as they were done, and a resumed job with more inputs than before did the new ones last; an input that
        // had changed was done again, and its last line holds.
        let mut places = HashMap::new();
        let mut lines = self.lines.lines()?;
        while let Some((place, line)) = lines.next()? {
            if let Record::Done { result, .. } = line {
                places.insert(result.input, place);
            }
        }
        let mut written = Summary::default();
        for input in order {
            let &place = places.get(input).with_context(|| lines.damaged())?;
            let Record::Done { result, .. } = lines.line_at(place)? else { bail!(lines.damaged()) };
            writer.write(&result).with_context(doing)?;
            written.add(&result, style.format);
        }
        writer.finish().with_context(doing)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(doing)?;
        file.commit().with_context(doing)?;
        self.lines.remove()?;
        Ok(written)
    }
}

/// `name` and `suffix`, in the same folder.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use earmark_labels::Prediction;

    use super::*;
    use crate::batch::saved::record::FailedWindows;
    use crate::output::results::format::Format;
    use crate::output::results::rows::Row;

    fn settings(model: &str) -> Settings {
        vec![("--model".to_owned(), model.to_owned()), ("--top-k".to_owned(), "5".to_owned())]
    }

    fn failure(name: &str) -> InputResult {
        InputResult::failed(name.to_owned(), "no sound".to_owned())
    }

    fn failed() -> Earlier {
        Earlier { stamp: None, progress: Progress::Done { failed: true, seconds: None } }
    }

    const STYLE: Style = Style {
        format: Format::Jsonl,
        times: false,
        codes: false,
        terminal: false,
        lines: None,
        nyquist: 8000.0,
    };

    #[test]
    fn a_job_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.jsonl");
        let (mut journal, before) = Journal::open(&output, &settings("a"), false).unwrap();
        assert!(before.is_empty());
        journal.done(None, failure("1")).unwrap();
        journal.lines.append_cut(&Record::Done { stamp: None, result: failure("2") }, 4);
        drop(journal);

        let (mut journal, before) = Journal::open(&output, &settings("a"), false).unwrap();
        assert_eq!(before, HashMap::from([("1".to_owned(), failed())]));
        journal.done(None, failure("2")).unwrap();
        // The inputs' order, not that of the work.
        let written = journal.finish(STYLE, &["2".into(), "1".into()]).unwrap();
        assert_eq!(written, Summary { failed: 2, ..Summary::default() });
        let text = fs::read_to_string(&output).unwrap();
        let rows: Vec<Row> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows, [failure("2").rows, failure("1").rows].concat());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the journal is gone");
    }

    #[test]
    fn windows_of_a_recording_that_was_not_done_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.csv");
        let stamp = Some(FileStamp { bytes: 7, modified: 1 << 60 });
        let window =
            |start: f64| (start, start + 1.0, vec![Prediction { label: "a".into(), code: None, score: 0.1 }]);
        let some = |count, starts: &[f64]| WindowProgress {
            count,
            windows: starts.iter().map(|&start| window(start)).collect(),
            totals: vec![0.1 + 0.2, count as f64],
            failed: Some(FailedWindows { count, first: 0.1, why: "too loud".to_owned() }),
        };
        let (mut journal, _) = Journal::open(&output, &settings("a"), false).unwrap();
        journal.windows("1", stamp, some(2, &[0.0, 1.0])).unwrap();
        journal.windows("1", stamp, some(3, &[2.0])).unwrap();
        journal.windows("2", stamp, some(1, &[0.0])).unwrap();
        journal.done(stamp, failure("2")).unwrap();
        drop(journal);
        let (_, before) = Journal::open(&output, &settings("a"), false).unwrap();
        let progress = Progress::Windows(some(3, &[0.0, 1.0, 2.0]));
        assert_eq!(before["1"], Earlier { stamp, progress });
        assert_eq!(before["2"].progress, Progress::Done { failed: true, seconds: None });
    }

    #[test]
    fn any_byte_that_flipped_is_noticed_and_what_is_behind_it_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.csv");
        let (mut journal, _) = Journal::open(&output, &settings("a"), false).unwrap();
        let part = journal.lines.path().to_owned();
        let first = fs::read(&part).unwrap().len();
        journal.done(None, failure("1")).unwrap();
        let second = fs::read(&part).unwrap().len();
        journal.done(None, failure("2")).unwrap();
        drop(journal);
        let whole = fs::read(&part).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&part, &bytes).unwrap();
            let opened = Journal::open(&output, &settings("a"), false);
            match at {
                _ if at < first => assert!(opened.unwrap_err().to_string().contains("rows.csv.part"), "{at}"),
                _ if at < second => assert_eq!(opened.unwrap().1, HashMap::new(), "{at}"),
                _ => assert_eq!(opened.unwrap().1, HashMap::from([("1".to_owned(), failed())]), "{at}"),
            }
        }
    }

    #[test]
    fn a_line_that_is_missing_or_there_twice_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.csv");
        let (mut journal, _) = Journal::open(&output, &settings("a"), false).unwrap();
        (1..=4).for_each(|number| journal.done(None, failure(&number.to_string())).unwrap());
        let part = journal.lines.path().to_owned();
        drop(journal);
        let text = fs::read_to_string(&part).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for order in [&[0, 1, 3, 4][..], &[0, 1, 1, 2, 3, 4], &[0, 1, 3, 2, 4]] {
            fs::write(&part, order.iter().map(|&line| lines[line]).collect::<String>()).unwrap();
            let (_, before) = Journal::open(&output, &settings("a"), false).unwrap();
            assert_eq!(before, HashMap::from([("1".to_owned(), failed())]), "{order:?}");
        }
    }

    #[test]
    fn an_input_that_was_done_again_has_its_new_rows_alone() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.jsonl");
        let (mut journal, _) = Journal::open(&output, &settings("a"), false).unwrap();
        journal.done(None, failure("1")).unwrap();
        let again = InputResult::failed("1".to_owned(), "still no sound".to_owned());
        journal.done(Some(FileStamp { bytes: 1, modified: 2 }), again).unwrap();
        journal.finish(STYLE, &["1".into()]).unwrap();
        let text = fs::read_to_string(&output).unwrap();
        assert_eq!((text.lines().count(), text.contains("still")), (1, true), "{text}");
    }

    #[test]
    fn results_of_other_settings_or_of_another_process_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.csv");
        let (journal, _) = Journal::open(&output, &settings("a"), false).unwrap();
        let busy = Journal::open(&output, &settings("a"), false).unwrap_err().to_string();
        assert!(busy.contains("another process"), "{busy}");
        drop(journal);
        let other = Journal::open(&output, &settings("b"), false).unwrap_err().to_string();
        assert!(other.contains("(--model was a, is b)"), "{other}");
        fs::write(&output, "").unwrap();
        let there = Journal::open(&output, &settings("a"), false).unwrap_err().to_string();
        assert!(there.contains("--force"), "{there}");
        Journal::open(&output, &settings("a"), true).map(|_| ()).unwrap();
    }

    #[test]
    fn a_file_that_is_no_journal_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (output, part) = (folder.path().join("rows.csv"), folder.path().join("rows.csv.part"));
        for somebodys in ["half a download", "a,b\n1,2\n", "\u{0}\n"] {
            fs::write(&part, somebodys).unwrap();
            let refused = Journal::open(&output, &settings("a"), false).unwrap_err().to_string();
            assert!(refused.contains("not a journal"), "{refused}");
            assert_eq!(fs::read_to_string(&part).unwrap(), somebodys);
        }
        // But the first line of a job that was killed while it wrote that.
        fs::remove_file(&part).unwrap();
        drop(Journal::open(&output, &settings("a"), false).unwrap());
        let begun = fs::read(&part).unwrap();
        fs::write(&part, &begun[..20]).unwrap();
        assert!(Journal::open(&output, &settings("a"), false).unwrap().1.is_empty());
    }
}
