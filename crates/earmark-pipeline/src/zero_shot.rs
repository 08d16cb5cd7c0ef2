use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use earmark_audio::{SampleRate, Waveform};
use earmark_features::{Features, Preprocessor};
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};
use earmark_models::{Checkpoint, ClapConfig, ClapModel, ClapTokenizer, Head, load};
use serde_json::Value;

use crate::error::{Error, ErrorKind, While as _};
use crate::extractor::read_extractor;
use crate::sound::{Heard, Hearing, Sound};

/// What the reference makes of a label before its text tower reads it.
pub const HYPOTHESIS_TEMPLATE: &str = "This is a sound of {}.";

/// Names what it hears by any labels at all: the reference's `pipeline("zero-shot-audio-classification")`, over CLAP.
#[derive(Debug)]
pub struct ZeroShotClassifier {
    network: ClapModel,
    tokenizer: ClapTokenizer,
    preprocessor: Preprocessor,
    hearing: Hearing,
    device: Device,
}

/// Labels that the text tower has read: once for as many sounds as are asked about.
#[derive(Debug)]
pub struct Candidates {
    labels: LabelSet,
    /// `[labels, P]`
    texts: Tensor<2>,
}

impl ZeroShotClassifier {
    /// Opens a CLAP model's folder in Hugging Face layout.
    ///
    /// # Errors
    /// When a file is missing or broken, or it is another architecture.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<ZeroShotClassifier, Error> {
        let dir = dir.as_ref();
        let doing = || format!("cannot open the model in `{}`", dir.display());
        let text = |name: &str| {
            let path = dir.join(name);
            earmark_json::read(&path).while_(|| format!("cannot read `{}`", path.display()))
        };
        let json = earmark_json::object(&text("config.json")?)
            .while_(|| format!("cannot use `{}`", dir.join("config.json").display()))?;
        let found = json.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if found != "clap" {
            let advice = "zero-shot classification and text need a `clap` model";
            return Err(ErrorKind::OtherKind { found, advice }.while_(doing()));
        }
        let preprocessor = read_extractor(dir, &json)?;
        if !matches!(preprocessor, Preprocessor::Clap(_)) {
            let why =
                "`feature_extractor_type` is not ClapFeatureExtractor, whose features CLAP takes".to_owned();
            return Err(ErrorKind::OtherExtractor(why).while_(doing()));
        }
        let config = ClapConfig::from_json(json)
            .while_(|| format!("cannot use `{}`", dir.join("config.json").display()))?;
        let tokenizer = ClapTokenizer::from_bytes(&text("tokenizer.json")?)
            .while_(|| format!("cannot use `{}`", dir.join("tokenizer.json").display()))?;
        let checkpoint = Checkpoint::open(dir).while_(doing)?;
        let zeros = ClapModel::zeros(&config, device);
        let (network, _) = load(zeros, &checkpoint, Head::FromCheckpoint, 0.0, 0).while_(doing)?;
        Ok(ZeroShotClassifier {
            network,
            tokenizer,
            preprocessor,
            hearing: Hearing::default(),
            device: device.clone(),
        })
    }

    /// How sounds become what the model hears.
    #[must_use]
    pub fn with_hearing(self, hearing: Hearing) -> Self {
        ZeroShotClassifier { hearing, ..self }
    }

    /// The rate it hears at.
    pub fn sampling_rate(&self) -> SampleRate {
        self.preprocessor.sampling_rate()
    }

    /// Has the text tower read `labels`, each put in the place of `{}` in `template`.
    ///
    /// # Errors
    /// [`ErrorKind::Template`] without such a place; no labels, or one of them twice; a label too long for the text tower.
    pub fn candidates<S: AsRef<str>>(&self, labels: &[S], template: &str) -> Result<Candidates, Error> {
        let doing = || "cannot use the labels".to_owned();
        if !template.contains("{}") {
            return Err(ErrorKind::Template(template.to_owned()).while_(doing()));
        }
        let names = labels.iter().map(|label| label.as_ref().to_owned());
        let set = LabelSet::from_names(names).while_(doing)?;
        let texts: Vec<String> = set.names().iter().map(|label| template.replace("{}", label)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let tokens = self.tokenizer.encode(&texts).while_(doing)?;
        let texts = self.network.get_text_features(&tokens).while_(doing)?;
        Ok(Candidates { labels: set, texts })
    }

    /// Scores every label, best first. They sum to one: a sound that is none of them has a best label all the same.
    ///
    /// # Errors
    /// When it is no sound.
    pub fn classify(
        &self,
        sound: impl Into<Sound>,
        candidates: &Candidates,
    ) -> Result<Vec<Prediction>, Error> {
        let logits = self.logits(&self.features(&self.hear(sound)?.waveform)?, candidates)?;
        Ok(top_k(&Scores::Softmax.apply(&logits), &candidates.labels, TopK::All))
    }

    /// A sound at the model's rate.
    ///
    /// # Errors
    /// When it is no sound.
    pub fn hear(&self, sound: impl Into<Sound>) -> Result<Heard, Error> {
        self.hearing.hear(sound, self.sampling_rate())
    }

    /// What the audio tower is given of a clip at its rate.
    ///
    /// # Errors
    /// When the clip is at another rate.
    pub fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.preprocessor.extract(clip).while_(|| "cannot use the clip".to_owned())
    }

    /// How well a clip goes with each label, in the labels' order; their softmax are the scores.
    ///
    /// # Errors
    /// When the features are another model's.
    pub fn logits(&self, features: &Features, candidates: &Candidates) -> Result<Vec<f32>, Error> {
        let audio = self.embed(features)?;
        read(self.network.logits_per_audio(audio, candidates.texts.clone()))
    }

    /// Where a clip lies in the space that sounds and texts share: P numbers, of length 1.
    ///
    /// # Errors
    /// When the features are another model's.
    pub fn embedding(&self, features: &Features) -> Result<Vec<f32>, Error> {
        read(self.embed(features)?)
    }

    fn embed(&self, features: &Features) -> Result<Tensor<2>, Error> {
        let shape = [&[1], features.shape.as_slice()].concat();
        let data = TensorData::new(features.data.clone(), shape);
        let views = Tensor::from_data(data, &self.device);
        let longer = [features.is_longer.unwrap_or(false)];
        self.network.get_audio_features(views, &longer).while_(|| "cannot ask the model".to_owned())
    }
}

impl Candidates {
    /// The labels, in the order given.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }
}

/// Numbers from a device; waits for it.
fn read(tensor: Tensor<2>) -> Result<Vec<f32>, Error> {
    let values = tensor.into_data().convert::<f32>().try_into_vec();
    values.map_err(|e| ErrorKind::Device(format!("{e:?}"))).while_(|| "cannot ask the model".to_owned())
}
