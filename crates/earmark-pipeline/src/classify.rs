use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use earmark_audio::{SampleRate, Waveform};
use earmark_features::{Features, PadOptions, PaddingSide, Preprocessor};
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};
use earmark_models::Input;
use rayon::prelude::*;

use crate::error::{Error, ErrorKind, While as _};
use crate::pretrained::Pretrained;
use crate::sound::{Heard, Hearing, Sound};

/// Clips of one forward pass at most, and the numbers of all of them together: about a minute at 16 kHz.
const BATCH_CLIPS: usize = 8;
const BATCH_VALUES: usize = 1 << 20;

/// Names what it hears by the labels its model was trained on: the reference's `pipeline("audio-classification")`.
///
/// What it says of a clip does not depend on what else it is asked about: clips share a forward pass only where padding
/// changes nothing, or where there is none.
#[derive(Debug)]
pub struct AudioClassifier {
    model: Pretrained,
    labels: LabelSet,
    scores: Scores,
    top_k: TopK,
    hearing: Hearing,
    device: Device,
}

impl AudioClassifier {
    /// Opens a folder in Hugging Face layout.
    ///
    /// # Errors
    /// As [`Pretrained::open`].
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<AudioClassifier, Error> {
        AudioClassifier::new(Pretrained::open(dir.as_ref(), device)?, device)
    }

    /// Asks a model that is open already.
    ///
    /// # Errors
    /// When it has no labels.
    pub fn new(model: Pretrained, device: &Device) -> Result<AudioClassifier, Error> {
        let labels = LabelSet::with_repeats(model.config.labels().iter().cloned())
            .while_(|| "cannot use the model's labels".to_owned())?;
        Ok(AudioClassifier {
            scores: Scores::for_problem_type(model.config.problem_type()),
            top_k: TopK::N(5),
            hearing: Hearing::default(),
            device: device.clone(),
            labels,
            model,
        })
    }

    /// How many labels an answer has; 5 unless set.
    #[must_use]
    pub fn with_top_k(self, top_k: TopK) -> Self {
        AudioClassifier { top_k, ..self }
    }

    /// What the numbers are; as the model's `problem_type` says unless set.
    #[must_use]
    pub fn with_scores(self, scores: Scores) -> Self {
        AudioClassifier { scores, ..self }
    }

    /// How sounds become what the model hears.
    #[must_use]
    pub fn with_hearing(self, hearing: Hearing) -> Self {
        AudioClassifier { hearing, ..self }
    }

    /// The labels it knows.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// The rate it hears at.
    pub fn sampling_rate(&self) -> SampleRate {
        self.model.preprocessor.sampling_rate()
    }

    /// The model itself.
    pub fn model(&self) -> &Pretrained {
        &self.model
    }

    /// Names what is heard, best first.
    ///
    /// # Errors
    /// When it is no sound, or too short for the model.
    pub fn classify(&self, sound: impl Into<Sound>) -> Result<Vec<Prediction>, Error> {
        let heard = self.hear(sound)?;
        let logits = self.logits(&[self.features(&heard.waveform)?])?;
        Ok(self.predict(&logits[0]))
    }

    /// Each sound as [`classify`](Self::classify) names it, in order; decoded on all threads.
    pub fn classify_all(&self, sounds: Vec<Sound>) -> Vec<Result<Vec<Prediction>, Error>> {
        let heard: Vec<Result<Features, Error>> =
            sounds.into_par_iter().map(|sound| self.features(&self.hear(sound)?.waveform)).collect();
        self.answer(heard)
    }

    /// The answers to features; what could not be heard stays an error.
    fn answer(&self, heard: Vec<Result<Features, Error>>) -> Vec<Result<Vec<Prediction>, Error>> {
        let (places, features): (Vec<_>, Vec<_>) = heard
            .iter()
            .enumerate()
            .filter_map(|(place, it)| Some((place, it.as_ref().ok()?.clone())))
            .unzip();
        let logits = self.logits(&features);
        let mut answers: Vec<Result<Vec<Prediction>, Error>> =
            heard.into_iter().map(|it| it.map(|_| Vec::new())).collect();
        match logits {
            Ok(logits) => {
                for (place, logits) in places.into_iter().zip(logits) {
                    answers[place] = Ok(self.predict(&logits));
                }
            }
            Err(error) => {
                let said = error.kind.to_string();
                for place in places {
                    answers[place] = Err(ErrorKind::Device(said.clone()).while_(error.doing.clone()));
                }
            }
        }
        answers
    }

    /// A sound at the model's rate.
    ///
    /// # Errors
    /// When it is no sound.
    pub fn hear(&self, sound: impl Into<Sound>) -> Result<Heard, Error> {
        self.hearing.hear(sound, self.sampling_rate())
    }

