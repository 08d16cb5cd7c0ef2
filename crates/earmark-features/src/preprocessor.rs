use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use earmark_audio::{SampleRate, Waveform};
use earmark_config::{Extractor, Object, shown};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::dsp::loudness;
use crate::dsp::numpy_rng::CropRng;
use crate::error::{Error, ErrorKind, Task};
use crate::extractors::ast::AstExtractor;
use crate::extractors::clap::{ClapExtractor, ClapTruncation};
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
}

/// The end of a clip that padding fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaddingSide {
    /// After the sound.
    #[default]
    Right,
    /// Before the sound.
    Left,
}

impl Preprocessor {
    /// Reads the contents of a `preprocessor_config.json`, or of the `processor_config.json` that newer versions of
    /// the reference write instead. A key that changes the numbers and is missing takes the reference's default, and a
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
            earmark_config::object(json.as_ref()).map_err(|e| Task::Configure.failed(ErrorKind::Json(e)))?;
        Ok(section(&mut keys).is_some())
    }

    fn read(json: &[u8], otherwise: Option<Extractor>) -> Result<Preprocessor, Error> {
        let failed = |kind| Task::Configure.failed(kind);
        let mut keys = earmark_config::object(json).map_err(|e| failed(ErrorKind::Json(e)))?;
        match section(&mut keys) {
            None => {}
            Some((_, Value::Object(inner))) => keys = inner,
            Some((key, found)) => {
                let rule = "it must be the extractor's configuration";
                return Err(failed(ErrorKind::Value { key, value: shown(&found.to_string()), rule }));
            }
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
        if extractor == Extractor::Clap {
            keys.entry("top_db").or_insert(Value::Null);
        }
        match extractor {
            Extractor::Wav2Vec2 => {
                Ok(Preprocessor::Wav2Vec2(config(keys, extractor, &["do_normalize", "sampling_rate"])?))
            }
            Extractor::Ast => {
                let telling = ["do_normalize", "max_length", "mean", "num_mel_bins", "sampling_rate", "std"];
                AstExtractor::new(config(keys, extractor, &telling)?).map(Preprocessor::Ast)
            }
            Extractor::Whisper => {
                let telling = ["chunk_length", "feature_size", "hop_length", "n_fft", "sampling_rate"];
                WhisperExtractor::new(config(keys, extractor, &telling)?).map(Preprocessor::Whisper)
            }
            Extractor::Clap => {
                let telling = [
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
                ClapExtractor::new(config(keys, extractor, &telling)?).map(Preprocessor::Clap)
            }
        }
    }

    /// The file the reference would write: its keys, sorted, indented by two.
    pub fn to_json(&self) -> String {
        let (config, derived) = match self {
            Preprocessor::Wav2Vec2(it) => (serde_json::to_value(it), json!({})),
            Preprocessor::Ast(it) => (serde_json::to_value(it.config()), json!({})),
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
        let config = config.expect("a config holds nothing but what JSON can say");
        let extractor = json!({ "feature_extractor_type": self.extractor().class() });
        // A `BTreeMap`, because another crate's features decide whether `serde_json::Map` sorts its keys.
        let mut keys = BTreeMap::new();
        for part in [config, derived, extractor] {
            let Value::Object(part) = part else { unreachable!("a config is an object") };
            keys.extend(part);
        }
        let json = serde_json::to_string_pretty(&keys).expect("a config holds nothing but what JSON can say");
        json + "\n"
    }

    /// Which extractor it is.
    pub fn extractor(&self) -> Extractor {
        match self {
            Preprocessor::Wav2Vec2(_) => Extractor::Wav2Vec2,
            Preprocessor::Ast(_) => Extractor::Ast,
            Preprocessor::Whisper(_) => Extractor::Whisper,
            Preprocessor::Clap(_) => Extractor::Clap,
        }
    }

    /// The rate the model was trained on.
    pub fn sampling_rate(&self) -> SampleRate {
        match self {
            Preprocessor::Wav2Vec2(it) => it.sampling_rate,
            Preprocessor::Ast(it) => it.config().sampling_rate,
            Preprocessor::Whisper(it) => it.config().sampling_rate,
            Preprocessor::Clap(it) => it.config().sampling_rate,
        }
    }

    /// The reference's name for the result: `input_values` or `input_features`.
    pub fn input_name(&self) -> &'static str {
        match self {
            Preprocessor::Wav2Vec2(_) | Preprocessor::Ast(_) => "input_values",
            Preprocessor::Whisper(_) | Preprocessor::Clap(_) => "input_features",
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
        }?;
        match features.data.iter().fold(true, |finite, x| finite & x.is_finite()) {
            true => Ok(features),
            false => Err(Task::Extract(self.extractor().class()).failed(ErrorKind::NotFinite)),
        }
    }

    /// The shortest clip that features are made of, in samples at [`sampling_rate`](Self::sampling_rate): one frame of AST,
    /// one sample for the others, which fill a clip up or take it as it is.
    pub fn min_samples(&self) -> usize {
        match self {
            Preprocessor::Ast(it) => it.frame_samples(),
            Preprocessor::Wav2Vec2(_) | Preprocessor::Whisper(_) | Preprocessor::Clap(_) => 1,
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
            Preprocessor::Wav2Vec2(_) | Preprocessor::Clap(_) => None,
        }
    }

    /// Each clip on its own, on all threads; the result does not depend on how many there are.
    ///
    /// Clips of different lengths become one batch of Wav2Vec2's through
    /// [`Wav2Vec2Extractor::extract_batch`](crate::Wav2Vec2Extractor::extract_batch); all other extractors give every
    /// clip the same shape.
    ///
    /// # Errors
    /// As [`extract`](Self::extract), for the first clip that fails.
    pub fn extract_all(&self, clips: &[Waveform]) -> Result<Vec<Features>, Error> {
        clips.par_iter().map(|clip| self.extract(clip)).collect()
    }
}

/// The extractor's section of a `processor_config.json`, taken out. As the reference: the first of the two keys that is there
/// counts, and none of them when that is `null`.
fn section(keys: &mut Object) -> Option<(&'static str, Value)> {
    let key = ["feature_extractor", "audio_processor"].into_iter().find(|key| keys.contains_key(*key))?;
    keys.remove(key).filter(|section| !section.is_null()).map(|section| (key, section))
}

/// The configuration of `extractor` that `keys` describe. Those of `telling` that are missing are logged with their defaults.
fn config<C>(keys: Object, extractor: Extractor, telling: &[&str]) -> Result<C, Error>
where
    C: Default + Serialize + DeserializeOwned,
{
    let missing: Vec<&str> = telling.iter().copied().filter(|key| !keys.contains_key(*key)).collect();
    let config = earmark_config::config(keys).map_err(|error| {
        Task::Configure.failed(match error.key.as_str() {
            "." => ErrorKind::Json(error.source),
            _ => ErrorKind::Key { key: error.key, source: error.source },
        })
    })?;
    if !missing.is_empty() {
        let read = serde_json::to_value(&config).expect("a config holds nothing but what JSON can say");
        let assumed: Vec<String> = missing.iter().map(|key| format!("`{key}` {}", read[key])).collect();
        tracing::warn!(
            "the model's {extractor} configuration lacks {}: the reference's defaults",
            assumed.join(", ")
        );
    }
    Ok(config)
}

/// A clip at another rate sounds wrong to a model, and nothing else would notice; nor that squares overflow.
pub(crate) fn check_clip(task: Task, clip: &Waveform, model: SampleRate) -> Result<(), Error> {
    match clip.rate() {
        rate if rate == model => loudness::check(task, clip.samples(), 0, rate),
        rate => Err(task.failed(ErrorKind::RateMismatch { clip: rate, model })),
    }
}

// A config is somebody else's file: these keep a wrong or hostile one from asking for all the memory there is.
pub(crate) const RATES: RangeInclusive<usize> = 1_000..=1_000_000;
pub(crate) const MAX_BINS: usize = 1 << 10;
const MAX_FRAME: usize = 1 << 16;
pub(crate) const MAX_FRAMES: usize = 1 << 16;
pub(crate) const MAX_SECONDS: usize = 600;
/// Ten minutes at 48 kHz.
pub(crate) const MAX_SAMPLES: u64 = 600 * 48_000;
/// A hundred times the largest spectrogram of a published model.
pub(crate) const MAX_VALUES: u64 = 1 << 24;
/// Weights of a filter bank.
pub(crate) const MAX_WEIGHTS: u64 = 1 << 22;

pub(crate) fn in_range(key: &'static str, value: usize, range: RangeInclusive<usize>) -> Result<(), Error> {
    match range.contains(&value) {
        true => Ok(()),
        false => {
            let rule = "that is out of the range any model uses";
            Err(Task::Configure.failed(ErrorKind::Value { key, value: value.to_string(), rule }))
        }
    }
}

/// As [`in_range`], for what `key` and the other settings in `with` make together.
pub(crate) fn product(key: &'static str, with: &'static str, count: u64, most: u64) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    let value = format!("so large that with {with} it makes {count} numbers");
    let rule = "no model needs that many";
    Err(Task::Configure.failed(ErrorKind::Value { key, value, rule }))
}

/// An odd frame has no centre, and the reference counts one frame less then; no model has one.
pub(crate) fn even_frame(key: &'static str, samples: usize) -> Result<(), Error> {
    in_range(key, samples, 2..=MAX_FRAME)?;
    match samples.is_multiple_of(2) {
        true => Ok(()),
        false => {
            let rule = "a frame must be even";
            Err(Task::Configure.failed(ErrorKind::Value { key, value: samples.to_string(), rule }))
        }
    }
}

/// Whole numbers without a decimal point, as the reference writes its integers.
pub(crate) fn whole<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
    match x.fract() == 0.0 && x.abs() < 1e9 {
        true => to.serialize_i64(*x as i64),
        false => to.serialize_f64(*x),
    }
}

/// A sample rate as the number of hertz.
pub(crate) mod rate {
    use earmark_audio::SampleRate;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(rate: &SampleRate, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(rate.hz())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SampleRate, D::Error> {
        SampleRate::new(u32::deserialize(from)?).ok_or_else(|| de::Error::custom("`sampling_rate` is 0"))
    }
}
