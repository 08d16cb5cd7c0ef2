//! A folder with a file of results for each input, which appears when the input is done.
//!
//! Its journal stays when the job is done, with the settings and the name of each file, so that the same command later does
//! only the recordings that are new or changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{BufWriter, IntoInnerError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use earmark_fs::AtomicFile;

use crate::batch::saved::file_names::FAILURES;
use crate::batch::saved::journal::{Journal, Past};
use crate::batch::saved::record::{Earlier, Progress, WindowProgress, Written};
use crate::batch::summary::Summary;
use crate::exit::usage;
use crate::input::path::{FileStamp, Input};
use crate::journal::Settings;
use crate::output::results::format::Style;
use crate::output::results::rows::InputResult;
use crate::output::results::writer::Writer;

/// The results of a job, one file for each input.
#[derive(Debug)]
pub(crate) struct ResultFolder {
    folder: PathBuf,
    journal: Journal,
    style: Style,
    /// The file of each input of this job.
    names: HashMap<String, PathBuf>,
    /// What the folder holds, of inputs of this job and of others before it, by input.
    written: BTreeMap<String, Written>,
}

impl ResultFolder {
    /// Begins a job that writes into `folder`, or resumes it; gives what is known of those inputs that were begun. Refuses to
    /// replace files that it did not write unless `force` says so.
    pub(crate) fn open(
        folder: &Path,
        inputs: &[Input],
        names: HashMap<String, PathBuf>,
        style: Style,
        settings: &Settings,
        force: bool,
    ) -> Result<(ResultFolder, HashMap<String, Earlier>)> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        let is_new = !Journal::of_folder(folder).exists();
        let (journal, Past { inputs: mut earlier, written }) = Journal::open_folder(folder, settings, force)?;
        let mut results = ResultFolder { folder: folder.to_owned(), journal, style, names, written };
        earlier.retain(|input, _| results.names.contains_key(input));
        for (input, name) in &results.names {
            let name = earmark_fs::text(name);
            let own = results.written.get(input).filter(|it| it.file.as_deref() == Some(name.as_str()));
            if let Some(Written { stamp, seconds, errors, .. }) =
                own.filter(|_| results.path(input).is_file())
            {
                let progress = Progress::Done { failed: !errors.is_empty(), seconds: *seconds };
                earlier.insert(input.clone(), Earlier { stamp: *stamp, progress });
            }
        }
        results.claim(inputs, &earlier, is_new, force)?;
        let folders: HashSet<&Path> = results.names.values().filter_map(|name| name.parent()).collect();
        for inner in folders {
            earmark_fs::sweep(&folder.join(inner))
                .with_context(|| format!("cannot use `{}`", folder.display()))?;
        }
        Ok((results, earlier))
    }

    fn path(&self, input: &str) -> PathBuf {
        self.folder.join(&self.names[input])
    }

    /// Takes the names of the files that are still to be written, where other files may lie.
    fn claim(
        &mut self,
        inputs: &[Input],
        earlier: &HashMap<String, Earlier>,
        is_new: bool,
        force: bool,
    ) -> Result<()> {
        let owners: HashMap<String, String> = self
            .written
            .values()
            .filter_map(|written| Some((written.file.clone()?, written.input.clone())))
            .collect();
        let is_done = |input: &Input| {
            matches!(earlier.get(&input.name()), Some(Earlier { progress: Progress::Done { .. }, .. }))
        };
        let mut there = Vec::new();
        for input in inputs.iter().filter(|input| !is_done(input)) {
            let (input, path) = (input.name(), self.path(&input.name()));
            let owner = owners.get(&earmark_fs::text(&self.names[&input]));
            if path.symlink_metadata().is_ok() && owner != Some(&input) {
                there.push((path, owner.cloned()));
            }
        }
        let failures = self.folder.join(FAILURES);
        if is_new && failures.exists() {
            there.push((failures, None));
        }
        let Some((first, owner)) = there.first() else { return Ok(()) };
        if !force {
            let others =
                if there.len() > 1 { format!(" (and {} more)", there.len() - 1) } else { String::new() };
            let whose = match owner {
                Some(owner) => format!("holds the results of `{owner}`"),
                None => "was not written by this command".to_owned(),
            };
            bail!(
                "`{}`{others} exists and {whose}: pass --force to replace it, or choose another --output",
                first.display()
            );
        }
        let read: HashSet<PathBuf> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::File(path) => path.canonicalize().ok(),
                _ => None,
            })
            .collect();
        for (path, owner) in there {
            if path.canonicalize().is_ok_and(|path| read.contains(&path)) {
                return Err(usage(format_args!(
                    "`{}` is an input of this command: choose another --output",
                    path.display()
                )));
            }
            // Its results are lost; without a file it counts as not done.
            if let Some(mut written) = owner.and_then(|owner| self.written.remove(&owner)) {
                written.file = None;
                self.journal.written(&written)?;
            }
        }
        Ok(())
    }

    /// Writes the file of an input, or none where all of it failed.
    pub(crate) fn write(&mut self, stamp: Option<FileStamp>, result: &InputResult) -> Result<()> {
        let path = self.path(&result.input);
        let doing = || format!("cannot write `{}`", path.display());
        let mut written = Written {
            input: result.input.clone(),
            stamp,
            file: None,
            rows: self.style.format.rows(result),
            seconds: result.duration,
            errors: result.errors().map(str::to_owned).collect(),
        };
        let mut file = None;
        if result.duration.is_some() {
            fs::create_dir_all(path.parent().unwrap_or(&self.folder)).with_context(doing)?;
            let mut out = BufWriter::new(AtomicFile::create(&path).with_context(doing)?);
            let mut writer = Writer::new(&mut out, self.style).with_context(doing)?;
            writer.write(result).with_context(doing)?;
            writer.finish().with_context(doing)?;
            file = Some(out.into_inner().map_err(IntoInnerError::into_error).with_context(doing)?);
            written.file = Some(earmark_fs::text(&self.names[&result.input]));
        }
        // Where the process dies before the file has its name, the journal tells of a file that is not there, and the input is
        // done again; what lies there from before would pass for it.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(doing);
            }
            _ => {}
        }
        self.journal.written(&written)?;
        if let Some(file) = file {
            file.commit().with_context(doing)?;
        }
        self.written.insert(result.input.clone(), written);
        Ok(())
    }

    /// Keeps windows of an input that goes on.
    pub(crate) fn windows(
        &mut self,
        input: &str,
        stamp: Option<FileStamp>,
        progress: WindowProgress,
    ) -> Result<()> {
        self.journal.windows(input, stamp, progress)
    }

    /// Lists the inputs that failed, of all that the folder is of, and counts what there is of `order`.
    pub(crate) fn finish(self, order: &[String]) -> Result<Summary> {
        let path = self.folder.join(FAILURES);
        let doing = || format!("cannot write `{}`", path.display());
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["path", "error"])?;
        let mut failed = false;
        for written in self.written.values() {
            for error in &written.errors {
                table.write_record([&written.input, error])?;
                failed = true;
            }
        }
        if failed {
            let table = table.into_inner().map_err(|error| error.into_error()).with_context(doing)?;
            earmark_fs::write(&path, table).with_context(doing)?;
        } else if path.exists() {
            fs::remove_file(&path).with_context(doing)?;
        }
        let mut summary = Summary::default();
        for written in order.iter().filter_map(|input| self.written.get(input)) {
            summary.rows += written.rows;
            summary.seconds += written.seconds.unwrap_or(0.0);
            *(if written.errors.is_empty() { &mut summary.files } else { &mut summary.failed }) += 1;
        }
        self.journal.compact(self.written.into_values())?;
        Ok(summary)
    }
}
