use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use earmark_audio::{SampleRate, Waveform};
use earmark_config::{CLAP, Extractor};
use earmark_error::{Attempt as _, Context as _};
use earmark_features::{Features, Preprocessor};
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};
use earmark_models::{Checkpoint, ClapConfig, ClapModel, ClapTokenizer, Head, load, unusable_weight};
use serde_json::Value;

use crate::caution::Caution;
use crate::error::{Doing, Error, ErrorKind};
use crate::forward::{finite, read};
use crate::model::extractor::read_extractor;
use crate::sound::{AudioOptions, DecodedSound, Sound};

/// The sentence that the reference puts a label into before it embeds it.
pub const HYPOTHESIS_TEMPLATE: &str = "This is a sound of {}.";

/// Classifies sounds with labels of your choice, like `pipeline("zero-shot-audio-classification")` of transformers, with CLAP.
#[derive(Debug)]
pub struct ZeroShotClassifier {
    network: ClapModel,
    tokenizer: ClapTokenizer,
    preprocessor: Preprocessor,
    audio: AudioOptions,
    device: Device,
}

/// Labels and their text embeddings, computed once for any number of sounds.
#[derive(Debug)]
pub struct Candidates {
    labels: LabelSet,
    /// `[labels, P]`
    texts: Tensor<2>,
}

