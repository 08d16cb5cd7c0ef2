//! A file of lines that a job appends to, so that the same command after a crash does only the rest.
//!
//! The first line holds the settings of the job. A line begins with a checksum of all up to it. It is written whole or, when the
//! process dies meanwhile, cut off by the next one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use earmark_fs::{AtomicFile, LockedFile};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::messages;

/// Longest line that is read back: the windows of a day with every label of AudioSet come to a few hundred megabytes.
const MAX_LINE: u64 = 1 << 30;

/// What changes the results of a job, each by its name.
pub(crate) type Settings = Vec<(String, String)>;

/// What a line holds.
pub(crate) trait Line: Serialize + DeserializeOwned {
    /// The first line, and no other.
    fn of_settings(settings: Settings) -> Self;

    fn settings(&self) -> Option<&Settings>;
}

/// The journal of a job, which no other process writes.
#[derive(Debug)]
pub(crate) struct Journal<L> {
    file: LockedFile,
    path: PathBuf,
    /// What the person named.
    output: PathBuf,
    settings: Settings,
    /// The checksum of the last line.
    sum: u32,
    lines: PhantomData<L>,
}

impl<L: Line> Journal<L> {
    /// Opens the file of a journal for the job that writes `output`; `check` holds once it is locked.
    pub(crate) fn lock(
        path: PathBuf,
        output: &Path,
        settings: &Settings,
        check: impl Fn() -> Result<()>,
    ) -> Result<Journal<L>> {
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
        let (output, settings) = (output.into(), settings.clone());
        Ok(Journal { file, path, output, settings, sum: 0, lines: PhantomData })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives each line behind the settings to `take`; what is damaged is cut off. A job of other settings is begun anew where
    /// `force` is set; where there is no such flag, it is `None`.
    pub(crate) fn read(&mut self, force: Option<bool>, mut take: impl FnMut(L)) -> Result<()> {
        let doing = || format!("cannot use `{}`", self.path.display());
        let settings = &self.settings;
        let (begun, _) = encode(&L::of_settings(settings.clone()), 0)?;
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
            let read = decode::<L>(&line, sum);
            let next = read.as_ref().map_or(sum, |(_, next)| *next);
            let read = read.map(|(line, _)| line);
            match (read.as_ref().and_then(L::settings), read.as_ref()) {
                (Some(began), _) if number == 0 && force == Some(true) && began != settings => break,
                (Some(began), _) if number == 0 => self.compare(began, force.is_some())?,
                // The first line of a job that was killed at once.
                (None, None) if number == 0 && cut && begun.starts_with(&line) => break,
                _ if number == 0 => bail!(
                    "`{}` is not a journal of an unfinished job, or is damaged: move it away, or name another --output",
                    self.path.display()
                ),
                (None, Some(_)) => read.into_iter().for_each(&mut take),
                // What was being written when the process died.
                _ if cut => break,
                _ => {
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
            self.append(&L::of_settings(self.settings.clone()))?;
        }
        Ok(())
    }

    /// Refuses other settings: results of different settings do not belong into one table.
    fn compare(&self, began: &Settings, has_force: bool) -> Result<()> {
        let changes = differences(began, &self.settings);
        if !changes.is_empty() {
            let begun = if self.output.is_dir() { &self.output } else { &self.path };
            let advice = if has_force { "pass --force to begin anew" } else { "choose another --output" };
            bail!(
                "`{}` was begun with other settings ({}): repeat that command to resume it, or {advice}",
                begun.display(),
                changes.join("; ")
            );
        }
        Ok(())
    }

    /// Adds a line.
    pub(crate) fn append(&mut self, line: &L) -> Result<()> {
        // One write: the kernel keeps it even if this process is killed right behind it.
        let (bytes, sum) = encode(line, self.sum)?;
        self.file.write_all(&bytes).with_context(|| format!("cannot write `{}`", self.path.display()))?;
        self.sum = sum;
        Ok(())
    }

    /// Every line again, from the first on.
    pub(crate) fn lines(&mut self) -> Result<Lines<'_, L>> {
        self.file.rewind().with_context(|| format!("cannot read `{}`", self.path.display()))?;
        let (file, path) = (BufReader::new(&*self.file), self.path.as_path());
        Ok(Lines { file, path, line: Vec::new(), at: 0, sum: 0, lines: PhantomData })
    }

    /// Replaces all lines behind the settings.
    pub(crate) fn replace(self, lines: impl Iterator<Item = L>) -> Result<()> {
        let doing = || format!("cannot write `{}`", self.path.display());
        let mut file = BufWriter::new(AtomicFile::create(&self.path).with_context(doing)?);
        let mut sum = 0;
        for line in std::iter::once(L::of_settings(self.settings.clone())).chain(lines) {
            let (bytes, next) = encode(&line, sum)?;
            file.write_all(&bytes).with_context(doing)?;
            sum = next;
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(doing)?;
        file.commit().with_context(doing)
    }

    /// Removes it: the job is done.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).with_context(|| format!("cannot remove `{}`", self.path.display()))
    }

    #[cfg(test)]
    pub(crate) fn append_cut(&mut self, line: &L, bytes_less: usize) {
        let (bytes, _) = encode(line, self.sum).unwrap();
        self.file.write_all(&bytes[..bytes.len() - bytes_less]).unwrap();
    }
}

/// Where a line lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    at: u64,
    /// The checksum of the line before.
    sum: u32,
}

