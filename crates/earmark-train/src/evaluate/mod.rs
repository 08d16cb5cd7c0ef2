//! How well a model does on some clips.

pub(crate) mod report;
pub(crate) mod records;
pub(crate) mod logits;
pub(crate) mod blame;
pub(crate) mod mistakes;
pub(crate) mod multi_label;
pub(crate) mod tally;
pub(crate) mod forward;
pub(crate) mod scoring;

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use earmark_error::Context as _;
use earmark_eval::{ConfusionMatrix, MultiLabel, cross_entropy};
use earmark_models::Classifier;

use crate::background::{Worker, run_cancellable};
use crate::clips::Clips;
use crate::clips::targets::Targets;
use crate::error::{Doing, Error, ErrorKind};
use crate::evaluate::blame::bad_clips;
use crate::evaluate::logits::{Extent, logits};
use crate::evaluate::records::MultiLabelRecord;
use crate::evaluate::report::EvaluationReport;
use crate::step::binary_cross_entropy::of_clip;

/// The output of a model for some clips, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// One row of logits a clip.
    pub logits: Vec<Vec<f32>>,
    /// What the clips are.
    pub targets: Targets,
    /// Mean cross-entropy in nats; where a clip may have any number of classes, the binary one, over clips and classes.
    pub loss: f64,
}

impl Evaluation {
    /// Of a row of logits for each clip, and what the clips are.
    pub fn new(logits: Vec<Vec<f32>>, targets: Targets) -> Evaluation {
        let loss: f64 = match &targets {
            Targets::Class(classes) => {
                logits.iter().zip(classes).map(|(row, &class)| cross_entropy(row, class)).sum()
            }
            Targets::Classes(classes) => {
                logits.iter().zip(classes).map(|(row, classes)| of_clip(row, classes, None)).sum()
            }
        };
        Evaluation { loss: loss / targets.len().max(1) as f64, logits, targets }
    }

    /// The most likely class of each clip; the first of equals.
    pub fn predicted(&self) -> Vec<usize> {
        self.logits.iter().map(|row| largest(row)).collect()
    }

    /// Clips by actual and predicted class; `None` where a clip may have any number of classes.
    pub fn confusion(&self, classes: usize) -> Option<ConfusionMatrix> {
        let Targets::Class(actual) = &self.targets else { return None };
        Some(ConfusionMatrix::from_pairs(classes, actual.iter().copied().zip(self.predicted())))
    }

    /// Share of the clips whose class, or whose classes, were found, and no others.
    pub fn accuracy(&self) -> f64 {
        match (self.multi_label(), &self.targets) {
            (Some(clips), _) => multi_label::exact_match(&clips),
            (None, Targets::Class(actual)) => {
                let right = actual.iter().zip(self.predicted()).filter(|(actual, found)| *actual == found);
                right.count() as f64 / actual.len().max(1) as f64
            }
            (None, Targets::Classes(_)) => 0.0,
        }
    }

    /// More metrics of it, where a clip may have any number of classes.
    pub fn multi_label_record(&self) -> Option<MultiLabelRecord> {
        self.multi_label().map(|clips| multi_label::record(&clips))
    }

    fn multi_label(&self) -> Option<MultiLabel> {
        let Targets::Classes(classes) = &self.targets else { return None };
        multi_label::clips(&self.logits, classes)
    }

    /// Every metric of it.
    pub fn report(&self, dataset: &str, split: &str, model: &str, labels: &[String]) -> EvaluationReport {
        let labels = labels.to_vec();
        match (self.multi_label(), self.confusion(labels.len())) {
            (Some(clips), _) => {
                EvaluationReport::of_multi_label([dataset, split, model], labels, &clips, self.loss)
            }
            (None, confusion) => {
                let confusion = confusion.unwrap_or_else(|| ConfusionMatrix::new(labels.len()));
                EvaluationReport::new(dataset, split, model, labels, confusion, self.loss)
            }
        }
    }
}

/// The place of the largest number; of the first of equals.
pub(crate) fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, id| if row[id] > row[best] { id } else { best })
}

