//! Asking a model about any number of sounds: decode and model side by side, whole files or windows, one row or more a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use earmark_audio::{DecodeOptions, SampleRate, Warning, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};
use earmark_pipeline::{Caution, Error, Hearing, Window, Windows};
use rayon::prelude::*;

use crate::args::audio::advised;
use crate::args::inputs::{Input, InputArgs, Opener};
use crate::args::model::{self, HubArgs};
use crate::batch::journal::{Before, Journal, Progress, Settings, Stamp, Stretch, Unusable, Written};
use crate::error::usage;
use crate::output::escape::escape;
use crate::output::rows::{Answer, Format, Row, Style, Writer, clock};
use crate::output::stdout::{self, Stdout};
use crate::output::{messages, progress};
use crate::{Done, error, interrupt};

/// Which results are wanted, and where.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    #[command(flatten)]
    inputs: InputArgs,

    /// How many labels of each file or window: a number, or all.
    #[arg(long, value_name = "N|all", value_parser = parse_top_k)]
    top_k: Option<TopK>,

    /// Leave out labels with a lower score.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    threshold: Option<f32>,

    /// How to write them [default: by the name of --output, else table].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write the results to this file once all inputs are done. Give the same command again to resume a job that was
    /// interrupted.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace --output if it is there.
    #[arg(long, requires = "output")]
    force: bool,

    /// Hear long recordings window by window, in bounded memory: 5s, 500ms, 1m.
    #[arg(long, value_name = "LENGTH", value_parser = parse_length, help_heading = "Windows")]
    window: Option<Duration>,

    /// How far the next window begins after this one [default: the window's length].
    #[arg(long, value_name = "LENGTH", value_parser = parse_length, requires = "window", help_heading = "Windows")]
    hop: Option<Duration>,

    /// Join neighbouring windows with the same best label; the score is their mean.
    #[arg(long, requires = "window", conflicts_with = "aggregate", help_heading = "Windows")]
    merge: bool,

    /// One answer a file: each label's mean or highest score over the windows.
    #[arg(long, value_name = "HOW", requires = "window", help_heading = "Windows")]
    aggregate: Option<Aggregate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Aggregate {
    Mean,
    Max,
}

pub(crate) fn parse_top_k(text: &str) -> Result<TopK, String> {
    match text {
        "all" => Ok(TopK::All),
        _ => match text.parse() {
            Ok(0) | Err(_) => Err("expected a number from 1, or `all`".to_owned()),
            Ok(n) => Ok(TopK::N(n)),
        },
    }
}

pub(crate) fn parse_length(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" | "" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a length of time such as 5s, 500ms or 1m".to_owned()),
    };
    let seconds = digits.parse::<f64>().ok().map(|number| number * unit);
    match seconds {
        Some(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err("expected more than nothing, and an hour at most".to_owned()),
        None => Err("expected a length of time such as 5s, 500ms or 1m".to_owned()),
    }
}

/// A model that scores what it hears.
pub(crate) trait Model: Sync {
    fn sampling_rate(&self) -> SampleRate;
    /// Samples it needs.
    fn least(&self) -> usize;
    fn labels(&self) -> &LabelSet;
    /// What to know before it is asked about a clip of so many samples.
    fn caution(&self, samples: usize) -> Option<Caution>;
    fn features(&self, clip: &Waveform) -> Result<Features, Error>;
    /// Each clip's scores, in the labels' order; all of them finite.
    fn scores(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>>;
}

/// Files that are decoded at once, and windows that are asked about at once.
pub(crate) const TOGETHER: usize = 16;

/// What stands for an input that is read: its name, and its file as it was before that.
#[derive(Debug, Clone)]
struct Reading {
    input: Input,
    stamp: Option<Stamp>,
}

impl Reading {
    fn begin(input: Input) -> Reading {
        Reading { stamp: input.stamp(), input }
    }
}

/// A whole file, ready for the model.
struct Heard {
    duration: f64,
    features: Features,
}

/// What the listening thread tells the asking one.
enum Message {
    /// Whole files, one after the other.
    Files(Vec<(Reading, Result<Heard>)>),
    /// The windows that follow are of this file; some were asked about before the job was interrupted.
    Begin(Reading, Stretch),
    Windows(Vec<(Window, Result<Features, Error>)>),
    /// The end of it: how long it plays, or why it could not be heard.
    End(Result<f64>),
}

/// What a command asks for beside its [`JobArgs`].
pub(crate) struct Asking<'a> {
    pub(crate) hearing: Hearing,
    /// Through which addresses are opened.
    pub(crate) hub: &'a HubArgs,
    /// The model's folder.
    pub(crate) folder: PathBuf,
    /// Whatever else changes the results.
    pub(crate) settings: Settings,
    /// What the numbers are.
    pub(crate) scores: Scores,
    /// Labels of each row unless the user says how many.
    pub(crate) usual_top_k: TopK,
}

