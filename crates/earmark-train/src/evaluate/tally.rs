//! The scores of an evaluation, summed up clip by clip.

use std::collections::{BTreeMap, HashMap};

use earmark_eval::{
    Bootstrap, Clusters, ConfusionMatrix, ErrorKind, IntervalMethod, Reliability, ScoreMatrix, SingleLabel,
    accuracy_interval, cross_entropy, log_loss, wilson_interval,
};
use earmark_labels::Scores;

use crate::evaluate::largest;
use crate::evaluate::report::{Confidences, EvaluationReport, PartScore, PartScores};

/// The scores of an evaluation, summed up clip by clip. It keeps 24 bytes of a clip; and the scores of all its classes as long as these
/// are at most [`Tally::MOST_SCORES`] in all.
#[derive(Debug, Clone)]
pub struct Tally {
    confusion: ConfusionMatrix,
    /// The sum of the cross-entropies, in nats.
    loss: f64,
    /// The same with the probabilities that scikit-learn clips.
    log_loss: f64,
    kind: Scores,
    clips: Vec<Tallied>,
    /// The scores of all clips, row after row; `None` where they are too many.
    scores: Option<Vec<f32>>,
    clusters: HashMap<String, u32>,
}

/// What is kept of a clip.
#[derive(Debug, Clone, Copy)]
struct Tallied {
    actual: u32,
    predicted: u32,
    /// How many classes have higher scores than its own, or equal ones and lower ids.
    rank: u32,
    confidence: f32,
    part: u32,
    /// `u32::MAX` where it is not known to belong to others.
    cluster: u32,
}

const ALONE: u32 = u32::MAX;

/// A clip as a model sees it.
#[derive(Debug, Clone, Copy)]
pub struct ClipScores<'a> {
    /// Its class.
    pub actual: usize,
    /// The output of the model, one number a class.
    pub logits: &'a [f32],
    /// What becomes of these by the tally's kind of scores.
    pub scores: &'a [f32],
    /// Its fold or language, from 0; 0 where there are no parts.
    pub part: usize,
    /// The speaker, the recording or the artist that it shares with other clips; `None` where none is known.
    pub cluster: Option<&'a str>,
}

/// What clips have in common that are right or wrong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterField {
    /// The name of the field: `src_file`.
    pub name: String,
    /// What it tells: `recording`.
    pub kind: String,
}

impl Tally {
    /// The most scores whose ranking metrics are computed: ROC-AUC, average precision and the calibration of each class need all of them
    /// at once, 4 bytes each, and twice that again while they are computed.
    pub const MOST_SCORES: usize = 16 << 20;

    /// Of no clips, and so many classes.
    pub fn new(classes: usize, kind: Scores) -> Tally {
        Tally {
            confusion: ConfusionMatrix::new(classes),
            loss: 0.0,
            log_loss: 0.0,
            kind,
            clips: Vec::new(),
            scores: Some(Vec::new()),
            clusters: HashMap::new(),
        }
    }

    /// Adds a clip, and gives the most likely class.
    ///
    /// # Panics
    /// When its class is not one of the tally's, or there is not one logit and one score for each of them.
    pub fn add(&mut self, clip: &ClipScores<'_>) -> usize {
        let ClipScores { actual, logits, scores, part, cluster } = *clip;
        let classes = self.confusion.classes();
        assert_eq!(
            (logits.len(), scores.len()),
            (classes, classes),
            "one logit and one score for each class"
        );
        let predicted = largest(logits);
        self.confusion.record(actual, predicted);
        let loss = cross_entropy(logits, actual);
        self.loss += loss;
        self.log_loss += log_loss((-loss).exp());
        let is_before = |&(class, &logit): &(usize, &f32)| {
            logit > logits[actual] || (logit == logits[actual] && class < actual)
        };
        let count = self.clusters.len() as u32;
        let cluster = match cluster {
            None => ALONE,
            Some(name) => match self.clusters.get(name) {
                Some(&known) => known,
                None => *self.clusters.entry(name.to_owned()).or_insert(count),
            },
        };
        self.clips.push(Tallied {
            actual: actual as u32,
            predicted: predicted as u32,
            rank: logits.iter().enumerate().filter(is_before).count() as u32,
            confidence: scores[predicted],
            part: part as u32,
            cluster,
        });
        if let Some(kept) = &mut self.scores {
            match kept.len() + classes <= Tally::MOST_SCORES {
                true => kept.extend(scores),
                false => self.scores = None,
            }
        }
        predicted
    }

