//! Which clips there are, and which of them are predicted by a probe of which others.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use earmark_data::{AudioDataset, Clip, Labelling, Protocol, Scored, Selection, Split, k_folds};
use earmark_train::{ProtocolRecord, Recipe, SplitBy, draw_split};

use super::args::{Args, ProbeSplit};
use crate::args::training::training_data;
use crate::datasets::open::{add_fields, open_folder, open_published, open_sample, to_train};
use crate::exit::usage;
use crate::output::messages;

/// The clips of a probe.
pub(super) struct Clips {
    pub(super) dataset: AudioDataset,
    pub(super) protocol: Option<ProtocolRecord>,
    /// The name of the part of each clip, by its own, where a protocol divides them.
    parts: HashMap<String, usize>,
    part_names: Vec<String>,
    split_by: ProbeSplit,
}

/// Some clips, and those that predict them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    /// The fold, or `test`.
    pub(super) name: String,
    pub(super) split: Split,
}

impl Clips {
    pub(super) fn open(args: &Args) -> Result<Clips> {
        let protocol = match (&args.protocol, &args.dataset, &args.split_by) {
            (Some(name), ..) => Some(Protocol::find(name)?),
            (None, Some(name), None) => official_folds(name, args.label_column.as_deref()),
            _ => None,
        };
        if let Some(protocol) = protocol {
            return Clips::of_protocol(args, &protocol);
        }
        let mut dataset = of_flags(args)?;
        add_fields(&mut dataset, args.fields.as_deref())?;
        let held_out = dataset.clips.iter().filter(|clip| clip.held_out).count();
        let has_split = held_out > 0 && held_out < dataset.clips.len();
        let default = if has_split { SplitBy::Published } else { SplitBy::Random };
        let split_by = args.split_by.clone().unwrap_or(ProbeSplit::Once(default));
        Ok(Clips { dataset, protocol: None, parts: HashMap::new(), part_names: Vec::new(), split_by })
    }

    fn of_protocol(args: &Args, protocol: &Protocol) -> Result<Clips> {
        if let (Some(field), None) = (protocol.needed_field(), &args.fields) {
            return Err(usage(format_args!(
                "the protocol `{}` goes by the {field} of each clip, which the dataset does not tell: pass a table with --fields FILE",
                protocol.name
            )));
        }
        let selection = &protocol.selection;
        let mut dataset = match &args.data {
            Some(data) => open_folder(data, None)?.as_copy_of(selection),
            None => open_published(selection, &args.model.hub)?,
        };
        add_fields(&mut dataset, args.fields.as_deref())?;
        dataset.name = selection.name();
        let Scored { dataset, parts, remarks } = protocol.choose(dataset)?;
        remarks.iter().for_each(|remark| messages::warning(format_args!("{}: {remark}", protocol.name)));
        if parts.len() < 2 {
            return Err(usage(format_args!(
                "the protocol `{}` says which clips are scored, and not which a probe may learn from: pass --dataset {} with \
                 --split-by",
                protocol.name,
                selection.name()
            )));
        }
        let name_of = |clip: &usize| dataset.clips[*clip].name.clone();
        let of_part = |(place, clips): (usize, &Vec<usize>)| {
            clips.iter().map(|clip| (name_of(clip), place)).collect::<Vec<_>>()
        };
        let protocol = ProtocolRecord {
            name: protocol.name.clone(),
            description: protocol.description.to_owned(),
            remarks,
        };
        Ok(Clips {
            protocol: Some(protocol),
            parts: parts.iter().map(|part| &part.clips).enumerate().flat_map(of_part).collect(),
            part_names: parts.into_iter().map(|part| part.name).collect(),
            split_by: ProbeSplit::Once(SplitBy::Random),
            dataset,
        })
    }

