//! Vectors of files and windows, while the next are being decoded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use anyhow::{Result, anyhow};
use earmark_features::Features;
use earmark_pipeline::{AudioEmbedder, Embedding, Error, Pool, Window, Windows};

use crate::batch::prepare::{Prepared, PreparedFile, Preparer, Reading};
use crate::batch::progress::Progress;
use crate::batch::saved::record::WindowProgress;
use crate::exit::Done;
use crate::input::path::Input;
use crate::output::clock::clock;
use crate::output::count::count;
use crate::output::messages;
use crate::output::tables::embeddings::{EmbeddingWriter, Row};

/// What a job wrote.
pub(super) struct Summary {
    pub(super) done: Done,
    pub(super) rows: usize,
    /// Numbers of a vector.
    pub(super) width: usize,
    /// Files with at least one row.
    pub(super) embedded: usize,
}

/// A job that runs.
pub(super) struct Job<'a> {
    model: &'a AudioEmbedder,
    table: EmbeddingWriter<'a>,
    /// Whether each frame is a row.
    is_of_frames: bool,
    done: Done,
    progress: Arc<Progress>,
    /// How many rows each file has, by its name.
    rows_of: HashMap<String, usize>,
    /// Numbers of a vector.
    width: usize,
    /// The file that is read in windows.
    recording: Option<Recording>,
    /// Inputs without a result.
    left: usize,
}