/// Asks `model` about everything that `args` name.
pub(crate) fn run(args: &JobArgs, asking: &Asking<'_>, model: &impl Model) -> Result<Done> {
    let style = Style { format: args.format()?, high: f64::from(model.sampling_rate().hz()) / 2.0 };
    check_threshold(args.threshold, asking.scores)?;
    let top_k = match (args.top_k, style.format.needs_windows()) {
        (Some(k), _) => k,
        // A mark has room for one label.
        (None, true) => TopK::N(1),
        (None, false) => asking.usual_top_k,
    };
    let windows = args.window.map(|length| Windows { length, hop: args.hop.unwrap_or(length) });
    if let Some(windows) = windows {
        check_windows(windows, model)?;
    }
    let inputs = args.inputs.find()?;
    let opener = Opener::new(&inputs, asking.hub)?;
    if style.format == Format::Audacity && inputs.len() > 1 {
        return Err(usage(format_args!(
            "a label track belongs to one recording, and {} are named: take raven, rttm, csv or jsonl",
            inputs.len()
        )));
    }
    let order: Vec<String> = inputs.iter().map(Input::name).collect();
    let (mut sink, before) = match &args.output {
        Some(output) => {
            refuse_to_replace_what_is_read(output, &inputs, &asking.folder)?;
            let mut settings = asking.settings.clone();
            settings.extend(model::files(&asking.folder)?);
            settings.extend(args.settings(top_k));
            let (journal, before) = Journal::open(output, &settings, args.force)?;
            (Sink::Journal(journal), before)
        }
        None => (Sink::Screen(Writer::new(stdout::stdout(), style)?), HashMap::new()),
    };
    let Left { inputs, mut done } = Left::of(inputs, before);
    let template = match windows {
        None => "{bar:30} {pos}/{len} files {per_sec} {eta} left",
        Some(_) => "{bar:20} {pos}/{len} files {wide_msg}",
    };
    let bar = match args.output.is_some() && (order.len() > 1 || windows.is_some()) {
        true => progress::bar(order.len() as u64, template),
        false => indicatif::ProgressBar::hidden(),
    };
    bar.set_position((order.len() - inputs.len()) as u64);
    let stop = match &sink {
        Sink::Journal(_) => interrupt::asked(
            "stopping: what is done is kept, and the same command goes on from there (Ctrl-C again quits at once)",
            Some(PATIENCE),
        )?,
        // What was printed is all there is.
        Sink::Screen(_) => Arc::default(),
    };

    let mut gathered = Gathered::new(args, top_k, model.labels());
    let mut keeper = Keeper { sink: &mut sink, done: &mut done, bar: &bar };
    let mut left = inputs.len();
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = sync_channel(1);
        let listener = Listener { hearing: &asking.hearing, opener: &opener, model, stop: &stop };
        scope.spawn(move || match windows {
            None => listener.files(&inputs, &sender),
            Some(windows) => inputs
                .into_iter()
                .try_for_each(|(input, stretch)| listener.windows(&input, stretch, windows, &sender)),
        });
        let mut reading = None;
        let (began, mut asked) = (Instant::now(), 0.0);
        for message in receiver {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match message {
                Message::Begin(begun, stretch) => {
                    gathered.begin(stretch);
                    reading = Some(begun);
                }
                Message::Windows(windows) => {
                    let at = windows.last().map_or(0.0, |(window, _)| window.end);
                    asked += at - windows.first().map_or(0.0, |(window, _)| window.start);
                    gathered.ask(windows, model);
                    if let Some(Reading { input, .. }) = &reading {
                        let rate = asked / began.elapsed().as_secs_f64();
                        let name = input.name();
                        bar.set_message(format!("{} of {}, {rate:.0} × real time", clock(at), escape(&name)));
                    }
                    let stretch = gathered.stretch();
                    if let (Sink::Journal(journal), Some(Reading { input, stamp })) =
                        (&mut *keeper.sink, &reading)
                    {
                        journal.windows(&input.name(), *stamp, stretch)?;
                    }
                }
                Message::End(ended) => {
                    let Some(reading) = reading.take() else { continue };
                    let rows = gathered.finish(&reading.input, ended);
                    keeper.keep(&reading, rows)?;
                    left -= 1;
                }
                Message::Files(files) => {
                    let mut clips = Vec::new();
                    let mut keep_features = |Heard { duration, features }| {
                        clips.push(features);
                        duration
                    };
                    let files: Vec<(Reading, Result<f64>)> = files
                        .into_iter()
                        .map(|(reading, heard)| (reading, heard.map(&mut keep_features)))
                        .collect();
                    let mut scores = model.scores(&clips).into_iter();
                    for (reading, duration) in files {
                        let rows = duration.and_then(|duration| {
                            let scores = scores.next().expect("one list of scores a clip");
                            let scores = scores.with_context(|| unusable(&reading.input))?;
                            let (path, predictions) = (reading.input.name(), gathered.predictions(&scores));
                            let row = Row::Heard { path, duration, start: None, end: None, predictions };
                            Ok((duration, vec![row]))
                        });
                        keeper.keep(&reading, rows)?;
                        left -= 1;
                    }
                }
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if left > 0 {
        return Ok(Done::Interrupted);
    }
    match sink {
        Sink::Screen(writer) => writer.finish()?,
        Sink::Journal(journal) => {
            let Written { rows, files, failed } = journal.finish(style, &order)?;
            let output = args.output.as_deref().unwrap_or(Path::new("")).display();
            let failed =
                if failed > 0 { format!("; {} failed", count(failed, "file")) } else { String::new() };
            let (rows, files) = (count(rows, "row"), count(files, "file"));
            messages::note(format_args!("wrote {output}: {rows} from {files}{failed}"));
        }
    }
    Ok(done)
}

/// Whatever --force says: a job does not write over its own inputs or model.
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

/// `1 row`, `2 rows`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// How long work goes on after Ctrl-C, to keep what it is just at.
const PATIENCE: Duration = Duration::from_millis(700);

/// What is left to do, each with the windows that were asked about before.
struct Left {
    inputs: Vec<(Input, Stretch)>,
    /// What failed before the job was cut short has failed all the same.
    done: Done,
}

impl Left {
    /// Says what of it was done before.
    fn of(all: Vec<Input>, mut before: HashMap<String, Before>) -> Left {
        let total = all.len();
        let mut left = Left { inputs: Vec::new(), done: Done::Well };
        let mut changed = Vec::new();
        for input in all {
            let stretch = match before.remove(&input.name()) {
                None => Stretch::default(),
                // What came in by a pipe is gone.
                Some(_) if input == Input::Stdin => Stretch::default(),
                Some(Before { stamp, .. }) if stamp != input.stamp() => {
                    changed.push(input.name());
                    Stretch::default()
                }
                Some(Before { progress: Progress::Windows(stretch), .. }) => stretch,
                Some(Before { progress: Progress::Done { failed }, .. }) => {
                    if failed {
                        left.done = Done::InPart;
                    }
                    continue;
                }
            };
            left.inputs.push((input, stretch));
        }
        if let [first, rest @ ..] = changed.as_slice() {
            let more =
                if rest.is_empty() { String::new() } else { format!(" and {}", count(rest.len(), "other")) };
            messages::warning(format_args!("`{first}`{more} changed since, and is done again"));
        }
        if left.inputs.len() < total || left.inputs.iter().any(|(_, stretch)| stretch.count > 0) {
            let done = total - left.inputs.len();
            messages::note(format_args!("going on: {done} of {} done already", count(total, "file")));
        }
        if !before.is_empty() {
            let others = count(before.len(), "file");
            messages::warning(format_args!(
                "{others} done before, but not among the inputs of this command: left out of the results"
            ));
        }
        left
    }
}

enum Sink {
    Journal(Journal),
    Screen(Writer<Stdout>),
}

/// Where answers go.
struct Keeper<'a> {
    sink: &'a mut Sink,
    done: &'a mut Done,
    bar: &'a indicatif::ProgressBar,
}

impl Keeper<'_> {
    /// Keeps what is said of an input that plays so long; what went wrong is a row, and a line on stderr.
    fn keep(&mut self, reading: &Reading, rows: Result<(f64, Vec<Row>)>) -> Result<()> {
        let input = reading.input.name();
        let answer = match rows {
            Ok((duration, rows)) => Answer { input, duration: Some(duration), rows },
            Err(problem) => Answer::failed(input, error::line(&problem)),
        };
        for error in answer.errors() {
            *self.done = Done::InPart;
            messages::error(error);
        }
        self.bar.inc(1);
        match self.sink {
            Sink::Journal(journal) => journal.done(reading.stamp, answer),
            Sink::Screen(writer) => writer.write(&answer),
        }
    }
}

