use std::path::Path;

use burn::tensor::Device;
use earmark_audio::{SampleRate, Waveform};
use earmark_error::Context as _;
use earmark_features::Features;
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};

use crate::caution::Caution;
use crate::error::{Doing, Error};
use crate::many::{of_sounds, of_windows};
use crate::model::pretrained::Pretrained;
use crate::sound::{AudioOptions, DecodedSound, Sound};
use crate::windows::{Window, WindowIter, Windows};

/// Classifies sounds with the labels that its model was trained on, like `pipeline("audio-classification")` of transformers.
///
/// With a whole Whisper (`openai/whisper-base`) it identifies the language that is spoken, like `detect_language` of
/// transformers: the labels are languages, each with its code.
///
/// The scores of a clip do not depend on the other clips: clips share a batch only where padding changes nothing, or where
/// there is none.
#[derive(Debug)]
pub struct AudioClassifier {
    model: Pretrained,
    labels: LabelSet,
    scores: Scores,
    top_k: TopK,
    audio: AudioOptions,
    device: Device,
}

impl AudioClassifier {
    /// Opens a model folder in Hugging Face layout.
    ///
    /// # Errors
    /// As [`Pretrained::open`].
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<AudioClassifier, Error> {
        AudioClassifier::new(Pretrained::open(dir.as_ref(), device)?, device)
    }

    /// A classifier with a model that is already open.
    ///
    /// # Errors
    /// When it has no labels.
    pub fn new(model: Pretrained, device: &Device) -> Result<AudioClassifier, Error> {
        let labels = LabelSet::with_repeats(model.config.labels().iter().cloned())
            .with_context(|| Doing("cannot use the model's labels".to_owned()))?;
        let labels = match model.config.languages() {
            Some(languages) => labels.with_codes(languages.map(|language| language.code.as_str())),
            None => labels,
        };
        Ok(AudioClassifier {
            scores: Scores::for_problem_type(model.config.problem_type()),
            top_k: TopK::N(5),
            audio: AudioOptions::default(),
            device: device.clone(),
            labels,
            model,
        })
    }

    /// How many labels are returned for each sound; 5 unless set.
    #[must_use]
    pub fn with_top_k(self, top_k: TopK) -> Self {
        AudioClassifier { top_k, ..self }
    }

    /// How logits become scores; unless set, as the model's `problem_type` says.
    #[must_use]
    pub fn with_scores(self, scores: Scores) -> Self {
        AudioClassifier { scores, ..self }
    }

    /// How sounds are decoded and resampled.
    #[must_use]
    pub fn with_audio(self, audio: AudioOptions) -> Self {
        AudioClassifier { audio, ..self }
    }

    /// The model's labels.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// The model's sample rate.
    pub fn sampling_rate(&self) -> SampleRate {
        self.model.preprocessor.sampling_rate()
    }

    /// The shortest clip it can classify, in samples at the model's rate.
    pub fn min_samples(&self) -> usize {
        self.model.min_samples()
    }

    /// What to expect of a clip of so many samples at the model's rate: see [`Caution`].
    pub fn caution(&self, samples: usize) -> Option<Caution> {
        self.model.caution(samples)
    }

    /// The model itself.
    pub fn model(&self) -> &Pretrained {
        &self.model
    }

    /// Classifies one sound: its labels, best first. [`caution`](Self::caution) says which part of a long sound is used.
    ///
    /// # Errors
    /// When it cannot be decoded or is too short for the model, or when a logit is not finite.
    pub fn classify(&self, sound: impl Into<Sound>) -> Result<Vec<Prediction>, Error> {
        self.classify_all([sound]).swap_remove(0)
    }

    /// Classifies many sounds: for each, in order, the result of [`classify`](Self::classify). They are decoded on all threads,
    /// and the features of one batch are in memory at a time.
    pub fn classify_all<S: Into<Sound>>(
        &self,
        sounds: impl IntoIterator<Item = S>,
    ) -> Vec<Result<Vec<Prediction>, Error>> {
        let predict = |logits: Result<Vec<f32>, Error>| logits.map(|logits| self.predict(&logits));
        self.logits_all(sounds).into_iter().map(predict).collect()
    }

    /// The logits that [`classify_all`](Self::classify_all) ranks: for each sound, in order, one per label, all finite.
    pub fn logits_all<S: Into<Sound>>(
        &self,
        sounds: impl IntoIterator<Item = S>,
    ) -> Vec<Result<Vec<f32>, Error>> {
        let decode = |sound| self.decode(sound);
        let features = |clip: &Waveform| self.features(clip);
        of_sounds(sounds, decode, features, |clips| self.logits(&clips))
    }

    /// The windows of a recording of any length, at the model's rate, cut while it is being decoded; one window is in memory at
    /// a time.
    ///
    /// # Errors
    /// When the file cannot be opened, or the windows are shorter than the model needs.
    pub fn windows(&self, file: impl AsRef<Path>, windows: Windows) -> Result<WindowIter, Error> {
        windows.cut_file(file, &self.audio, self.sampling_rate(), self.min_samples())
    }

    /// Classifies each window of a recording, in order, as [`classify`](Self::classify) does; one batch of windows is in memory at
    /// a time. It ends at the first part that cannot be decoded.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use earmark_pipeline::{AudioClassifier, Error, Windows};
    /// # fn classify(classifier: &AudioClassifier) -> Result<(), Error> {
    /// for classified in classifier.classify_windows("night.flac", Windows::of(Duration::from_secs(5)))? {
    ///     let (window, predictions) = classified?;
    ///     println!("{:.1} s to {:.1} s: {}", window.start, window.end, predictions[0].label);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`windows`](Self::windows).
    pub fn classify_windows(
        &self,
        file: impl AsRef<Path>,
        windows: Windows,
    ) -> Result<impl Iterator<Item = Result<(Window, Vec<Prediction>), Error>>, Error> {
        let windows = self.windows(file, windows)?;
        Ok(of_windows(windows, |clips| self.classify_all(clips)))
    }

    /// Decodes a sound and resamples it to the model's rate.
    ///
    /// # Errors
    /// When it cannot be read or decoded.
    pub fn decode(&self, sound: impl Into<Sound>) -> Result<DecodedSound, Error> {
        self.audio.decode(sound, self.sampling_rate())
    }

    /// The model's input for a clip at its rate.
    ///
    /// # Errors
    /// [`ErrorKind::TooShort`](crate::ErrorKind::TooShort) when it is too short for one frame; when the clip is at another rate,
    /// or so loud that features would overflow.
    pub fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.model.features(clip)
    }

    /// The model's logits for each clip's features, in order: one per label, all finite.
    ///
    /// The error of one clip does not affect the others: [`ErrorKind::NotFinite`](crate::ErrorKind::NotFinite) for a logit that is
    /// NaN or infinite, others for features of another model and for a device that fails.
    pub fn logits(&self, clips: &[Features]) -> Vec<Result<Vec<f32>, Error>> {
        let network = |input| self.model.network.forward(input, None);
        let labels = self.labels.names();
        self.model.forward(clips, &self.device, network, |i| format!("the logit of `{}`", labels[i]))
    }

    /// The predictions for one clip's logits, best first.
    pub fn predict(&self, logits: &[f32]) -> Vec<Prediction> {
        top_k(&self.scores.apply(logits), &self.labels, self.top_k)
    }
}
