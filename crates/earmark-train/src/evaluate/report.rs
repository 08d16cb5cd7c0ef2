//! `report.json`.

use std::collections::BTreeMap;

use earmark_eval::{
    Averages, ClassMeans, ClassReport, ConfusionMatrix, IntervalMethod, MultiLabel, Reliability,
    wilson_interval,
};
use serde::{Deserialize, Serialize};

use crate::evaluate::multi_label::{exact_match, thresholds};
use crate::evaluate::records::null_is_nan;

/// As `config.json` has it.
const MULTI_LABEL: &str = "multi_label_classification";

/// `report.json`: how well a model does on one split of one dataset. Files of older versions lack the numbers that are optional here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// The dataset, with its configuration.
    pub dataset: String,
    /// The split of it that was scored.
    pub split: String,
    /// The model: a Hub id with its revision, or a folder.
    pub model: String,
    /// The protocol that chose the clips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolRecord>,
    /// `multi_label_classification` where a clip may have any number of classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem_type: Option<String>,
    /// Clips scored.
    pub n: u64,
    /// Share of them whose most likely class is theirs, 0 to 1; where a clip may have any number of classes, of those whose classes
    /// were all found, and no others.
    pub accuracy: f64,
    /// 95 % interval of the accuracy: how far another draw of clips could move it.
    pub accuracy_interval: [f64; 2],
    /// How the interval was computed.
    #[serde(default = "wilson")]
    pub interval_method: IntervalMethod,
    /// The field of the clips whose groups were resampled whole, such as `speaker_id`.
    #[serde(default)]
    pub interval_cluster: Option<String>,
    /// Why the interval was computed so, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub interval_reason: String,
    /// Mean F1 over the classes that occur, as [`ConfusionMatrix::macro_f1`].
    pub macro_f1: f64,
    /// Precision, recall and F1 averaged over the classes in three ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub averages: Option<Averages>,
    /// Mean F1 over the classes, each counted by its clips.
    #[serde(default)]
    pub weighted_f1: f64,
    /// Share of the clips whose class is among their `k` highest scores, for some `k` below the number of classes.
    #[serde(default)]
    pub top_k: BTreeMap<usize, f64>,
    /// Mean of `-ln` of the probability of a clip's class; `None` where the scores of a clip are no probabilities that sum to 1.
    #[serde(default)]
    pub log_loss: Option<f64>,
    /// Expected calibration error of the predictions, over bins of equal mass; `None` where scores are no probabilities.
    #[serde(default)]
    pub ece: Option<f64>,
    /// Mean over the classes of the calibration error of the scores of a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_ece: Option<f64>,
    /// The bins behind [`ece`](Self::ece).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Reliability>,
    /// How many clips have which confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidences: Option<Confidences>,
    /// Area under the ROC curve of each class against the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roc_auc: Option<ClassMeans>,
    /// Average precision of each class against the rest; its macro average is the mAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<ClassMeans>,
    /// The scores of each fold or language, where the protocol has such parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartScores>,
    /// One entry per class, in class-id order.
    pub per_class: Vec<ClassReport>,
    /// Clips by actual class (row) and predicted class (column); empty where a clip may have any number of classes.
    pub confusion: ConfusionMatrix,
    /// Class names, in class-id order.
    pub labels: Vec<String>,
    /// Mean cross-entropy in nats.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss: f64,
}

fn wilson() -> IntervalMethod {
    IntervalMethod::Wilson
}

/// A protocol, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolRecord {
    /// Its name, such as `esc50:folds`.
    pub name: String,
    /// What is scored and what a score then means.
    pub description: String,
    /// What was left out of it, and where it was not followed, a sentence each.
    pub remarks: Vec<String>,
}

/// The scores of the parts of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartScores {
    /// Each part, in the order of the protocol.
    pub parts: Vec<PartScore>,
    /// The mean of their accuracies, each part counted the same.
    pub mean_accuracy: f64,
    /// The standard deviation of their accuracies, with `n - 1` below the line; 0 for one part.
    pub accuracy_spread: f64,
}

