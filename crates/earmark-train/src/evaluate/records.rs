//! The two kinds of line in `metrics.jsonl`.

use serde::{Deserialize, Deserializer, Serialize};

/// A line of `metrics.jsonl` written every few optimizer steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Optimizer steps done so far.
    pub step: u64,
    /// Epochs done so far: `step / steps_per_epoch`.
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
    /// Share of those clips whose most likely class is theirs, 0 to 1.
    pub eval_accuracy: f64,
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
        let record = EpochRecord { step: 1, epoch: 1.0, eval_loss: f64::NAN, eval_accuracy: 0.1 };
        let json = serde_json::to_string(&record).unwrap();
        assert!(serde_json::from_str::<EpochRecord>(&json).unwrap().eval_loss.is_nan(), "{json}");
    }
}
