//! Which clips make a model's output NaN or infinite.

use burn::tensor::Device;
use earmark_models::Classifier;

use crate::clips::Clips;
use crate::error::{BadClip, Error, ErrorKind};
use crate::evaluate::logits::{Extent, logits};

/// Which of the clips of `rows` make a step's loss not finite: those for which the output of `network` is not finite, while it is
/// for others. `None` when it is finite for all of them, or for no clip at all, as then the weights are to blame.
pub(crate) fn to_blame(
    network: &Classifier,
    device: &Device,
    clips: &Clips,
    rows: &[usize],
) -> Result<Option<ErrorKind>, Error> {
    /// Clips to compare with.
    const OTHERS: usize = 8;
    // A clip that nothing was known of before may not be one that can be used.
    let is_other = |row: &usize| !rows.contains(row) && clips.hash(*row).is_some();
    let others = (0..clips.clips().len()).filter(is_other).take(OTHERS);
    let compared: Vec<usize> = rows.iter().copied().chain(others).collect();
    let logits = logits(network, device, clips, (&compared, Extent::Kept), 1, &mut |_| (), &|| false)?;
    let bad = |logits: &Vec<f32>| logits.iter().copied().find(|x| !x.is_finite());
    if logits.iter().all(|row| bad(row).is_some()) {
        return Ok(None);
    }
    let bad: Vec<_> =
        rows.iter().zip(&logits).filter_map(|(&row, logits)| Some((row, bad(logits)?))).collect();
    let rows: Vec<usize> = bad.iter().map(|&(row, _)| row).collect();
    Ok((!rows.is_empty()).then(|| ErrorKind::NotANumber { rows, clips: bad_clips(clips, &bad) }))
}

/// The clips of some rows, each with an output that is not finite.
pub(crate) fn bad_clips(clips: &Clips, bad: &[(usize, f32)]) -> Vec<BadClip> {
    let clip = |&(row, value): &(usize, f32)| BadClip {
        path: clips.clips()[row].location(),
        why: format!("the model's output is {value}"),
    };
    bad.iter().map(clip).collect()
}
