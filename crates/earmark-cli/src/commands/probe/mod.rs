//! `earmark probe`.

mod args; // The flags,
mod clips; // the clips that they name, and which predict which;
mod vectors; // their embeddings, which are kept;
mod predict; // what probes make of them,
mod head; // the probe as the head of a model,
mod results; // and what is written and printed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use earmark_pipeline::AudioEmbedder;
use earmark_train::{BURN_VERSION, ErrorKind, OutputFolder, Recipe};

pub(crate) use self::args::Args;
use self::clips::Clips;
use self::head::{Encoder, MODEL};
use self::predict::{Rows, predict};
use self::results::{About, FIGURE, PREDICTIONS, REPORT, Scored, Written};
use self::vectors::{Embedding, JOURNAL, LeftOut};
use crate::args::model::{self, Purpose};
use crate::args::training::run::advise;
use crate::args::training::training_data::commit_in;
use crate::exit::{Done, Usage};
use crate::interrupt;
use crate::output::count::count;
use crate::output::{messages, shell};
use crate::scoring::provenance::Provenance;

/// How long a batch is waited for after Ctrl-C: what is embedded is on the disk.
const PATIENCE: Duration = Duration::from_millis(800);

pub(crate) fn run(args: &Args) -> Result<Done> {
    let notice = "stopping; the same command goes on from here (Ctrl-C again quits at once)";
    let stop = interrupt::asked(notice, Some(PATIENCE))?;
    // Now, so that nothing is computed in vain, and nobody else writes to it meanwhile.
    let folder = OutputFolder::create_or_resume(&args.output, JOURNAL, &[REPORT, PREDICTIONS, FIGURE, MODEL]);
    let folder = folder.map_err(advise)?;
    let output = folder.path();
    let clips = Clips::open(args)?;
    // Before the embeddings, so that a split that cannot be is no waste of them.
    clips.rounds(args, &clips.dataset.clips)?;
    let source = args.model.open(Purpose::Embed)?;
    let (device, device_name) = (source.device.clone(), args.model.device_name()?);
    let embedder = open(args, &source.folder, &device)?;
    let encoder = Encoder::of(&embedder, &device);
    let (layer, pool) = (embedder.layer().to_string(), embedder.pool().map(|pool| pool.to_string()));
    let mut recipe = Recipe::new("probe", args.model.name(), &clips.dataset.name);
    recipe.max_duration = args.max_duration;
    recipe.resampler = source.hearing.resampler;
    recipe.downmix = source.hearing.decode.downmix;
    recipe.skip_bad = args.skip_bad;
    recipe.validate()?;
    let embedding =
        Embedding { model: embedder, folder: &source.folder, device, device_name: &device_name, recipe };
    let began = Instant::now();
    let embedded = embedding.all(args, &clips.dataset, output, &stop);
    let (embedded, left_out) = match embedded {
        Err(error) if is_interrupted(&error) => {
            messages::note("interrupted; run the same command again to go on");
            return Ok(Done::Interrupted);
        }
        embedded => embedded?,
    };
    let embedding_took = began.elapsed().as_secs_f64();
    report_left_out(&left_out);
    if embedded.is_empty() {
        bail!("no clip of `{}` could be embedded", clips.dataset.name);
    }

    let usable: Vec<_> = embedded.iter().map(|clip| clips.dataset.clips[clip.row].clone()).collect();
    let mut vectors: Vec<Vec<f32>> = embedded.iter().map(|clip| clip.vector.0.clone()).collect();
    encoder.iter().for_each(|encoder| encoder.normed(&mut vectors));
    let width = vectors[0].len();
    if vectors.iter().any(|vector| vector.len() != width || vector.iter().any(|x| !x.is_finite())) {
        bail!("`{}` holds embeddings that are no numbers: remove it", output.join(JOURNAL).display());
    }
    let labels = clips.dataset.labels.names();
    let rows = Rows {
        vectors: vectors.iter().map(Vec::as_slice).collect(),
        labels: usable.iter().map(|clip| clip.label.index()).collect(),
        groups: clips.groups(&usable),
        classes: labels,
    };
    let rounds = clips.rounds(args, &usable)?;
    let began = Instant::now();
    let fits = predict(args, &rows, &rounds)?;
    messages::detail(format_args!(
        "time     embedding {embedding_took:.1} s, {} {:.2} s",
        count(fits.len(), "fit"),
        began.elapsed().as_secs_f64()
    ));
    let several = rounds.len() > 1;
    let scored = Scored {
        dataset: &clips.dataset,
        clips: &usable,
        embedded: &embedded,
        model: args.model.name(),
        parts: if several { rounds.iter().map(|round| round.name.clone()).collect() } else { Vec::new() },
        split: if several { "all" } else { "test" },
    };
    let (mut report, repeats) = scored.report(&fits, output)?;
    report.protocol = clips.protocol.clone();

    let learned: Vec<usize> =
        if several { (0..usable.len()).collect() } else { rounds[0].split.train.clone() };
    let mut written = None;
    if let Some(encoder) = &encoder {
        let probe = rows.fit(args, &learned, args.seed)?;
        encoder.write(&probe, labels, output)?;
        written = Some(Written { path: MODEL, n: learned.len(), c: probe.c });
    }
    let per_class = args.per_class.map(std::num::NonZero::get);
    let about = About { layer, pool, per_class, fits, model: written };
    let made = Provenance {
        command: shell::this_command(),
        model_checksum: model::fingerprint(&source.folder)?,
        model_commit: commit_in(&source.folder),
        earmark: env!("CARGO_PKG_VERSION").to_owned(),
        burn: BURN_VERSION.to_owned(),
        device: device_name,
        dtype: args.model.dtype().to_owned(),
        ..Provenance::default()
    };
    results::write(output, &report, &about, &repeats, (&made, left_out.len()))?;
    results::print(&report, &about, &repeats)?;
    Ok(if left_out.is_empty() { Done::Well } else { Done::InPart })
}

/// The model with the layer and the pooling that are asked for.
fn open(args: &Args, folder: &std::path::Path, device: &burn::tensor::Device) -> Result<AudioEmbedder> {
    let model = AudioEmbedder::open(folder, device)?;
    let model = match args.layer {
        None => model,
        Some(layer) => model.with_layer(layer).map_err(Usage::of)?,
    };
    Ok(match args.pool {
        Some(pool) => model.with_pool(pool).map_err(Usage::of)?,
        None => model,
    })
}

fn is_interrupted(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<earmark_train::Error>();
    error.is_some_and(|error| matches!(*error.kind, ErrorKind::Interrupted))
}

fn report_left_out(left_out: &[LeftOut]) {
    for clip in left_out {
        messages::warning(format_args!("left out {}: {}", clip.path, clip.why));
    }
    if !left_out.is_empty() {
        messages::warning(format_args!(
            "left out {} in all, as --skip-bad asks",
            count(left_out.len(), "clip")
        ));
    }
}
