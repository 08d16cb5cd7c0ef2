//! A job: a model scores any number of inputs, whole or in windows, while the next are being decoded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::Result;
use earmark_labels::{LabelId, Scores, TopK};
use earmark_pipeline::AudioOptions;

use crate::args::hub::HubArgs;
use crate::args::job::{JobArgs, Output};
use crate::args::model;
use crate::batch::cautions::Cautions;
use crate::batch::interruption::Interruption;
use crate::batch::lengths::Lengths;
use crate::batch::prepare::{Busy, Preparer};
use crate::batch::progress::Progress;
use crate::batch::remaining::Remaining;
use crate::batch::results::{Printed, Results, Sink};
use crate::batch::saved::file_names::{common_folder, file_names};
use crate::batch::saved::journal::Journal;
use crate::batch::saved::result_folder::ResultFolder;
use crate::batch::summary::Summary;
use crate::batch::windows::WindowScores;
use crate::batch::work::Work;
use crate::exit::{Done, usage};
use crate::input::open::Opener;
use crate::input::path::Input;
use crate::interrupt;
use crate::journal::Settings;
use crate::output::clock::length;
use crate::output::results::format::{Format, Style};
use crate::output::results::lines::Lines;
use crate::output::{messages, stdout, width};
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
    let (output, format) = (args.output(), args.format()?);
    let terminal = output == Output::Stdout && stdout::stdout().is_terminal();
    let filter = LabelFilter::new(&args.filter, model.labels(), options.scores)?;
    let top_k = match (args.top_k, format.needs_windows()) {
        (Some(k), _) => k,
        // A mark has room for one label.
        (None, true) => TopK::N(1),
        // How many there are is what the thresholds are for.
        (None, false) if args.filter.thresholds.is_some() => TopK::All,
        (None, false) => options.default_top_k,
    };
    let windows = args.windows();
    if let Some(windows) = windows {
        check_windows(windows, model)?;
    }
    let inputs = args.inputs.find()?;
    let opener = Opener::new(&inputs, || options.hub.open())?;
    if format == Format::Audacity && inputs.len() > 1 && !matches!(output, Output::Folder(_)) {
        return Err(usage(format_args!(
            "a label track belongs to one recording, and there are {}: pass -o DIR/ for one track per recording, or another --format",
            inputs.len()
        )));
    }
    let order: Vec<String> = inputs.iter().map(Input::name).collect();
    // A file of one recording has its results alone.
    let together = if matches!(output, Output::Folder(_)) { &[] } else { order.as_slice() };
    let has_times = windows.is_some() && args.aggregate.is_none();
    let lines = Lines::new(together, model.labels(), args.top_k, has_times, terminal.then(width::of_stdout));
    let nyquist = f64::from(model.sampling_rate().hz()) / 2.0;
    let codes = model.labels().code(LabelId::new(0)).is_some();
    let style = Style { format, times: args.times, codes, terminal, lines, nyquist };
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
        Output::Stdout => (Sink::Stdout(Printed::new(style)?), HashMap::new()),
    };
    let Remaining { inputs, done, seconds } = Remaining::new(inputs, windows, earlier);
    let bytes: Vec<_> = inputs.iter().map(|(input, _)| input.stamp().map(|it| it.bytes)).collect();
    let progress = Arc::new(Progress::new(order.len(), seconds, &bytes));
    let (interruption, stop) = watch(&sink, &progress)?;
    let lengths = Lengths::new(inputs.iter().map(|(input, _)| input.clone()).collect(), &opener);
    let (cautions, over) = (Cautions::default(), AtomicBool::new(false));
    let preparer = Preparer {
        hearing: &options.hearing,
        opener: &opener,
        model,
        stop: &stop,
        times: args.times,
        lengths: &lengths,
        cautions: &cautions,
        progress: &progress,
        busy: Busy::default(),
    };
    let bar = progress.show();
    let mut work = Work {
        model,
        windows,
        scores: WindowScores::new(args, top_k, filter),
        results: Results {
            sink,
            done,
            summary: Summary::default(),
            progress: Arc::clone(&progress),
            times: args.times,
            untimed: Vec::new(),
        },
        reading: None,
        left: inputs.len(),
        stop: &stop,
        forward: Duration::ZERO,
        writing: Duration::ZERO,
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        if bar.is_some() {
            let is_over = || over.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed);
            let (lengths, progress) = (&lengths, &progress);
            scope.spawn(move || {
                let read = lengths.all().take_while(|_| !is_over());
                read.for_each(|(place, seconds)| progress.expect(place, seconds));
            });
        }
        let (sender, receiver) = sync_channel(1);
        let preparer = &preparer;
        scope.spawn(move || preparer.run(inputs, windows, &sender));
        let mut prepared = receiver.into_iter().take_while(|_| !stop.load(Ordering::Relaxed));
        let ended = prepared.try_for_each(|prepared| work.score(prepared));
        over.store(true, Ordering::Relaxed);
        ended
    })?;
    drop(bar);
    cautions.finish();
    work.results.report_untimed();
    let Work { results: Results { sink, done, summary, .. }, left, forward, mut writing, .. } = work;
    if left > 0 {
        interruption.end();
        return Ok(Done::Interrupted);
    }
    let finishing = Instant::now();
    let is_folder = matches!(sink, Sink::Folder(_));
    let summary = match sink {
        Sink::Stdout(printed) => printed.finish().map(|()| summary)?,
        Sink::Journal(journal) => journal.finish(style, &order)?,
        Sink::Folder(folder) => folder.finish(&order)?,
    };
    writing += finishing.elapsed();
    let what = match output {
        Output::File(path) | Output::Folder(path) => Some(format!("wrote {}", path.display())),
        Output::Stdout => (order.len() > 1 || windows.is_some()).then(|| "done".to_owned()),
    };
    if let Some(what) = what {
        let listed = if summary.failed > 0 && is_folder { ", listed there in failures.csv" } else { "" };
        messages::note(format_args!("{what}: {}{listed}", summary.text(progress.rate())));
    }
    messages::detail(format_args!(
        "{} in all: decoding and features {} over all threads, the model {}, writing {}",
        length(began.elapsed().as_secs_f64()),
        length(preparer.busy.total().as_secs_f64()),
        length(forward.as_secs_f64()),
        length(writing.as_secs_f64())
    ));
    Ok(done)
}

/// Watches for Ctrl-C: how the job ends then, and the flag that is set.
fn watch(sink: &Sink, progress: &Arc<Progress>) -> Result<(Interruption, Arc<AtomicBool>)> {
    let (printed, notice) = match sink {
        Sink::Journal(_) | Sink::Folder(_) => {
            (None, "stopping; the same command resumes the job (Ctrl-C again quits at once)")
        }
        Sink::Stdout(printed) => (Some(printed.clone()), "stopping (Ctrl-C again quits at once)"),
    };
    let interruption = Interruption::new(Arc::clone(progress), printed);
    let last = interruption.clone();
    let stop = interrupt::asked_then(notice, PATIENCE, move || last.end())?;
    Ok((interruption, stop))
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
