//! What a job has done so far, so that the same command after a crash does only the rest.
//!
//! The journal lies beside the results, `NAME.part`, with a line for each input. A line is written whole or, when the process
//! dies meanwhile, cut off by the next one; results appear under their own name when the last input is done.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::rows::{Format, Row, Writer};

/// An unfinished job's results.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    output: PathBuf,
}

/// The first line: what must be the same for the results to belong together.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    settings: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    input: String,
    rows: Vec<Row>,
}

impl Journal {
    /// Begins the job that writes `output`, or goes on with it; gives the inputs that are done, and whether each one failed.
    ///
    /// `settings` is whatever changes the results.
    pub(crate) fn open(
        output: &Path,
        settings: &str,
        force: bool,
    ) -> Result<(Journal, HashMap<String, bool>)> {
        if output.exists() && !force {
            bail!(
                "`{}` is there already: pass --force to replace it, or name another --output",
                output.display()
            );
        }
        let path = beside(output, ".part");
        let doing = || format!("cannot use `{}`", path.display());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut journal =
            Journal { file: file.with_context(doing)?, path: path.clone(), output: output.into() };
        if journal.file.try_lock().is_err() {
            bail!("another process writes `{}` just now", output.display());
        }
        let settings = Settings { settings: settings.to_owned() };
        let mut done = HashMap::new();
        // What is behind the last whole line was being written when the process died.
        let mut whole = 0;
        let mut lines = BufReader::new(&journal.file);
        let mut line = String::new();
        while lines.read_line(&mut line).with_context(doing)? > 0 && line.ends_with('\n') {
            if whole == 0 {
                let before: Settings = serde_json::from_str(&line).with_context(doing)?;
                if before != settings {
                    bail!(
                        "`{}` was begun by another command ({}): repeat that one, or remove the file to begin anew",
                        path.display(),
                        before.settings
                    );
                }
            } else {
                let entry: Entry = serde_json::from_str(&line).with_context(doing)?;
                let failed = entry.rows.iter().any(|row| matches!(row, Row::Failed { .. }));
                done.insert(entry.input, failed);
            }
            whole += line.len() as u64;
            line.clear();
        }
        journal.file.set_len(whole).with_context(doing)?;
        journal.file.seek(SeekFrom::End(0)).with_context(doing)?;
        if whole == 0 {
            journal.append(&settings)?;
        }
        Ok((journal, done))
    }

    /// Notes what is said of one input.
    pub(crate) fn note(&mut self, input: String, rows: Vec<Row>) -> Result<()> {
        self.append(&Entry { input, rows })
    }

    fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(line)? + "\n";
        // One write: the kernel keeps it even if this process is killed right behind it.
        self.file
            .write_all(line.as_bytes())
            .with_context(|| format!("cannot write `{}`", self.path.display()))
    }

    /// Writes the results under their own name, inputs in the order of `order`, and removes the journal.
    pub(crate) fn finish(mut self, format: Format, order: &[String]) -> Result<()> {
        let landing = beside(&self.output, ".tmp");
        let doing = || format!("cannot write `{}`", self.output.display());
        let mut file = BufWriter::new(File::create(&landing).with_context(doing)?);
        let mut writer = Writer::new(&mut file, format).with_context(doing)?;
        // Lines are as they were done; a resumed job with more inputs than before did the new ones last.
        let mut places = HashMap::new();
        self.file.rewind().with_context(doing)?;
        let mut at = 0;
        for line in BufReader::new(&self.file).lines().enumerate() {
            let (number, line) = (line.0, line.1.with_context(doing)?);
            if number > 0 {
                let entry: Entry = serde_json::from_str(&line).with_context(doing)?;
                places.insert(entry.input, at);
            }
            at += line.len() as u64 + 1;
        }
        let mut lines = BufReader::new(&self.file);
        for input in order {
            let Some(&place) = places.get(input) else { continue };
            lines.seek(SeekFrom::Start(place)).with_context(doing)?;
            let mut line = String::new();
            lines.read_line(&mut line).with_context(doing)?;
            let entry: Entry = serde_json::from_str(&line).with_context(doing)?;
            for row in &entry.rows {
                writer.write(row).with_context(doing)?;
            }
        }
        writer.finish().with_context(doing)?;
        file.into_inner().map_err(|e| e.into_error()).with_context(doing)?.sync_all().with_context(doing)?;
        fs::rename(&landing, &self.output).with_context(doing)?;
        fs::remove_file(&self.path).with_context(doing)
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
    use super::*;

    fn row(path: &str) -> Vec<Row> {
        vec![Row::Failed { path: path.to_owned(), error: "no sound".to_owned() }]
    }

    #[test]
    fn a_job_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.jsonl");
        let (mut journal, done) = Journal::open(&output, "a", false).unwrap();
        assert!(done.is_empty());
        journal.note("1".into(), row("1")).unwrap();
        journal.file.write_all(b"{\"input\": \"2\", \"ro").unwrap();
        drop(journal);

        let (mut journal, done) = Journal::open(&output, "a", false).unwrap();
        assert_eq!(done, HashMap::from([("1".to_owned(), true)]));
        journal.note("2".into(), row("2")).unwrap();
        // The inputs' order, not that of the work.
        journal.finish(Format::Jsonl, &["2".into(), "1".into()]).unwrap();
        let text = fs::read_to_string(&output).unwrap();
        let rows: Vec<Row> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows, [row("2"), row("1")].concat());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the journal is gone");
    }

    #[test]
    fn results_of_other_settings_or_of_another_process_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("rows.csv");
        let (journal, _) = Journal::open(&output, "--model a", false).unwrap();
        let busy = Journal::open(&output, "--model a", false).err().unwrap().to_string();
        assert!(busy.contains("another process"), "{busy}");
        drop(journal);
        let other = Journal::open(&output, "--model b", false).err().unwrap().to_string();
        assert!(other.contains("--model a"), "{other}");
        fs::write(&output, "").unwrap();
        let there = Journal::open(&output, "--model a", false).err().unwrap().to_string();
        assert!(there.contains("--force"), "{there}");
        Journal::open(&output, "--model a", true).map(|_| ()).unwrap();
    }
}
