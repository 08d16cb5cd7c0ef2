use std::collections::BTreeMap;

use earmark_audio::{SampleRate, Waveform};
use earmark_config::{Extractor, Object, shown};
use earmark_error::{Attempt as _, Context as _};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::audio_processor;
use crate::dsp::numpy_rng::CropRng;
use crate::error::{Error, ErrorKind, Task};
use crate::extractors::ast::AstExtractor;
use crate::extractors::ced::CedExtractor;
use crate::extractors::clap::{ClapExtractor, ClapTruncation};
use crate::extractors::seamless::SeamlessM4TExtractor;
use crate::extractors::wav2vec2::Wav2Vec2Extractor;
use crate::extractors::whisper::WhisperExtractor;
use crate::features::Features;

/// A `preprocessor_config.json`, ready to extract features.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Preprocessor {
    /// Wav2Vec2 and HuBERT: the waveform itself.
    Wav2Vec2(Wav2Vec2Extractor),
    /// Audio Spectrogram Transformer: a Kaldi filter bank.
    Ast(AstExtractor),
    /// Whisper: a log-mel spectrogram.
    Whisper(WhisperExtractor),
    /// CLAP: log-mel spectrograms in decibels.
    Clap(ClapExtractor),
    /// Wav2Vec2-BERT: a normalised Kaldi filter bank, as many frames as the clip has.
    SeamlessM4T(SeamlessM4TExtractor),
    /// CED: a log-mel spectrogram in decibels, as many frames as the clip has.
    Ced(CedExtractor),
}

impl Preprocessor {
    /// Reads the contents of a `preprocessor_config.json`, or of the `processor_config.json` that newer versions of
    /// the reference write instead, that of a feature extractor or of an `AudioProcessor`. A key that changes the numbers and is missing takes the reference's default, and a
    /// warning is logged that names both.
    ///
    /// # Errors
    /// [`ErrorKind::Json`] when it is no such file, [`ErrorKind::NoExtractor`] and [`ErrorKind::UnknownExtractor`] when
    /// it does not name a supported extractor, [`ErrorKind::Value`] for settings out of range.
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Preprocessor, Error> {
        Preprocessor::read(json.as_ref(), None)
    }

    /// As [`from_json`](Self::from_json), for a model whose file is too old to name its extractor: `model`, the
    /// `feature_extractor_type` or else the `model_type` of its `config.json`, chooses then.
    ///
    /// # Errors
    /// Those of [`from_json`](Self::from_json).
    pub fn from_json_for(json: impl AsRef<[u8]>, model: &str) -> Result<Preprocessor, Error> {
        Preprocessor::read(json.as_ref(), Extractor::of(model))
    }

    /// Whether `json`, the contents of a `processor_config.json`, describes an extractor: such files of before
    /// transformers 5 do not.
    ///
    /// # Errors
    /// [`ErrorKind::Json`] when it is not an object.
    pub fn is_in_processor_config(json: impl AsRef<[u8]>) -> Result<bool, Error> {
        let mut keys =
            earmark_config::object(json.as_ref()).map_err(ErrorKind::Json).context(Task::Configure)?;
        Ok(section(&mut keys).is_some())
    }

    fn read(json: &[u8], otherwise: Option<Extractor>) -> Result<Preprocessor, Error> {
        let failed = |kind| Task::Configure.failed(kind);
        let mut keys = earmark_config::object(json).map_err(ErrorKind::Json).context(Task::Configure)?;
        match section(&mut keys) {
            None => {}
            Some((_, Value::Object(inner))) => keys = inner,
            Some((key, found)) => {
                let rule = "it must be the extractor's configuration";
                return Err(failed(ErrorKind::Value { key, value: shown(&found.to_string()), rule }));
            }
        }
        if audio_processor::is_one(&keys) {
            keys = audio_processor::as_feature_extractor(&keys).context(Task::Configure)?;
        }
        let extractor = match (keys.remove("feature_extractor_type"), otherwise) {
            (Some(Value::String(class)), _) => Extractor::named(&class)
                .ok_or_else(|| failed(ErrorKind::UnknownExtractor { found: shown(&class) }))?,
            (None | Some(Value::Null), Some(extractor)) => extractor,
            (None | Some(Value::Null), None) => return Err(failed(ErrorKind::NoExtractor)),
            (Some(found), _) => {
                return Err(failed(ErrorKind::UnknownExtractor { found: shown(&found.to_string()) }));
            }
        };
        // Derived from other keys, by the reference and by us; old Whisper files spell out the whole filter bank.
        for derived in ["mel_filters", "n_samples", "nb_max_frames", "nb_frequency_bins", "nb_max_samples"] {
            let kept_by_clap = derived == "nb_max_frames" && extractor == Extractor::Clap;
            if !kept_by_clap {
                keys.remove(derived);
            }
        }
        if extractor == Extractor::SeamlessM4T {
            keys.remove("window");
        }
        if extractor == Extractor::Clap {
            keys.entry("top_db").or_insert(Value::Null);
        }
        match extractor {
            Extractor::Wav2Vec2 => {
                Ok(Preprocessor::Wav2Vec2(config(keys, extractor, &["do_normalize", "sampling_rate"])?))
            }
            Extractor::Ast => {
                let decisive = ["do_normalize", "max_length", "mean", "num_mel_bins", "sampling_rate", "std"];
                AstExtractor::new(config(keys, extractor, &decisive)?).map(Preprocessor::Ast)
            }
            Extractor::Whisper => {
                let decisive = ["chunk_length", "feature_size", "hop_length", "n_fft", "sampling_rate"];
                WhisperExtractor::new(config(keys, extractor, &decisive)?).map(Preprocessor::Whisper)
            }
            Extractor::Clap => {
                let decisive = [
                    "feature_size",
                    "fft_window_size",
                    "frequency_max",
                    "frequency_min",
                    "hop_length",
                    "max_length_s",
                    "padding",
                    "sampling_rate",
                    "truncation",
                ];
                ClapExtractor::new(config(keys, extractor, &decisive)?).map(Preprocessor::Clap)
            }
            Extractor::SeamlessM4T => {
                let decisive = ["num_mel_bins", "sampling_rate", "stride"];
                SeamlessM4TExtractor::new(config(keys, extractor, &decisive)?).map(Preprocessor::SeamlessM4T)
            }
            Extractor::Ced => {
                let decisive =
                    ["f_max", "f_min", "feature_size", "hop_size", "n_fft", "sampling_rate", "win_size"];
                CedExtractor::new(config(keys, extractor, &decisive)?).map(Preprocessor::Ced)
            }
        }
    }

