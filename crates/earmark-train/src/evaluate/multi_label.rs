//! The metrics of clips that may have any number of classes.

use earmark_eval::{Averages, MultiLabel, ScoreMatrix};

use crate::evaluate::records::MultiLabelRecord;

/// The logit whose sigmoid is 0.5: from there on a clip is said to be of a class.
pub(crate) const LEAST: f32 = 0.0;

/// Clips by their logits, which rank as their sigmoids do, but for the equals that rounding makes of these. `None` without clips.
pub(crate) fn clips(logits: &[Vec<f32>], classes: &[Vec<usize>]) -> Option<MultiLabel> {
    let all = logits.first()?.len();
    let is = |classes: &Vec<usize>| (0..all).map(|class| classes.contains(&class)).collect::<Vec<_>>();
    let scores = ScoreMatrix::new(all, logits.iter().flatten().map(|&logit| logit.into()).collect()).ok()?;
    MultiLabel::new(scores, classes.iter().flat_map(is).collect()).ok()
}

/// The same threshold for every class.
pub(crate) fn thresholds(clips: &MultiLabel) -> Vec<f64> {
    vec![LEAST.into(); clips.scores().classes()]
}

/// Share of the clips whose classes were all found, and no others.
pub(crate) fn exact_match(clips: &MultiLabel) -> f64 {
    clips.exact_match(&thresholds(clips)).unwrap_or(0.0)
}

/// The metrics of an epoch.
pub(crate) fn record(clips: &MultiLabel) -> MultiLabelRecord {
    let averages = Averages::of(&clips.counts(&thresholds(clips)).unwrap_or_default());
    MultiLabelRecord {
        map: clips.average_precision().macro_average.unwrap_or(0.0),
        macro_f1: averages.macro_average.f1,
        micro_f1: averages.micro.f1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `average_precision_score(y, x, average="macro")`, and `f1_score(y, x >= 0, average=…)` of scikit-learn 1.9.1.
    #[test]
    fn the_metrics_are_those_of_scikit_learn() {
        let logits =
            [[1.0, -2.0, 0.5], [0.25, 3.0, -1.0], [-1.0, 0.0, 2.0], [0.75, -0.5, -0.25]].map(Vec::from);
        let classes = [vec![0, 2], vec![1], vec![], vec![0, 1]];
        let clips = clips(&logits, &classes).unwrap();
        let found = record(&clips);
        for (got, want) in [
            (found.map, 0.7777777777777777),
            (found.macro_f1, 0.6555555555555556),
            (found.micro_f1, 0.6666666666666666),
            (exact_match(&clips), 0.25),
        ] {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
    }
}
