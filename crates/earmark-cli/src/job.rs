//! Asking a model about any number of sounds: decode and model side by side, whole files or windows, one row or more a file.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use earmark_audio::{SampleRate, Warning, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Prediction, TopK, top_k};
use earmark_pipeline::{Error, Hearing, Window, Windows};
use rayon::prelude::*;

use crate::inputs::{Input, InputArgs, Opener};
use crate::journal::Journal;
use crate::model::HubArgs;
use crate::rows::{Format, Row, Writer};
use crate::{Done, error, progress, say};

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

    /// Write the results into this file, all at the end. A job that was cut short goes on where it was when the same
    /// command is given again.
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
    fn features(&self, clip: &Waveform) -> Result<Features, Error>;
    /// Each clip's scores, in the labels' order.
    fn scores(&self, clips: &[Features]) -> Result<Vec<Vec<f32>>, Error>;
}

/// Files that are decoded at once, and windows that are asked about at once.
pub(crate) const TOGETHER: usize = 16;

/// Something heard, ready for the model.
struct Heard {
    duration: f64,
    features: Features,
}

/// What the listening thread tells the asking one.
enum Message {
    /// Whole files, one after the other.
    Files(Vec<(Input, Result<Heard>)>),
    /// Some windows of the file that is being heard.
    Windows(Vec<(Window, Features)>),
    /// The end of it: how long it plays, or why it could not be heard.
    End(Input, Result<f64>),
}

/// What a command asks for beside its [`JobArgs`].
pub(crate) struct Asking<'a> {
    pub(crate) hearing: Hearing,
    /// Through which addresses are opened.
    pub(crate) hub: &'a HubArgs,
    /// Whatever changes the results.
    pub(crate) settings: String,
    /// Labels of each row unless the user says how many.
    pub(crate) usual_top_k: TopK,
}

