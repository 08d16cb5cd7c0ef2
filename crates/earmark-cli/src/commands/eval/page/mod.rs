//! `report.html`.

mod command; // What an evaluation was made by,
pub(super) mod commits; // and of.
pub(super) mod sounds; // What the mistakes sound like.

use earmark_train::{EvaluationPage, EvaluationReport, HeardMistake, MistakeSound, evaluation_html};

use super::record::{About, Heard};
use super::summary::{Summary, Wrong};

/// The page of an evaluation.
pub(super) fn html(about: &About, summary: &Summary, report: &EvaluationReport) -> String {
    let mistake = |it: &Wrong| HeardMistake {
        mistake: it.mistake.clone(),
        sound: match &it.heard {
            Some(Heard::Wav { bytes, is_cut }) => MistakeSound::Wav { bytes: bytes.clone(), is_cut: *is_cut },
            Some(Heard::Missing(why)) => MistakeSound::Missing(why.clone()),
            None => MistakeSound::Missing("it was not kept".to_owned()),
        },
    };
    evaluation_html(&EvaluationPage {
        command: about.made.command.clone(),
        facts: about.made.facts(&about.model, &about.dataset),
        left_out: summary.left_out.len(),
        mistakes: summary.mistakes.worst.iter().map(mistake).collect(),
        report: report.clone(),
    })
}
