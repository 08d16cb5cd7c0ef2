//! `earmark embed`.

mod job;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use earmark_pipeline::AudioEmbedder;

use self::job::{Job, Summary};
use crate::args::inputs::InputArgs;
use crate::args::model::{self, ModelArgs, ModelSource, Purpose};
use crate::args::output::OutputArgs;
use crate::args::windows::WindowArgs;
use crate::batch::cautions::Cautions;
use crate::batch::lengths::Lengths;
use crate::batch::prepare::{Busy, Preparer};
use crate::batch::progress::Progress;
use crate::batch::saved::record::WindowProgress;
use crate::exit::Done;
use crate::input::open::Opener;
use crate::interrupt;
use crate::output::count::count;
use crate::output::messages;
use crate::output::tables::embeddings::{EmbeddingFiles, EmbeddingFormat, VectorSource};
use crate::scoring::scorer::check_windows;

const EXAMPLES: &str = "\
Examples:
  earmark embed recordings -o vectors.parquet --model facebook/hubert-base-ls960
  # an embedding for every 5 s of a night, and where in it an owl may be
  earmark embed night.flac --window 5s -o night.parquet --model ./clap
  earmark search night.parquet owl.wav --top-k 10
  earmark embed recordings -o vectors.npy --model laion/clap-htsat-unfused
  python3 -c \"import numpy; print(numpy.load('vectors.npy').shape)\"";

/// Write an embedding per sound file, or per window of it.
///
/// Works with any checkpoint, with or without a classification head. CLAP gives the audio embedding of the space it shares
/// with text; other models the mean of their last hidden states over time (AST the mean of its class and distillation
/// tokens).
///
/// A Parquet table has the columns path, start, end (seconds; empty for a whole file) and vector (float32), and names the
/// model in its metadata: `earmark search` reads it. A .npy file is a plain [rows, dimensions] array of float32; its rows are
/// listed in NAME.rows.csv beside it.
///
/// Files that cannot be decoded are reported on stderr and have no embedding; the exit code is then 3.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, mut_arg("output", |arg| arg.help(OUTPUT)))]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    windows: WindowArgs,
}

/// How long the batch that is being computed is waited for after Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(800);

const OUTPUT: &str = "File to write: .parquet, a table with the columns path, start, end, vector, or .npy, an array [rows, dimensions]";

pub(crate) fn run(args: &Args) -> Result<Done> {
    let output = args.output.path();
    let format = EmbeddingFormat::of_name(output)?;
    args.output.check()?;
    format.row_list(output).map_or(Ok(()), |list| args.output.check_also(&list))?;
    let inputs = args.inputs.find()?;
    let ModelSource { folder, device, hearing } = args.model.open(Purpose::Embed)?;
    let opener = Opener::new(&inputs, || args.model.hub.open())?;
    let model = AudioEmbedder::open(&folder, &device)?;
    let windows = args.windows.windows();
    windows.map_or(Ok(()), |windows| check_windows(windows, &model))?;
    let seconds = |length: Duration| length.as_secs_f64();
    let source = VectorSource {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: args.model.name().to_owned(),
        fingerprint: model::fingerprint(&folder)?,
        resampler: hearing.resampler.to_string(),
        downmix: hearing.decode.downmix.to_string(),
        window: windows.map(|windows| seconds(windows.length)),
        hop: windows.map(|windows| seconds(windows.hop)),
    };
    let stop = interrupt::asked("stopping: nothing is written (Ctrl-C again quits at once)", Some(PATIENCE))?;
    let mut files = EmbeddingFiles::create(format, output)?;
    let bytes: Vec<_> = inputs.iter().map(|input| input.stamp().map(|it| it.bytes)).collect();
    let progress = Arc::new(Progress::new(inputs.len(), 0.0, &bytes));
    let (lengths, cautions) = (Lengths::new(inputs.clone(), &opener), Cautions::default());
    let preparer = Preparer {
        hearing: &hearing,
        opener: &opener,
        model: &model,
        stop: &stop,
        times: false,
        lengths: &lengths,
        cautions: &cautions,
        progress: &progress,
        busy: Busy::default(),
    };
    let job = Job::new(&model, files.writer(&source)?, Arc::clone(&progress), inputs.len());
    let inputs = inputs.into_iter().map(|input| (input, WindowProgress::default())).collect();
    let Summary { done, rows, width, embedded } = job.run(&preparer, inputs, windows)?;
    cautions.finish();
    let name = earmark_fs::text(output);
    match done {
        Done::Interrupted => return Ok(done),
        _ if rows == 0 => bail!("no file could be embedded, so `{name}` is not written"),
        _ => files.commit()?,
    }
    let beside =
        format.row_list(output).map(|list| format!("; the rows are listed in {}", earmark_fs::text(list)));
    messages::note(format_args!(
        "wrote {name}: {} of {width} numbers from {}{}",
        count(rows, "vector"),
        count(embedded, "file"),
        beside.unwrap_or_default()
    ));
    Ok(done)
}
