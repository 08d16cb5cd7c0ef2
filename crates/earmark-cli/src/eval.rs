use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_data::{AudioDataset, Selection, TestSize, train_test_split};
use earmark_labels::{LabelId, LabelSet, Scores};
use earmark_pipeline::Pretrained;
use earmark_train::{Cache, Clips, Ear, EvaluationReport, Recipe, SplitFile, confusion_svg, evaluate};

use crate::device::ComputeArgs;
use crate::hearing::HearingArgs;
use crate::model::HubArgs;
use crate::progress::bar;
use crate::tables::{Predicted, write_predictions};
use crate::{Done, datasets, output, say, table, train};

const EXAMPLES: &str = "\
Examples:
  earmark eval
  earmark eval runs/sample/20261123-101500
  earmark eval --model ./model --data recordings --split all -o scores
  earmark eval --model MIT/ast-finetuned-speech-commands-v2 --dataset speech-commands:v0.02-words -o scores
  earmark eval --model sanchit-gandhi/distilhubert-finetuned-gtzan --dataset gtzan";

/// Score a model on clips it did not learn from.
///
/// Without --model it takes a run (the newest, or the folder named): the exported model is loaded afresh and scored on
/// the run's held-out clips. With --model it scores any model on a published dataset or on your own clips.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// A run folder [default: the newest run].
    #[arg(value_name = "RUN", conflicts_with_all = ["model", "data", "dataset"])]
    run: Option<PathBuf>,

    /// The model to score: a Hub id or a folder.
    #[arg(long, value_name = "ID|DIR")]
    model: Option<String>,

    /// The clips: a folder with a sub-folder per class, with metadata.csv, or with Parquet.
    #[arg(long, value_name = "DIR", requires = "model")]
    data: Option<PathBuf>,

    /// The clips: a published dataset, see `earmark data list`. With --data the folder is a copy of it.
    #[arg(long, value_name = "NAME[:CONFIG]", requires = "model")]
    dataset: Option<String>,

    /// The column that is the class [default: the usual one].
    #[arg(long, value_name = "NAME", requires = "model")]
    label_column: Option<String>,

    /// Which of them: a split that the dataset was published with; where it has only one, the part that training with this
    /// --test-size and --seed holds out (test), the other part (train), or all.
    #[arg(long, value_name = "PART", default_value = "test", requires = "model")]
    split: String,

    /// Clips held out: a fraction, or a number of clips.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, requires = "model")]
    test_size: f64,

    /// Seed of the split.
    #[arg(long, value_name = "N", default_value_t = 42, requires = "model")]
    seed: u64,

    /// Longer clips are cut here, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, requires = "model")]
    max_duration: f64,

    /// Clips of one forward pass [default: 8, or the run's].
    #[arg(long, value_name = "N")]
    eval_batch_size: Option<usize>,

    /// Leave out clips that cannot be used, with a warning, instead of stopping.
    #[arg(long)]
    skip_bad: bool,

    #[command(flatten)]
    hearing: HearingArgs,

    /// Write report.json, predictions.parquet and confusion_matrix.svg into this folder.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    hub: HubArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    let (device, _) = args.compute.open()?;
    let cache = Cache::of_user();
    let mut left_out = Vec::new();
    let (learner, model, recipe, dataset, part) = match &args.model {
        Some(model) => {
            let (mut dataset, drawn) = args.clips()?;
            let learner = Pretrained::open(&args.hub.model(model)?, &device)?;
            let mut recipe = Recipe::new("eval", model, &dataset.name);
            recipe.test_size = args.test_size;
            recipe.max_duration = args.max_duration;
            recipe.resampler = args.hearing.resampler();
            recipe.downmix = args.hearing.downmix();
            recipe.skip_bad = args.skip_bad;
            recipe.validate()?;
            if args.skip_bad {
                // Before the split, as training does: else the held-out part would hold clips that were learned from.
                let (usable, bad) =
                    Clips::open(&dataset, Ear::new(&learner, &recipe), cache.clone(), true, &|_| ())?;
                dataset.clips = usable.clips().to_vec();
                left_out = bad;
            }
            if drawn {
                keep_part(&mut dataset, args)?;
            }
            (learner, model.clone(), recipe, dataset, args.split.clone())
        }
        None => {
            let run = train::find_run(args.run.as_deref())?;
            let recipe = Recipe::read(&run)?;
            let folder = run.join("model");
            if !folder.is_dir() {
                bail!(
                    "`{}` has no model yet: finish it by `earmark train --resume {}`",
                    run.display(),
                    run.display()
                );
            }
            let learner = Pretrained::open(&folder, &device)?;
            let mut dataset = train::open_data(&recipe, &args.hub)?;
            keep_named(&mut dataset, &SplitFile::read(&run)?.test)?;
            dataset.name.clone_from(&recipe.dataset);
            (learner, folder.display().to_string(), recipe, dataset, "test".to_owned())
        }
    };
    let dataset = name_by_model(dataset, &learner)?;
    let bar = bar(dataset.clips.len() as u64, "{msg} {bar:30} {pos}/{len} clips {eta} left");
    bar.set_message("listening");
    let ear = Ear::new(&learner, &recipe);
    let (clips, bad) =
        Clips::open(&dataset, ear, cache, recipe.skip_bad, &|done| bar.set_position(done as u64))?;
    left_out.extend(bad);
    bar.set_message("evaluating");
    bar.reset();
    let rows: Vec<usize> = (0..clips.clips().len()).collect();
    let batch_size = args.eval_batch_size.unwrap_or(recipe.eval_batch_size).max(1);
    let mut progress = |done| bar.set_position(done as u64);
    let evaluation = evaluate(&learner.network, &device, &clips, &rows, batch_size, &mut progress)?;
    bar.finish_and_clear();

    for clip in &left_out {
        say::warning(format_args!("left out {}: {}", clip.path.display(), clip.why));
    }
    let report = evaluation.report(&dataset.name, &part, &model, learner.config.labels());
    if let Some(folder) = &args.output {
        write(folder, &report)?;
        let scores = Scores::for_problem_type(learner.config.problem_type());
        let labels = learner.config.labels();
        let said = evaluation.labels.iter().zip(evaluation.predicted()).zip(&evaluation.logits);
        let predicted: Vec<Predicted> = clips
            .clips()
            .iter()
            .zip(said)
            .map(|(clip, ((&label, predicted), logits))| Predicted {
                path: clip.name.clone(),
                label: labels[label].clone(),
                predicted: labels[predicted].clone(),
                scores: scores.apply(logits),
            })
            .collect();
        let file = folder.join("predictions.parquet");
        write_predictions(&file, &predicted)?;
        say::note(format_args!("wrote {}", file.display()));
    }
    let mut out = output::stdout();
    writeln!(out, "{}\n{}", table::confusion(&report), table::per_class(&report))?;
    writeln!(out, "{} on {} clips", table::score(&report), report.n)?;
    Ok(if left_out.is_empty() { Done::Well } else { Done::InPart })
}

