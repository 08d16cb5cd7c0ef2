//! A job: a model scores any number of inputs, whole or in windows, while the next are being decoded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::Result;
use earmark_labels::{Scores, TopK};
use earmark_pipeline::AudioOptions;

use crate::args::hub::HubArgs;
use crate::args::job::{JobArgs, Output};
use crate::args::model;
use crate::batch::file_names::{common_folder, file_names};
use crate::batch::journal::{Journal, Summary};
use crate::batch::prepare::{Prepared, PreparedFile, Preparer, Reading};
use crate::batch::record::Settings;
use crate::batch::remaining::Remaining;
use crate::batch::result_folder::ResultFolder;
use crate::batch::results::{Results, Sink};
use crate::batch::windows::WindowScores;
use crate::exit::{Done, usage};
use crate::input::open::Opener;
use crate::input::path::Input;
use crate::interrupt;
use crate::output::clock::clock;
use crate::output::count::count;
use crate::output::escape::escape;
use crate::output::results::format::{Format, Style};
use crate::output::results::rows::Row;
use crate::output::results::writer::Writer;
use crate::output::{messages, progress, stdout};
use crate::scoring::label_filter::LabelFilter;
use crate::scoring::scorer::{Scorer, check_windows};

/// How long work goes on after Ctrl-C, to keep what is being done.
const PATIENCE: Duration = Duration::from_millis(700);

/// What a command adds to its [`JobArgs`].
pub(crate) struct JobOptions<'a> {
    pub(crate) hearing: AudioOptions,
    /// Through which addresses are opened.
    pub(crate) hub: &'a HubArgs,
    /// The model's folder.
    pub(crate) folder: PathBuf,
    /// What changes the results beside the [`JobArgs`] and the model's files.
    pub(crate) settings: Settings,
    /// What the numbers are.
    pub(crate) scores: Scores,
    /// Labels of each row where --top-k is not given.
    pub(crate) default_top_k: TopK,
}

/// Scores everything that `args` name.
pub(crate) fn run(args: &JobArgs, options: &JobOptions<'_>, model: &impl Scorer) -> Result<Done> {
    let output = args.output();
    let style = Style {
        format: args.format()?,
        times: args.times,
        terminal: output == Output::Stdout && stdout::stdout().is_terminal(),
        nyquist: f64::from(model.sampling_rate().hz()) / 2.0,
    };
    let filter = LabelFilter::new(&args.filter, model.labels(), options.scores)?;
    let top_k = match (args.top_k, style.format.needs_windows()) {
        (Some(k), _) => k,
        // A mark has room for one label.
        (None, true) => TopK::N(1),
        (None, false) => options.default_top_k,
    };
    let windows = args.windows();
    if let Some(windows) = windows {
        check_windows(windows, model)?;
    }
    let inputs = args.inputs.find()?;
    let opener = Opener::new(&inputs, || options.hub.open())?;
    if style.format == Format::Audacity && inputs.len() > 1 && !matches!(output, Output::Folder(_)) {
        return Err(usage(format_args!(
            "a label track belongs to one recording, and there are {}: pass -o DIR/ for one track per recording, or another --format",
            inputs.len()
        )));
    }
    let order: Vec<String> = inputs.iter().map(Input::name).collect();
    let settings = || -> Result<Settings> {
        let mut settings = options.settings.clone();
        settings.extend(model::files(&options.folder)?);
        settings.extend(args.settings(top_k));
        settings.extend(filter.settings.clone());
        Ok(settings)
    };
    let (sink, earlier) = match output {
        Output::File(output) => {
            refuse_to_replace_what_is_read(output, &inputs, &options.folder)?;
            let (journal, earlier) = Journal::open(output, &settings()?, args.force)?;
            (Sink::Journal(journal), earlier)
        }
        Output::Folder(folder) => {
            refuse_folder_of_model(folder, &options.folder)?;
            let mut settings = settings()?;
            settings.push(("--format".to_owned(), style.format.name()));
            let root = common_folder(&args.inputs.folders());
            let names = file_names(&inputs, &root, style.format.extension());
            let (folder, earlier) = ResultFolder::open(folder, &inputs, names, style, &settings, args.force)?;
            (Sink::Folder(folder), earlier)
        }
        Output::Stdout => (Sink::Stdout(Writer::new(stdout::stdout(), style)?), HashMap::new()),
    };
    let Remaining { inputs, done } = Remaining::new(inputs, earlier);
    let template = match windows {
        None => "{bar:30} {pos}/{len} files {per_sec} {eta} left",
        Some(_) => "{bar:20} {pos}/{len} files {wide_msg}",
    };
    let bar = match output != Output::Stdout && (order.len() > 1 || windows.is_some()) {
        true => progress::bar(order.len() as u64, template),
        false => indicatif::ProgressBar::hidden(),
    };
    bar.set_position((order.len() - inputs.len()) as u64);
    let stop = match &sink {
        Sink::Journal(_) | Sink::Folder(_) => interrupt::asked(
            "stopping: what is done is kept, and the same command goes on from there (Ctrl-C again quits at once)",
            Some(PATIENCE),
        )?,
        // What was printed is all there is.
        Sink::Stdout(_) => Arc::default(),
    };

    let mut job = Job {
        model,
        scores: WindowScores::new(args, top_k, filter),
        results: Results { sink, done, bar, times: args.times, untimed: Vec::new() },
        reading: None,
        left: inputs.len(),
        began: Instant::now(),
        scored: 0.0,
    };
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = sync_channel(1);
        let preparer =
            Preparer { hearing: &options.hearing, opener: &opener, model, stop: &stop, times: args.times };
        scope.spawn(move || preparer.run(inputs, windows, &sender));
        for prepared in receiver {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            job.score(prepared)?;
        }
        Ok(())
    })?;
    job.results.report_untimed();
    let Job { results: Results { sink, done, bar, .. }, left, .. } = job;
    bar.finish_and_clear();
    if left > 0 {
        return Ok(Done::Interrupted);
    }
    let (summary, listed) = match sink {
        Sink::Stdout(writer) => {
            writer.finish()?;
            return Ok(done);
        }
        Sink::Journal(journal) => (journal.finish(style, &order)?, ""),
        Sink::Folder(folder) => (folder.finish(&order)?, ", listed there in failures.csv"),
    };
    if let Output::File(path) | Output::Folder(path) = output {
        report(path, &summary, listed);
    }
    Ok(done)
}

