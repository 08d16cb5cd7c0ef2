//! `earmark embed`.

mod job;
mod texts;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args as ClapArgs;
use earmark_pipeline::{AudioEmbedder, AudioOptions, Layer, Pool};

use self::job::{Job, Summary};
use self::texts::TextArgs;
use crate::args::inputs::InputArgs;
use crate::args::model::{self, ModelArgs, ModelSource, Purpose};
use crate::args::output::OutputArgs;
use crate::args::windows::WindowArgs;
use crate::batch::cautions::Cautions;
use crate::batch::lengths::Lengths;
use crate::batch::prepare::{Busy, Preparer};
use crate::batch::progress::Progress;
use crate::batch::saved::record::WindowProgress;
use crate::exit::{Done, Usage, usage};
use crate::input::open::Opener;
use crate::input::path::Input;
use crate::interrupt;
use crate::output::count::count;
use crate::output::messages;
use crate::output::tables::embeddings::{Columns, EmbeddingFiles, EmbeddingFormat, RowOf, VectorSource};
use crate::scoring::scorer::check_windows;

const EXAMPLES: &str = "\
Examples:
  earmark embed recordings -o vectors.parquet --model facebook/hubert-base-ls960
  # an embedding for every 5 s of a night, and where in it an owl may be
  earmark embed night.flac --window 5s -o night.parquet --model ./clap
  earmark search night.parquet owl.wav --top-k 10
  earmark embed recordings -o vectors.npy --model laion/clap-htsat-unfused
  python3 -c \"import numpy; print(numpy.load('vectors.npy').shape)\"
  # the largest number of each channel of layer 6; the frames of the last layer
  earmark embed recordings --layer 6 --pool max -o six.parquet \\
    --model facebook/wav2vec2-base
  earmark embed clip.wav --pool none -o frames.npz --model openai/whisper-base
  # voices: the nearest are of one speaker
  earmark embed calls -o voices.parquet --model microsoft/wavlm-base-plus-sv
  # sentences, to compare with sounds
  earmark embed --text \"a dog barks\" --text rain -o texts.npz --model ./clap";

/// Write an embedding per sound file, or per window of it.
///
/// Works with any checkpoint, with or without a classification head. CLAP gives the audio embedding of the space it shares
/// with text; a speaker-embedding model (microsoft/wavlm-base-plus-sv) its x-vector; other models the mean of their last hidden
/// states over time (AST the mean of its class and distillation tokens), or what --layer and --pool choose. Padding of a batch
/// never counts. Whisper and AST pad every clip to one length themselves, and the mean then includes that silence, as it does
/// for their own heads.
///
/// A Parquet table has the columns path, start, end (seconds; empty for a whole file) and vector (float32), and names the
/// model in its metadata: `earmark search` reads it. A .npz file has arrays of these names, a .npy file is a plain [rows,
/// dimensions] array of float32; its rows are listed in NAME.rows.csv beside it. With --layer all there are layer_0, layer_1 …
/// in place of vector; with --pool none each frame is a row, and start and end are its own.
///
/// Files that cannot be decoded are reported on stderr and have no embedding; the exit code is then 3.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = EXAMPLES,
    mut_arg("output", |arg| arg.help(OUTPUT)),
    mut_arg("paths", |arg| arg.required(false).required_unless_present_any(["text", "text_file"]))
)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    output: OutputArgs,

    /// Hidden states to embed with, numbered as in transformers: 0 is what the first layer is given, N what layer N makes of it.
    /// `last` is after the final norm, `weighted` the sum by the layer_weights of a model fine-tuned with use_weighted_layer_sum,
    /// `all` every number, `xvector` the vector of a speaker-embedding model [default: xvector of such a model, else last].
    #[arg(long, value_name = "N|last|all|weighted|xvector", help_heading = "Hidden states")]
    layer: Option<Layer>,

    /// How frames become one vector: their mean, the max of each channel, cls (AST: the mean of its class and distillation
    /// tokens), or none for a row per frame [default: what the model's head does: cls for AST, mean for others].
    #[arg(long, value_name = "mean|max|cls|none", help_heading = "Hidden states")]
    pool: Option<Pool>,

    #[command(flatten)]
    texts: TextArgs,

    #[command(flatten)]
    windows: WindowArgs,
}

/// How long the batch that is being computed is waited for after Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(800);

const OUTPUT: &str = "File to write: .parquet, a table with the columns path, start, end, vector; .npz, arrays of these names; or .npy, an array [rows, dimensions]";

