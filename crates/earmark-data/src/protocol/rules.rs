//! How a protocol chooses its clips.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::scored::{Part, Scored};
use crate::catalog::gtzan::CORRUPT;
use crate::catalog::spec::Selection;
use crate::clip::Clip;
use crate::dataset::AudioDataset;
use crate::error::ErrorKind;
use crate::split::{Split, TestSize, train_test_split};

/// Which clips of a split are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// All of them.
    All,
    /// All of them, in so many parts by a field.
    Parts { field: &'static str, parts: usize },
    /// The test part of the course's split of GTZAN.
    Course,
    /// As [`Rule::Course`], but for clips by artists of the training part.
    CourseByArtist,
}

/// Whether clips have to be as many as the protocol is defined for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    Exact,
    /// A remark tells the difference.
    Any,
}

/// The course's `train_test_split(seed=42, shuffle=True, test_size=0.1)`.
const COURSE: (TestSize, u64) = (TestSize::Fraction(0.1), 42);

impl Rule {
    /// How many clips it scores, where that is known.
    pub(super) fn clips(self, selection: &Selection) -> Option<usize> {
        match self {
            Rule::All | Rule::Parts { .. } => selection.split.clips,
            Rule::Course => Some(100),
            Rule::CourseByArtist => None,
        }
    }

    pub(super) fn needed_field(self) -> Option<&'static str> {
        (self == Rule::CourseByArtist).then_some("artist")
    }
}

/// The clips of `dataset` that are scored; it has those of the protocol's split.
pub(super) fn choose(
    rule: Rule,
    selection: &Selection,
    mut dataset: AudioDataset,
    counts: Counts,
) -> Result<Scored, ErrorKind> {
    let Selection { dataset: published, split, .. } = selection;
    if published.id == "gtzan" {
        // A copy that was unpacked by hand has them.
        dataset.clips.retain(|clip| CORRUPT.iter().all(|(bad, _)| !clip.name.contains(bad)));
    }
    let mut remarks = Vec::new();
    let clips = dataset.clips.len();
    if let Some(wanted) = split.clips.filter(|wanted| *wanted != clips) {
        if counts == Counts::Exact {
            return Err(ErrorKind::OtherClips { clips, wanted });
        }
        remarks.push(format!(
            "there are {clips} clips where the dataset has {wanted}: the score cannot be compared with others of the protocol"
        ));
    }
    let parts = match rule {
        Rule::All => vec![whole(split.name, &dataset)],
        Rule::Parts { field, parts } => by_field(selection, &dataset, field, (parts, counts), &mut remarks)?,
        Rule::Course => {
            let Split { test, .. } = course_split(&mut dataset)?;
            keep(&mut dataset, &test);
            vec![whole("test", &dataset)]
        }
        Rule::CourseByArtist => {
            let split = course_split(&mut dataset)?;
            let (test, remark) = by_unknown_artists(&dataset, &split)?;
            remarks.push(remark);
            keep(&mut dataset, &test);
            vec![whole("test", &dataset)]
        }
    };
    Ok(Scored { dataset, parts, remarks })
}

fn whole(name: &str, dataset: &AudioDataset) -> Part {
    Part { name: name.to_owned(), clips: (0..dataset.clips.len()).collect() }
}

fn keep(dataset: &mut AudioDataset, places: &[usize]) {
    dataset.clips = places.iter().map(|&place| dataset.clips[place].clone()).collect();
}

/// Parts by the values of a field: numbers in their order, then words.
fn by_field(
    selection: &Selection,
    dataset: &AudioDataset,
    field: &str,
    (wanted, counts): (usize, Counts),
    remarks: &mut Vec<String>,
) -> Result<Vec<Part>, ErrorKind> {
    let classes = selection.config.label_columns.iter().find(|column| column.name == field);
    let mut parts: BTreeMap<(u64, String), Vec<usize>> = BTreeMap::new();
    for (place, clip) in dataset.clips.iter().enumerate() {
        let group = clip.group(field).ok_or_else(|| ErrorKind::no_field(clip, field))?;
        let number = clip.fields.get(field).and_then(Value::as_u64).or_else(|| group.parse().ok());
        // A class is stored by its number.
        let class = classes
            .zip(number)
            .and_then(|(column, number)| column.classes.get(usize::try_from(number).ok()?));
        let name = class.map_or(group, |class| (*class).to_owned());
        parts.entry((number.unwrap_or(u64::MAX), name)).or_default().push(place);
    }
    if parts.len() != wanted {
        let parts = parts.len();
        if counts == Counts::Exact {
            return Err(ErrorKind::OtherParts { field: field.to_owned(), parts, wanted });
        }
        remarks.push(format!("there are {parts} values of `{field}` where the dataset has {wanted}"));
    }
    Ok(parts.into_iter().map(|((_, name), clips)| Part { name, clips }).collect())
}

/// The course's split of GTZAN, whose clips it brings into the order that the course has them in.
fn course_split(dataset: &mut AudioDataset) -> Result<Split, ErrorKind> {
    dataset.clips.sort_by(|a, b| a.name.cmp(&b.name));
    train_test_split(dataset.clips.len(), COURSE.0, COURSE.1).map_err(|error| error.kind)
}

/// Of the test part, the clips whose artist no clip of the training part is by; and what was left out.
fn by_unknown_artists(dataset: &AudioDataset, split: &Split) -> Result<(Vec<usize>, String), ErrorKind> {
    let artist =
        |clip: &Clip| Some(clip.group("artist")?.trim().to_lowercase()).filter(|name| !name.is_empty());
    let of = |place: &usize| artist(&dataset.clips[*place]);
    if let (Some(clip), true) =
        (dataset.clips.first(), dataset.clips.iter().all(|clip| artist(clip).is_none()))
    {
        return Err(ErrorKind::no_field(clip, "artist"));
    }
    let trained: HashSet<String> = split.train.iter().filter_map(of).collect();
    let (mut kept, mut known, mut unnamed) = (Vec::new(), 0, 0);
    for place in &split.test {
        match of(place) {
            None => unnamed += 1,
            Some(name) if trained.contains(&name) => known += 1,
            Some(_) => kept.push(*place),
        }
    }
    if kept.is_empty() {
        return Err(ErrorKind::NoOtherArtists);
    }
    let untold = split.train.iter().filter(|place| of(place).is_none()).count();
    let remark = format!(
        "left out of {} test clips: {known} by artists that are also trained on, {unnamed} by unknown artists; \
         by unknown artists of {} training clips: {untold}",
        split.test.len(),
        split.train.len()
    );
    Ok((kept, remark))
}
