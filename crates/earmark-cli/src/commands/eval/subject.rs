//! What is scored: a model and clips.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use burn::tensor::Device;
use earmark_data::{AudioDataset, Clip, Labelling, Protocol, Scored, Selection, TestSize, train_test_split};
use earmark_labels::{LabelId, LabelJoin, LabelSet, Scores};
use earmark_pipeline::Pretrained;
use earmark_train::{
    BadClip, Cache, OutputFolder, Preparation, ProtocolRecord, Recipe, SplitFile, usable_clips,
};

use super::args::ScoreArgs;
use super::model::{ScoredModel, Templates};
use crate::args::model;
use crate::args::training::run::{find_run, resume_command};
use crate::args::training::training_data::open_data;
use crate::datasets::open::{add_fields, only, open_folder, open_folder_as, open_published, open_sample};
use crate::exit::usage;
use crate::output::messages;
use crate::output::progress::bar;

/// What is scored.
pub(super) struct Subject {
    pub(super) model: ScoredModel,
    /// What the report calls the model.
    pub(super) name: String,
    /// Its folder.
    pub(super) folder: PathBuf,
    pub(super) recipe: Recipe,
    /// Its classes are numbered as the model's outputs are.
    pub(super) dataset: AudioDataset,
    /// Which part of the dataset it is.
    pub(super) part: String,
    /// What chose the clips, where it has a name.
    pub(super) protocol: Option<ProtocolRecord>,
    /// The folds or languages that have scores of their own.
    pub(super) parts: Vec<String>,
    /// The place among those of each clip, by its name.
    pub(super) part_of: HashMap<String, usize>,
    /// Whether it is a run, on the clips that the run held out.
    pub(super) of_run: bool,
    /// Clips that are left out of the dataset already.
    pub(super) left_out: Vec<BadClip>,
    /// SHA-256 of the clips that a run held out, by their names.
    pub(super) held_out: HashMap<String, String>,
}

impl Subject {
    /// A model, on the clips that the flags name.
    pub(super) fn of_model(
        args: &ScoreArgs,
        model: &str,
        device: &Device,
        cache: Option<Cache>,
        stop: &AtomicBool,
    ) -> Result<Subject> {
        let chosen = clips(args)?;
        let Chosen { mut dataset, drawn, protocol, part, parts, part_of } = chosen;
        let folder = model::embedding_folder(model, &args.hub)?;
        let templates = Templates { templates: &args.template, as_is: args.labels_as_is };
        let scored = ScoredModel::open(&folder, dataset.labels.names(), &templates, device)?;
        if args.multi_label && scored.scores != Scores::Sigmoid {
            return Err(usage(format_args!(
                "`{model}` tells one label a clip: its config.json does not say `multi_label_classification`; leave out --multi-label"
            )));
        }
        let mut recipe = Recipe::new("eval", model, &dataset.name);
        recipe.multi_label = args.multi_label;
        recipe.test_size = args.test_size;
        recipe.max_duration = args.max_duration;
        recipe.resampler = args.audio.resampler();
        recipe.downmix = args.audio.downmix();
        recipe.skip_bad = args.skip_bad;
        recipe.validate()?;
        let mut left_out = Vec::new();
        // Before the split, as training does: else the held-out part would hold clips that were learned from. And before the
        // clips are shared out: else the batches of a part would not be those of the whole.
        if args.skip_bad && (drawn || args.shard.is_some()) {
            (dataset.clips, left_out) = check(&dataset, scored.preparation(&recipe), cache, stop)?;
        }
        if drawn {
            keep_part(&mut dataset, args)?;
        }
        let dataset = number_by_model(dataset, &scored)?;
        Ok(Subject {
            model: scored,
            name: model.to_owned(),
            folder,
            recipe,
            dataset,
            part,
            protocol,
            parts,
            part_of,
            of_run: false,
            left_out,
            held_out: HashMap::new(),
        })
    }