impl JobArgs {
    /// What is wrong with the flags, before anything is opened.
    pub(crate) fn check(&self) -> Result<()> {
        if self.output.as_deref() == Some(Path::new("-")) {
            return Err(usage("results go to standard output where no --output is named"));
        }
        let format = self.format()?;
        if format.needs_windows() && self.window.is_none() {
            return Err(usage(
                "this format tells when each label is heard: pass --window, such as --window 5s",
            ));
        }
        if format.needs_windows() && self.aggregate.is_some() {
            return Err(usage(
                "this format tells when each label is heard, and --aggregate gives one answer a file",
            ));
        }
        if format == Format::Parquet && self.output.is_none() && stdout::stdout().is_terminal() {
            return Err(usage("Parquet is not for the screen: pass --output FILE.parquet"));
        }
        Ok(())
    }

    fn format(&self) -> Result<Format> {
        match (self.format, &self.output) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Format::Table),
            (None, Some(output)) => Format::of_name(output).ok_or_else(|| {
                usage(format_args!(
                    "the name `{}` says no format: pass --format, or end it in .csv, .parquet, .json, .jsonl or .rttm",
                    output.display()
                ))
            }),
        }
    }

    fn settings(&self, top_k: TopK) -> Settings {
        let or_none = |it: Option<String>| it.unwrap_or_else(|| "not given".to_owned());
        let length = |it: Option<Duration>| or_none(it.map(|it| format!("{it:?}")));
        let top_k = match top_k {
            TopK::All => "all".to_owned(),
            TopK::N(n) => n.to_string(),
        };
        let aggregate =
            self.aggregate.map(|it| if it == Aggregate::Mean { "mean" } else { "max" }.to_owned());
        let merge = if self.merge { "given" } else { "not given" };
        [
            ("--top-k", top_k),
            ("--threshold", or_none(self.threshold.map(|it| it.to_string()))),
            ("--window", length(self.window)),
            ("--hop", length(self.hop)),
            ("--merge", merge.to_owned()),
            ("--aggregate", or_none(aggregate)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// A threshold that no score could reach, or every one does.
pub(crate) fn check_threshold(threshold: Option<f32>, scores: Scores) -> Result<()> {
    match threshold {
        Some(it) if it.is_nan() => Err(usage("--threshold is not a number")),
        Some(it) if scores != Scores::None && !(0.0..=1.0).contains(&it) => {
            let percent = if (1.0..=100.0).contains(&it) {
                format!(": {it} % is {}", it / 100.0)
            } else {
                String::new()
            };
            Err(usage(format_args!("--threshold is {it}, and scores lie between 0 and 1{percent}")))
        }
        _ => Ok(()),
    }
}

/// Decodes on threads of its own, so that the model never waits.
struct Listener<'a, M> {
    hearing: &'a Hearing,
    opener: &'a Opener,
    model: &'a M,
    stop: &'a AtomicBool,
}

/// The asking thread is gone: it met an error, and says so.
struct Gone;

type Sent = Result<(), Gone>;

impl<M: Model> Listener<'_, M> {
    fn files(&self, inputs: &[(Input, Stretch)], sender: &SyncSender<Message>) -> Sent {
        let mut rest = inputs;
        while !rest.is_empty() && !self.stop.load(Ordering::Relaxed) {
            let (chunk, behind) = rest.split_at(TOGETHER.min(rest.len()));
            rest = behind;
            let heard = chunk.par_iter().map(|(input, _)| {
                let reading = Reading::begin(input.clone());
                let heard = self.file(input);
                (reading, heard)
            });
            sender.send(Message::Files(heard.collect())).map_err(|_| Gone)?;
        }
        Ok(())
    }

    fn file(&self, input: &Input) -> Result<Heard> {
        let heard = self.hearing.hear(self.opener.sound(input)?, self.model.sampling_rate())?;
        warn(input, &heard.warnings);
        if let Some(caution) = self.model.caution(heard.waveform.samples().len()) {
            messages::warning(format_args!("`{}`: {}", input.name(), windows_help(caution)));
        }
        let features = self.model.features(&heard.waveform).with_context(|| unusable(input))?;
        Ok(Heard { duration: heard.duration, features })
    }

    fn windows(
        &self,
        input: &Input,
        stretch: Stretch,
        windows: Windows,
        sender: &SyncSender<Message>,
    ) -> Sent {
        let (reading, skip) = (Reading::begin(input.clone()), stretch.count);
        sender.send(Message::Begin(reading, stretch)).map_err(|_| Gone)?;
        let ended = match self.stream(input, skip, windows, sender) {
            Ok(duration) => Ok(duration),
            Err(StreamEnd::Gone) => return Err(Gone),
            Err(StreamEnd::Failed(error)) => Err(error),
        };
        sender.send(Message::End(ended)).map_err(|_| Gone)
    }

    /// Sends all windows but the first `skip`.
    fn stream(
        &self,
        input: &Input,
        skip: usize,
        windows: Windows,
        sender: &SyncSender<Message>,
    ) -> Result<f64, StreamEnd> {
        let failed = |error: anyhow::Error| StreamEnd::Failed(error);
        // One block at a time is in memory, however long the recording.
        let options = DecodeOptions { max_duration: Duration::MAX, ..self.hearing.decode.clone() };
        let decoder = self.opener.decoder(input, &options).map_err(failed)?;
        let (rate, least) = (self.model.sampling_rate(), self.model.least());
        let mut cut =
            windows.cut(decoder, self.hearing, rate, least).map_err(|error| failed(error.into()))?;
        let mut number = 0;
        loop {
            // As many as there were at once before, so that a batch is what it would have been.
            let some: Vec<_> = cut.by_ref().take(TOGETHER).collect();
            if self.stop.load(Ordering::Relaxed) {
                return Err(StreamEnd::Gone);
            }
            if some.is_empty() {
                break;
            }
            number += some.len();
            let spans = some.into_iter().collect::<Result<Vec<_>, Error>>();
            let spans = spans.with_context(|| unusable(input)).map_err(failed)?;
            if number <= skip {
                continue;
            }
            let heard = spans
                .into_par_iter()
                .map(|span| (span.window, self.model.features(&span.waveform)))
                .collect();
            sender.send(Message::Windows(heard)).map_err(|_| StreamEnd::Gone)?;
        }
        warn(input, &cut.warnings());
        Ok(cut.duration())
    }
}

/// Refuses windows that the model cannot be asked about, and says when it reads but a part of each.
pub(crate) fn check_windows(windows: Windows, model: &impl Model) -> Result<()> {
    let rate = model.sampling_rate();
    windows.check(rate, model.least())?;
    let samples = windows.length.as_secs_f64() * f64::from(rate.hz());
    if let Some(caution) = model.caution(samples as usize) {
        messages::warning(format_args!("of each window {caution}"));
    }
    Ok(())
}

/// A caution about a whole file, and which windows help.
fn windows_help(caution: Caution) -> String {
    match caution {
        Caution::ReadsTheBeginning { seconds, .. } | Caution::ReadsOneWindow { seconds, .. } => {
            format!("{caution}: --window {}s hears all of it", seconds.floor().max(1.0))
        }
        Caution::Long { .. } => format!("{caution}: --window 30s takes time in proportion to it"),
        _ => caution.to_string(),
    }
}

pub(crate) fn warn(input: &Input, warnings: &[Warning]) {
    for warning in warnings {
        messages::warning(format_args!("`{}`: {}", input.name(), advised(warning)));
    }
}

enum StreamEnd {
    Failed(anyhow::Error),
    Gone,
}

pub(crate) fn unusable(input: &Input) -> String {
    format!("cannot use `{}`", input.name())
}

/// What is said of the file whose windows come in.
struct Gathered<'a> {
    labels: &'a LabelSet,
    top_k: TopK,
    threshold: f32,
    merge: bool,
    aggregate: Option<Aggregate>,
    windows: Vec<(Window, Vec<Prediction>)>,
    /// Windows joined in the last of `windows`, whose score is their mean.
    joined: f32,
    /// Sums or highest scores over the windows that could be used.
    totals: Vec<f64>,
    /// All windows so far.
    count: usize,
    unusable: Option<Unusable>,
    /// For the journal: the windows that it does not hold yet.
    fresh: Vec<(f64, f64, Vec<Prediction>)>,
}