    /// The field that keeps clips together, and what keeps them: folds, groups.
    pub(super) fn field(&self) -> Option<&str> {
        match &self.split_by {
            ProbeSplit::Folds(field) | ProbeSplit::Once(SplitBy::Group(field) | SplitBy::Fold(field, _)) => {
                Some(field)
            }
            ProbeSplit::Once(_) => None,
        }
    }

    /// The group of each of some clips, where they have one: of the split's own field, else of a speaker, a recording or an artist.
    pub(super) fn groups(&self, clips: &[Clip]) -> Vec<Option<String>> {
        if !self.parts.is_empty() {
            return clips.iter().map(|clip| self.parts.get(&clip.name).map(usize::to_string)).collect();
        }
        let known = self.dataset.cluster_field().map(|field| field.name);
        match self.field().map(str::to_owned).or(known) {
            Some(field) => clips.iter().map(|clip| clip.group(&field)).collect(),
            None => vec![None; clips.len()],
        }
    }

    /// What is predicted by what, among the clips that can be used.
    pub(super) fn rounds(&self, args: &Args, clips: &[Clip]) -> Result<Vec<Round>> {
        if !self.parts.is_empty() {
            let parts: Vec<usize> = clips.iter().map(|clip| self.parts[&clip.name]).collect();
            let rounds = k_folds(&parts)?.into_iter();
            return Ok(rounds
                .map(|(part, split)| Round { name: self.part_names[*part].clone(), split })
                .collect());
        }
        let dataset = AudioDataset { clips: clips.to_vec(), ..self.dataset.clone() };
        match &self.split_by {
            ProbeSplit::Folds(field) => {
                let folds = dataset.groups(field)?;
                let rounds = k_folds(&folds)?.into_iter();
                let mut rounds: Vec<Round> =
                    rounds.map(|(fold, split)| Round { name: fold.clone(), split }).collect();
                // Fold 10 comes after fold 9.
                rounds.sort_by_key(|round| round.name.parse::<u64>().unwrap_or(u64::MAX));
                Ok(rounds)
            }
            ProbeSplit::Once(split_by) => {
                let mut recipe = Recipe::new("probe", args.model.name(), &dataset.name);
                (recipe.split_by, recipe.test_size, recipe.seed) =
                    (split_by.clone(), args.test_size, args.seed);
                let split = draw_split(&recipe, &dataset, clips).with_context(|| {
                    format!("cannot split by {split_by}: choose another --split-by or --test-size")
                })?;
                Ok(vec![Round { name: "test".to_owned(), split }])
            }
        }
    }
}

/// The protocol of a published dataset that has official folds.
fn official_folds(name: &str, label: Option<&str>) -> Option<Protocol> {
    let selection = Selection::new(name, None, label).ok()?;
    let folds = |protocol: &Protocol| {
        protocol.name.ends_with(":folds") && protocol.selection.name() == selection.name()
    };
    Protocol::all().into_iter().find(|protocol| label.is_none() && folds(protocol))
}

fn of_flags(args: &Args) -> Result<AudioDataset> {
    let (label, hub) = (args.label_column.as_deref(), &args.model.hub);
    Ok(match (args.dataset.as_deref(), &args.data) {
        (Some("sample"), None) => open_sample()?,
        (Some("gtzan"), None) => training_data::open_gtzan(hub)?,
        (Some(name), None) => {
            let mut dataset = training_data::open_published(name, label, None, Labelling::SingleLabel, hub)?;
            name.clone_into(&mut dataset.name);
            dataset
        }
        (Some(name), Some(data)) => {
            let selection = Selection::new(name, None, label)?;
            let mut dataset = open_folder(data, label)?.as_copy_of(&selection);
            dataset.name = selection.name();
            dataset
        }
        (None, Some(data)) => {
            let (dataset, unused) = to_train(open_folder(data, label)?, None)?;
            for (split, clips) in unused {
                messages::note(format_args!("the split `{split}` is not used: {clips} clips"));
            }
            dataset
        }
        (None, None) => bail!("no clips: pass --data DIR, --dataset NAME or --protocol NAME"),
    })
}