pub(crate) fn run(args: &Args) -> Result<Done> {
    let output = args.output.path();
    let format = EmbeddingFormat::of_name(output)?;
    args.output.check()?;
    format.row_list(output).map_or(Ok(()), |list| args.output.check_also(&list))?;
    if args.layer == Some(Layer::All) && format == EmbeddingFormat::Npy {
        return Err(usage(format_args!(
            "`{}` has room for one vector a row: for --layer all use a name that ends in .parquet or .npz",
            earmark_fs::text(output)
        )));
    }
    let texts = args.texts.all()?;
    let inputs = if texts.is_empty() { args.inputs.find()? } else { Vec::new() };
    let ModelSource { folder, device, hearing } = args.model.open(Purpose::Embed)?;
    let model = args.open(&folder, &device)?;
    let windows = args.windows.windows();
    let seconds = |length: Duration| length.as_secs_f64();
    let source = VectorSource {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: args.model.name().to_owned(),
        fingerprint: model::fingerprint(&folder)?,
        resampler: hearing.resampler.to_string(),
        downmix: hearing.decode.downmix.to_string(),
        layer: model.encoder().map(|_| model.layer().to_string()),
        pool: model.pool().map(|pool| pool.to_string()),
        window: windows.map(|windows| seconds(windows.length)),
        hop: windows.map(|windows| seconds(windows.hop)),
    };
    let mut files = EmbeddingFiles::create(format, output)?;
    let rows = if texts.is_empty() {
        match args.sounds(inputs, &hearing, &model, &source, &mut files)? {
            (Done::Interrupted, _) => return Ok(Done::Interrupted),
            (_, None) => bail!("no file could be embedded, so `{}` is not written", earmark_fs::text(output)),
            (done, Some(rows)) => (done, rows),
        }
    } else {
        let written = files.writer(&Columns::one(RowOf::Text), &source)?;
        (Done::Well, texts::embed(&texts, &model, written)?)
    };
    files.commit()?;
    let beside =
        format.row_list(output).map(|list| format!("; the rows are listed in {}", earmark_fs::text(list)));
    let (name, (done, rows)) = (earmark_fs::text(output), rows);
    messages::note(format_args!("wrote {name}: {rows}{}", beside.unwrap_or_default()));
    Ok(done)
}

impl Args {
    /// The model with the layer and the pooling that are asked for.
    fn open(&self, folder: &Path, device: &Device) -> Result<AudioEmbedder> {
        let model = AudioEmbedder::open(folder, device)?;
        let model = match self.layer {
            Some(layer) => model.with_layer(layer).map_err(Usage::of)?,
            None => model,
        };
        Ok(match self.pool {
            Some(pool) => model.with_pool(pool).map_err(Usage::of)?,
            None => model,
        })
    }

    /// Writes the vectors of sounds; gives what was written, for people, unless there is none.
    fn sounds(
        &self,
        inputs: Vec<Input>,
        hearing: &AudioOptions,
        model: &AudioEmbedder,
        source: &VectorSource,
        files: &mut EmbeddingFiles,
    ) -> Result<(Done, Option<String>)> {
        let opener = Opener::new(&inputs, || self.model.hub.open())?;
        let windows = self.windows.windows();
        windows.map_or(Ok(()), |windows| check_windows(windows, model))?;
        let stop =
            interrupt::asked("stopping: nothing is written (Ctrl-C again quits at once)", Some(PATIENCE))?;
        let bytes: Vec<_> = inputs.iter().map(|input| input.stamp().map(|it| it.bytes)).collect();
        let progress = Arc::new(Progress::new(inputs.len(), 0.0, &bytes));
        let (lengths, cautions) = (Lengths::new(inputs.clone(), &opener), Cautions::default());
        let preparer = Preparer {
            hearing,
            opener: &opener,
            model,
            stop: &stop,
            times: false,
            lengths: &lengths,
            cautions: &cautions,
            progress: &progress,
            busy: Busy::default(),
        };
        let columns = columns(model);
        let job = Job::new(model, files.writer(&columns, source)?, Arc::clone(&progress), inputs.len());
        let inputs = inputs.into_iter().map(|input| (input, WindowProgress::default())).collect();
        let Summary { done, rows, width, embedded } = job.run(&preparer, inputs, windows)?;
        cautions.finish();
        let what = if model.pool() == Some(Pool::None) { "frame" } else { "vector" };
        let layers = match columns.vectors.len() {
            1 => String::new(),
            layers => format!(", {layers} layers each,"),
        };
        let text =
            format!("{} of {width} numbers{layers} from {}", count(rows, what), count(embedded, "file"));
        Ok((done, (rows > 0).then_some(text)))
    }
}

/// The columns of a table of sounds.
fn columns(model: &AudioEmbedder) -> Columns {
    match (model.layer(), model.encoder()) {
        (Layer::All, Some(encoder)) => Columns::layers(encoder.config.network().layers() + 1),
        _ => Columns::one(RowOf::Sound),
    }
}
