//! Which commits of model and dataset an evaluation is of.

use anyhow::Result;
use earmark_data::{Location, Protocol, Selection};
use earmark_train::BURN_VERSION;

use super::super::args::ScoreArgs;
use super::super::subject::Subject;
use super::command::this_command;
use crate::args::model::fingerprint;
use crate::args::training::training_data::{Source, commit_in, commit_of_dataset};
use crate::scoring::provenance::{HubDataset, Provenance};

/// With what this process scores the clips. Cards of one kind compute alike, so `device` is the kind.
pub(in super::super) fn provenance(args: &ScoreArgs, subject: &Subject, device: &str) -> Result<Provenance> {
    let (hub_dataset, dataset_commit) = dataset(args, subject);
    // Weights are read for it, which is in vain where nothing is written.
    let checksum = args.output.as_ref().map(|_| fingerprint(&subject.folder)).transpose()?;
    Ok(Provenance {
        command: this_command(),
        model_checksum: checksum.unwrap_or_default(),
        model_commit: commit_in(&subject.folder),
        dataset_commit,
        hub_dataset,
        earmark: env!("CARGO_PKG_VERSION").to_owned(),
        burn: BURN_VERSION.to_owned(),
        device: device.to_owned(),
        dtype: args.compute.dtype().to_owned(),
    })
}

/// The dataset on the Hub, and its commit where the clips are known to be of it.
fn dataset(args: &ScoreArgs, subject: &Subject) -> (Option<HubDataset>, Option<String>) {
    if args.model.is_none() { of_run(subject) } else { of_flags(args) }
}

fn of_flags(args: &ScoreArgs) -> (Option<HubDataset>, Option<String>) {
    let Some((selection, split)) = selection(args) else { return (None, None) };
    let on_hub = HubDataset {
        id: selection.dataset.repo.to_owned(),
        config: Some(selection.config.name.to_owned()),
        split,
    };
    // A copy on the disk may be of any commit.
    let commit = match (&args.data, selection.files().first().map(|file| file.location.clone())) {
        (None, Some(Location::Hub { revision, .. })) => Some(revision),
        _ => None,
    };
    (Some(on_hub), commit)
}

/// The part of a published dataset that the flags name, and its split.
fn selection(args: &ScoreArgs) -> Option<(Selection, Option<String>)> {
    if let Some(name) = &args.protocol {
        let selection = Protocol::find(name).ok()?.selection;
        let split = selection.split.name.to_owned();
        return Some((selection, Some(split)));
    }
    let selection = Selection::new(args.dataset.as_deref()?, None, None).ok()?;
    let splits = selection.config.splits;
    // What is drawn is drawn from the only split there is.
    let is_it = |name: &&str| splits.len() == 1 || *name == args.split;
    let split = splits.iter().map(|split| split.name).find(is_it).map(str::to_owned);
    Some((selection, split))
}

fn of_run(subject: &Subject) -> (Option<HubDataset>, Option<String>) {
    let recipe = &subject.recipe;
    let source = Source::of_recipe(recipe);
    let card = source.card(&subject.dataset, &recipe.split).ok();
    let on_hub = card.filter(|card| card.id.contains('/'));
    let on_hub = on_hub.map(|card| HubDataset { id: card.id, config: card.config, split: card.split });
    let commit = Some(&recipe.dataset_commit).filter(|commit| !commit.is_empty()).cloned();
    (on_hub, commit.or_else(|| commit_of_dataset(&source, &subject.dataset)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ScoreArgs,
    }

    #[test]
    fn a_published_dataset_has_its_name_on_the_hub_the_split_of_its_clips_and_a_commit_unless_it_is_a_copy() {
        let of = |flags: &str| {
            let words = ["eval", "--model", "m"].into_iter().chain(flags.split_whitespace());
            let (on_hub, commit) = of_flags(&Line::parse_from(words).args);
            let on_hub =
                on_hub.map(|it| (it.id, it.config.unwrap_or_default(), it.split.unwrap_or_default()));
            (on_hub, commit.map(|commit| commit.len()))
        };
        let hub =
            |id: &str, config: &str, split: &str| Some((id.to_owned(), config.to_owned(), split.to_owned()));
        let gtzan = hub("marsyas/gtzan", "all", "train");
        assert_eq!(of("--dataset gtzan --split test"), (gtzan.clone(), Some(40)));
        assert_eq!(of("--protocol gtzan:course"), (gtzan.clone(), Some(40)));
        assert_eq!(of("--dataset gtzan --data copy"), (gtzan, None));
        let (fleurs, _) = of("--dataset fleurs:all --split validation");
        assert_eq!(fleurs, hub("google/fleurs", "all", "validation"));
        for none in ["--data clips", "--dataset sample"] {
            assert_eq!(of(none), (None, None), "{none}");
        }
    }
}