/// Runs `network` on the clips of `rows`, `batch_size` at a time in this order, padded to the longest of each batch.
///
/// `progress` gets the number of clips done.
///
/// # Errors
/// When a clip cannot be read any more; [`ErrorKind::NotANumber`] names the clips for which the output is not finite,
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
    evaluate_extent(network, device, clips, (rows, Extent::Kept), batch_size, progress, stop)
}

/// The same of what is kept of a clip, or of all of it.
pub(crate) fn evaluate_extent(
    network: &Classifier,
    device: &Device,
    clips: &Clips,
    (rows, extent): (&[usize], Extent),
    batch_size: usize,
    progress: &mut dyn FnMut(usize),
    stop: &AtomicBool,
) -> Result<Evaluation, Error> {
    let doing = || Doing("cannot evaluate the model".to_owned());
    let logits = if *device == Device::flex() {
        // On a CPU, a batch may take seconds.
        let (network, device, clips) = (network.clone(), device.clone(), clips.clone());
        let rows = rows.to_vec();
        let work = move |worker: &Worker| {
            let done = &mut |done| worker.report(done);
            logits(&network, &device, &clips, (&rows, extent), batch_size, done, &|| worker.is_cancelled())
        };
        run_cancellable(stop, progress, work).with_context(doing)??
    } else {
        let stopped = || stop.load(Ordering::Relaxed);
        logits(network, device, clips, (rows, extent), batch_size, progress, &stopped)?
    };
    let bad: Vec<(usize, f32)> = rows
        .iter()
        .zip(&logits)
        .filter_map(|(&row, logits)| Some((row, *logits.iter().find(|x| !x.is_finite())?)))
        .collect();
    match bad.first() {
        Some(&(_, value)) if bad.len() == rows.len() => {
            return Err(ErrorKind::NoNumbers { value: value.into() }).with_context(doing);
        }
        Some(_) => {
            let (rows, clips) = (bad.iter().map(|&(row, _)| row).collect(), bad_clips(clips, &bad));
            return Err(ErrorKind::NotANumber { rows, clips }).with_context(doing);
        }
        None => {}
    }
    Ok(Evaluation::new(logits, Targets::of(clips.clips(), rows)))
}

#[cfg(test)]
mod tests {
    use earmark_data::Clip;
    use earmark_features::{Features, Preprocessor, Resampler};
    use earmark_labels::LabelId;
    use earmark_testkit::noise;

    use super::*;
    use crate::clips::prepare::Preparation;
    use crate::error::BadClip;
    use crate::evaluate::blame::to_blame;
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
        let preparation = Preparation {
            preprocessor: Preprocessor::from_json(extractor).unwrap(),
            resampler: Resampler::Hq,
            decode: Default::default(),
            max_samples: None,
            min_samples: 400,
        };
        Clips::of_features(names.collect(), preparation, features.collect())
    }

    fn network() -> Classifier {
        Classifier::init(&preset("sample").unwrap(), 2, 1, &Device::flex())
    }

    fn evaluated(clips: &Clips, rows: &[usize], stop: bool) -> Result<Evaluation, Error> {
        evaluate(&network(), &Device::flex(), clips, rows, 1, &mut |_| (), &AtomicBool::new(stop))
    }

    fn paths(clips: &[BadClip]) -> Vec<&str> {
        clips.iter().map(|clip| clip.path.to_str().unwrap()).collect()
    }

    #[test]
    fn clips_with_an_output_that_is_not_finite_are_named_with_their_rows() {
        let error = evaluated(&clips(&[1, 4]), &[0, 1, 2, 3, 4, 5], false).unwrap_err();
        let ErrorKind::NotANumber { rows, clips } = &*error.kind else { panic!("{error:?}") };
        assert_eq!((rows.as_slice(), paths(clips)), (&[1, 4][..], vec!["clips/1.wav", "clips/4.wav"]));
        let error = evaluated(&self::clips(&[1, 4]), &[1, 4], false).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::NoNumbers { .. }), "{error:?}");
        let targets = evaluated(&self::clips(&[1, 4]), &[5, 0], false).unwrap().targets;
        assert_eq!(targets, Targets::Class(vec![1, 0]));
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
        let error = evaluated(&clips(&[]), &[0, 1, 2], true).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Interrupted), "{error:?}");
    }
}
