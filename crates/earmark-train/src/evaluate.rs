use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use earmark_models::{Classifier, Input};

use crate::clips::{Batch, BatchFeatures, Clips};
use crate::error::{Error, ErrorKind};
use crate::memory::within_memory;
use crate::metrics::{ConfusionMatrix, EvaluationReport, cross_entropy};

/// What a model said about some clips, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// One row of logits a clip.
    pub logits: Vec<Vec<f32>>,
    /// The true class of each clip.
    pub labels: Vec<usize>,
    /// Mean cross-entropy in nats.
    pub loss: f64,
}

impl Evaluation {
    /// The most likely class of each clip; the first of equals.
    pub fn predicted(&self) -> Vec<usize> {
        let best =
            |row: &Vec<f32>| (1..row.len()).fold(0, |best, id| if row[id] > row[best] { id } else { best });
        self.logits.iter().map(best).collect()
    }

    /// Clips by actual and predicted class.
    pub fn confusion(&self, classes: usize) -> ConfusionMatrix {
        ConfusionMatrix::from_pairs(classes, self.labels.iter().copied().zip(self.predicted()))
    }

    /// Every score of it.
    pub fn report(&self, dataset: &str, split: &str, model: &str, labels: &[String]) -> EvaluationReport {
        EvaluationReport::new(dataset, split, model, labels.to_vec(), self.confusion(labels.len()), self.loss)
    }
}

/// Asks `network` about the clips of `rows`, `batch_size` at a time in this order, padded to the longest of each batch.
///
/// `progress` is told how many clips are done.
///
/// # Errors
/// When a clip cannot be read any more, or a logit is no number.
pub fn evaluate(
    network: &Classifier,
    device: &Device,
    clips: &Clips,
    rows: &[usize],
    batch_size: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, Error> {
    let (mut logits, mut labels): (Vec<Vec<f32>>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut most = batch_size;
    for rows in rows.chunks(batch_size) {
        let batch = clips.batch(rows)?;
        labels.extend_from_slice(&batch.labels);
        let input = batch.input(device);
        // The padding stays that of the whole batch: some networks hear it.
        let answers = within_memory(
            rows.len(),
            &mut most,
            || Ok(Vec::new()),
            || (),
            |answers: Result<Vec<_>, ErrorKind>, piece| {
                let mut answers = answers?;
                answers.extend(read(network.forward(part(&input, piece), None))?);
                Ok(answers)
            },
        );
        let answers = answers.unwrap_or(Err(ErrorKind::OutOfMemory));
        logits.extend(answers.map_err(|kind| kind.while_("cannot evaluate the model"))?);
        progress(labels.len());
    }
    if let Some(&value) = logits.iter().flatten().find(|x| !x.is_finite()) {
        let kind = ErrorKind::Diverged { what: "output of the model", value: value.into() };
        return Err(kind.while_("cannot evaluate the model"));
    }
    let loss = logits.iter().zip(&labels).map(|(row, &label)| cross_entropy(row, label)).sum::<f64>();
    Ok(Evaluation { loss: loss / labels.len().max(1) as f64, logits, labels })
}

impl Batch {
    /// What the network hears, on a device.
    pub(crate) fn input(self, device: &Device) -> Input {
        let clips = self.labels.len();
        match self.features {
            BatchFeatures::Waveforms { values, lengths } => {
                let shape = [clips, values.len() / clips];
                Input::Waveforms {
                    values: Tensor::from_data(TensorData::new(values, shape), device),
                    lengths,
                }
            }
            BatchFeatures::Spectrograms { values, shape } => {
                let shape = [&[clips], shape.as_slice()].concat();
                Input::Spectrograms(Tensor::from_data(TensorData::new(values, shape), device))
            }
        }
    }
}

/// The clips of `piece` among those of a batch.
pub(crate) fn part(input: &Input, piece: Range<usize>) -> Input {
    let (start, clips) = (piece.start, piece.len());
    match input {
        Input::Waveforms { values, lengths } => Input::Waveforms {
            values: values.clone().narrow(0, start, clips),
            lengths: lengths.as_ref().map(|lengths| lengths[piece].to_vec()),
        },
        Input::Spectrograms(values) => Input::Spectrograms(values.clone().narrow(0, start, clips)),
        other => other.clone(),
    }
}

/// Rows of numbers from a device; waits for it.
fn read(tensor: Tensor<2>) -> Result<Vec<Vec<f32>>, ErrorKind> {
    let classes = tensor.dims()[1];
    let values = tensor.into_data().convert::<f32>().try_into_vec::<f32>();
    let values = values
        .map_err(|e| ErrorKind::Io(std::io::Error::other(format!("the device gave no numbers: {e:?}"))))?;
    Ok(values.chunks_exact(classes).map(<[f32]>::to_vec).collect())
}
