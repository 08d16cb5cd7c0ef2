use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_features::Features;
use earmark_fs::AtomicFile;
use earmark_pipeline::{AudioEmbedder, Hearing};
use rayon::prelude::*;

use crate::args::audio::HearingArgs;
use crate::args::device::ComputeArgs;
use crate::args::inputs::{Input, InputArgs, Opener};
use crate::args::model::HubArgs;
use crate::batch::job;
use crate::output::escape::escape;
use crate::output::{messages, parquet, progress, stdout};
use crate::{Done, error};

const EXAMPLES: &str = "\
Examples:
  earmark embed recordings -o vectors.npy --model laion/clap-htsat-unfused
  earmark embed recordings -o vectors.parquet --model facebook/hubert-base-ls960
  python -c \"import numpy; print(numpy.load('vectors.npy').shape)\"";

/// Write one vector for each sound file: what the model makes of it before it names it.
///
/// Any checkpoint will do, with a classification head or without. CLAP gives the place in the space it shares with texts; other
/// models the mean of their last hidden states over time (AST that of its two tokens for the whole clip). Vectors are float32,
/// in the order of the paths printed. A file that cannot be heard has no vector and is named on stderr; exit code 3 says that
/// there were some.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,

    /// The model: a Hub id, with @REVISION if need be, or a folder in Hugging Face layout.
    #[arg(long, value_name = "ID|DIR")]
    model: String,

    /// The file to write: NumPy's [files, numbers], or a Parquet table of path and embedding.
    #[arg(short, long, value_name = "FILE.npy|FILE.parquet")]
    output: PathBuf,

    /// Replace --output if it is there.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    hearing: HearingArgs,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let write = match args.output.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => write_npy,
        Some("parquet") => parquet::write_embeddings,
        _ => bail!("`{}`: name it FILE.npy or FILE.parquet, as that says what it is", args.output.display()),
    };
    if args.output.exists() && !args.force {
        bail!(
            "`{}` is there already: pass --force to replace it, or name another --output",
            args.output.display()
        );
    }
    let (device, _) = args.compute.open()?;
    let inputs = args.inputs.find()?;
    let opener = Opener::new(&inputs, &args.hub)?;
    let model = AudioEmbedder::open(args.hub.embedding_model(&args.model)?, &device)?;
    let hearing = args.hearing.hearing();
    let bar = progress::bar(inputs.len() as u64, "{bar:30} {pos}/{len} files {per_sec} {eta} left");
    let (mut paths, mut rows): (Vec<String>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
    for chunk in inputs.chunks(job::TOGETHER) {
        let heard: Vec<Result<Features>> =
            chunk.par_iter().map(|input| features(input, &opener, &hearing, &model)).collect();
        let mut clips = Vec::new();
        let heard: Vec<Result<()>> = heard.into_iter().map(|it| it.map(|it| clips.push(it))).collect();
        let mut vectors = model.embeddings(&clips).into_iter();
        for (input, heard) in chunk.iter().zip(heard) {
            let vector = heard.and_then(|()| {
                vectors.next().expect("one vector a clip").with_context(|| job::unusable(input))
            });
            match vector {
                Ok(vector) => {
                    rows.push(vector);
                    paths.push(input.name());
                }
                Err(problem) => messages::error(error::line(&problem)),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    if rows.is_empty() {
        bail!("none of the files has a vector, so `{}` is not written", args.output.display());
    }
    let land = || -> Result<()> {
        let mut file = AtomicFile::create(&args.output)?;
        write(&mut file, &paths, &rows)?;
        Ok(file.commit()?)
    };
    land().with_context(|| format!("cannot write `{}`", args.output.display()))?;
    // Only now: whoever reads the paths finds their vectors.
    let mut out = stdout::stdout();
    paths.iter().try_for_each(|path| writeln!(out, "{}", escape(path)))?;
    messages::note(format_args!("{}: {} × {}", args.output.display(), rows.len(), rows[0].len()));
    Ok(if rows.len() == inputs.len() { Done::Well } else { Done::InPart })
}

fn features(input: &Input, opener: &Opener, hearing: &Hearing, model: &AudioEmbedder) -> Result<Features> {
    let heard = hearing.hear(opener.sound(input)?, model.sampling_rate())?;
    job::warn(input, &heard.warnings);
    if let Some(caution) = model.caution(heard.waveform.samples().len()) {
        messages::warning(format_args!("`{}`: {caution}", input.name()));
    }
    model.features(&heard.waveform).with_context(|| job::unusable(input))
}

/// NumPy's format 1.0 (`numpy.lib.format`): a magic number, the header's length, the header, the numbers.
fn write_npy(out: &mut AtomicFile, _paths: &[String], rows: &[Vec<f32>]) -> Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {columns}), }}", rows.len());
    // Its end, behind a newline, lies at a multiple of 64.
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut out = BufWriter::new(out);
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    rows.iter().flatten().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    Ok(out.flush()?)
}
