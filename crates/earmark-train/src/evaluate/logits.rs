//! The forward passes of an evaluation.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};
use earmark_error::Context as _;
use earmark_features::Features;
use earmark_models::Classifier;

use crate::clips::Clips;
use crate::clips::batch::{Batch, part};
use crate::error::{Doing, Error, ErrorKind};
use crate::step::memory::within_memory;

/// Which part of a clip is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is kept of it: its beginning, where it is longer.
    Kept,
    /// All of it, in windows whose logits are averaged.
    Windows,
}

/// A row of logits for each of `rows`.
pub(crate) fn logits(
    network: &Classifier,
    device: &Device,
    clips: &Clips,
    (rows, extent): (&[usize], Extent),
    batch_size: usize,
    progress: &mut dyn FnMut(usize),
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>, Error> {
    let mut logits: Vec<Vec<f32>> = Vec::new();
    let mut most = batch_size;
    for rows in rows.chunks(batch_size) {
        if stopped() {
            return Err(ErrorKind::Interrupted).with_context(doing);
        }
        match extent {
            Extent::Kept => logits.extend(of_batch(network, device, clips.batch(rows)?, &mut most)?),
            Extent::Windows => {
                for windows in clips.windows(rows)? {
                    let mut of_windows = Vec::with_capacity(windows.len());
                    for windows in windows.chunks(batch_size) {
                        let features: Vec<Cow<'_, Features>> = windows.iter().map(Cow::Borrowed).collect();
                        let batch =
                            Batch::new(&clips.preparation().preprocessor, &features, vec![0; windows.len()]);
                        of_windows.extend(of_batch(network, device, batch.with_context(doing)?, &mut most)?);
                    }
                    logits.push(mean(&of_windows));
                }
            }
        }
        progress(logits.len());
    }
    Ok(logits)
}

/// A row of logits for each clip of a batch, of which `most` fit into the device's memory at once.
pub(crate) fn of_batch(
    network: &Classifier,
    device: &Device,
    batch: Batch,
    most: &mut usize,
) -> Result<Vec<Vec<f32>>, Error> {
    let (clips, input) = (batch.labels.len(), batch.input(device));
    // The padding stays that of the whole batch: the output of some networks depends on it.
    let outputs = within_memory(
        clips,
        most,
        || Ok(Vec::new()),
        || (),
        |outputs: Result<Vec<_>, ErrorKind>, piece| {
            let mut outputs = outputs?;
            outputs.extend(read(network.forward(part(&input, piece), None)?)?);
            Ok(outputs)
        },
    );
    outputs.unwrap_or(Err(ErrorKind::OutOfMemory)).with_context(doing)
}

/// The mean of each column.
fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let classes = rows.first().map_or(0, Vec::len);
    let of = |class: usize| rows.iter().map(|row| f64::from(row[class])).sum::<f64>() / rows.len() as f64;
    (0..classes).map(|class| of(class) as f32).collect()
}

fn doing() -> Doing {
    Doing("cannot evaluate the model".to_owned())
}

/// Copies a tensor from its device, row by row.
fn read(tensor: Tensor<2>) -> Result<Vec<Vec<f32>>, ErrorKind> {
    let classes = tensor.dims()[1];
    let values = tensor.into_data().convert::<f32>().try_into_vec::<f32>();
    let values = values
        .map_err(|e| ErrorKind::Io(std::io::Error::other(format!("the device gave no numbers: {e:?}"))))?;
    Ok(values.chunks_exact(classes).map(<[f32]>::to_vec).collect())
}
