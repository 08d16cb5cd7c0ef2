//! The counts as people read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::counts::{Counts, Group};
use crate::output::columns;
use crate::output::count::count;

/// Groups of equal clips that are listed.
const LISTED: usize = 20;

pub(super) fn of(counts: &Counts) -> String {
    let seconds = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2}"));
    let classes = counts.classes.iter().map(|class| {
        [
            class.label.clone(),
            class.clips.to_string(),
            format!("{:.1} %", 100.0 * class.clips as f64 / counts.clips.max(1) as f64),
            seconds(class.shortest),
            seconds(class.mean),
            seconds(class.longest),
        ]
    });
    let mut text =
        columns::numeric(["class", "clips", "share", "shortest s", "mean s", "longest s"], classes) + "\n\n";
    let listed = |counts: &BTreeMap<u32, usize>, unit: &str| {
        counts.iter().map(|(value, clips)| format!("{value}{unit} × {clips}")).collect::<Vec<_>>().join(", ")
    };
    let _ = writeln!(text, "{}, {:.2} hours", count(counts.clips, "clip"), counts.hours);
    let _ = writeln!(text, "rates     {}", listed(&counts.rates, " Hz"));
    let _ = writeln!(text, "channels  {}", listed(&counts.channels, ""));
    let _ = writeln!(text, "equal     {}", summary(counts));
    if !counts.duplicates.is_empty() {
        let _ = writeln!(text, "\n{}", table(&counts.duplicates));
    }
    match counts.duplicates.len().saturating_sub(LISTED) {
        0 => {}
        more => _ = writeln!(text, "and {}: --format json lists all", count(more, "more group")),
    }
    text
}

/// How many groups of equal clips there are, and what is wrong with them.
fn summary(counts: &Counts) -> String {
    let groups = &counts.duplicates;
    if groups.is_empty() {
        return "no two clips have the same samples".to_owned();
    }
    let of = |is: fn(&Group) -> bool| groups.iter().filter(|group| is(group)).count();
    let (differ, across) = (of(|group| group.labels_differ), of(|group| group.across_splits));
    let mut text = format!("{} of clips with the same samples", count(groups.len(), "group"));
    for (groups, what) in [(across, "across splits"), (differ, "with different labels")] {
        if groups > 0 {
            let _ = write!(text, ", {groups} {what}");
        }
    }
    text + &format!("; {}", count(counts.unique_clips, "unique clip"))
}

fn table(groups: &[Group]) -> String {
    let rows = groups.iter().take(LISTED).zip(1..).flat_map(|(group, number)| {
        let notes = [(group.across_splits, "across splits"), (group.labels_differ, "labels differ")];
        let note =
            notes.into_iter().filter(|(is, _)| *is).map(|(_, note)| note).collect::<Vec<_>>().join(", ");
        group.clips.iter().map(move |clip| {
            let split = clip.split.clone().unwrap_or_else(|| "–".to_owned());
            [number.to_string(), clip.name.clone(), clip.label.clone(), split, note.clone()]
        })
    });
    columns::left(["group", "clip", "label", "split", ""], rows)
}
