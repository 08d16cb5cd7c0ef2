use std::io::Write as _;

use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use earmark_features::Features;
use earmark_pipeline::{AudioEmbedder, AudioOptions};
use rayon::prelude::*;

use crate::args::audio;
use crate::args::inputs::InputArgs;
use crate::args::model::{ModelArgs, ModelSource, Purpose};
use crate::args::output::OutputArgs;
use crate::batch::prepare::BATCH;
use crate::exit::Done;
use crate::input::open::Opener;
use crate::input::path::Input;
use crate::output::escape::escape;
use crate::output::tables::embeddings::EmbeddingFormat;
use crate::output::{messages, progress, stdout};

const EXAMPLES: &str = "\
Examples:
  earmark embed recordings -o vectors.npy --model laion/clap-htsat-unfused
  earmark embed recordings -o vectors.parquet --model facebook/hubert-base-ls960
  python3 -c \"import numpy; print(numpy.load('vectors.npy').shape)\"";

/// Write an embedding per sound file.
///
/// Works with any checkpoint, with or without a classification head. CLAP gives the audio embedding of the space it shares
/// with text; other models the mean of their last hidden states over time (AST the mean of its class and distillation
/// tokens). Embeddings are float32, in the order of the printed paths. Files that cannot be decoded are reported on stderr
/// and have no embedding; the exit code is then 3.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, mut_arg("output", |arg| arg.help(OUTPUT)))]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    output: OutputArgs,
}

const OUTPUT: &str =
    "File to write: .npy, an array [files, dimensions], or .parquet, a table of path and embedding";

pub(crate) fn run(args: &Args) -> Result<Done> {
    let output = args.output.path();
    let format = EmbeddingFormat::of_name(output)?;
    args.output.check()?;
    let inputs = args.inputs.find()?;
    let ModelSource { folder, device, hearing } = args.model.open(Purpose::Embed)?;
    let opener = Opener::new(&inputs, || args.model.hub.open())?;
    let model = AudioEmbedder::open(folder, &device)?;
    let bar = progress::bar(inputs.len() as u64, "{bar:30} {pos}/{len} files {per_sec} {eta} left");
    let (mut paths, mut rows): (Vec<String>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
    for batch in inputs.chunks(BATCH) {
        let prepared: Vec<Result<Features>> =
            batch.par_iter().map(|input| features(input, &opener, &hearing, &model)).collect();
        let mut clips = Vec::new();
        let prepared: Vec<Result<()>> =
            prepared.into_iter().map(|features| features.map(|features| clips.push(features))).collect();
        let mut vectors = model.embeddings(&clips).into_iter();
        for (input, prepared) in batch.iter().zip(prepared) {
            let vector = prepared.and_then(|()| {
                let vector = vectors.next().expect("one vector a clip");
                vector.map_err(|error| input.name_in(error).into())
            });
            match vector {
                Ok(vector) => {
                    rows.push(vector);
                    paths.push(input.name());
                }
                Err(error) => messages::error(messages::failure(&error)),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    if rows.is_empty() {
        bail!("no file could be embedded, so `{}` is not written", output.display());
    }
    format.write(output, &paths, &rows)?;
    // Only now: whoever reads the paths finds their vectors.
    let mut out = stdout::stdout();
    paths.iter().try_for_each(|path| writeln!(out, "{}", escape(path)))?;
    messages::note(format_args!("{}: {} × {}", output.display(), rows.len(), rows[0].len()));
    Ok(if rows.len() == inputs.len() { Done::Well } else { Done::InPart })
}

fn features(
    input: &Input,
    opener: &Opener,
    hearing: &AudioOptions,
    model: &AudioEmbedder,
) -> Result<Features> {
    let clip = hearing.decode(opener.sound(input)?, model.sampling_rate())?;
    audio::warn(&input.name(), &clip.warnings);
    if let Some(caution) = model.caution(clip.waveform.samples().len()) {
        messages::warning(format_args!("`{}`: {caution}", input.name()));
    }
    model.features(&clip.waveform).map_err(|error| input.name_in(error).into())
}
