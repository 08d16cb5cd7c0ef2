//! The two kinds of line in `metrics.jsonl`.

use serde::{Deserialize, Deserializer, Serialize};

/// A line of `metrics.jsonl` written every few optimizer steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Optimizer steps done so far.
    pub step: u64,
    /// Epochs done so far, by their batches.
    pub epoch: f64,
    /// Mean loss in nats over the steps since the last such line.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss: f64,
    /// The learning rate this step used.
    pub lr: f64,
    /// Global L2 norm of the gradient, before clipping.
    #[serde(deserialize_with = "null_is_nan")]
    pub grad_norm: f64,
}

/// A line of `metrics.jsonl` written at the end of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Optimizer steps done so far.
    pub step: u64,
    /// Epochs done so far.
    pub epoch: f64,
    /// Mean loss in nats over the clips that choose the epoch: the held-out ones, unless `val_from_train` says otherwise.
    #[serde(deserialize_with = "null_is_nan")]
    pub eval_loss: f64,
    /// Share of those clips whose most likely class is theirs, 0 to 1; where a clip may have any number of classes, of those whose
    /// classes were all found, and no others.
    pub eval_accuracy: f64,
    /// More metrics, where a clip may have any number of classes.
    #[serde(flatten)]
    pub multi_label: Option<MultiLabelRecord>,
}

/// The metrics of clips that may have any number of classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelRecord {
    /// The mean over the classes of their average precision. It chooses the epoch.
    #[serde(rename = "eval_map")]
    pub map: f64,
    /// The mean F1 of the classes, at a score of 0.5.
    #[serde(rename = "eval_macro_f1")]
    pub macro_f1: f64,
    /// F1 of all pairs of a clip and a class together, at a score of 0.5.
    #[serde(rename = "eval_micro_f1")]
    pub micro_f1: f64,
}

impl EpochRecord {
    /// What chooses the epoch, the higher the better: the accuracy; where a clip may have any number of classes, the mean average
    /// precision.
    pub fn score(&self) -> f64 {
        self.multi_label.map_or(self.eval_accuracy, |metrics| metrics.map)
    }
}

/// The mean of the losses of some steps: the train loss of an epoch, or of a line of `metrics.jsonl`.
pub(crate) fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len().max(1) as f64
}

/// JSON has no NaN: a diverged loss is written as `null`.
pub(crate) fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverged_loss_survives_json() {
        let record =
            EpochRecord { step: 1, epoch: 1.0, eval_loss: f64::NAN, eval_accuracy: 0.1, multi_label: None };
        let json = serde_json::to_string(&record).unwrap();
        assert!(serde_json::from_str::<EpochRecord>(&json).unwrap().eval_loss.is_nan(), "{json}");
    }

    #[test]
    fn the_metrics_of_several_classes_lie_beside_the_others_and_choose_the_epoch() {
        let metrics = MultiLabelRecord { map: 0.75, macro_f1: 0.5, micro_f1: 0.625 };
        let epoch = |multi_label| EpochRecord {
            step: 1,
            epoch: 1.0,
            eval_loss: 0.5,
            eval_accuracy: 0.1,
            multi_label,
        };
        let json = serde_json::to_string(&epoch(Some(metrics))).unwrap();
        assert!(json.contains("\"eval_map\":0.75"), "{json}");
        assert_eq!(serde_json::from_str::<EpochRecord>(&json).unwrap(), epoch(Some(metrics)));
        let without = serde_json::to_string(&epoch(None)).unwrap();
        assert_eq!(serde_json::from_str::<EpochRecord>(&without).unwrap(), epoch(None));
        assert_eq!((epoch(Some(metrics)).score(), epoch(None).score()), (0.75, 0.1));
    }
}
