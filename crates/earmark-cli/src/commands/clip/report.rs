//! What is said of a job that cuts clips.

use std::collections::BTreeSet;

use crate::clips::cut::Outcome;
use crate::clips::plan::{Plan, PlannedClip};
use crate::output::clock::clock;
use crate::output::count::count;
use crate::output::messages;

/// One line for a recording from which clips are missing.
pub(super) fn report_failures(path: &str, outcomes: &[Outcome]) {
    let failures: Vec<&String> =
        outcomes.iter().flatten().filter_map(|outcome| outcome.as_ref().err()).collect();
    if let Some(why) = failures.first() {
        let clips = count(failures.len(), "clip");
        messages::error(format_args!("cannot cut {clips} from `{path}`: {why}"));
    }
}

/// `57 clips of 4 labels from 3 recordings, 2:51.0 in all`
pub(super) fn summary<'a>(plan: &Plan, clips: impl Iterator<Item = &'a PlannedClip>, seconds: f64) -> String {
    let (mut number, mut labels, mut recordings) = (0, BTreeSet::new(), BTreeSet::new());
    for clip in clips {
        number += 1;
        labels.insert(clip.label.as_str());
        recordings.insert(plan.recordings[clip.recording].path.as_str());
    }
    let [clips, labels, recordings] =
        [(number, "clip"), (labels.len(), "label"), (recordings.len(), "recording")]
            .map(|(number, what)| count(number, what));
    format!("{clips} of {labels} from {recordings}, {} in all", clock(seconds))
}

/// Sounds of the results that do not become clips.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) below: usize,
    pub(super) unwanted: usize,
    pub(super) overlapping: usize,
    /// More of a label, or of a bin, than are cut, and the flag that says how many are.
    pub(super) more: usize,
    pub(super) flag: &'static str,
    pub(super) threshold: Option<f32>,
}

impl LeftOut {
    /// `; left out: 12 below 0.5, 3 that overlap a better one`; nothing where nothing is.
    pub(super) fn text(&self, before: &str) -> String {
        let reasons = [
            (self.below, format!("below {}", self.threshold.unwrap_or_default())),
            (self.unwanted, "with other labels".to_owned()),
            (self.overlapping, "that overlap a better one".to_owned()),
            (self.more, format!("beyond {}", self.flag)),
        ];
        let reasons = reasons.into_iter().filter(|(number, _)| *number > 0);
        let reasons: Vec<String> = reasons.map(|(number, why)| format!("{number} {why}")).collect();
        if reasons.is_empty() { String::new() } else { format!("{before}{}", reasons.join(", ")) }
    }
}