/// Says what was written.
fn report(output: &Path, Summary { rows, files, failed }: &Summary, listed: &str) {
    let failed = match failed {
        0 => String::new(),
        failed => format!("; {} failed{listed}", count(*failed, "file")),
    };
    let (output, rows, files) = (output.display(), count(*rows, "row"), count(*files, "file"));
    messages::note(format_args!("wrote {output}: {rows} from {files}{failed}"));
}

/// Refuses to write results among the files of the model.
fn refuse_folder_of_model(folder: &Path, model: &Path) -> Result<()> {
    let is_model = matches!((folder.canonicalize(), model.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match is_model {
        true => Err(usage(format_args!(
            "`{}` is the folder of the model: choose another --output",
            folder.display()
        ))),
        false => Ok(()),
    }
}

/// Refuses an output that the job reads, with --force too: one of its inputs, or a file of its model.
fn refuse_to_replace_what_is_read(output: &Path, inputs: &[Input], model: &Path) -> Result<()> {
    let Ok(found) = output.canonicalize() else { return Ok(()) };
    let is_output = |path: &Path| path.canonicalize().is_ok_and(|path| path == found);
    if inputs.iter().any(|input| matches!(input, Input::File(path) if is_output(path))) {
        return Err(usage(format_args!(
            "`{}` is an input of this command: name another --output",
            output.display()
        )));
    }
    if found.parent().is_some_and(|folder| model.canonicalize().is_ok_and(|model| model == folder)) {
        return Err(usage(format_args!(
            "`{}` is a file of the model: name another --output",
            output.display()
        )));
    }
    Ok(())
}

/// A job that runs.
struct Job<'a, M> {
    model: &'a M,
    /// Of the file that is read in windows.
    scores: WindowScores<'a>,
    results: Results,
    /// The file that is read in windows.
    reading: Option<Reading>,
    /// Inputs without a result.
    left: usize,
    began: Instant,
    /// Seconds of sound in the windows that were scored.
    scored: f64,
}

impl<M: Scorer> Job<'_, M> {
    /// Scores what was prepared, and keeps the results.
    fn score(&mut self, prepared: Prepared) -> Result<()> {
        match prepared {
            Prepared::Files(files) => self.files(files),
            Prepared::Begin(reading, before) => {
                self.scores.begin(before);
                self.reading = Some(reading);
                Ok(())
            }
            Prepared::Windows(windows) => {
                let end = windows.last().map_or(0.0, |(window, _)| window.end);
                self.scored += end - windows.first().map_or(0.0, |(window, _)| window.start);
                self.scores.score(windows, self.model);
                let Some(reading) = &self.reading else { return Ok(()) };
                let rate = self.scored / self.began.elapsed().as_secs_f64();
                let name = reading.input.name();
                self.results.bar.set_message(format!(
                    "{} of {}, {rate:.0} × real time",
                    clock(end),
                    escape(&name)
                ));
                self.results.keep_windows(reading, self.scores.progress())
            }
            Prepared::End(ended) => {
                let Some(reading) = self.reading.take() else { return Ok(()) };
                let rows = self.scores.finish(&reading.input, ended);
                self.left -= 1;
                self.results.keep(&reading, rows)
            }
        }
    }

    /// Scores whole files.
    fn files(&mut self, files: Vec<(Reading, Result<PreparedFile>)>) -> Result<()> {
        let mut clips = Vec::new();
        let mut take_features = |PreparedFile { duration, features }| {
            clips.push(features);
            duration
        };
        let files: Vec<(Reading, Result<f64>)> =
            files.into_iter().map(|(reading, file)| (reading, file.map(&mut take_features))).collect();
        let mut scores = self.model.scores(&clips).into_iter();
        for (reading, duration) in files {
            let rows = duration.and_then(|duration| {
                let scores = scores.next().expect("one list of scores a clip");
                let scores = scores.map_err(|error| reading.input.name_in(error))?;
                let (path, predictions) = (reading.input.name(), self.scores.predictions(&scores));
                let row = Row::Scored { path, duration, start: None, end: None, time: None, predictions };
                Ok((duration, vec![row]))
            });
            self.left -= 1;
            self.results.keep(&reading, rows)?;
        }
        Ok(())
    }
}
