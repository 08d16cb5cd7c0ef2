pub(crate) mod metrics;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use earmark_models::{Classifier, Input};

use crate::clips::{Batch, BatchFeatures, Clips};
use crate::error::{BadClip, Error, ErrorKind, While as _};
use crate::evaluate::metrics::{ConfusionMatrix, EvaluationReport, cross_entropy};
use crate::run::interrupt::{Report, unless_stopped};
use crate::step::memory::within_memory;

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
/// When a clip cannot be read any more; [`ErrorKind::NotANumber`] names the clips that the model gives no numbers for,
/// [`ErrorKind::NoNumbers`] when those are all; [`ErrorKind::Interrupted`] when `stop` is set.
pub fn evaluate(
    network: &Classifier,
    device: &Device,
    clips: &Clips,
    rows: &[usize],
    batch_size: usize,
    progress: &mut dyn FnMut(usize),
    stop: &AtomicBool,
) -> Result<Evaluation, Error> {
    let doing = || "cannot evaluate the model".to_owned();
    let logits = if *device == Device::flex() {
        // On a CPU, a batch may take seconds.
        let (network, device, clips) = (network.clone(), device.clone(), clips.clone());
        let rows = rows.to_vec();
        let work = move |report: &Report| {
            let done = &mut |done| report.done(done);
            logits(&network, &device, &clips, &rows, batch_size, done, &|| report.is_unwanted())
        };
        unless_stopped(stop, progress, work).while_(doing)??
    } else {
        let stopped = || stop.load(Ordering::Relaxed);
        logits(network, device, clips, rows, batch_size, progress, &stopped)?
    };
    let bad: Vec<(usize, f32)> = rows
        .iter()
        .zip(&logits)
        .filter_map(|(&row, logits)| Some((row, *logits.iter().find(|x| !x.is_finite())?)))
        .collect();
    match bad.first() {
        Some(&(_, value)) if bad.len() == rows.len() => {
            return Err(ErrorKind::NoNumbers { value: value.into() }).while_(doing);
        }
        Some(_) => {
            let (rows, clips) = (bad.iter().map(|&(row, _)| row).collect(), named(clips, &bad));
            return Err(ErrorKind::NotANumber { rows, clips }).while_(doing);
        }
        None => {}
    }
    let labels: Vec<usize> = rows.iter().map(|&row| clips.clips()[row].label.index()).collect();
    let loss = logits.iter().zip(&labels).map(|(row, &label)| cross_entropy(row, label)).sum::<f64>();
    Ok(Evaluation { loss: loss / labels.len().max(1) as f64, logits, labels })
}

/// The clips of some rows, each with a number that is none.
fn named(clips: &Clips, bad: &[(usize, f32)]) -> Vec<BadClip> {
    let clip = |&(row, value): &(usize, f32)| BadClip {
        path: clips.clips()[row].place(),
        why: format!("the model's output is {value}"),
    };
    bad.iter().map(clip).collect()
}

