//! What a job has done so far, so that the same command after a crash does only the rest.
//!
//! The journal lies beside the results, `NAME.part`, or in the folder that they are in, `.earmark-journal`: first what the job
//! depends on, then a line for each input, and on the way through a long recording one for some windows at a time. A line begins with a checksum of all up to it. It is written whole or, when the
//! process dies meanwhile, cut off by the next one; results appear under their own name when the last input is done.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use earmark_fs::{AtomicFile, LockedFile};

use crate::args::output::refuse_existing;
use crate::batch::saved::record::{
    Earlier, Progress, Record, Settings, WindowProgress, Written, decode, encode,
};
use crate::batch::summary::Summary;
use crate::input::path::FileStamp;
use crate::output::messages;
use crate::output::results::format::Style;
use crate::output::results::rows::InputResult;
use crate::output::results::writer::Writer;

/// Longest line that is read back: the windows of a day with every label of AudioSet come to a few hundred megabytes.
const MAX_LINE: u64 = 1 << 30;

/// The results of an unfinished job.
#[derive(Debug)]
pub(crate) struct Journal {
    file: LockedFile,
    path: PathBuf,
    output: PathBuf,
    settings: Settings,
    /// The checksum of the last line.
    sum: u32,
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
        let path = beside(output, ".part");
        let mut journal = Journal::lock(path, output, settings, || refuse_existing(output, force))?;
        let past = journal.read(force)?;
        let doing = || format!("cannot use `{}`", journal.path.display());
        earmark_fs::sweep(earmark_fs::parent(output)).with_context(doing)?;
        Ok((journal, past.inputs))
    }

    /// Where the journal of a folder of results lies.
    pub(crate) fn of_folder(folder: &Path) -> PathBuf {
        folder.join(".earmark-journal")
    }

    /// As [`Journal::open`] for a folder with a file of results for each input; gives also which files it holds.
    pub(crate) fn open_folder(folder: &Path, settings: &Settings, force: bool) -> Result<(Journal, Past)> {
        let mut journal = Journal::lock(Journal::of_folder(folder), folder, settings, || Ok(()))?;
        let past = journal.read(force)?;
        let doing = || format!("cannot use `{}`", journal.path.display());
        earmark_fs::sweep(folder).with_context(doing)?;
        Ok((journal, past))
    }

    /// Opens the file of a journal, which no other process writes; `check` holds once it is locked.
    fn lock(
        path: PathBuf,
        output: &Path,
        settings: &Settings,
        check: impl Fn() -> Result<()>,
    ) -> Result<Journal> {
        let doing = || format!("cannot use `{}`", path.display());
        let file = loop {
            check()?;
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&path);
            // The person named the output, and not the journal beside it.
            let file = file.with_context(|| format!("cannot write `{}`", output.display()))?;
            if !file.metadata().with_context(doing)?.is_file() {
                bail!("`{}` is not a regular file: move it away, or name another --output", path.display());
            }
            let Ok(file) = LockedFile::try_lock(file) else {
                bail!("another process writes `{}` just now", output.display());
            };
            // A job that ended between the two removed it.
            if is_at(&file, &path) {
                break file;
            }
        };
        Ok(Journal { file, path, output: output.into(), settings: settings.clone(), sum: 0 })
    }

    /// What was done so far; what is damaged is cut off. With `force` a job of other settings is begun anew.
    fn read(&mut self, force: bool) -> Result<Past> {
        let doing = || format!("cannot use `{}`", self.path.display());
        let settings = &self.settings;
        let (begun, _) = encode(&Record::Settings(settings.clone()), 0)?;
        let Past { inputs: mut before, mut written } = Past::default();
        let (mut whole, mut number, mut sum) = (0, 0, 0);
        let mut lines = BufReader::new(&*self.file);
        let mut line = Vec::new();
        while (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).with_context(doing)? > 0 {
            let cut = !line.ends_with(b"\n");
            if cut && line.len() as u64 == MAX_LINE {
                bail!(
                    "`{}` has a line of more than {MAX_LINE} bytes, so it is not a journal of an unfinished job: move it \
                     away, or name another --output",
                    self.path.display()
                );
            }
            let read = decode(&line, sum);
            let next = read.as_ref().map_or(sum, |(_, next)| *next);
            match read.map(|(line, _)| line) {
                Some(Record::Settings(began)) if number == 0 && force && began != *settings => break,
                Some(Record::Settings(began)) if number == 0 => self.compare(&began, settings)?,
                // The first line of a job that was killed at once.
                None if number == 0 && cut && begun.starts_with(&line) => break,
                _ if number == 0 => bail!(
                    "`{}` is not a journal of an unfinished job, or is damaged: move it away, or name another --output",
                    self.path.display()
                ),
                Some(Record::Done { stamp, result }) => {
                    let (failed, seconds) = (result.has_failed(), result.duration);
                    let progress = Progress::Done { failed, seconds };
                    before.insert(result.input, Earlier { stamp, progress });
                }
                Some(Record::Windows { input, stamp, progress }) => match before.get_mut(&input) {
                    Some(Earlier { stamp: of, progress: Progress::Windows(so_far) }) if *of == stamp => {
                        so_far.count = progress.count;
                        so_far.windows.extend(progress.windows);
                        so_far.totals = progress.totals;
                        so_far.failed = progress.failed;
                    }
                    _ => _ = before.insert(input, Earlier { stamp, progress: Progress::Windows(progress) }),
                },
                Some(Record::Written(line)) => _ = written.insert(line.input.clone(), line),
                // What was being written when the process died.
                None | Some(Record::Settings(_)) if cut => break,
                None | Some(Record::Settings(_)) => {
                    messages::warning(format_args!(
                        "`{}` is damaged from line {} on: what it held from there is done again",
                        self.path.display(),
                        number + 1
                    ));
                    break;
                }
            }
            whole += line.len() as u64;
            number += 1;
            sum = next;
            line.clear();
        }
        self.sum = sum;
        self.file.set_len(whole).with_context(doing)?;
        self.file.seek(SeekFrom::End(0)).with_context(doing)?;
        if whole == 0 {
            self.append(&Record::Settings(self.settings.clone()))?;
        }
        Ok(Past { inputs: before, written })
    }

    /// Refuses other settings: rows of different settings do not belong into one table.
    fn compare(&self, began: &Settings, settings: &Settings) -> Result<()> {
        let value = |of: &Settings, name: &str| {
            of.iter()
                .find(|(known, _)| known == name)
                .map_or_else(|| "not there".to_owned(), |it| it.1.clone())
        };
        let mut names: Vec<&str> = began.iter().chain(settings).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let changes: Vec<String> = names
            .into_iter()
            .map(|name| (name, value(began, name), value(settings, name)))
            .filter(|(_, was, is)| was != is)
            .map(|(name, was, is)| format!("{name} was {was}, is {is}"))
            .collect();
        if !changes.is_empty() {
            let begun = if self.output.is_dir() { &self.output } else { &self.path };
            bail!(
                "`{}` was begun with other settings ({}): repeat that command to resume it, or pass --force to begin anew",
                begun.display(),
                changes.join("; ")
            );
        }
        Ok(())
    }

    /// Adds the result of an input.
    pub(crate) fn done(&mut self, stamp: Option<FileStamp>, result: InputResult) -> Result<()> {
        self.append(&Record::Done { stamp, result })
    }

    /// Adds some windows of an input that goes on.
    pub(crate) fn windows(
        &mut self,
        input: &str,
        stamp: Option<FileStamp>,
        progress: WindowProgress,
    ) -> Result<()> {
        self.append(&Record::Windows { input: input.to_owned(), stamp, progress })
    }

    /// Adds the file of an input.
    pub(crate) fn written(&mut self, written: &Written) -> Result<()> {
        self.append(&Record::Written(written.clone()))
    }

    /// Keeps of the journal of a folder what its files are, and no windows.
    pub(crate) fn compact(self, written: impl Iterator<Item = Written>) -> Result<()> {
        let doing = || format!("cannot write `{}`", self.path.display());
        let mut file = BufWriter::new(AtomicFile::create(&self.path).with_context(doing)?);
        let records =
            std::iter::once(Record::Settings(self.settings.clone())).chain(written.map(Record::Written));
        let mut sum = 0;
        for record in records {
            let (bytes, next) = encode(&record, sum)?;
            file.write_all(&bytes).with_context(doing)?;
            sum = next;
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(doing)?;
        file.commit().with_context(doing)
    }

    fn append(&mut self, record: &Record) -> Result<()> {
        // One write: the kernel keeps it even if this process is killed right behind it.
        let (bytes, sum) = encode(record, self.sum)?;
        self.file.write_all(&bytes).with_context(|| format!("cannot write `{}`", self.path.display()))?;
        self.sum = sum;
        Ok(())
    }

    /// Writes the results under their own name, inputs in the order of `order`, and removes the journal.
    pub(crate) fn finish(mut self, style: Style, order: &[String]) -> Result<Summary> {
        let doing = || format!("cannot write `{}`", self.output.display());
        let damaged = || format!("`{}` was damaged meanwhile: give the command again", self.path.display());
        let mut file = BufWriter::new(AtomicFile::create(&self.output).with_context(doing)?);
        let mut writer = Writer::new(&mut file, style).with_context(doing)?;
        // Lines are as they were done, and a resumed job with more inputs than before did the new ones last; an input that
        // had changed was done again, and its last line holds.
        let mut places = HashMap::new();
        self.file.rewind().with_context(doing)?;
        let (mut lines, mut line, mut at, mut sum) = (BufReader::new(&*self.file), Vec::new(), 0, 0);
        while lines.read_until(b'\n', &mut line).with_context(doing)? > 0 {
            let (read, next) = decode(&line, sum).with_context(damaged)?;
            if let Record::Done { result, .. } = read {
                places.insert(result.input, (at, sum));
            }
            sum = next;
            at += line.len() as u64;
            line.clear();
        }
        let mut written = Summary::default();
        for input in order {
            let &(place, sum) = places.get(input).with_context(damaged)?;
            lines.seek(SeekFrom::Start(place)).with_context(doing)?;
            line.clear();
            lines.read_until(b'\n', &mut line).with_context(doing)?;
            let Some((Record::Done { result, .. }, _)) = decode(&line, sum) else { bail!(damaged()) };
            writer.write(&result).with_context(doing)?;
            written.add(&result, style.format);
        }
        writer.finish().with_context(doing)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(doing)?;
        file.commit().with_context(doing)?;
        fs::remove_file(&self.path).with_context(doing)?;
        Ok(written)
    }
}

/// `name` and `suffix`, in the same folder.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether an open file still has its name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |it: &fs::Metadata| (it.dev(), it.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(open), Ok(named)) if id(&open) == id(&named))
}

/// An open file cannot lose its name.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
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

    const STYLE: Style =
        Style { format: Format::Jsonl, times: false, terminal: false, lines: None, nyquist: 8000.0 };

    #[test]
    fn a_job_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.jsonl");
        let (mut journal, before) = Journal::open(&output, &settings("a"), false).unwrap();
        assert!(before.is_empty());
        journal.done(None, failure("1")).unwrap();
        let (half, _) = encode(&Record::Done { stamp: None, result: failure("2") }, journal.sum).unwrap();
        journal.file.write_all(&half[..half.len() - 4]).unwrap();
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
        let window = |start: f64| (start, start + 1.0, vec![Prediction { label: "a".into(), score: 0.1 }]);
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
        let part = journal.path.clone();
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
        let part = journal.path.clone();
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
        let (begun, _) = encode(&Record::Settings(settings("a")), 0).unwrap();
        fs::write(&part, &begun[..20]).unwrap();
        assert!(Journal::open(&output, &settings("a"), false).unwrap().1.is_empty());
    }
}