    /// Every metric of the clips so far; `parts` are the names of the folds or languages, none where there are no parts, and `field` is
    /// what the clusters of the clips were taken from.
    ///
    /// # Panics
    /// When there is not one label for each class.
    pub fn report(
        &self,
        [dataset, split, model]: [&str; 3],
        labels: &[String],
        parts: &[String],
        field: Option<&ClusterField>,
    ) -> EvaluationReport {
        let clips = self.clips.len();
        let [loss, log_loss] = [self.loss, self.log_loss].map(|sum| sum / clips.max(1) as f64);
        let mut report =
            EvaluationReport::new(dataset, split, model, labels.to_vec(), self.confusion.clone(), loss);
        if clips == 0 {
            return report;
        }
        let all: Vec<&Tallied> = self.clips.iter().collect();
        let interval = Interval::of(&all, field);
        report.accuracy_interval = interval.bounds;
        report.interval_method = interval.method;
        report.interval_cluster = interval.cluster;
        report.interval_reason = interval.reason;
        report.top_k = self.top_k();
        if self.kind != Scores::None {
            let right: Vec<bool> = all.iter().map(|clip| clip.is_right()).collect();
            let confidence: Vec<f64> = all.iter().map(|clip| f64::from(clip.confidence).min(1.0)).collect();
            let reliability = Reliability::new(&confidence, &right, Reliability::BINS).ok();
            report.ece = reliability.as_ref().map(Reliability::ece);
            report.reliability = reliability;
            report.confidences = Some(Confidences::of(&confidence, &right));
        }
        report.log_loss = (self.kind == Scores::Softmax).then_some(log_loss);
        self.rank(&mut report);
        report.parts = (!parts.is_empty()).then(|| self.parts(parts, field));
        report
    }

    fn top_k(&self) -> BTreeMap<usize, f64> {
        let share = |k: usize| {
            let found = self.clips.iter().filter(|clip| (clip.rank as usize) < k).count();
            found as f64 / self.clips.len() as f64
        };
        let below = |k: &usize| *k < self.confusion.classes();
        [2, 3, 5, 10].into_iter().filter(below).map(|k| (k, share(k))).collect()
    }

    /// The metrics of all scores of a class at once.
    fn rank(&self, report: &mut EvaluationReport) {
        let Some(scores) = &self.scores else { return };
        let classes = self.confusion.classes();
        let matrix = ScoreMatrix::new(
            classes,
            scores.iter().map(|&score| f64::from(score).min(self.most())).collect(),
        );
        let truth = self.clips.iter().map(|clip| clip.actual as usize).collect();
        // Scores that are not finite never come this far.
        let Ok(clips) = matrix.and_then(|matrix| SingleLabel::new(matrix, truth)) else { return };
        report.roc_auc = Some(clips.roc_auc());
        report.average_precision = Some(clips.average_precision());
        if let Ok(reliability) = clips.class_reliability(Reliability::BINS) {
            report.class_ece =
                Some(reliability.iter().map(Reliability::ece).sum::<f64>() / classes.max(1) as f64);
        }
    }

    /// Probabilities in `f32` may be above 1 by their last bit.
    fn most(&self) -> f64 {
        if self.kind == Scores::None { f64::INFINITY } else { 1.0 }
    }

    fn parts(&self, names: &[String], field: Option<&ClusterField>) -> PartScores {
        let classes = self.confusion.classes();
        let mut of: Vec<Vec<&Tallied>> = vec![Vec::new(); names.len()];
        for clip in &self.clips {
            of.get_mut(clip.part as usize).into_iter().for_each(|part| part.push(clip));
        }
        let score = |(name, clips): (&String, Vec<&Tallied>)| {
            let pairs = clips.iter().map(|clip| (clip.actual as usize, clip.predicted as usize));
            let confusion = ConfusionMatrix::from_pairs(classes, pairs);
            PartScore {
                name: name.clone(),
                n: confusion.total(),
                accuracy: confusion.accuracy(),
                accuracy_interval: Interval::of(&clips, field).bounds,
                macro_f1: confusion.macro_f1(),
            }
        };
        PartScores::of(names.iter().zip(of).map(score).collect())
    }
}

impl Tallied {
    fn is_right(&self) -> bool {
        self.actual == self.predicted
    }
}

/// The interval of an accuracy, and how it came to be.
struct Interval {
    bounds: [f64; 2],
    method: IntervalMethod,
    cluster: Option<String>,
    reason: String,
}