    /// The file the reference would write: its keys, sorted, indented by two.
    pub fn to_json(&self) -> String {
        let (config, derived) = match self {
            Preprocessor::Wav2Vec2(it) => (serde_json::to_value(it), json!({})),
            Preprocessor::Ast(it) => (serde_json::to_value(it.config()), json!({})),
            Preprocessor::SeamlessM4T(it) => (serde_json::to_value(it.config()), json!({})),
            Preprocessor::Ced(it) => (serde_json::to_value(it.config()), json!({})),
            Preprocessor::Whisper(it) => {
                let derived = json!({ "n_samples": it.window_samples(), "nb_max_frames": it.frames() });
                (serde_json::to_value(it.config()), derived)
            }
            Preprocessor::Clap(it) => {
                let bins = it.config().fft_window_size / 2 + 1;
                let derived = json!({ "nb_max_samples": it.window_samples(), "nb_frequency_bins": bins });
                (serde_json::to_value(it.config()), derived)
            }
        };
        let config = config.expect("a config serialises");
        let extractor = json!({ "feature_extractor_type": self.extractor().class() });
        // A `BTreeMap`, because another crate's features decide whether `serde_json::Map` sorts its keys.
        let mut keys = BTreeMap::new();
        for part in [config, derived, extractor] {
            let Value::Object(part) = part else { unreachable!("a config is an object") };
            keys.extend(part);
        }
        let json = serde_json::to_string_pretty(&keys).expect("a config serialises");
        json + "\n"
    }

    /// Which extractor it is.
    pub fn extractor(&self) -> Extractor {
        match self {
            Preprocessor::Wav2Vec2(_) => Extractor::Wav2Vec2,
            Preprocessor::Ast(_) => Extractor::Ast,
            Preprocessor::Whisper(_) => Extractor::Whisper,
            Preprocessor::Clap(_) => Extractor::Clap,
            Preprocessor::SeamlessM4T(_) => Extractor::SeamlessM4T,
            Preprocessor::Ced(_) => Extractor::Ced,
        }
    }

    /// The rate the model was trained on.
    pub fn sampling_rate(&self) -> SampleRate {
        match self {
            Preprocessor::Wav2Vec2(it) => it.sampling_rate,
            Preprocessor::Ast(it) => it.config().sampling_rate,
            Preprocessor::Whisper(it) => it.config().sampling_rate,
            Preprocessor::Clap(it) => it.config().sampling_rate,
            Preprocessor::SeamlessM4T(it) => it.config().sampling_rate,
            Preprocessor::Ced(it) => it.config().sampling_rate,
        }
    }

