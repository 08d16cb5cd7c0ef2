//! What an evaluation has done so far, as its journal keeps it: everything that its results are made of.

use earmark_labels::Scores;
use earmark_train::ProtocolRecord;
use serde::{Deserialize, Serialize};

use super::model::Prompts;
use super::shard::Shard;
pub(super) use crate::hex::{self, Floats as Logits};
use crate::journal::{Line, Settings};
use crate::scoring::provenance::Provenance;

/// The journal in the folder of results. That of a part of an evaluation stays: `merge` makes the results of all of them.
pub(super) const JOURNAL: &str = "answers.journal";

/// The setting that differs from part to part.
pub(super) const SHARD: &str = "--shard";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// The first line.
    Settings(Settings),
    /// The second.
    About(Box<About>),
    Batch(Batch),
    /// Behind the last batch: the sounds of the clips that may be among the worst mistakes of all parts.
    Sounds(Vec<Sound>),
    /// Every clip is done.
    End,
}

impl Line for Record {
    fn of_settings(settings: Settings) -> Record {
        Record::Settings(settings)
    }

    fn settings(&self) -> Option<&Settings> {
        match self {
            Record::Settings(settings) => Some(settings),
            _ => None,
        }
    }
}

/// What is scored on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) dataset: String,
    pub(super) split: String,
    pub(super) model: String,
    /// Whether it is a run, on the clips that the run held out.
    pub(super) of_run: bool,
    /// The model's labels, in the order of its outputs.
    pub(super) labels: Vec<String>,
    /// What its outputs become: `softmax`, `sigmoid` or `none`.
    pub(super) scores: String,
    pub(super) prompts: Option<Prompts>,
    /// The columns of groups.
    pub(super) groups: Vec<String>,
    /// The column whose groups are resampled for the interval, and what it tells.
    pub(super) cluster: Option<(String, String)>,
    /// What chose the clips, where it has a name.
    pub(super) protocol: Option<ProtocolRecord>,
    /// The folds or languages that have scores of their own.
    pub(super) parts: Vec<String>,
    /// Clips of the whole evaluation.
    pub(super) clips: usize,
    pub(super) shard: Option<Shard>,
    /// The rows of those clips that are scored here: the first, and the one behind the last.
    pub(super) rows: (usize, usize),
    /// Clips that were left out before the others were counted.
    pub(super) left_out: Vec<LeftOut>,
    pub(super) made: Provenance,
}

impl About {
    /// The same whatever command asked for it, and for which part.
    pub(super) fn of_all_parts(&self) -> About {
        let made = Provenance { command: String::new(), ..self.made.clone() };
        About { shard: None, rows: (0, 0), made, ..self.clone() }
    }

    pub(super) fn scores(&self) -> Scores {
        self.scores.parse().unwrap_or_default()
    }
}

/// Clips that follow one another.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Batch {
    /// The row of the first, and the one behind the last.
    pub(super) rows: (usize, usize),
    pub(super) clips: Vec<Answer>,
    pub(super) left_out: Vec<LeftOut>,
}

/// The model's answer for a clip.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) path: String,
    /// Its class, by the model's labels.
    pub(super) label: usize,
    #[serde(with = "hex")]
    pub(super) sha256: [u8; 32],
    pub(super) logits: Logits,
    /// Its group, for each column of groups.
    pub(super) groups: Vec<Option<String>>,
    /// Its fold or language.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) part: usize,
    /// Whether it is another sound than the one that a run held out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) changed: bool,
}

fn is_zero(part: &usize) -> bool {
    *part == 0
}

/// A clip that could not be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LeftOut {
    pub(super) path: String,
    pub(super) why: String,
}

/// What a clip sounds like.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sound {
    pub(super) path: String,
    pub(super) heard: Heard,
}

/// A sound, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Heard {
    Wav {
        #[serde(with = "hex")]
        bytes: Vec<u8>,
        /// Whether the clip goes on behind its end.
        is_cut: bool,
    },
    Missing(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_back_bit_for_bit() {
        // Subnormal, signed zero, numbers with nine digits.
        let numbers: Vec<f32> = (0..20_000u32).map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b1))).collect();
        let finite: Vec<f32> = numbers.into_iter().filter(|x| x.is_finite()).chain([-0.0, 1e-45]).collect();
        let answer = Answer {
            path: "a \"b\".wav".to_owned(),
            label: 3,
            sha256: std::array::from_fn(|i| (i * 9) as u8),
            logits: Logits(finite.clone()),
            groups: vec![None, Some("fold 1".to_owned())],
            part: 1,
            changed: false,
        };
        let json = serde_json::to_string(&answer).unwrap();
        let read: Answer = serde_json::from_str(&json).unwrap();
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.logits.0), bits(&finite));
        assert_eq!((read.sha256, read.groups), (answer.sha256, answer.groups));
    }

    #[test]
    fn digits_that_are_none_are_refused() {
        for text in [r#""3f8000""#, r#""3f80000g""#, r#""3""#, r#""é""#] {
            assert!(serde_json::from_str::<Logits>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Logits>(r#""3f800000""#).unwrap(), Logits(vec![1.0]));
    }
}
