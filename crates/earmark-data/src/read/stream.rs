//! Clips as they come: from shards and archives that lie elsewhere, without fetching more than is asked for.

use std::collections::VecDeque;
use std::fmt;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use earmark_error::Context as _;
use earmark_labels::{LabelId, LabelSet};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Task};
use crate::example::Example;
use crate::random::Pcg64;
use crate::read::archive;
use crate::read::folder::shards::{declares_classes, label_column_of};
use crate::read::label_column::LabelColumn;
use crate::read::layout::{Archive, RowFilter};
use crate::read::parquet::shard::{Examples, Shard};
use crate::read::read_at::{ReadAt, Sequential};
use crate::read::remote::{Fetch, RemoteFile};

/// One file of a stream.
pub(crate) enum Part {
    Shard { file: RemoteFile, label_column: LabelColumn, keep: Option<RowFilter> },
    Archive(Archive),
}

impl Part {
    fn name(&self) -> String {
        match self {
            Part::Shard { file, .. } | Part::Archive(Archive { file, .. }) => file.location.to_string(),
        }
    }
}

/// The position of a stream: the number of files it has finished, and of clips it has passed in the next file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Finished files.
    pub files: usize,
    /// Clips passed in the next file.
    pub clips: usize,
}

/// The clips of a dataset in order, downloaded as they are needed; made by [`Selection::stream`](crate::Selection::stream).
///
/// It is an [`Iterator`]; after an error it continues with the next file.
pub struct Stream {
    parts: VecDeque<Part>,
    fetch: Arc<dyn Fetch>,
    open: Option<OpenPart>,
    position: Position,
}

enum OpenPart {
    Shard(Box<Examples>, Option<RowFilter>),
    Archive(Receiver<Result<Example, ErrorKind>>, String),
}

impl Stream {
    pub(crate) fn new(parts: VecDeque<Part>, fetch: Arc<dyn Fetch>) -> Stream {
        Stream { parts, fetch, open: None, position: Position::default() }
    }

    /// The clips of Parquet files with an audio column, and their classes: those declared in the first file, else the values of
    /// the label column, for which that column of every file is read.
    ///
    /// # Errors
    /// When a file cannot be opened, or has no such column.
    pub fn of_shards(
        files: Vec<RemoteFile>,
        label: Option<&str>,
        fetch: Arc<dyn Fetch>,
    ) -> Result<(LabelSet, Stream), Error> {
        let mut shards = Vec::new();
        for file in &files {
            let name = file.location.to_string();
            let opening = || Task::Open(name.clone().into());
            let opened = open(fetch.as_ref(), file).with_context(opening)?;
            shards.push(Shard::over(opened, &name)?);
            // A first file that names all classes speaks for the others.
            if declares_classes(&shards[0], label).with_context(opening)? {
                break;
            }
        }
        let name = files.first().map(|file| file.location.to_string()).unwrap_or_default();
        let label_column = label_column_of(&shards, label).context(Task::Open(name.into()))?;
        let part = |file| Part::Shard { file, label_column: label_column.clone(), keep: None };
        let parts = files.into_iter().map(part).collect();
        Ok((label_column.labels, Stream::new(parts, fetch)))
    }

    /// The current position, for [`resume`](Self::resume) of a new stream of the same selection.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Continues at the position of another stream of this selection. Finished files are not opened. In a shard no audio before
    /// the position is read; an archive is read from its start, as it has no index.
    ///
    /// # Errors
    /// When the file at the position cannot be opened.
    pub fn resume(mut self, at: Position) -> Result<Stream, Error> {
        self.parts.drain(..at.files.min(self.parts.len()));
        self.position = Position { files: at.files, clips: 0 };
        self.pass_over(at.clips)?;
        Ok(self)
    }

    /// Only every `count`-th file, starting at file `index` (from 0), for jobs that share the work. With more jobs than files
    /// some jobs get no clips.
    #[must_use]
    pub fn shard(mut self, index: usize, count: usize) -> Stream {
        let parts = self.parts.into_iter().enumerate();
        self.parts = parts.filter(|(place, _)| place % count.max(1) == index).map(|(_, part)| part).collect();
        self
    }

    /// Shuffles by `seed`: each clip is drawn from the next `buffer` clips, which are held in memory. The order is not that of
    /// `datasets`, which also shuffles the files.
    pub fn shuffle(self, buffer: usize, seed: u64) -> Shuffled {
        Shuffled { stream: self, rng: Pcg64::seeded(seed), held: Vec::new(), buffer: buffer.max(1) }
    }