    /// The reference's name for the result: `input_values` or `input_features`.
    pub fn input_name(&self) -> &'static str {
        match self {
            Preprocessor::Wav2Vec2(_) | Preprocessor::Ast(_) | Preprocessor::Ced(_) => "input_values",
            Preprocessor::Whisper(_) | Preprocessor::Clap(_) | Preprocessor::SeamlessM4T(_) => {
                "input_features"
            }
        }
    }

    /// One clip as the model reads it, without padding for Wav2Vec2.
    ///
    /// CLAP crops long clips at random; here always at the same places, those of seed 0.
    ///
    /// # Errors
    /// Those of the extractor: [`ErrorKind::RateMismatch`], [`ErrorKind::TooShort`] for a clip of less than
    /// [`min_samples`](Self::min_samples), [`ErrorKind::TooLoud`]; [`ErrorKind::NotFinite`] when its settings make numbers
    /// that are not finite.
    pub fn extract(&self, clip: &Waveform) -> Result<Features, Error> {
        let features = match self {
            Preprocessor::Wav2Vec2(it) => it.extract(clip),
            Preprocessor::Ast(it) => it.extract(clip),
            Preprocessor::Whisper(it) => it.extract(clip),
            Preprocessor::Clap(it) => it.extract(clip, &mut CropRng::seed(0)),
            Preprocessor::SeamlessM4T(it) => it.extract(clip),
            Preprocessor::Ced(it) => it.extract(clip),
        }?;
        match features.data.iter().fold(true, |finite, x| finite & x.is_finite()) {
            true => Ok(features),
            false => Err(Task::Extract(self.extractor().class()).failed(ErrorKind::NotFinite)),
        }
    }

    /// The shortest clip that features are made of, in samples at [`sampling_rate`](Self::sampling_rate): one frame of AST,
    /// two of Wav2Vec2-BERT, more than half a transform of CED, one sample for the others, which fill a clip up or take it as it is.
    pub fn min_samples(&self) -> usize {
        match self {
            Preprocessor::Ast(it) => it.frame_samples(),
            Preprocessor::SeamlessM4T(it) => it.min_samples(),
            Preprocessor::Ced(it) => it.min_samples(),
            Preprocessor::Wav2Vec2(_) | Preprocessor::Whisper(_) | Preprocessor::Clap(_) => 1,
        }
    }

    /// The shortest clip of which so many frames are made that a network may be given any number of; as
    /// [`min_samples`](Self::min_samples) where every clip has one number of them.
    pub fn samples_of(&self, frames: usize) -> usize {
        match self {
            Preprocessor::SeamlessM4T(it) => it.samples(frames),
            Preprocessor::Ced(it) => it.samples(frames),
            _ => self.min_samples(),
        }
    }

    /// How much of a clip is read, in samples at [`sampling_rate`](Self::sampling_rate): what is beyond is left out, as in the
    /// reference, from the end for AST and Whisper, and on both sides of a random window for CLAP's `rand_trunc`. `None`
    /// when all of it is read.
    pub fn max_samples(&self) -> Option<usize> {
        match self {
            Preprocessor::Ast(it) => Some(it.max_samples()),
            Preprocessor::Whisper(it) => Some(it.window_samples()),
            Preprocessor::Clap(it) if it.config().truncation == ClapTruncation::RandTrunc => {
                Some(it.window_samples())
            }
            // Of a fused CLAP one view is of the whole clip.
            Preprocessor::Wav2Vec2(_)
            | Preprocessor::Clap(_)
            | Preprocessor::SeamlessM4T(_)
            | Preprocessor::Ced(_) => None,
        }
    }

    /// Each clip on its own, on all threads; the result does not depend on how many there are.
    ///
    /// Clips of different lengths become one batch of Wav2Vec2's through
    /// [`Wav2Vec2Extractor::extract_batch`](crate::Wav2Vec2Extractor::extract_batch); Wav2Vec2-BERT's and CED's have as many frames as
    /// their clip, and all other extractors give every clip the same shape.
    ///
    /// # Errors
    /// As [`extract`](Self::extract), for the first clip that fails.
    pub fn extract_all(&self, clips: &[Waveform]) -> Result<Vec<Features>, Error> {
        clips.par_iter().map(|clip| self.extract(clip)).collect()
    }
}

/// The extractor's section of a `processor_config.json`, taken out. As the reference: the first of the two keys that is there
/// counts, and none of them when that is `null`. Where the section of an `AudioProcessor` is there, that counts.
fn section(keys: &mut Object) -> Option<(&'static str, Value)> {
    let of_newer = |keys: &Object| keys.get(NEWER)?.as_object().map(audio_processor::is_one);
    let order = if of_newer(keys) == Some(true) { [NEWER, OLDER] } else { [OLDER, NEWER] };
    let key = order.into_iter().find(|key| keys.contains_key(*key))?;
    keys.remove(key).filter(|section| !section.is_null()).map(|section| (key, section))
}

const OLDER: &str = "feature_extractor";
const NEWER: &str = "audio_processor";

/// The configuration of `extractor` in `keys`. A warning names each of the `decisive` keys that is missing, with its default.
fn config<C>(keys: Object, extractor: Extractor, decisive: &[&str]) -> Result<C, Error>
where
    C: Default + Serialize + DeserializeOwned,
{
    let missing: Vec<&str> = decisive.iter().copied().filter(|key| !keys.contains_key(*key)).collect();
    let config = earmark_config::config(keys).map_err(|error| {
        Task::Configure.failed(match error.key.as_str() {
            "." => ErrorKind::Json(error.source),
            _ => ErrorKind::Key { key: error.key, source: error.source },
        })
    })?;
    if !missing.is_empty() {
        let read = serde_json::to_value(&config).expect("a config serialises");
        let assumed: Vec<String> = missing.iter().map(|key| format!("`{key}` ({})", read[key])).collect();
        tracing::warn!(
            "the model's {extractor} configuration has no {}: using the defaults of transformers",
            assumed.join(", ")
        );
    }
    Ok(config)
}