/// A file that is read in windows.
struct Recording {
    reading: Reading,
    windows: usize,
    failed: usize,
    /// The first window that failed, and why.
    first: Option<(Window, Error)>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        model: &'a AudioEmbedder,
        table: EmbeddingWriter<'a>,
        progress: Arc<Progress>,
        inputs: usize,
    ) -> Job<'a> {
        Job {
            model,
            table,
            is_of_frames: model.pool() == Some(Pool::None),
            done: Done::Well,
            progress,
            rows_of: HashMap::new(),
            width: 0,
            recording: None,
            left: inputs,
        }
    }

    /// Embeds the inputs while the next are being decoded.
    pub(super) fn run(
        mut self,
        preparer: &Preparer<'_, AudioEmbedder>,
        inputs: Vec<(Input, WindowProgress)>,
        windows: Option<Windows>,
    ) -> Result<Summary> {
        let bar = self.progress.show();
        std::thread::scope(|scope| -> Result<()> {
            let (sender, receiver) = sync_channel(1);
            scope.spawn(move || preparer.run(inputs, windows, &sender));
            receiver.into_iter().try_for_each(|prepared| self.embed(prepared))
        })?;
        drop(bar);
        let Job { table, done, rows_of, width, left, .. } = self;
        table.finish()?;
        let done = if left > 0 { Done::Interrupted } else { done };
        Ok(Summary { done, rows: rows_of.values().sum(), width, embedded: rows_of.len() })
    }

    fn embed(&mut self, prepared: Prepared) -> Result<()> {
        match prepared {
            Prepared::Files(files) => self.files(files),
            Prepared::Begin(reading, _) => {
                self.progress.begin(reading.input.shown(), 0.0);
                self.recording = Some(Recording { reading, windows: 0, failed: 0, first: None });
                Ok(())
            }
            Prepared::Windows(windows) => self.windows(windows),
            Prepared::End(ended) => {
                let Some(recording) = self.recording.take() else { return Ok(()) };
                self.end(recording, ended);
                Ok(())
            }
        }
    }

    fn files(&mut self, files: Vec<(Reading, Result<PreparedFile>)>) -> Result<()> {
        let mut clips = Vec::new();
        let mut take_features = |PreparedFile { duration, features, .. }| {
            clips.push(features);
            duration
        };
        let files: Vec<(Reading, Result<f64>)> =
            files.into_iter().map(|(reading, file)| (reading, file.map(&mut take_features))).collect();
        let mut embeddings = embeddings(self.model, &clips);
        for (reading, duration) in files {
            let input = reading.input;
            let embedded = duration.and_then(|duration| {
                let embedding = embeddings.next().expect("one embedding a clip");
                Ok((duration, embedding.map_err(|error| input.name_in(error))?))
            });
            let duration = match embedded {
                Ok((duration, embedding)) => {
                    self.write(&input.name(), None, duration, embedding)?;
                    Some(duration)
                }
                Err(error) => {
                    self.fail(&error);
                    None
                }
            };
            self.count_done(reading.place, duration);
        }
        Ok(())
    }

    fn windows(&mut self, windows: Vec<(Window, Result<Features, Error>)>) -> Result<()> {
        let Some(mut recording) = self.recording.take() else { return Ok(()) };
        let mut clips = Vec::new();
        let windows: Vec<(Window, Result<(), Error>)> = windows
            .into_iter()
            .map(|(window, features)| (window, features.map(|features| clips.push(features))))
            .collect();
        let mut embeddings = embeddings(self.model, &clips);
        for (window, features) in windows {
            recording.windows += 1;
            self.progress.advance(window.end);
            match features.and_then(|()| embeddings.next().expect("one embedding a window")) {
                Ok(embedding) => {
                    let path = recording.reading.input.name();
                    self.write(&path, Some(window), window.end - window.start, embedding)?;
                }
                Err(error) => {
                    recording.failed += 1;
                    recording.first.get_or_insert((window, error));
                }
            }
        }
        self.recording = Some(recording);
        Ok(())
    }

    /// Reports what is wrong with a file that is over.
    fn end(&mut self, recording: Recording, ended: Result<f64>) {
        let Recording { reading, windows, failed, first } = recording;
        let cannot_use = reading.input.cannot_use();
        if let Some((window, error)) = first {
            let at = clock(window.start);
            let why = format!("{cannot_use}: {failed} of {windows} windows fail, the first of them at {at}");
            self.fail(&anyhow!(error).context(why));
        }
        let duration = ended.as_ref().ok().copied();
        match ended {
            Ok(duration) if windows == 0 => {
                self.fail(&anyhow!(
                    "{cannot_use}: it is {duration} s long, which is shorter than any window"
                ));
            }
            Ok(_) => {}
            Err(error) if windows > failed => {
                let before = count(windows - failed, "window");
                self.fail(&error.context(format!("only the {before} before the error are written")));
            }
            Err(error) => self.fail(&error),
        }
        self.count_done(reading.place, duration);
    }

    /// Writes what a clip of so many seconds is embedded as, a row or one for each of its frames; `window` is where it lies in the
    /// file that it is a part of.
    fn write(
        &mut self,
        path: &str,
        window: Option<Window>,
        seconds: f64,
        embedding: Embedding,
    ) -> Result<()> {
        let Embedding { layers, width, frames, .. } = embedding.until(seconds);
        self.width = width;
        let spans: Vec<Option<(f64, f64)>> = match (self.is_of_frames, window) {
            (true, window) => {
                let start = window.map_or(0.0, |window| window.start);
                frames.iter().map(|frame| Some((start + frame.start, start + frame.end))).collect()
            }
            (false, window) => vec![window.map(|window| (window.start, window.end))],
        };
        *self.rows_of.entry(path.to_owned()).or_default() += spans.len();
        for (number, span) in spans.into_iter().enumerate() {
            let vectors = layers.iter().map(|layer| &layer[number * width..(number + 1) * width]).collect();
            self.table.write(&Row { name: path, span, vectors })?;
        }
        Ok(())
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.done = Done::InPart;
        messages::error(messages::failure(error));
    }

    /// Counts an input whose result is there, `seconds` long unless it failed.
    fn count_done(&mut self, place: usize, seconds: Option<f64>) {
        self.left -= 1;
        self.progress.done(place, seconds);
    }
}

/// The embedding of each clip. Those of frames are made clip by clip, as a batch of them would fill the memory.
fn embeddings<'a>(
    model: &'a AudioEmbedder,
    clips: &'a [Features],
) -> impl Iterator<Item = Result<Embedding, Error>> + 'a {
    let at_once = if model.pool() == Some(Pool::None) { 1 } else { clips.len().max(1) };
    clips.chunks(at_once).flat_map(|clips| model.hidden_states(clips))
}