    /// Passes over the next `clips` of the file that is next.
    fn pass_over(&mut self, clips: usize) -> Result<(), Error> {
        if clips == 0 {
            return Ok(());
        }
        if self.open.is_none() && !self.open_next(clips)? {
            return Ok(());
        }
        while self.position.clips < clips {
            match self.next_of_part() {
                Some(passed) => drop(passed?),
                None => break,
            }
        }
        Ok(())
    }

    /// Opens the next file, a shard at row `from`; `false` when there is none.
    fn open_next(&mut self, from: usize) -> Result<bool, Error> {
        let Some(part) = self.parts.pop_front() else { return Ok(false) };
        let name = part.name();
        let opening = || Task::Open(name.clone().into());
        let open = |file: &RemoteFile| open(self.fetch.as_ref(), file);
        self.open = Some(match part {
            Part::Shard { file, label_column, keep } => {
                let shard = Shard::over(open(&file).with_context(opening)?, &name)?;
                // Rows that are not kept do not count, so they have to be looked at.
                let from = if keep.is_some() { 0 } else { from };
                self.position.clips = from;
                OpenPart::Shard(Box::new(shard.examples(Some(&label_column), from)?), keep)
            }
            Part::Archive(Archive { file, table, limits, index, .. }) => {
                let open_archive = || -> Result<_, ErrorKind> {
                    let table = table.as_ref().map(|table| read_table(open(table)?)).transpose()?;
                    let index = index(table.as_deref())?;
                    let content = Sequential::new(open(&file)?, 0);
                    Ok(archive::stream(content, limits.total, move |member| {
                        if index.unpacked_path(&member.path).is_none() {
                            return Ok(None);
                        }
                        let Some(info) = index.clip(&member.path)? else { return Ok(None) };
                        let (name, label) = (member.path.clone(), Some(LabelId::new(info.label)));
                        let audio = member.read(limits.file)?;
                        Ok(Some(Example { name, audio, label, fields: info.fields }))
                    }))
                };
                OpenPart::Archive(open_archive().with_context(opening)?, name)
            }
        });
        Ok(true)
    }

    /// The next clip of the file that is open.
    fn next_of_part(&mut self) -> Option<Result<Example, Error>> {
        let next = match self.open.as_mut()? {
            OpenPart::Shard(examples, keep) => loop {
                match examples.next() {
                    Some(Ok(example)) if keep.is_some_and(|keep| !keep(&example.fields)) => {}
                    next => break next,
                }
            },
            OpenPart::Archive(receiver, name) => {
                receiver.recv().ok().map(|next| next.with_context(|| Task::Open(name.as_str().into())))
            }
        };
        if next.is_some() {
            self.position.clips += 1;
        }
        next
    }
}

impl Iterator for Stream {
    type Item = Result<Example, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_of_part() {
                Some(Ok(example)) => return Some(Ok(example)),
                ended => {
                    if self.open.take().is_some() {
                        self.position = Position { files: self.position.files + 1, clips: 0 };
                    }
                    if ended.is_some() {
                        return ended;
                    }
                }
            }
            match self.open_next(0) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.position = Position { files: self.position.files + 1, clips: 0 };
                    return Some(Err(error));
                }
            }
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("position", &self.position)
            .field("files_left", &self.parts.len())
            .finish_non_exhaustive()
    }
}

fn open(fetch: &dyn Fetch, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, ErrorKind> {
    fetch.open(file).map_err(|source| ErrorKind::Fetch { file: file.location.to_string(), source })
}

/// The text of an archive's table; the largest there is has a few megabytes.
fn read_table(file: Arc<dyn ReadAt>) -> Result<String, ErrorKind> {
    let mut text = String::new();
    Sequential::new(file, 0).take(64 << 20).read_to_string(&mut text)?;
    Ok(text)
}

/// A shuffled [`Stream`]; made by [`Stream::shuffle`].
pub struct Shuffled {
    stream: Stream,
    rng: Pcg64,
    held: Vec<Example>,
    buffer: usize,
}

impl Iterator for Shuffled {
    type Item = Result<Example, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.stream.next() {
                Some(Ok(example)) if self.held.len() < self.buffer => self.held.push(example),
                Some(Ok(example)) => {
                    let drawn = draw(&mut self.rng, self.buffer);
                    return Some(Ok(std::mem::replace(&mut self.held[drawn], example)));
                }
                Some(Err(error)) => return Some(Err(error)),
                None if self.held.is_empty() => return None,
                None => {
                    let drawn = draw(&mut self.rng, self.held.len());
                    return Some(Ok(self.held.swap_remove(drawn)));
                }
            }
        }
    }
}

impl fmt::Debug for Shuffled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shuffled")
            .field("stream", &self.stream)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

/// A place below `count`.
fn draw(rng: &mut Pcg64, count: usize) -> usize {
    ((rng.next_f64() * count as f64) as usize).min(count - 1)
}
