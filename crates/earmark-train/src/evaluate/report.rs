//! `report.json`.

use earmark_eval::{ClassReport, ConfusionMatrix, wilson_interval};
use serde::{Deserialize, Serialize};

use crate::evaluate::records::null_is_nan;

/// `report.json`: how well a model does on one split of one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// The dataset, with its configuration.
    pub dataset: String,
    /// The split of it that was scored.
    pub split: String,
    /// The model: a Hub id with its revision, or a folder.
    pub model: String,
    /// Clips scored.
    pub n: u64,
    /// Share of them whose most likely class is theirs, 0 to 1.
    pub accuracy: f64,
    /// 95 % Wilson score interval of the accuracy: how far another draw of `n` clips could move it.
    pub accuracy_interval: [f64; 2],
    /// Mean F1 over the classes that occur, as [`ConfusionMatrix::macro_f1`].
    pub macro_f1: f64,
    /// One entry per class, in class-id order.
    pub per_class: Vec<ClassReport>,
    /// Clips by actual class (row) and predicted class (column).
    pub confusion: ConfusionMatrix,
    /// Class names, in class-id order.
    pub labels: Vec<String>,
    /// Mean cross-entropy in nats.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss: f64,
}

impl EvaluationReport {
    /// Derives every score from the matrix; `loss` is the mean cross-entropy over the same clips.
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
        Self {
            dataset: dataset.into(),
            split: split.into(),
            model: model.into(),
            n: confusion.total(),
            accuracy: confusion.accuracy(),
            accuracy_interval: wilson_interval(confusion.correct(), confusion.total()),
            macro_f1: confusion.macro_f1(),
            per_class,
            confusion,
            labels,
            loss,
        }
    }

    /// The labels of which no clip was scored.
    pub fn absent(&self) -> Vec<&str> {
        let absent = self.per_class.iter().filter(|class| class.support == 0);
        absent.map(|class| class.label.as_str()).collect()
    }

    /// Which classes [`macro_f1`](Self::macro_f1) is the mean of, such as `9 of 10 classes`; `None` when every class has clips.
    pub fn macro_f1_scope(&self) -> Option<String> {
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