impl ZeroShotClassifier {
    /// Opens the folder of a CLAP model in Hugging Face layout.
    ///
    /// # Errors
    /// When a file is missing or invalid, or the model is not CLAP.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<ZeroShotClassifier, Error> {
        let dir = dir.as_ref();
        let doing = || Doing(format!("cannot open the model in `{}`", dir.display()));
        let text = |name: &str| {
            let path = dir.join(name);
            earmark_config::read(&path).with_context(|| Doing(format!("cannot read `{}`", path.display())))
        };
        let json = earmark_config::object(&text("config.json")?)
            .with_context(|| Doing(format!("cannot use `{}`", dir.join("config.json").display())))?;
        let found = json.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if found != CLAP.model_type {
            let advice =
                "zero-shot classification and text embeddings need a CLAP model; this one has fixed labels";
            return Err(doing().failed(ErrorKind::OtherKind { found, advice }));
        }
        let preprocessor = read_extractor(dir, &json)?;
        if preprocessor.extractor() != Extractor::Clap {
            let why = "`feature_extractor_type` is not ClapFeatureExtractor, which CLAP needs".to_owned();
            return Err(doing().failed(ErrorKind::OtherExtractor(why)));
        }
        let config = ClapConfig::from_json(json)
            .with_context(|| Doing(format!("cannot use `{}`", dir.join("config.json").display())))?;
        let tokenizer = ClapTokenizer::from_bytes(&text("tokenizer.json")?)
            .with_context(|| Doing(format!("cannot use `{}`", dir.join("tokenizer.json").display())))?;
        let checkpoint = Checkpoint::open(dir).with_context(doing)?;
        let zeros = ClapModel::zeros(&config, device);
        let (network, _) = load(zeros, &checkpoint, Head::FromCheckpoint, 0.0, 0).with_context(doing)?;
        Ok(ZeroShotClassifier {
            network,
            tokenizer,
            preprocessor,
            audio: AudioOptions::default(),
            device: device.clone(),
        })
    }

    /// How sounds are decoded and resampled.
    #[must_use]
    pub fn with_audio(self, audio: AudioOptions) -> Self {
        ZeroShotClassifier { audio, ..self }
    }

    /// The model's sample rate.
    pub fn sampling_rate(&self) -> SampleRate {
        self.preprocessor.sampling_rate()
    }

    /// The shortest clip it can classify, in samples at the model's rate.
    pub fn min_samples(&self) -> usize {
        self.preprocessor.min_samples()
    }

    /// The feature extractor of its audio encoder.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// What to expect of a clip of so many samples at the model's rate: see [`Caution`].
    pub fn caution(&self, samples: usize) -> Option<Caution> {
        Caution::of(&self.preprocessor, samples)
    }

    /// Embeds `labels` with the text encoder, each in place of `{}` in `template`.
    ///
    /// # Errors
    /// [`ErrorKind::Template`] when `template` has no `{}`; when there are no labels, a label appears twice or is too long for
    /// the text encoder.
    pub fn candidates<S: AsRef<str>>(&self, labels: &[S], template: &str) -> Result<Candidates, Error> {
        self.ensemble(labels, &[template])
    }

    /// As [`candidates`](Self::candidates) for several templates: the embedding of a label is the mean of its embeddings in each of
    /// them, scaled to length 1. With one template it is that embedding itself.
    ///
    /// # Errors
    /// As [`candidates`](Self::candidates), and [`ErrorKind::Template`] without any template.
    pub fn ensemble<S: AsRef<str>, T: AsRef<str>>(
        &self,
        labels: &[S],
        templates: &[T],
    ) -> Result<Candidates, Error> {
        let doing = || Doing("cannot use the labels".to_owned());
        let names = labels.iter().map(|label| label.as_ref().to_owned());
        let bad = templates.iter().map(AsRef::as_ref).find(|template| !template.contains("{}"));
        if let Some(template) = bad.or(templates.is_empty().then_some("")) {
            return Err(doing().failed(ErrorKind::Template(template.to_owned())));
        }
        let set = LabelSet::from_names(names).with_context(doing)?;
        let embedded = templates.iter().map(|template| {
            let texts = set.names().iter().map(|label| template.as_ref().replace("{}", label));
            let texts: Vec<String> = texts.collect();
            Ok(self.texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())?.0)
        });
        let mut embedded = embedded.collect::<Result<Vec<_>, ErrorKind>>().with_context(doing)?;
        let texts = match embedded.len() {
            1 => embedded.remove(0),
            _ => ClapModel::mean_text_features(embedded),
        };
        Ok(Candidates { labels: set, texts })
    }

    /// The embedding of each text, as it stands: P numbers each, of length 1, in the space that sounds and texts share. The dot
    /// product with the [`embedding`](Self::embedding) of a sound is their cosine similarity.
    ///
    /// # Errors
    /// A text too long for the text tower, or [`ErrorKind::NotFinite`] when a number is.
    pub fn text_embeddings<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, Error> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let (_, rows) = self.texts(&texts).with_context(|| Doing("cannot embed the text".to_owned()))?;
        Ok(rows)
    }

    /// `[texts, P]`, and the same as rows.
    fn texts(&self, texts: &[&str]) -> Result<(Tensor<2>, Vec<Vec<f32>>), ErrorKind> {
        let tokens = self.tokenizer.encode(texts)?;
        let embedded = self.network.get_text_features(&tokens)?;
        let rows = read(embedded.clone())?.into_iter().zip(texts).map(|(row, text)| {
            let what = |i| format!("number {i} of the embedding of the text `{text}`");
            finite(row, what, || unusable_weight(&self.network))
        });
        Ok((embedded, rows.collect::<Result<_, _>>()?))
    }

    /// Scores every label, best first. The scores sum to one, so there is a best label even for a sound that fits none.
    ///
    /// # Errors
    /// When it cannot be decoded, or when a logit is not finite.
    pub fn classify(
        &self,
        sound: impl Into<Sound>,
        candidates: &Candidates,
    ) -> Result<Vec<Prediction>, Error> {
        let sound = sound.into();
        let name = sound.name();
        let waveform = self.decode(sound)?.waveform;
        let logits = self.features(&waveform).and_then(|features| self.logits(&features, candidates));
        let logits = logits.map_err(|e| e.about(&name))?;
        Ok(top_k(&Scores::Softmax.apply(&logits), &candidates.labels, TopK::All))
    }

    /// Decodes a sound and resamples it to the model's rate.
    ///
    /// # Errors
    /// When it cannot be read or decoded.
    pub fn decode(&self, sound: impl Into<Sound>) -> Result<DecodedSound, Error> {
        self.audio.decode(sound, self.sampling_rate())
    }

    /// The input of the audio encoder for a clip at the model's rate.
    ///
    /// # Errors
    /// When the clip is at another rate, or so loud that features would overflow.
    pub fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        self.preprocessor.extract(clip).with_context(|| Doing("cannot use the clip".to_owned()))
    }

    /// The logit of each label for a clip, in the labels' order; their softmax are the scores.
    ///
    /// # Errors
    /// When the features do not fit this model; [`ErrorKind::NotFinite`] when a logit is not finite.
    pub fn logits(&self, features: &Features, candidates: &Candidates) -> Result<Vec<f32>, Error> {
        let labels = candidates.labels.names();
        let logits = self.audio(features).and_then(|audio| {
            let logits = read(self.network.logits_per_audio(audio, candidates.texts.clone()))?.swap_remove(0);
            finite(logits, |i| format!("the logit of `{}`", labels[i]), || unusable_weight(&self.network))
        });
        logits.with_context(|| Doing("cannot run the model".to_owned()))
    }

    /// The embedding of a clip in the space that sounds and texts share: P numbers, a vector of length 1.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn embedding(&self, features: &Features) -> Result<Vec<f32>, Error> {
        let embedding = self.audio(features).and_then(|audio| {
            let what = |i| format!("number {i} of the embedding");
            finite(read(audio)?.swap_remove(0), what, || unusable_weight(&self.network))
        });
        embedding.with_context(|| Doing("cannot run the model".to_owned()))
    }

    /// `[1, P]`
    fn audio(&self, features: &Features) -> Result<Tensor<2>, ErrorKind> {
        let bad = |why: String| Err(ErrorKind::Network(earmark_models::ErrorKind::BadInput(why)));
        let &[views, frames, bins] = features.shape.as_slice() else {
            return bad(format!("features of shape {:?} do not fit this model", features.shape));
        };
        if features.data.len() != views * frames * bins {
            return bad(format!(
                "features of shape {:?} have {} values",
                features.shape,
                features.data.len()
            ));
        }
        let data = TensorData::new(features.data.clone(), [1, views, frames, bins]);
        let views = Tensor::from_data(data, &self.device);
        Ok(self.network.get_audio_features(views, &[features.is_longer.unwrap_or(false)])?)
    }
}

