//! The scores of an evaluation, made of its answers one by one.

use anyhow::{Result, bail};
use earmark_labels::Scores;
use earmark_train::{ClipScores, ClusterField, Conflicts, EvaluationReport, LabelConflict, Mistake, Tally};

use super::record::{About, Answer, Batch, Heard, LeftOut, Sound, hex};
use crate::output::tables::predictions::ClipPrediction;

/// Clips that were classified wrongly, and of those the ones with the highest scores.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    pub(super) count: usize,
    /// The highest score first; of equal ones the first clip.
    pub(super) worst: Vec<Wrong>,
}

/// A clip that was classified wrongly.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wrong {
    pub(super) mistake: Mistake,
    pub(super) sha256: [u8; 32],
    /// Its sound, once it is known.
    pub(super) heard: Option<Heard>,
}

impl Mistakes {
    /// How many are kept.
    const KEPT: usize = 20;

    fn add(&mut self, mistake: Mistake, sha256: [u8; 32]) {
        self.count += 1;
        let place = self.worst.partition_point(|it| it.mistake.score.total_cmp(&mistake.score).is_ge());
        if place < Mistakes::KEPT {
            self.worst.insert(place, Wrong { mistake, sha256, heard: None });
            self.worst.truncate(Mistakes::KEPT);
        }
    }
}

/// The scores of the answers so far. Of each clip it keeps no more than its name and the hash of its sound.
pub(super) struct Summary {
    about: About,
    scores: Scores,
    /// Which of the columns of groups is resampled.
    cluster: Option<usize>,
    tally: Tally,
    pub(super) mistakes: Mistakes,
    conflicts: Conflicts,
    /// Clips that are not what a run held out.
    pub(super) changed: Vec<String>,
    pub(super) left_out: Vec<LeftOut>,
}

impl Summary {
    pub(super) fn new(about: &About) -> Summary {
        Summary {
            scores: about.scores(),
            cluster: about
                .cluster
                .as_ref()
                .and_then(|(name, _)| about.groups.iter().position(|column| column == name)),
            tally: Tally::new(about.labels.len(), about.scores()),
            mistakes: Mistakes::default(),
            conflicts: Conflicts::default(),
            changed: Vec::new(),
            left_out: about.left_out.clone(),
            about: about.clone(),
        }
    }

    /// Adds clips, and gives what is predicted for each to `write`.
    pub(super) fn add(
        &mut self,
        batch: Batch,
        mut write: impl FnMut(ClipPrediction) -> Result<()>,
    ) -> Result<()> {
        self.left_out.extend(batch.left_out);
        for answer in batch.clips {
            write(self.clip(answer)?)?;
        }
        Ok(())
    }

    fn clip(&mut self, answer: Answer) -> Result<ClipPrediction> {
        let Answer { path, label, sha256, logits, groups, part, changed } = answer;
        let labels = &self.about.labels;
        // The journal is a file, and files may hold anything.
        if label >= labels.len() || logits.0.len() != labels.len() || groups.len() != self.about.groups.len()
        {
            bail!("the answer for `{path}` does not fit the labels of its journal");
        }
        let scores = self.scores.apply(&logits.0);
        let cluster = self.cluster.and_then(|column| groups[column].as_deref());
        let clip = ClipScores { actual: label, logits: &logits.0, scores: &scores, part, cluster };
        let predicted = self.tally.add(&clip);
        self.conflicts.add(sha256, &path, label, labels);
        if changed {
            self.changed.push(path.clone());
        }
        let [actual, predicted_label] = [label, predicted].map(|id| labels[id].clone());
        if predicted != label {
            let mistake = Mistake {
                clip: path.clone(),
                actual: actual.clone(),
                predicted: predicted_label.clone(),
                score: scores[predicted],
            };
            self.mistakes.add(mistake, sha256);
        }
        let sha256 = hex::text(&sha256);
        Ok(ClipPrediction { path, label: actual, predicted: predicted_label, scores, groups, sha256 })
    }

    /// Adds the sounds of clips that were added before; of those that are no longer among the worst nothing is kept.
    pub(super) fn add_sounds(&mut self, sounds: Vec<Sound>) {
        for Sound { path, heard } in sounds {
            if let Some(wrong) = self.mistakes.worst.iter_mut().find(|it| it.mistake.clip == path) {
                wrong.heard = Some(heard);
            }
        }
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// Sounds that are labelled in two ways.
    pub(super) fn take_conflicts(&mut self) -> Vec<LabelConflict> {
        std::mem::take(&mut self.conflicts).found()
    }

    pub(super) fn report(&self) -> EvaluationReport {
        let About { dataset, split, model, labels, parts, protocol, cluster, .. } = &self.about;
        let cluster = cluster.clone().map(|(name, kind)| ClusterField { name, kind });
        let mut report = self.tally.report([dataset, split, model], labels, parts, cluster.as_ref());
        report.protocol = protocol.clone();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_confident_mistakes_are_kept_in_the_order_of_all_of_them() {
        let mistake = |clip: usize| Mistake {
            clip: clip.to_string(),
            actual: "a".to_owned(),
            predicted: "b".to_owned(),
            score: ((clip * 13) % 9) as f32,
        };
        let mut all: Vec<Mistake> = (0..60).map(mistake).collect();
        let mut mistakes = Mistakes::default();
        all.iter().for_each(|it| mistakes.add(it.clone(), [0; 32]));
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        let worst: Vec<Mistake> = mistakes.worst.into_iter().map(|it| it.mistake).collect();
        assert_eq!((mistakes.count, worst), (60, all[..20].to_vec()));
    }
}