    /// A run's model, on the clips that the run held out.
    pub(super) fn of_run(
        args: &ScoreArgs,
        device: &Device,
        cache: Option<Cache>,
        stop: &AtomicBool,
    ) -> Result<Subject> {
        if !args.template.is_empty() || args.labels_as_is {
            return Err(usage("--template and --labels-as-is are for CLAP models: pass one by --model"));
        }
        let run = find_run(args.run.as_deref())?;
        let mut recipe = Recipe::read(&run)?;
        let (resampler, downmix) = (args.audio.chosen_resampler(), args.audio.chosen_downmix());
        if resampler.is_some_and(|it| it != recipe.resampler)
            || downmix.is_some_and(|it| it != recipe.downmix)
        {
            return Err(usage(
                "a run's clips are resampled and mixed down as in its training: leave out --resampler, --downmix and --compat, or \
                 pass its model by --model",
            ));
        }
        if recipe.eval_windows {
            bail!(
                "the clips of `{0}` were scored in windows, which `earmark eval` does not do: the scores are in `{0}/report.json`; pass \
                 its model by --model to score the beginnings of clips",
                run.display()
            );
        }
        recipe.skip_bad |= args.skip_bad;
        let folder = run.join("model");
        if !folder.is_dir() && OutputFolder::is_in_use(&run) {
            bail!("`{}` has no model yet: it is still being trained", run.display());
        }
        if !folder.is_dir() {
            bail!("`{}` has no model yet: finish it with `{}`", run.display(), resume_command(&run));
        }
        let model = ScoredModel::classifier(Pretrained::open(&folder, device)?, device);
        let mut dataset = open_data(&recipe, &args.hub)?;
        // A table that is given now has fields that the training's has not.
        add_fields(&mut dataset, args.fields.as_deref())?;
        let split = SplitFile::read(&run)?;
        keep_named(&mut dataset, &split.test)?;
        let held_out = split.test.into_iter().zip(split.test_sha256).collect();
        let mut left_out = Vec::new();
        if recipe.skip_bad && args.shard.is_some() {
            (dataset.clips, left_out) = check(&dataset, model.preparation(&recipe), cache, stop)?;
        }
        let dataset = number_by_model(dataset, &model)?;
        Ok(Subject {
            model,
            name: folder.display().to_string(),
            folder,
            recipe,
            dataset,
            part: "test".to_owned(),
            protocol: None,
            parts: Vec::new(),
            part_of: HashMap::new(),
            of_run: true,
            left_out,
            held_out,
        })
    }
}

/// The clips that can be used, and those that cannot.
fn check(
    dataset: &AudioDataset,
    preparation: Preparation,
    cache: Option<Cache>,
    stop: &AtomicBool,
) -> Result<(Vec<Clip>, Vec<BadClip>)> {
    let bar = bar(dataset.clips.len() as u64, "checking {bar:30} {pos}/{len} clips, {eta} left");
    let checked = usable_clips(dataset, preparation, cache, &mut |done| bar.set_position(done as u64), stop);
    bar.finish_and_clear();
    Ok(checked?)
}

/// The clips that are named.
struct Chosen {
    dataset: AudioDataset,
    /// Whether the part of them is still to be drawn.
    drawn: bool,
    protocol: Option<ProtocolRecord>,
    /// What the report calls the part.
    part: String,
    parts: Vec<String>,
    part_of: HashMap<String, usize>,
}

fn clips(args: &ScoreArgs) -> Result<Chosen> {
    if let Some(name) = &args.protocol {
        return of_protocol(args, &Protocol::find(name)?);
    }
    let (mut dataset, drawn) = of_dataset(args)?;
    add_fields(&mut dataset, args.fields.as_deref())?;
    let (part, parts, part_of) = (args.split.clone(), Vec::new(), HashMap::new());
    Ok(Chosen { dataset, drawn, protocol: None, part, parts, part_of })
}

/// The clips of a protocol, whose fields may come from a table.
fn of_protocol(args: &ScoreArgs, protocol: &Protocol) -> Result<Chosen> {
    if let (Some(field), None) = (protocol.needed_field(), &args.fields) {
        return Err(usage(format_args!(
            "the protocol `{}` goes by the {field} of each clip, which the dataset does not tell: pass a table with --fields FILE",
            protocol.name
        )));
    }
    let selection = &protocol.selection;
    let mut dataset = match &args.data {
        Some(data) => open_folder(data, None)?.as_copy_of(selection),
        None => open_published(selection, &args.hub)?,
    };
    add_fields(&mut dataset, args.fields.as_deref())?;
    dataset.name = selection.name();
    let scored = if args.any_count { protocol.choose_among(dataset)? } else { protocol.choose(dataset)? };
    let Scored { dataset, parts, remarks } = scored;
    remarks.iter().for_each(|remark| messages::warning(format_args!("{}: {remark}", protocol.name)));
    let name_of = |clip: &usize| dataset.clips[*clip].name.clone();
    let (part, names, part_of) = match parts.as_slice() {
        // The only split of a dataset is called `train`, whatever it is used for.
        [only] if only.name == "train" => ("all".to_owned(), Vec::new(), HashMap::new()),
        [only] => (only.name.clone(), Vec::new(), HashMap::new()),
        parts => (
            "all".to_owned(),
            parts.iter().map(|part| part.name.clone()).collect(),
            parts
                .iter()
                .enumerate()
                .flat_map(|(place, part)| part.clips.iter().map(move |clip| (name_of(clip), place)))
                .collect(),
        ),
    };
    let protocol = Some(ProtocolRecord {
        name: protocol.name.clone(),
        description: protocol.description.to_owned(),
        remarks,
    });
    Ok(Chosen { dataset, drawn: false, protocol, part, parts: names, part_of })
}