impl Args {
    /// The clips that are named, and whether the part of them is still to be drawn.
    fn clips(&self) -> Result<(AudioDataset, bool)> {
        let label = self.label_column.as_deref();
        match (&self.dataset, &self.data) {
            (None, None) => bail!("name the clips to score the model on: --data DIR or --dataset NAME"),
            (None, Some(data)) => Ok((AudioDataset::open(data, label)?, true)),
            (Some(name), None) if name == "sample" => Ok((datasets::open_sample()?, true)),
            (Some(name), data) => {
                let plain = Selection::new(name, None, label)?;
                let drawn = plain.dataset.splits(&plain.config).len() == 1;
                let selection = if drawn { plain } else { Selection::new(name, Some(&self.split), label)? };
                let mut dataset = match data {
                    Some(data) => AudioDataset::open(data, label)?,
                    None => datasets::open_published(&selection, &self.hub)?,
                };
                dataset.name = selection.name();
                Ok((dataset, drawn))
            }
        }
    }
}

/// Keeps the part of the dataset that the flags ask for, in the order of the split.
fn keep_part(dataset: &mut AudioDataset, args: &Args) -> Result<()> {
    let test_size = match args.test_size {
        count if count >= 1.0 => TestSize::Count(count as usize),
        share => TestSize::Fraction(share),
    };
    let split = || train_test_split(dataset.clips.len(), test_size, args.seed);
    let rows = match args.split.as_str() {
        "all" => return Ok(()),
        "test" => split()?.test,
        "train" => split()?.train,
        other => bail!("there is no part `{other}`: choose one of train, test, all"),
    };
    dataset.clips = rows.into_iter().map(|row| dataset.clips[row].clone()).collect();
    Ok(())
}

/// Keeps the clips of these names, in this order.
fn keep_named(dataset: &mut AudioDataset, names: &[String]) -> Result<()> {
    let by_name: HashMap<&str, _> = dataset.clips.iter().map(|clip| (clip.name.as_str(), clip)).collect();
    let found = names.iter().map(|name| match by_name.get(name.as_str()) {
        Some(clip) => Ok((*clip).clone()),
        None => bail!("the held-out clip `{name}` is no longer in `{}`", dataset.root.display()),
    });
    dataset.clips = found.collect::<Result<_>>()?;
    Ok(())
}

/// Numbers the classes as the model does: by name, for two tools may count them in different orders.
fn name_by_model(mut dataset: AudioDataset, learner: &Pretrained) -> Result<AudioDataset> {
    let model = LabelSet::from_names(learner.config.labels().iter().cloned())?;
    for clip in &mut dataset.clips {
        let name = dataset.labels.name(clip.label).unwrap_or_default();
        let id: Option<LabelId> = model.id(name);
        clip.label = id.with_context(|| {
            format!(
                "the model does not know the class `{name}` of `{}`: it knows {}",
                clip.name,
                model.names().join(", ")
            )
        })?;
    }
    dataset.labels = model;
    Ok(dataset)
}

fn write(folder: &Path, report: &EvaluationReport) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let figure = confusion_svg(&report.labels, &report.confusion);
    for (name, text) in
        [("report.json", serde_json::to_string_pretty(report)? + "\n"), ("confusion_matrix.svg", figure)]
    {
        let path = folder.join(name);
        earmark_fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        say::note(format_args!("wrote {}", path.display()));
    }
    Ok(())
}
