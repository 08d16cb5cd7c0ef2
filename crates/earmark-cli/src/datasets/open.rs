//! Opens datasets, and reports what is left out of them.

use std::path::Path;

use anyhow::Result;
use earmark_data::sample::{self, SampleOptions};
use earmark_data::{
    AudioDataset, ErrorKind, Fetch as _, FieldTable, Labelling, RemoteFile, Selection, Skipped,
};

use crate::args::hub::HubArgs;
use crate::datasets::fetch::{data_folder, hub_files};
use crate::output::count::count;
use crate::output::escape::escape;
use crate::output::{messages, progress};

/// The built-in sample, made in the data folder unless it is there.
pub(crate) fn open_sample() -> Result<AudioDataset> {
    let folder = data_folder().join("sample");
    if !folder.exists() {
        messages::note(format_args!("writing the built-in sample (53 MB) to {}", folder.display()));
    }
    Ok(sample::write(folder, &SampleOptions::default())?)
}

/// A folder or a Parquet file; what is left out of it is reported.
pub(crate) fn open_folder(path: &Path, label: Option<&str>) -> Result<AudioDataset> {
    open_folder_as(path, label, Labelling::SingleLabel)
}

/// The same, of clips of one class or of any number of them.
pub(crate) fn open_folder_as(path: &Path, label: Option<&str>, labelling: Labelling) -> Result<AudioDataset> {
    let dataset = AudioDataset::open_as(path, label, labelling).map_err(name_the_flag)?;
    report_left_out(&dataset);
    Ok(dataset)
}

/// One split of a dataset, or all of it.
pub(crate) fn only(mut dataset: AudioDataset, split: Option<&str>) -> Result<AudioDataset> {
    match split {
        None => Ok(dataset),
        Some("all") => {
            dataset.splits.clear();
            dataset.clips.iter_mut().for_each(|clip| clip.split = None);
            Ok(dataset)
        }
        Some(split) => Ok(dataset.split(split)?),
    }
}

/// The parts of a dataset that a training uses, unless a split is named: `train` is trained on, and `validation` or else `test` is
/// held out. It also gives the splits that are not used, with how many clips they have.
pub(crate) fn to_train(
    dataset: AudioDataset,
    split: Option<&str>,
) -> Result<(AudioDataset, Vec<(String, usize)>)> {
    if let ([only], None) = (dataset.splits.as_slice(), split)
        && **only != *"train"
    {
        messages::warning(format_args!(
            "the only split is `{only}`: training uses it, except for the held-out clips"
        ));
    }
    if split.is_some() || dataset.splits.len() < 2 {
        return Ok((only(dataset, split)?, Vec::new()));
    }
    let is_there = |name: &&str| dataset.splits.iter().any(|split| **split == **name);
    if !is_there(&"train") {
        let splits: Vec<&str> = dataset.splits.iter().map(|split| &**split).collect();
        let root = dataset.root.display();
        anyhow::bail!(
            "`{root}` has the splits {}, but no `train`: choose one with --split NAME, or --split all",
            splits.join(", ")
        );
    }
    let kept = ["validation", "test"].into_iter().find(is_there);
    let is_used = |split: &str| split == "train" || Some(split) == kept;
    let counts = dataset.clips_per_split().into_iter().filter(|(split, _)| !is_used(split));
    let unused: Vec<(String, usize)> = counts.map(|(split, clips)| (split.to_owned(), clips)).collect();
    let mut dataset = dataset;
    dataset.clips.retain(|clip| clip.split.as_deref().is_none_or(is_used));
    dataset
        .clips
        .iter_mut()
        .for_each(|clip| clip.held_out = clip.split.as_deref().is_some_and(|split| Some(split) == kept));
    Ok((dataset, unused))
}

/// Adds the fields of the table at `path`, if one is given, and warns of clips that it does not know.
pub(crate) fn add_fields(dataset: &mut AudioDataset, path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let without = dataset.add_fields(&FieldTable::read(path)?)?;
    if without > 0 {
        let path = earmark_fs::text(path);
        messages::warning(format_args!("{} without a row in `{path}`", count(without, "clip")));
    }
    Ok(())
}

/// Adds the flag that helps to an error of a dataset.
pub(crate) fn name_the_flag(error: earmark_data::Error) -> anyhow::Error {
    let advice = match error.kind {
        ErrorKind::NoLabelColumn { .. } => "choose the column holding the class with --label-column NAME",
        ErrorKind::ManyLabels { .. } => {
            "clips of several classes are for `earmark train`, and for `earmark eval --model M --data DIR --multi-label`"
        }
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(advice)
}

/// All of a published dataset, on this machine; a bar for each archive that is unpacked.
pub(crate) fn open_published(selection: &Selection, hub: &HubArgs) -> Result<AudioDataset> {
    let fetch = hub_files(hub)?;
    let template = "unpacking {prefix} {bar:30} {bytes}/{total_bytes} {eta} left";
    let mut bar: Option<(RemoteFile, indicatif::ProgressBar)> = None;
    let dataset = selection.open(&fetch, &data_folder(), |file, bytes| {
        if bar.as_ref().is_none_or(|(shown, _)| shown != file) {
            let size =
                fetch.path(file).ok().and_then(|path| path.metadata().ok()).map_or(0, |file| file.len());
            bar = Some((
                file.clone(),
                progress::bar(size, template).with_prefix(escape(&file.location.to_string()).into_owned()),
            ));
        }
        if let Some((_, bar)) = &bar {
            bar.set_position(bytes);
        }
    });
    if let Some((_, bar)) = bar {
        bar.finish_and_clear();
    }
    dataset.map_err(|error| match error.kind {
        ErrorKind::Fetch { source, .. } => anyhow::Error::from_boxed(source)
            .context(format!("`{}` is not on this machine and could not be downloaded", selection.name())),
        _ => error.into(),
    })
}

/// Reports what was left out of a dataset and why, and what could have been meant otherwise.
pub(crate) fn report_left_out(dataset: &AudioDataset) {
    for remark in &dataset.remarks {
        messages::warning(remark.as_str());
    }
    for skipped in dataset.skipped.chunk_by(|a, b| a.reason == b.reason) {
        let (count, Skipped { location, reason }) = (skipped.len(), &skipped[0]);
        match count {
            1 => messages::warning(format_args!("`{location}` is left out: {reason}")),
            _ => {
                messages::warning(format_args!("{count} files are left out, such as `{location}`: {reason}"));
            }
        }
    }
}