impl<'a> Gathered<'a> {
    fn new(args: &JobArgs, top_k: TopK, labels: &'a LabelSet) -> Gathered<'a> {
        Gathered {
            labels,
            top_k: if args.merge { TopK::N(1) } else { top_k },
            threshold: args.threshold.unwrap_or(f32::NEG_INFINITY),
            merge: args.merge,
            aggregate: args.aggregate,
            windows: Vec::new(),
            joined: 0.0,
            totals: Vec::new(),
            count: 0,
            unusable: None,
            fresh: Vec::new(),
        }
    }

    fn predictions(&self, scores: &[f32]) -> Vec<Prediction> {
        let mut best = top_k(scores, self.labels, self.top_k);
        best.retain(|prediction| prediction.score >= self.threshold);
        best
    }

    /// The next file, of which so much is known already.
    fn begin(&mut self, stretch: Stretch) {
        let Stretch { count, windows, totals, unusable } = stretch;
        self.windows.clear();
        windows.into_iter().for_each(|(start, end, best)| self.join(Window { start, end }, best));
        (self.count, self.totals, self.unusable) = (count, totals, unusable);
        self.fresh.clear();
    }

    /// What was asked since the last time.
    fn stretch(&mut self) -> Stretch {
        Stretch {
            count: self.count,
            windows: std::mem::take(&mut self.fresh),
            totals: self.totals.clone(),
            unusable: self.unusable.clone(),
        }
    }

    /// Asks about the windows that come next.
    fn ask(&mut self, windows: Vec<(Window, Result<Features, Error>)>, model: &impl Model) {
        let mut clips = Vec::new();
        let windows: Vec<(Window, Result<(), Error>)> = windows
            .into_iter()
            .map(|(window, features)| (window, features.map(|features| clips.push(features))))
            .collect();
        let mut scores = model.scores(&clips).into_iter();
        for (window, heard) in windows {
            self.count += 1;
            match heard.and_then(|()| scores.next().expect("one list of scores a window")) {
                Ok(scores) if self.aggregate.is_some() => self.add(&scores),
                Ok(scores) => {
                    let best = self.predictions(&scores);
                    self.fresh.push((window.start, window.end, best.clone()));
                    self.join(window, best);
                }
                Err(error) => {
                    let first = window.start;
                    let new = || Unusable { count: 0, first, why: error::line(&error.into()) };
                    self.unusable.get_or_insert_with(new).count += 1;
                }
            }
        }
    }

    fn add(&mut self, scores: &[f32]) {
        let scores = scores.iter().map(|&score| f64::from(score));
        if self.totals.is_empty() {
            self.totals = scores.collect();
            return;
        }
        for (total, score) in self.totals.iter_mut().zip(scores) {
            *total = match self.aggregate {
                Some(Aggregate::Max) => total.max(score),
                _ => *total + score,
            };
        }
    }

    fn join(&mut self, window: Window, predictions: Vec<Prediction>) {
        match (self.windows.last_mut(), predictions.first()) {
            (Some((span, before)), Some(best))
                if self.merge
                    && window.start <= span.end
                    && before.first().is_some_and(|before| before.label == best.label) =>
            {
                span.end = window.end;
                before[0].score = (before[0].score * self.joined + best.score) / (self.joined + 1.0);
                self.joined += 1.0;
            }
            _ => {
                self.joined = 1.0;
                self.windows.push((window, predictions));
            }
        }
    }

    /// How long the file plays, and its rows.
    fn finish(&mut self, input: &Input, ended: Result<f64>) -> Result<(f64, Vec<Row>)> {
        let (windows, totals) = (std::mem::take(&mut self.windows), std::mem::take(&mut self.totals));
        let (count, unusable) = (std::mem::take(&mut self.count), self.unusable.take());
        let (duration, path) = (ended?, input.name());
        if count == 0 {
            bail!("{}: it plays {duration} s, which is shorter than any window", self::unusable(input));
        }
        let mut used = count;
        let mut failed = None;
        if let Some(Unusable { count: bad, first, why }) = unusable {
            used -= bad;
            let unusable = self::unusable(input);
            if used == 0 {
                bail!("{unusable}: {why}");
            }
            let at = clock(first);
            let error =
                format!("{unusable}: {bad} of {count} windows fail, the first of them at {at}: {why}");
            failed = Some(Row::Failed { path: path.clone(), error });
        }
        let row =
            |start, end, predictions| Row::Heard { path: path.clone(), duration, start, end, predictions };
        let mut rows = match self.aggregate {
            Some(how) => {
                let share = if how == Aggregate::Mean { used.max(1) as f64 } else { 1.0 };
                let scores: Vec<f32> = totals.iter().map(|total| (total / share) as f32).collect();
                vec![row(None, None, self.predictions(&scores))]
            }
            None => {
                // With --merge a stretch where nothing is heard is no event.
                let told =
                    windows.into_iter().filter(|(_, predictions)| !self.merge || !predictions.is_empty());
                told.map(|(window, predictions)| row(Some(window.start), Some(window.end), predictions))
                    .collect()
            }
        };
        rows.extend(failed);
        Ok((duration, rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_beside_one_that_failed_have_their_rows_and_the_file_counts_as_failed() {
        let labels = LabelSet::from_names(["rain", "wind"]).unwrap();
        let best = |label: &str| vec![Prediction { label: label.to_owned(), score: 0.9 }];
        let mut gathered = Gathered {
            labels: &labels,
            top_k: TopK::N(1),
            threshold: 0.0,
            merge: false,
            aggregate: None,
            windows: Vec::new(),
            joined: 0.0,
            totals: Vec::new(),
            count: 0,
            unusable: None,
            fresh: Vec::new(),
        };
        gathered.begin(Stretch {
            count: 3,
            windows: vec![(0.0, 1.0, best("rain")), (2.0, 3.0, best("wind"))],
            totals: Vec::new(),
            unusable: Some(Unusable { count: 1, first: 1.0, why: "a logit is NaN".to_owned() }),
        });
        let input = Input::File("a.wav".into());
        let (duration, rows) = gathered.finish(&input, Ok(3.0)).unwrap();
        assert_eq!(rows.len(), 3);
        let answer = Answer { input: input.name(), duration: Some(duration), rows };
        assert!(answer.has_failed());
        let errors: Vec<&str> = answer.errors().collect();
        assert_eq!(
            errors,
            ["cannot use `a.wav`: 1 of 3 windows fail, the first of them at 0:01.0: a logit is NaN"]
        );
    }
}
