//! The configuration of an `AudioProcessor`, by which transformers is going to replace its feature extractors: the same settings
//! by other names.
//!
//! No release writes it yet (5.24.0 does not). The names are those of the files `audio_processing_*.py` in transformers' pull
//! request #44394, as of September 2026.

use earmark_config::{Extractor, Object, shown, whole};
use serde_json::Value;

use crate::error::ErrorKind;

/// The key that names the class.
const TYPE: &str = "audio_processor_type";

/// What an `AudioProcessor` is as a feature extractor.
struct Counterpart {
    /// Its class; that of NumPy has `Numpy` behind it.
    class: &'static str,
    extractor: Extractor,
    /// Keys that both have.
    kept: &'static [&'static str],
    /// Paths here, and keys there.
    renamed: &'static [(&'static str, &'static str)],
    /// The key of the window in seconds, which is here `max_length` in samples.
    seconds: Option<&'static str>,
    /// Settings that a feature extractor does not have, and the value that it computes with.
    fixed: &'static [(&'static str, Fixed)],
}

/// A value of JSON.
enum Fixed {
    Number(f64),
    Text(&'static str),
    Flag(bool),
}

impl Fixed {
    fn is(&self, value: &Value) -> bool {
        match self {
            Fixed::Number(number) => value.as_f64() == Some(*number),
            Fixed::Text(text) => value.as_str() == Some(text),
            Fixed::Flag(flag) => value.as_bool() == Some(*flag),
        }
    }
}

const N_FFT: &str = "spectrogram_config.stft_config.n_fft";
const WIN_LENGTH: &str = "spectrogram_config.stft_config.win_length";
const HOP_LENGTH: &str = "spectrogram_config.stft_config.hop_length";
const WINDOW: &str = "spectrogram_config.stft_config.window_fn";
const POWER: &str = "spectrogram_config.stft_config.power";
const CENTER: &str = "spectrogram_config.stft_config.center";
const PERIODIC: &str = "spectrogram_config.stft_config.periodic";
const N_MELS: &str = "spectrogram_config.mel_scale_config.n_mels";
const F_MIN: &str = "spectrogram_config.mel_scale_config.f_min";
const F_MAX: &str = "spectrogram_config.mel_scale_config.f_max";
const MEL_SCALE: &str = "spectrogram_config.mel_scale_config.mel_scale";
const NORM: &str = "spectrogram_config.mel_scale_config.norm";
const LOG_MODE: &str = "spectrogram_config.log_mode";
const MASK: (&str, &str) = ("return_padding_mask", "return_attention_mask");

const COUNTERPARTS: [Counterpart; 4] = [
    Counterpart {
        class: "Wav2Vec2AudioProcessor",
        extractor: Extractor::Wav2Vec2,
        kept: &["sampling_rate", "do_normalize", "padding_side", "padding_value"],
        renamed: &[MASK],
        seconds: None,
        fixed: &[],
    },
    Counterpart {
        class: "AudioSpectrogramTransformerAudioProcessor",
        extractor: Extractor::Ast,
        kept: &["sampling_rate", "do_normalize", "padding_side", "padding_value"],
        renamed: &[
            MASK,
            ("ast_mean", "mean"),
            ("ast_std", "std"),
            ("max_length_frames", "max_length"),
            (N_MELS, "num_mel_bins"),
        ],
        seconds: None,
        fixed: &[
            ("sampling_rate", Fixed::Number(16_000.0)),
            (N_FFT, Fixed::Number(512.0)),
            (WIN_LENGTH, Fixed::Number(400.0)),
            (HOP_LENGTH, Fixed::Number(160.0)),
            (WINDOW, Fixed::Text("hann_window")),
            (POWER, Fixed::Number(2.0)),
            (CENTER, Fixed::Flag(false)),
            (PERIODIC, Fixed::Flag(false)),
            (F_MIN, Fixed::Number(20.0)),
            (F_MAX, Fixed::Number(8000.0)),
            (MEL_SCALE, Fixed::Text("kaldi")),
            (LOG_MODE, Fixed::Text("log")),
            ("spectrogram_config.preemphasis", Fixed::Number(0.97)),
            ("spectrogram_config.remove_dc_offset", Fixed::Flag(true)),
        ],
    },
    Counterpart {
        class: "WhisperAudioProcessor",
        extractor: Extractor::Whisper,
        kept: &["sampling_rate", "chunk_length", "dither", "padding_side", "padding_value"],
        renamed: &[MASK, (N_FFT, "n_fft"), (HOP_LENGTH, "hop_length"), (N_MELS, "feature_size")],
        seconds: Some("chunk_length"),
        fixed: &[
            ("sampling_rate", Fixed::Number(16_000.0)),
            (WINDOW, Fixed::Text("hann_window")),
            (POWER, Fixed::Number(2.0)),
            (CENTER, Fixed::Flag(true)),
            (PERIODIC, Fixed::Flag(true)),
            (F_MIN, Fixed::Number(0.0)),
            (F_MAX, Fixed::Number(8000.0)),
            (MEL_SCALE, Fixed::Text("slaney")),
            (NORM, Fixed::Text("slaney")),
            (LOG_MODE, Fixed::Text("log10")),
            ("spectrogram_config.skip_last_frame", Fixed::Flag(true)),
            ("spectrogram_config.clip_max_offset", Fixed::Number(8.0)),
            ("spectrogram_config.post_log_shift", Fixed::Number(4.0)),
            ("spectrogram_config.post_log_scale", Fixed::Number(0.25)),
        ],
    },
    Counterpart {
        class: "ClapAudioProcessor",
        extractor: Extractor::Clap,
        kept: &["sampling_rate"],
        renamed: &[
            ("truncation_mode", "truncation"),
            ("padding_mode", "padding"),
            (N_FFT, "fft_window_size"),
            (HOP_LENGTH, "hop_length"),
            (N_MELS, "feature_size"),
            (F_MIN, "frequency_min"),
            (F_MAX, "frequency_max"),
        ],
        seconds: Some("max_length_s"),
        fixed: &[
            ("dither", Fixed::Number(0.0)),
            (WINDOW, Fixed::Text("hann_window")),
            (POWER, Fixed::Number(2.0)),
            (CENTER, Fixed::Flag(true)),
            (PERIODIC, Fixed::Flag(true)),
            (LOG_MODE, Fixed::Text("dB")),
        ],
    },
];

/// Whether it is the configuration of an `AudioProcessor`.
pub(crate) fn is_one(keys: &Object) -> bool {
    keys.contains_key(TYPE)
}

/// The configuration of the feature extractor that makes the same numbers.
///
/// # Errors
/// [`ErrorKind::UnknownAudioProcessor`]; [`ErrorKind::Value`] where no feature extractor makes them.
pub(crate) fn as_feature_extractor(keys: &Object) -> Result<Object, ErrorKind> {
    let class = keys.get(TYPE).and_then(Value::as_str).unwrap_or_default();
    let plain = class.strip_suffix("Numpy").unwrap_or(class);
    let Some(it) = COUNTERPARTS.iter().find(|it| it.class == plain) else {
        return Err(ErrorKind::UnknownAudioProcessor { found: shown(class) });
    };
    for (path, fixed) in it.fixed {
        if let Some(value) = at(keys, path).filter(|value| !fixed.is(value)) {
            return Err(unlike(path, value));
        }
    }
    let same = it.kept.iter().map(|key| (*key, *key)).chain(it.renamed.iter().copied());
    let mut found: Object =
        same.filter_map(|(path, key)| Some((key.to_owned(), at(keys, path)?.clone()))).collect();
    found.insert("feature_extractor_type".to_owned(), it.extractor.class().into());
    if let (Some(length), Some(n_fft)) = (at(keys, WIN_LENGTH), at(keys, N_FFT))
        && it.extractor != Extractor::Ast
        && length.as_f64() != n_fft.as_f64()
    {
        return Err(unlike(WIN_LENGTH, length));
    }
    if let (Some(key), Some(samples)) = (it.seconds, at(keys, "max_length")) {
        let default = if it.extractor == Extractor::Clap { 48_000.0 } else { 16_000.0 };
        let rate = at(keys, "sampling_rate").and_then(Value::as_f64).unwrap_or(default);
        let seconds = samples.as_f64().map(|samples| samples / rate).and_then(whole);
        let seconds = seconds.ok_or_else(|| {
            let rule = "only whole seconds are supported";
            ErrorKind::Value { key: "max_length", value: shown(&samples.to_string()), rule }
        })?;
        found.insert(key.to_owned(), seconds.into());
    }
    if it.extractor == Extractor::Clap {
        check_clap(keys)?;
    }
    Ok(found)
}

/// CLAP's feature extractor knows two filter banks, and how clips are cut says which of them it takes.
fn check_clap(keys: &Object) -> Result<(), ErrorKind> {
    let is_fused = at(keys, "truncation_mode").is_some_and(|mode| mode == "fusion");
    let (scale, norm) = if is_fused { ("htk", Value::Null) } else { ("slaney", "slaney".into()) };
    match (at(keys, MEL_SCALE), find(keys, NORM)) {
        (Some(found), _) if found != scale => Err(unlike(MEL_SCALE, found)),
        (_, Some(found)) if *found != norm => Err(unlike(NORM, found)),
        _ => Ok(()),
    }
}

fn unlike(key: &'static str, value: &Value) -> ErrorKind {
    let rule = "only what the feature extractor of this model computes with is supported";
    ErrorKind::Value { key, value: shown(&value.to_string()), rule }
}

/// The value at a path; `None` where there is none, or `null`, which stands for the default.
fn at<'a>(keys: &'a Object, path: &str) -> Option<&'a Value> {
    find(keys, path).filter(|value| !value.is_null())
}

fn find<'a>(keys: &'a Object, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => keys.get(path),
        Some((key, rest)) => find(keys.get(key)?.as_object()?, rest),
    }
}