impl Candidates {
    /// The labels, in the order given.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A golden CLAP model, with an extractor for clips of a second.
    fn classifier() -> (tempfile::TempDir, ZeroShotClassifier) {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/clap/unfused");
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(golden).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let extractor = r#"{"feature_extractor_type": "ClapFeatureExtractor", "feature_size": 8, "hop_length": 3200,
            "max_length_s": 1, "truncation": "rand_trunc", "sampling_rate": 48000}"#;
        fs::write(dir.path().join("preprocessor_config.json"), extractor).unwrap();
        let classifier = ZeroShotClassifier::open(dir.path(), &Device::flex()).unwrap();
        (dir, classifier)
    }

    #[test]
    fn the_embedding_of_an_ensemble_is_the_mean_of_its_templates_at_length_1() {
        let (_dir, classifier) = classifier();
        let (labels, templates) = (["dog", "church bell"], ["a {}", "{} in the rain", "{}"]);
        let got = read(classifier.ensemble(&labels, &templates).unwrap().texts).unwrap();
        for (label, got) in labels.iter().zip(got) {
            let texts = templates.map(|template| template.replace("{}", label));
            let rows = classifier.text_embeddings(&texts).unwrap();
            let sum: Vec<f32> = (0..got.len()).map(|at| rows.iter().map(|row| row[at]).sum()).collect();
            let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
            for (got, want) in got.iter().zip(sum.iter().map(|x| x / length)) {
                assert!((got - want).abs() < 1e-6, "{label}: {got} is not {want}");
            }
        }
    }

    #[test]
    fn an_ensemble_of_one_template_is_that_template_bit_for_bit() {
        let (_dir, classifier) = classifier();
        let labels = ["dog", "church bell"];
        let of = |candidates: Candidates| read(candidates.texts).unwrap();
        let plain = of(classifier.candidates(&labels, "a {}").unwrap());
        assert_eq!(of(classifier.ensemble(&labels, &["a {}"]).unwrap()), plain);
        for templates in [&["a {}", "sound"][..], &[]] {
            let error = classifier.ensemble(&labels, templates).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Template(_)), "{error:?}");
        }
    }
}