/// Asks `model` about everything that `args` name.
pub(crate) fn run(args: &JobArgs, asking: &Asking<'_>, model: &impl Model) -> Result<Done> {
    let format = args.format();
    let top_k = match (args.top_k, format.needs_windows()) {
        (Some(k), _) => k,
        // A mark has room for one label.
        (None, true) => TopK::N(1),
        (None, false) => asking.usual_top_k,
    };
    let windows = args.window.map(|length| Windows { length, hop: args.hop.unwrap_or(length) });
    if format.needs_windows() && windows.is_none() {
        bail!("this format tells when each label is heard: pass --window, such as --window 5s");
    }
    if format.needs_windows() && args.aggregate.is_some() {
        bail!("this format tells when each label is heard, and --aggregate gives one answer a file");
    }
    if format == Format::Parquet && args.output.is_none() && io::stdout().is_terminal() {
        bail!("Parquet is not for the screen: pass --output FILE.parquet");
    }
    let inputs = args.inputs.find()?;
    let opener = Opener::new(&inputs, asking.hub)?;
    if format == Format::Audacity && inputs.len() > 1 {
        bail!(
            "a label track belongs to one recording, and {} are named: take raven, rttm, csv or jsonl",
            inputs.len()
        );
    }
    let order: Vec<String> = inputs.iter().map(Input::name).collect();
    let mut sink = match &args.output {
        Some(output) => {
            let (threshold, merge, aggregate) = (args.threshold, args.merge, args.aggregate);
            let flags = format!("{top_k:?} {threshold:?} {windows:?} merge {merge} {aggregate:?}");
            let settings = format!("{} {flags}", asking.settings);
            let (journal, done) = Journal::open(output, &settings, args.force)?;
            Sink::Journal(journal, done)
        }
        None => Sink::Screen(Writer::new(io::stdout(), format)?),
    };
    let (inputs, mut done) = match &sink {
        Sink::Journal(_, before) => {
            let failed = order.iter().any(|name| before.get(name).copied().unwrap_or(false));
            let rest = inputs.into_iter().filter(|input| !before.contains_key(&input.name())).collect();
            // What failed before the job was cut short has failed all the same.
            (rest, if failed { Done::InPart } else { Done::Well })
        }
        Sink::Screen(_) => (inputs, Done::Well),
    };
    let inputs: Vec<Input> = inputs;
    if inputs.len() < order.len() {
        let done = order.len() - inputs.len();
        say::note(format_args!("going on: {done} of {} files are done already", order.len()));
    }
    let template = "{bar:30} {pos}/{len} files {per_sec} {eta} left";
    let bar = match args.output.is_some() && order.len() > 1 {
        true => progress::bar(order.len() as u64, template),
        false => indicatif::ProgressBar::hidden(),
    };
    bar.set_position((order.len() - inputs.len()) as u64);

    let stop = Arc::new(AtomicBool::new(false));
    if args.output.is_some() {
        let stop = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(130); // Asked twice: the person means now.
            }
            say::note("stopping; give the same command again to go on");
        })
        .context("cannot listen for Ctrl-C")?;
    }

    let mut gathered = Gathered::new(args, top_k, model.labels());
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = sync_channel(1);
        let listener = Listener { hearing: &asking.hearing, opener: &opener, model, stop: &stop };
        scope.spawn(move || match windows {
            None => listener.files(&inputs, &sender),
            Some(windows) => {
                inputs.into_iter().try_for_each(|input| listener.windows(input, windows, &sender))
            }
        });
        for message in receiver {
            match message {
                Message::Windows(windows) => {
                    let (windows, features): (Vec<Window>, Vec<Features>) = windows.into_iter().unzip();
                    for (window, scores) in windows.into_iter().zip(model.scores(&features)?) {
                        gathered.window(window, &scores);
                    }
                }
                Message::End(input, ended) => {
                    let rows = gathered.finish(&input.name(), ended.as_ref().ok().copied());
                    let rows = ended.map(|_| rows);
                    keep(&mut sink, &mut done, &input, rows, &bar)?;
                }
                Message::Files(files) => {
                    let clips: Vec<Features> = files
                        .iter()
                        .filter_map(|(_, heard)| Some(heard.as_ref().ok()?.features.clone()))
                        .collect();
                    let mut scores = model.scores(&clips)?.into_iter();
                    for (input, heard) in files {
                        let rows = heard.map(|heard| {
                            let scores = scores.next().expect("one list of scores a clip");
                            let (path, duration) = (input.name(), heard.duration);
                            let predictions = gathered.predictions(&scores);
                            vec![Row::Heard { path, duration, start: None, end: None, predictions }]
                        });
                        keep(&mut sink, &mut done, &input, rows, &bar)?;
                    }
                }
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if stop.load(Ordering::Relaxed) {
        return Ok(Done::Interrupted);
    }
    match sink {
        Sink::Journal(journal, _) => journal.finish(format, &order)?,
        Sink::Screen(writer) => writer.finish()?,
    }
    Ok(done)
}

enum Sink {
    Journal(Journal, std::collections::HashMap<String, bool>),
    Screen(Writer<io::Stdout>),
}

/// Keeps what is said of an input; what went wrong is a row, and a line on stderr.
fn keep(
    sink: &mut Sink,
    done: &mut Done,
    input: &Input,
    rows: Result<Vec<Row>>,
    bar: &indicatif::ProgressBar,
) -> Result<()> {
    let name = input.name();
    let rows = rows.unwrap_or_else(|problem| {
        *done = Done::InPart;
        let error = error::line(&problem);
        say::error(&error);
        vec![Row::Failed { path: name.clone(), error }]
    });
    bar.inc(1);
    match sink {
        Sink::Journal(journal, _) => journal.note(name, rows),
        Sink::Screen(writer) => rows.iter().try_for_each(|row| writer.write(row)),
    }
}

impl JobArgs {
    fn format(&self) -> Format {
        let by_name = || self.output.as_deref().and_then(Format::of_name);
        self.format.or_else(by_name).unwrap_or(Format::Table)
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
    fn files(&self, inputs: &[Input], sender: &SyncSender<Message>) -> Sent {
        let mut rest = inputs;
        while !rest.is_empty() && !self.stop.load(Ordering::Relaxed) {
            let (chunk, behind) = rest.split_at(TOGETHER.min(rest.len()));
            rest = behind;
            let heard = chunk.par_iter().map(|input| (input.clone(), self.file(input))).collect();
            sender.send(Message::Files(heard)).map_err(|_| Gone)?;
        }
        Ok(())
    }

    fn file(&self, input: &Input) -> Result<Heard> {
        let heard = self.hearing.hear(self.opener.sound(input)?, self.model.sampling_rate())?;
        warn(input, &heard.warnings);
        let features = self.model.features(&heard.waveform).with_context(|| unusable(input))?;
        Ok(Heard { duration: heard.duration, features })
    }

    fn windows(&self, input: Input, windows: Windows, sender: &SyncSender<Message>) -> Sent {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let ended = match self.stream(&input, windows, sender) {
            Ok(ended) => Ok(ended),
            Err(StreamEnd::Gone) => return Err(Gone),
            Err(StreamEnd::Failed(error)) => Err(error),
        };
        sender.send(Message::End(input, ended)).map_err(|_| Gone)
    }

    fn stream(
        &self,
        input: &Input,
        windows: Windows,
        sender: &SyncSender<Message>,
    ) -> Result<f64, StreamEnd> {
        let failed = |error: anyhow::Error| StreamEnd::Failed(error);
        let decoder = self.opener.decoder(input, &self.hearing.decode).map_err(failed)?;
        let (rate, least) = (self.model.sampling_rate(), self.model.least());
        let mut cut =
            windows.cut(decoder, self.hearing, rate, least).map_err(|error| failed(error.into()))?;
        loop {
            let some: Vec<_> = cut.by_ref().take(TOGETHER).collect();
            if some.is_empty() {
                break;
            }
            let heard: Result<Vec<_>, Error> = some
                .into_par_iter()
                .map(|span| span.and_then(|span| Ok((span.window, self.model.features(&span.waveform)?))))
                .collect();
            let heard = heard.with_context(|| unusable(input)).map_err(failed)?;
            sender.send(Message::Windows(heard)).map_err(|_| StreamEnd::Gone)?;
        }
        warn(input, &cut.warnings());
        Ok(cut.duration())
    }
}

pub(crate) fn warn(input: &Input, warnings: &[Warning]) {
    for warning in warnings {
        say::warning(format_args!("`{}`: {warning}", input.name()));
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
    /// Windows joined in the last of `windows`, whose score is still their sum.
    joined: f32,
    /// Sums or highest scores over the windows, and how many there were.
    totals: Vec<f64>,
    count: usize,
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
        }
    }

    fn predictions(&self, scores: &[f32]) -> Vec<Prediction> {
        let mut best = top_k(scores, self.labels, self.top_k);
        // A score that is not a number stays visible.
        best.retain(|prediction| prediction.score >= self.threshold || prediction.score.is_nan());
        best
    }

    fn window(&mut self, window: Window, scores: &[f32]) {
        self.count += 1;
        if let Some(how) = self.aggregate {
            let scores = scores.iter().map(|&score| f64::from(score));
            if self.count == 1 {
                self.totals = scores.collect();
                return;
            }
            for (total, score) in self.totals.iter_mut().zip(scores) {
                *total = match how {
                    Aggregate::Mean => *total + score,
                    Aggregate::Max => total.max(score),
                };
            }
            return;
        }
        let predictions = self.predictions(scores);
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

    /// The rows of a file that plays `duration` seconds, and room for the next file.
    fn finish(&mut self, path: &str, duration: Option<f64>) -> Vec<Row> {
        let (windows, totals) = (std::mem::take(&mut self.windows), std::mem::take(&mut self.totals));
        let count = std::mem::take(&mut self.count);
        let Some(duration) = duration else { return Vec::new() };
        let row =
            |start, end, predictions| Row::Heard { path: path.to_owned(), duration, start, end, predictions };
        match self.aggregate {
            Some(how) => {
                let share = if how == Aggregate::Mean { count.max(1) as f64 } else { 1.0 };
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
        }
    }
}