/// A row of logits for each of `rows`.
fn logits(
    network: &Classifier,
    device: &Device,
    clips: &Clips,
    rows: &[usize],
    batch_size: usize,
    progress: &mut dyn FnMut(usize),
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>, Error> {
    let doing = || "cannot evaluate the model".to_owned();
    let mut logits: Vec<Vec<f32>> = Vec::new();
    let mut most = batch_size;
    for rows in rows.chunks(batch_size) {
        if stopped() {
            return Err(ErrorKind::Interrupted).while_(doing);
        }
        let input = clips.batch(rows)?.input(device);
        // The padding stays that of the whole batch: some networks hear it.
        let answers = within_memory(
            rows.len(),
            &mut most,
            || Ok(Vec::new()),
            || (),
            |answers: Result<Vec<_>, ErrorKind>, piece| {
                let mut answers = answers?;
                answers.extend(read(network.forward(part(&input, piece), None)?)?);
                Ok(answers)
            },
        );
        logits.extend(answers.unwrap_or(Err(ErrorKind::OutOfMemory)).while_(doing)?);
        progress(logits.len());
    }
    Ok(logits)
}

/// Which of the clips of `rows`, in whose company a step came to no number, are to blame for it: those that `network` gives no
/// numbers for, while it does for others. `None` when it does for none, as then its weights are to blame, or for all.
pub(crate) fn to_blame(
    network: &Classifier,
    device: &Device,
    clips: &Clips,
    rows: &[usize],
) -> Result<Option<ErrorKind>, Error> {
    /// Clips to ask about for comparison.
    const OTHERS: usize = 8;
    let others = (0..clips.clips().len()).filter(|row| !rows.contains(row)).take(OTHERS);
    let asked: Vec<usize> = rows.iter().copied().chain(others).collect();
    let logits = logits(network, device, clips, &asked, 1, &mut |_| (), &|| false)?;
    let bad = |logits: &Vec<f32>| logits.iter().copied().find(|x| !x.is_finite());
    if logits.iter().all(|row| bad(row).is_some()) {
        return Ok(None);
    }
    let bad: Vec<_> =
        rows.iter().zip(&logits).filter_map(|(&row, logits)| Some((row, bad(logits)?))).collect();
    let rows: Vec<usize> = bad.iter().map(|&(row, _)| row).collect();
    Ok((!rows.is_empty()).then(|| ErrorKind::NotANumber { rows, clips: named(clips, &bad) }))
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

#[cfg(test)]
mod tests {
    use earmark_data::Clip;
    use earmark_features::{Features, Preprocessor, Resampler};
    use earmark_labels::LabelId;
    use earmark_testkit::noise;

    use super::*;
    use crate::clips::Ear;
    use crate::presets::preset;

    /// Six clips of noise, those of `bad` with a NaN in them.
    fn clips(bad: &[usize]) -> Clips {
        let names = (0..6).map(|i| Clip::new(format!("{i}"), format!("clips/{i}.wav"), LabelId::new(i % 2)));
        let features = (0..6).map(|i| {
            let mut data = noise(4_000, i as u64);
            if bad.contains(&i) {
                data[100] = f32::NAN;
            }
            Features { shape: vec![data.len()], data, is_longer: None, attention_mask: None }
        });
        let extractor = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": false}"#;
        let ear = Ear {
            preprocessor: Preprocessor::from_json(extractor).unwrap(),
            resampler: Resampler::Hq,
            decode: Default::default(),
            max_samples: None,
            min_samples: 400,
        };
        Clips::of_features(names.collect(), ear, features.collect())
    }

    fn network() -> Classifier {
        Classifier::draw(&preset("sample").unwrap(), 2, 1, &Device::flex())
    }

    fn ask(clips: &Clips, rows: &[usize], stop: bool) -> Result<Evaluation, Error> {
        evaluate(&network(), &Device::flex(), clips, rows, 1, &mut |_| (), &AtomicBool::new(stop))
    }

    fn paths(clips: &[BadClip]) -> Vec<&str> {
        clips.iter().map(|clip| clip.path.to_str().unwrap()).collect()
    }

    #[test]
    fn clips_that_the_model_gives_no_numbers_for_are_named_with_their_rows() {
        let error = ask(&clips(&[1, 4]), &[0, 1, 2, 3, 4, 5], false).unwrap_err();
        let ErrorKind::NotANumber { rows, clips } = &*error.kind else { panic!("{error:?}") };
        assert_eq!((rows.as_slice(), paths(clips)), (&[1, 4][..], vec!["clips/1.wav", "clips/4.wav"]));
        let error = ask(&self::clips(&[1, 4]), &[1, 4], false).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::NoNumbers { .. }), "{error:?}");
        assert_eq!(ask(&self::clips(&[1, 4]), &[5, 0], false).unwrap().labels, [1, 0]);
    }

    #[test]
    fn a_step_is_blamed_on_the_clips_that_others_do_well_beside_and_else_on_the_weights() {
        let blame = |bad: &[usize]| to_blame(&network(), &Device::flex(), &clips(bad), &[0, 1]).unwrap();
        let Some(ErrorKind::NotANumber { rows, clips }) = blame(&[1]) else { panic!() };
        assert_eq!((rows, paths(&clips)), (vec![1], vec!["clips/1.wav"]));
        // A step of bad clips alone; clips that are bad but not of this step; none.
        assert!(matches!(blame(&[0, 1]), Some(ErrorKind::NotANumber { rows, .. }) if rows == [0, 1]));
        assert!(blame(&[5]).is_none());
        assert!(blame(&[0, 1, 2, 3, 4, 5]).is_none());
    }

    #[test]
    fn an_evaluation_stops_when_it_is_asked_to() {
        let error = ask(&clips(&[]), &[0, 1, 2], true).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Interrupted), "{error:?}");
    }
}
