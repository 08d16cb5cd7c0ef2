use std::path::Path;

use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_features::Features;
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};
use rayon::prelude::*;

use crate::caution::Caution;
use crate::error::{Error, While as _};
use crate::forward::BATCH_CLIPS;
use crate::pretrained::Pretrained;
use crate::sound::{Heard, Hearing, Sound};

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

    /// The shortest clip it can be asked about, in samples at its rate.
    pub fn min_samples(&self) -> usize {
        self.model.min_samples()
    }

    /// What to know before it is asked about a clip of so many samples at its rate.
    pub fn caution(&self, samples: usize) -> Option<Caution> {
        self.model.caution(samples)
    }

    /// The model itself.
    pub fn model(&self) -> &Pretrained {
        &self.model
    }

    /// Names what is heard, best first. What lies beyond [`caution`](Self::caution)'s limits is not heard.
    ///
    /// # Errors
    /// When it is no sound, or too short for the model, or the model makes numbers of it that are not finite.
    pub fn classify(&self, sound: impl Into<Sound>) -> Result<Vec<Prediction>, Error> {
        self.classify_all(vec![sound.into()]).swap_remove(0)
    }

    /// Each sound as [`classify`](Self::classify) names it, in order; decoded on all threads, and the features of a few held
    /// at a time.
    pub fn classify_all(&self, sounds: Vec<Sound>) -> Vec<Result<Vec<Prediction>, Error>> {
        let mut answers = Vec::with_capacity(sounds.len());
        let mut sounds = sounds.into_iter();
        loop {
            let batch: Vec<Sound> = sounds.by_ref().take(BATCH_CLIPS).collect();
            if batch.is_empty() {
                return answers;
            }
            let names: Vec<String> = batch.iter().map(Sound::name).collect();
            let heard: Vec<Result<Features, Error>> = batch
                .into_par_iter()
                .zip(&names)
                .map(|(sound, name)| self.features(&self.hear(sound)?.waveform).map_err(|e| e.about(name)))
                .collect();
            let mut features = Vec::new();
            let heard: Vec<Result<(), Error>> =
                heard.into_iter().map(|it| it.map(|it| features.push(it))).collect();
            let mut logits = self.logits(&features).into_iter();
            for (heard, name) in heard.into_iter().zip(&names) {
                answers.push(heard.and_then(|()| {
                    let logits = logits.next().expect("one row a clip").map_err(|e| e.about(name))?;
                    Ok(self.predict(&logits))
                }));
            }
        }
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
    /// [`ErrorKind::TooShort`](crate::ErrorKind::TooShort) when neither extractor nor network could make a frame of it;
    /// when the clip is at another rate, or so loud that numbers overflow.
    pub fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.model.features(clip)
    }

    /// The model's logits for each clip's features, in order and finite.
    ///
    /// A clip's error leaves the others alone: [`ErrorKind::NotFinite`](crate::ErrorKind::NotFinite) for a logit that is NaN
    /// or infinite, others for features that are another model's, and when the device gives no numbers.
    pub fn logits(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let network = |input| self.model.network.forward(input, None);
        let labels = self.labels.names();
        self.model.forward(clips, &self.device, network, |i| format!("the logit of `{}`", labels[i]))
    }

    /// Scores of logits, best first.
    pub fn predict(&self, logits: &[f32]) -> Vec<Prediction> {
        top_k(&self.scores.apply(logits), &self.labels, self.top_k)
    }
}