/// The clips that --dataset or --data names, and whether the part of them is still to be drawn.
fn of_dataset(args: &ScoreArgs) -> Result<(AudioDataset, bool)> {
    let label = args.label_column.as_deref();
    let labelling = if args.multi_label { Labelling::MultiLabel } else { Labelling::SingleLabel };
    match (&args.dataset, &args.data) {
        (None, None) => {
            Err(usage("no clips to score the model on: pass --data DIR, --dataset NAME or --protocol NAME"))
        }
        (None, Some(data)) => {
            let dataset = open_folder_as(data, label, labelling)?;
            match dataset.splits.as_slice() {
                [] => Ok((dataset, true)),
                [only] if **only == *"train" => Ok((dataset, true)),
                _ => Ok((only(dataset, Some(&args.split))?, false)),
            }
        }
        (Some(name), None) if name == "sample" => Ok((open_sample()?, true)),
        (Some(name), data) => {
            let plain = Selection::new(name, None, label)?;
            let drawn = plain.config.splits.len() == 1;
            let selection = if drawn { plain } else { Selection::new(name, Some(&args.split), label)? };
            let mut dataset = match data {
                Some(data) => open_folder(data, label)?.as_copy_of(&selection),
                None => open_published(&selection, &args.hub)?,
            };
            dataset.name = selection.name();
            Ok((dataset, drawn))
        }
    }
}

/// Keeps the part of the dataset that the flags ask for, in the order of the split.
fn keep_part(dataset: &mut AudioDataset, args: &ScoreArgs) -> Result<()> {
    let test_size = match args.test_size {
        count if count >= 1.0 => TestSize::Count(count as usize),
        share => TestSize::Fraction(share),
    };
    let split = || train_test_split(dataset.clips.len(), test_size, args.seed);
    let rows = match args.split.as_str() {
        "all" => return Ok(()),
        "test" => split()?.test,
        "train" => split()?.train,
        other => return Err(usage(format_args!("no part `{other}`: choose one of train, test, all"))),
    };
    dataset.clips = rows.into_iter().map(|row| dataset.clips[row].clone()).collect();
    Ok(())
}

/// Keeps the clips of these names, in this order.
fn keep_named(dataset: &mut AudioDataset, names: &[String]) -> Result<()> {
    let by_name: HashMap<&str, _> = dataset.clips.iter().map(|clip| (clip.name.as_str(), clip)).collect();
    let found = names.iter().map(|name| match by_name.get(name.as_str()) {
        Some(clip) => Ok((*clip).clone()),
        None if names.iter().filter(|other| *other == name).count() > 1 => bail!(
            "several held-out clips are named `{name}`, which this run's version of earmark could not tell apart: train again"
        ),
        None => bail!("the held-out clip `{name}` is no longer in `{}`", dataset.root.display()),
    });
    dataset.clips = found.collect::<Result<_>>()?;
    Ok(())
}

/// Languages that FLEURS calls otherwise than Whisper does.
const LANGUAGES: [(&str, &str); 4] = [
    ("Burmese", "myanmar"),
    ("Cantonese Chinese", "cantonese"),
    ("Filipino", "tagalog"), // The standard form of Tagalog.
    ("Mandarin Chinese", "chinese"),
];

/// Numbers the classes as the model does: by name, for two tools may count them in different orders and write them in two ways.
fn number_by_model(mut dataset: AudioDataset, scored: &ScoredModel) -> Result<AudioDataset> {
    let model = LabelSet::from_names(scored.labels.iter().cloned())?;
    // Classes without clips need no label.
    let occurring: BTreeSet<LabelId> = dataset.clips.iter().flat_map(Clip::classes).copied().collect();
    if !occurring.is_empty() {
        let names = occurring.iter().map(|&id| dataset.labels.name(id).unwrap_or_default());
        let names = LabelSet::from_names(names)?;
        let aliases = LANGUAGES.iter().copied().filter(|(from, to)| {
            scored.identifies_languages && names.id(from).is_some() && model.id(to).is_some()
        });
        let aliases: Vec<(&str, &str)> = aliases.collect();
        let ids = LabelJoin::with_aliases(&names, &model, &aliases)?.complete()?;
        let ids: BTreeMap<LabelId, LabelId> = occurring.into_iter().zip(ids).collect();
        for clip in &mut dataset.clips {
            match clip.is_multi_label() {
                false => clip.label = ids[&clip.label],
                true => {
                    *clip = clip.clone().with_labels(clip.classes().iter().map(|class| ids[class]).collect());
                }
            }
        }
    }
    dataset.labels = model;
    Ok(dataset)
}