impl Interval {
    fn of(clips: &[&Tallied], field: Option<&ClusterField>) -> Interval {
        let right: Vec<bool> = clips.iter().map(|clip| clip.is_right()).collect();
        let wilson = |reason: String| {
            let correct = right.iter().filter(|&&right| right).count();
            let bounds = wilson_interval(correct as u64, right.len() as u64);
            Interval { bounds, method: IntervalMethod::Wilson, cluster: None, reason }
        };
        let Some(ClusterField { name, kind }) = field else {
            return wilson(
                "no field tells which clips belong together: they are taken as independent".to_owned(),
            );
        };
        let keys: Vec<Option<u32>> =
            clips.iter().map(|clip| (clip.cluster != ALONE).then_some(clip.cluster)).collect();
        let clusters = Clusters::with_unknown(&keys);
        let few =
            if clusters.len() < 20 { "; with fewer than 20 of them it is rather too narrow" } else { "" };
        match accuracy_interval(&right, &clusters, &Bootstrap::default()) {
            Ok(it) => Interval {
                bounds: [it.low, it.high],
                method: it.method,
                cluster: Some(name.clone()),
                reason: match it.method {
                    IntervalMethod::ClusterBootstrap => format!(
                        "clips of one {kind} are right or wrong together, so whole {kind}s were resampled: {} by `{name}`{few}",
                        it.clusters
                    ),
                    IntervalMethod::Wilson if clusters.are_single_clips() => {
                        format!("no two clips are of one {kind} by `{name}`")
                    }
                    IntervalMethod::Wilson => format!(
                        "all clips are right, or all wrong: the interval is that of as many independent clips as there are {kind}s by \
                         `{name}`, {}",
                        it.clusters
                    ),
                },
            },
            Err(error) if matches!(error.kind, ErrorKind::OneCluster) => wilson(format!(
                "all clips are of one {kind} by `{name}`, which leaves nothing to resample: they are taken as independent, and the \
                 interval is too narrow"
            )),
            Err(_) => wilson("clips are taken as independent".to_owned()),
        }
    }
}

impl Confidences {
    /// Bins of equal width.
    const BINS: usize = 20;

    fn of(confidence: &[f64], right: &[bool]) -> Confidences {
        let mut counted =
            Confidences { right: vec![0; Confidences::BINS], wrong: vec![0; Confidences::BINS] };
        for (confidence, &right) in confidence.iter().zip(right) {
            let bin = ((confidence * Confidences::BINS as f64) as usize).min(Confidences::BINS - 1);
            let of = if right { &mut counted.right } else { &mut counted.wrong };
            of[bin] += 1;
        }
        counted
    }
}