/// The lines of a journal, read again.
pub(crate) struct Lines<'a, L> {
    file: BufReader<&'a File>,
    path: &'a Path,
    line: Vec<u8>,
    at: u64,
    sum: u32,
    lines: PhantomData<L>,
}

impl<'a, L: Line> Lines<'a, L> {
    /// Of the journal that another job has ended, from the first line on.
    pub(crate) fn of(file: &'a File, path: &'a Path) -> Lines<'a, L> {
        Lines { file: BufReader::new(file), path, line: Vec::new(), at: 0, sum: 0, lines: PhantomData }
    }

    /// The next line; `None` after the last.
    ///
    /// # Errors
    /// When it is not as it was written.
    pub(crate) fn next(&mut self) -> Result<Option<(Place, L)>> {
        let doing = || format!("cannot read `{}`", self.path.display());
        self.line.clear();
        let bytes = (&mut self.file).take(MAX_LINE).read_until(b'\n', &mut self.line).with_context(doing)?;
        if bytes == 0 {
            return Ok(None);
        }
        let place = Place { at: self.at, sum: self.sum };
        let Some((line, sum)) = decode(&self.line, self.sum) else { bail!(self.damaged()) };
        self.sum = sum;
        self.at += self.line.len() as u64;
        Ok(Some((place, line)))
    }

    /// The line at a place; [`next`](Self::next) goes on behind it.
    pub(crate) fn line_at(&mut self, place: Place) -> Result<L> {
        let doing = || format!("cannot read `{}`", self.path.display());
        self.file.seek(SeekFrom::Start(place.at)).with_context(doing)?;
        (self.at, self.sum) = (place.at, place.sum);
        let line = self.next()?;
        Ok(line.with_context(|| self.damaged())?.1)
    }

    pub(crate) fn damaged(&self) -> String {
        format!("`{}` was damaged meanwhile: give the command again", self.path.display())
    }
}

/// The settings that differ, each with both values.
pub(crate) fn differences(began: &Settings, settings: &Settings) -> Vec<String> {
    let value = |of: &Settings, name: &str| {
        of.iter().find(|(known, _)| known == name).map_or_else(|| "not there".to_owned(), |it| it.1.clone())
    };
    let mut names: Vec<&str> = began.iter().chain(settings).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, value(began, name), value(settings, name)))
        .filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| format!("{name} was {was}, is {is}"))
        .collect()
}

/// `CHECKSUM JSON`: in eight digits, the CRC-32C of all lines' JSON up to this one's, `sum` being that of the line before.
/// So a line that is missing or there twice is noticed as well.
fn encode(line: &impl Line, sum: u32) -> Result<(Vec<u8>, u32)> {
    let json = serde_json::to_string(line)?;
    let sum = crc32c::crc32c_append(sum, json.as_bytes());
    Ok((format!("{sum:08x} {json}\n").into_bytes(), sum))
}

/// `None` where the line is not as it was written after one with the checksum `sum`.
fn decode<L: Line>(line: &[u8], sum: u32) -> Option<(L, u32)> {
    let (digits, json) = line.strip_suffix(b"\n")?.split_at_checked(9)?;
    let digits = std::str::from_utf8(digits).ok()?.strip_suffix(' ')?;
    let sum = crc32c::crc32c_append(sum, json);
    if u32::from_str_radix(digits, 16) != Ok(sum) {
        return None;
    }
    Some((serde_json::from_slice(json).ok()?, sum))
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