    /// What the model is given of a clip at its rate.
    ///
    /// # Errors
    /// [`ErrorKind::TooShort`] when the model could make no frame of it, or the clip is at another rate.
    pub fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        let doing = || "cannot use the clip".to_owned();
        let (samples, rate) = (clip.samples().len(), clip.rate());
        let least = self.model.config.network().min_samples();
        if rate == self.sampling_rate() && samples < least {
            return Err(ErrorKind::TooShort { samples, rate, least }).while_(doing);
        }
        self.model.preprocessor.extract(clip).while_(doing)
    }

    /// The model's logits for each clip's features, in order.
    ///
    /// # Errors
    /// When the device gives no numbers.
    pub fn logits(&self, clips: &[Features]) -> Result<Vec<Vec<f32>>, Error> {
        self.forward(clips, |input| self.model.network.forward(input, None))
    }

    /// Where each clip lies in the space its labels are told apart in: the mean of the last hidden states over time, or what
    /// the model pools instead, in order.
    ///
    /// # Errors
    /// When the device gives no numbers.
    pub fn embeddings(&self, clips: &[Features]) -> Result<Vec<Vec<f32>>, Error> {
        self.forward(clips, |input| self.model.network.embed(input))
    }

    /// Scores of logits, best first.
    pub fn predict(&self, logits: &[f32]) -> Vec<Prediction> {
        top_k(&self.scores.apply(logits), &self.labels, self.top_k)
    }

    fn forward(
        &self,
        clips: &[Features],
        network: impl Fn(Input) -> Tensor<2>,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let doing = || "cannot ask the model".to_owned();
        let mut rows = vec![Vec::new(); clips.len()];
        for places in self.batches(clips) {
            let batch: Vec<&Features> = places.iter().map(|&place| &clips[place]).collect();
            let answer = network(self.input(&batch)?);
            let width = answer.dims()[1];
            let values: Vec<f32> = answer
                .into_data()
                .convert::<f32>()
                .try_into_vec()
                .map_err(|e| ErrorKind::Device(format!("{e:?}")))
                .while_(doing)?;
            for (place, row) in places.into_iter().zip(values.chunks_exact(width)) {
                rows[place] = row.to_vec();
            }
        }
        Ok(rows)
    }

    /// Which clips share a forward pass: neighbours in length, padded only where that changes nothing.
    fn batches(&self, clips: &[Features]) -> Vec<Vec<usize>> {
        let length = |place: usize| clips[place].data.len();
        // A network counts the real samples from the left, so padding on that side would hide sound.
        let pads_right = match &self.model.preprocessor {
            Preprocessor::Wav2Vec2(extractor) => extractor.padding_side == PaddingSide::Right,
            _ => true,
        };
        let may_pad = pads_right && self.model.config.network().padding_is_harmless();
        let mut order: Vec<usize> = (0..clips.len()).collect();
        order.sort_by_key(|&place| length(place));
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for place in order {
            let fits = batches.last().is_some_and(|batch| {
                let shortest = length(batch[0]);
                let alike =
                    length(place) == shortest || (may_pad && length(place) - shortest <= shortest / 4);
                alike && batch.len() < BATCH_CLIPS && (batch.len() + 1) * length(place) <= BATCH_VALUES
            });
            match batches.last_mut() {
                Some(batch) if fits => batch.push(place),
                _ => batches.push(vec![place]),
            }
        }
        batches
    }

    fn input(&self, batch: &[&Features]) -> Result<Input, Error> {
        let Preprocessor::Wav2Vec2(extractor) = &self.model.preprocessor else {
            // These extractors give every clip the same shape.
            let values: Vec<f32> = batch.iter().flat_map(|it| &it.data).copied().collect();
            let shape = [&[batch.len()], batch[0].shape.as_slice()].concat();
            return Ok(Input::Spectrograms(Tensor::from_data(TensorData::new(values, shape), &self.device)));
        };
        let samples: Vec<&[f32]> = batch.iter().map(|it| it.data.as_slice()).collect();
        let padded =
            extractor.pad(&samples, &PadOptions::default()).while_(|| "cannot make a batch".to_owned())?;
        // A batch of one length has no padding, and nothing to be told of it.
        let ragged = padded.lengths.iter().any(|&length| length < padded.cols);
        let data = TensorData::new(padded.input_values, [padded.rows, padded.cols]);
        Ok(Input::Waveforms {
            values: Tensor::from_data(data, &self.device),
            lengths: ragged.then_some(padded.lengths),
        })
    }
}