impl PartScores {
    fn of(parts: Vec<PartScore>) -> PartScores {
        let count = parts.len() as f64;
        let mean = parts.iter().map(|part| part.accuracy).sum::<f64>() / count.max(1.0);
        let squares: f64 = parts.iter().map(|part| (part.accuracy - mean).powi(2)).sum();
        PartScores { parts, mean_accuracy: mean, accuracy_spread: (squares / (count - 1.0).max(1.0)).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::targets::Targets;
    use crate::evaluate::Evaluation;

    /// Forty clips of three classes.
    fn tally(kind: Scores, cluster: impl Fn(usize) -> Option<String>) -> (Tally, Vec<Vec<f32>>, Vec<usize>) {
        let logits: Vec<Vec<f32>> = (0..40)
            .map(|clip: i32| (0..3).map(|class| ((clip * 7 + class * 5) % 11) as f32 / 3.0).collect())
            .collect();
        let actual: Vec<usize> = (0..40).map(|clip| clip * 5 % 3).collect();
        let mut tally = Tally::new(3, kind);
        for (clip, (logits, &actual)) in logits.iter().zip(&actual).enumerate() {
            let (scores, cluster) = (kind.apply(logits), cluster(clip));
            let part = clip % 4;
            let predicted =
                tally.add(&ClipScores { actual, logits, scores: &scores, part, cluster: cluster.as_deref() });
            assert_eq!(predicted, largest(logits));
        }
        (tally, logits, actual)
    }

    fn labels() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_tally_reports_what_an_evaluation_of_the_same_clips_does_and_more() {
        let (tally, logits, actual) = tally(Scores::Softmax, |_| None);
        let losses = actual.iter().zip(&logits).map(|(&actual, logits)| cross_entropy(logits, actual));
        let loss = losses.sum::<f64>() / 40.0;
        let scores = logits.iter().map(|row| Scores::Softmax.apply(row));
        let matrix = ScoreMatrix::from_rows(3, scores).unwrap();
        let clips = SingleLabel::new(matrix, actual.clone()).unwrap();
        let evaluation = Evaluation { logits, targets: Targets::Class(actual), loss };
        let report = tally.report(["d", "s", "m"], &labels(), &[], None);
        let of_evaluation = evaluation.report("d", "s", "m", &labels());
        assert_eq!(
            (report.n, report.accuracy, report.macro_f1),
            (40, of_evaluation.accuracy, of_evaluation.macro_f1)
        );
        assert_eq!((&report.per_class, report.loss), (&of_evaluation.per_class, loss));
        assert!((report.log_loss.unwrap() - clips.log_loss().unwrap()).abs() < 1e-6);
        assert_eq!(report.top_k[&2], clips.top_k_accuracy(2));
        assert!((report.ece.unwrap() - clips.reliability(15).unwrap().ece()).abs() < 1e-6);
        assert_eq!(report.top_k.len(), 1, "the top 3 of three classes say nothing");
        let counted = report.confidences.unwrap();
        assert_eq!(counted.right.iter().sum::<u64>() as f64, 40.0 * report.accuracy);
        assert_eq!(counted.right.iter().chain(&counted.wrong).sum::<u64>(), 40);
        assert!(
            (report.roc_auc.unwrap().macro_average.unwrap() - clips.roc_auc().macro_average.unwrap()).abs()
                < 1e-6
        );
        assert!(report.class_ece.is_some() && report.parts.is_none());
    }

    #[test]
    fn a_log_loss_counts_a_clip_as_scikit_learn_does_and_a_loss_as_the_trainer() {
        let mut tally = Tally::new(2, Scores::Softmax);
        let (logits, scores) = ([1000.0, 0.0], [1.0, 0.0]);
        tally.add(&ClipScores { actual: 1, logits: &logits, scores: &scores, part: 0, cluster: None });
        let report = tally.report(["d", "s", "m"], &labels()[..2], &[], None);
        assert_eq!(report.loss, 1000.0);
        assert!((report.log_loss.unwrap() - 36.043_653_389_117_15).abs() < 1e-12);
    }

    #[test]
    fn logits_have_no_log_loss_and_no_calibration() {
        let report = tally(Scores::None, |_| None).0.report(["d", "s", "m"], &labels(), &[], None);
        assert_eq!((report.log_loss, report.ece, report.class_ece), (None, None, None));
        assert!(report.roc_auc.is_some());
        let report = tally(Scores::Sigmoid, |_| None).0.report(["d", "s", "m"], &labels(), &[], None);
        assert!(report.log_loss.is_none() && report.ece.is_some());
    }

    #[test]
    fn the_reason_of_an_interval_is_told() {
        let field = ClusterField { name: "speaker_id".to_owned(), kind: "speaker".to_owned() };
        let of = |cluster: fn(usize) -> Option<String>| {
            tally(Scores::Softmax, cluster).0.report(["d", "s", "m"], &labels(), &[], Some(&field))
        };
        let four = of(|clip| Some((clip / 10).to_string()));
        assert_eq!(four.interval_method, IntervalMethod::ClusterBootstrap);
        assert_eq!(four.interval_cluster.as_deref(), Some("speaker_id"));
        assert!(
            four.interval_reason.contains("4 by `speaker_id`; with fewer than 20"),
            "{}",
            four.interval_reason
        );
        let one = of(|_| Some("ann".to_owned()));
        assert_eq!((one.interval_method, &one.interval_cluster), (IntervalMethod::Wilson, &None));
        assert!(one.interval_reason.contains("one speaker"), "{}", one.interval_reason);
        let all = of(|clip| Some(clip.to_string()));
        assert_eq!(all.interval_reason, "no two clips are of one speaker by `speaker_id`");
        assert_eq!(all.accuracy_interval, one.accuracy_interval);
    }

    #[test]
    fn parts_have_their_own_scores_a_mean_and_a_spread() {
        let (tally, logits, actual) = tally(Scores::Softmax, |_| None);
        let names: Vec<String> = (1..=4).map(|fold| fold.to_string()).collect();
        let parts = tally.report(["d", "s", "m"], &labels(), &names, None).parts.unwrap();
        let of = |part: usize| {
            let right = (part..40).step_by(4).filter(|&clip| largest(&logits[clip]) == actual[clip]).count();
            right as f64 / 10.0
        };
        let wanted: Vec<f64> = (0..4).map(of).collect();
        assert_eq!(parts.parts.iter().map(|part| part.accuracy).collect::<Vec<_>>(), wanted);
        let mean = wanted.iter().sum::<f64>() / 4.0;
        let spread = (wanted.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
        assert!((parts.mean_accuracy - mean).abs() < 1e-15 && (parts.accuracy_spread - spread).abs() < 1e-15);
    }
}
