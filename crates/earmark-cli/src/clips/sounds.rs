//! The sounds that tables of results list, of all labels and recordings.

use std::collections::{BTreeSet, HashMap};

use crate::output::results::read::found::Found;

/// A sound: where it is and what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sound {
    /// Its place among [`Sounds::recordings`].
    pub(crate) recording: usize,
    /// Its place among [`Sounds::labels`].
    pub(crate) label: usize,
    /// Seconds from the recording's beginning.
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// None for one that a person marked.
    pub(crate) score: Option<f32>,
}

impl Sound {
    /// What orders sounds: one that a person marked comes before any that a model found.
    pub(crate) fn rank(&self) -> f32 {
        self.score.unwrap_or(f32::INFINITY)
    }
}

/// A recording, as the tables have it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recording {
    pub(crate) path: String,
    /// How long it plays, in seconds, where a table has that.
    pub(crate) duration: Option<f64>,
}

/// Which sounds of a table are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) threshold: Option<f32>,
    /// Empty for all labels.
    pub(crate) only: BTreeSet<String>,
    pub(crate) except: BTreeSet<String>,
}

/// The wanted sounds of some tables.
#[derive(Debug, Default)]
pub(crate) struct Sounds {
    pub(crate) recordings: Vec<Recording>,
    pub(crate) labels: Vec<String>,
    pub(crate) sounds: Vec<Sound>,
    /// How many have a lower score than the threshold.
    pub(crate) below: usize,
    /// How many have another label than the wanted ones.
    pub(crate) unwanted: usize,
    /// All labels of the tables, wanted or not.
    pub(crate) seen: BTreeSet<String>,
    places: HashMap<String, usize>,
    label_places: HashMap<String, usize>,
}

impl Sounds {
    pub(crate) fn add(&mut self, found: Found<'_>, wanted: &Wanted) {
        let Found { path, duration, start, end, label, score } = found;
        if !self.seen.contains(label) {
            self.seen.insert(label.to_owned());
        }
        if wanted.except.contains(label) || !(wanted.only.is_empty() || wanted.only.contains(label)) {
            self.unwanted += 1;
            return;
        }
        if score.zip(wanted.threshold).is_some_and(|(score, threshold)| score < threshold) {
            self.below += 1;
            return;
        }
        let label = *self.label_places.entry(label.to_owned()).or_insert_with(|| {
            self.labels.push(label.to_owned());
            self.labels.len() - 1
        });
        let recording = *self.places.entry(path.to_owned()).or_insert_with(|| {
            self.recordings.push(Recording { path: path.to_owned(), duration });
            self.recordings.len() - 1
        });
        self.sounds.push(Sound { recording, label, start, end, score });
    }
}