/// The scores of a part of a dataset: a fold, or a language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartScore {
    /// Its name.
    pub name: String,
    /// Clips in it.
    pub n: u64,
    /// Share of them whose most likely class is theirs.
    pub accuracy: f64,
    /// 95 % interval of that, computed as that of all clips.
    pub accuracy_interval: [f64; 2],
    /// Mean F1 over the classes that occur in it.
    pub macro_f1: f64,
}

/// Clips by confidence, which is the score of the most likely class: bins of equal width from 0 to 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confidences {
    /// Clips that were classified correctly, from low to high confidence.
    pub right: Vec<u64>,
    /// The others.
    pub wrong: Vec<u64>,
}

impl EvaluationReport {
    /// Derives what a matrix tells; `loss` is the mean cross-entropy over the same clips. [`Tally`](crate::Tally) knows the rest.
    ///
    /// # Panics
    ///
    /// When there is not one label per class of the matrix.
    pub fn new(
        dataset: impl Into<String>,
        split: impl Into<String>,
        model: impl Into<String>,
        labels: Vec<String>,
        confusion: ConfusionMatrix,
        loss: f64,
    ) -> Self {
        assert_eq!(labels.len(), confusion.classes(), "one label per class of the confusion matrix");
        let per_class = labels
            .iter()
            .enumerate()
            .map(|(class, label)| confusion.class_report(class, label.clone()))
            .collect();
        let averages = confusion.averages();
        Self {
            dataset: dataset.into(),
            split: split.into(),
            model: model.into(),
            protocol: None,
            problem_type: None,
            n: confusion.total(),
            accuracy: confusion.accuracy(),
            accuracy_interval: wilson_interval(confusion.correct(), confusion.total()),
            interval_method: IntervalMethod::Wilson,
            interval_cluster: None,
            interval_reason: String::new(),
            macro_f1: averages.macro_average.f1,
            weighted_f1: averages.weighted.f1,
            averages: Some(averages),
            top_k: BTreeMap::new(),
            log_loss: None,
            ece: None,
            class_ece: None,
            reliability: None,
            confidences: None,
            roc_auc: None,
            average_precision: None,
            parts: None,
            per_class,
            confusion,
            labels,
            loss,
        }
    }

    /// Of clips that may have any number of classes, by their logits: a clip is said to be of a class where its score is at least 0.5.
    ///
    /// # Panics
    ///
    /// When there is not one label for each class.
    pub(crate) fn of_multi_label(
        [dataset, split, model]: [&str; 3],
        labels: Vec<String>,
        clips: &MultiLabel,
        loss: f64,
    ) -> Self {
        assert_eq!(labels.len(), clips.scores().classes(), "one label for each class");
        let counts = clips.counts(&thresholds(clips)).unwrap_or_default();
        let (averages, accuracy) = (Averages::of(&counts), exact_match(clips));
        let n = clips.scores().clips() as u64;
        let none = EvaluationReport::new(dataset, split, model, Vec::new(), ConfusionMatrix::new(0), loss);
        Self {
            problem_type: Some(MULTI_LABEL.to_owned()),
            n,
            accuracy,
            accuracy_interval: wilson_interval((accuracy * n as f64).round() as u64, n),
            macro_f1: averages.macro_average.f1,
            weighted_f1: averages.weighted.f1,
            averages: Some(averages),
            roc_auc: Some(clips.roc_auc()),
            average_precision: Some(clips.average_precision()),
            per_class: labels
                .iter()
                .zip(&counts)
                .map(|(label, counts)| counts.report(label.clone()))
                .collect(),
            labels,
            ..none
        }
    }

    /// Whether its clips may have any number of classes.
    pub fn is_multi_label(&self) -> bool {
        self.problem_type.as_deref() == Some(MULTI_LABEL)
    }

    /// Clips whose class, or whose classes, were found, and no others.
    pub fn correct(&self) -> u64 {
        match self.is_multi_label() {
            true => (self.accuracy * self.n as f64).round() as u64,
            false => self.confusion.correct(),
        }
    }

    /// The mean average precision over the classes, where it is known.
    pub fn mean_average_precision(&self) -> Option<f64> {
        self.average_precision.as_ref().and_then(|it| it.macro_average)
    }

    /// The labels of which no clip was scored.
    pub fn absent(&self) -> Vec<&str> {
        let absent = self.per_class.iter().filter(|class| class.support == 0);
        absent.map(|class| class.label.as_str()).collect()
    }

    /// Which classes [`macro_f1`](Self::macro_f1) is the mean of, such as `9 of 10 classes`; `None` when every class has clips.
    pub fn macro_f1_scope(&self) -> Option<String> {
        if self.is_multi_label() {
            return None;
        }
        let has_clips = |class: &usize| self.confusion.rows()[*class].iter().any(|&count| count > 0);
        let classes = self.confusion.classes();
        let counted: Vec<usize> = self.confusion.occurring().collect();
        let scope = format!("{} of {classes} classes", counted.len());
        // Predicted for some clip, and no clip is of it.
        match counted.iter().filter(|class| !has_clips(class)).count() {
            0 => (counted.len() < classes).then_some(scope),
            zeros => Some(format!("{scope}, {zeros} without clips counted as 0")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(classes: usize, pairs: &[(usize, usize)]) -> EvaluationReport {
        let labels = (0..classes).map(|class| format!("class {class}")).collect();
        let confusion = ConfusionMatrix::from_pairs(classes, pairs.iter().copied());
        EvaluationReport::new("gtzan", "test", "m", labels, confusion, 0.5)
    }

    #[test]
    fn no_clips_score_zero() {
        let empty = report(0, &[]);
        assert_eq!((empty.n, empty.accuracy, empty.macro_f1), (0, 0.0, 0.0));
    }

    #[test]
    fn a_report_survives_json_and_keeps_its_field_names() {
        let report = report(3, &[(0, 0), (0, 1), (1, 1), (2, 0), (2, 2), (2, 2)]);
        let json = serde_json::to_string(&report).unwrap();
        let read: EvaluationReport = serde_json::from_str(&json).unwrap();
        assert_eq!((&read.labels, &read.confusion, read.n), (&report.labels, &report.confusion, 6));
        // Without its feature `float_roundtrip` serde_json may read a number's last bit wrong.
        assert!((read.macro_f1 - report.macro_f1).abs() <= 1e-15);
        let names =
            "dataset split model n accuracy accuracy_interval macro_f1 per_class confusion labels loss";
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        for name in names.split(' ') {
            assert!(value.get(name).is_some(), "{name} is missing");
        }
        assert_eq!(value["confusion"][2][0], 1);
    }

    #[test]
    fn a_class_without_clips_has_dashes_and_macro_f1_tells_which_classes_it_is_over() {
        let all = report(2, &[(0, 0), (1, 0)]);
        assert_eq!((all.absent(), all.macro_f1_scope()), (vec![], None));
        let gap = report(3, &[(0, 0), (1, 1)]);
        assert_eq!((gap.absent(), gap.macro_f1), (vec!["class 2"], 1.0));
        assert_eq!(gap.macro_f1_scope().unwrap(), "2 of 3 classes");
        let cells = |class: usize| gap.per_class[class].cells(|value| format!("{value:.1}"));
        assert_eq!((cells(0), cells(2)), (["1.0"; 3].map(str::to_owned), ["–"; 3].map(str::to_owned)));
        // scikit-learn counts a class that is only predicted as 0.
        let predicted = report(4, &[(0, 0), (1, 2)]);
        assert_eq!(predicted.macro_f1_scope().unwrap(), "3 of 4 classes, 1 without clips counted as 0");
        assert!((predicted.macro_f1 - 1.0 / 3.0).abs() < 1e-15);
    }
}
