//! `preprocessor_config.json`, read and written.

use std::error::Error as _;

use earmark_features::{ErrorKind, Preprocessor};
use earmark_testkit::reference;

/// As transformers 5.23.0 saves it, and as hubs hold it: `n_fft` and friends are leftovers no one reads.
const CLAP: &str = r#"{
  "chunk_length_s": 10,
  "feature_extractor_type": "ClapFeatureExtractor",
  "feature_size": 64,
  "fft_window_size": 1024,
  "frequency_max": 14000,
  "frequency_min": 50,
  "hop_length": 480,
  "max_length_s": 10,
  "n_fft": 1024,
  "nb_frequency_bins": 513,
  "nb_max_frames": 1000,
  "nb_max_samples": 480000,
  "padding": "repeatpad",
  "padding_side": "right",
  "padding_value": 0.0,
  "processor_class": "ClapProcessor",
  "return_attention_mask": false,
  "sampling_rate": 48000,
  "top_db": null,
  "truncation": "rand_trunc"
}
"#;

const WHISPER: &str = r#"{
  "chunk_length": 30,
  "dither": 0.0,
  "feature_extractor_type": "WhisperFeatureExtractor",
  "feature_size": 128,
  "hop_length": 160,
  "n_fft": 400,
  "n_samples": 480000,
  "nb_max_frames": 3000,
  "padding_side": "right",
  "padding_value": 0.0,
  "return_attention_mask": false,
  "sampling_rate": 16000
}
"#;

const AST: &str = r#"{
  "do_normalize": true,
  "feature_extractor_type": "ASTFeatureExtractor",
  "feature_size": 1,
  "max_length": 128,
  "mean": -6.845978,
  "num_mel_bins": 128,
  "padding_side": "right",
  "padding_value": 0.0,
  "return_attention_mask": false,
  "sampling_rate": 16000,
  "std": 5.5654526
}
"#;

const WAV2VEC2: &str = r#"{
  "do_normalize": true,
  "feature_extractor_type": "Wav2Vec2FeatureExtractor",
  "feature_size": 1,
  "padding_side": "right",
  "padding_value": 0.0,
  "return_attention_mask": true,
  "sampling_rate": 16000
}
"#;

const SEAMLESS: &str = r#"{
  "feature_extractor_type": "SeamlessM4TFeatureExtractor",
  "feature_size": 80,
  "num_mel_bins": 80,
  "padding_side": "right",
  "padding_value": 1.0,
  "processor_class": "Wav2Vec2BertProcessor",
  "return_attention_mask": true,
  "sampling_rate": 16000,
  "stride": 2
}
"#;

const CED: &str = r#"{
  "center": true,
  "f_max": null,
  "f_min": 0,
  "feature_extractor_type": "CedFeatureExtractor",
  "feature_size": 64,
  "hop_size": 160,
  "model_input_names": [
    "input_values"
  ],
  "n_fft": 512,
  "padding_side": "right",
  "padding_value": 0.0,
  "return_attention_mask": true,
  "sampling_rate": 16000,
  "win_size": 512
}
"#;

fn kind(json: &str) -> ErrorKind {
    Preprocessor::from_json(json).unwrap_err().kind
}

#[test]
fn a_config_is_written_as_it_was_read() {
    for json in [CLAP, WHISPER, AST, WAV2VEC2, SEAMLESS, CED] {
        assert_eq!(Preprocessor::from_json(json).unwrap().to_json(), json);
    }
}

#[test]
fn every_reference_config_is_written_as_it_was_read() {
    let Some(models) = reference("every_reference_config_is_written_as_it_was_read", "cases/models") else {
        return;
    };
    for model in std::fs::read_dir(models).unwrap() {
        let path = model.unwrap().path().join("preprocessor_config.json");
        let Ok(json) = std::fs::read_to_string(&path) else {
            continue;
        };
        assert_eq!(Preprocessor::from_json(&json).unwrap().to_json(), json, "{}", path.display());
    }
}

#[test]
fn missing_keys_take_the_reference_classes_defaults() {
    let json =
        Preprocessor::from_json(r#"{"feature_extractor_type": "ClapFeatureExtractor"}"#).unwrap().to_json();
    for line in [r#""frequency_min": 0,"#, r#""top_db": null,"#, r#""truncation": "fusion""#] {
        assert!(json.contains(line), "{line} in {json}");
    }
    let json =
        Preprocessor::from_json(r#"{"feature_extractor_type": "ASTFeatureExtractor"}"#).unwrap().to_json();
    assert!(json.contains(r#""mean": -4.2677393,"#), "{json}");
}

#[test]
fn a_filter_bank_spelled_out_is_read_past() {
    let json = WHISPER.replacen('{', r#"{"mel_filters": [[0.0, 0.5], [1.0, 0.0]],"#, 1);
    assert_eq!(Preprocessor::from_json(json).unwrap().to_json(), WHISPER);
}

#[test]
fn an_extractor_inside_a_processor_config_is_found() {
    let json = format!(r#"{{"feature_extractor": {CLAP}, "processor_class": "ClapProcessor"}}"#);
    assert_eq!(Preprocessor::from_json(json).unwrap().to_json(), CLAP);
}

#[test]
fn the_section_of_a_processor_config_is_found_as_the_reference_finds_it() {
    for json in [CLAP, WHISPER, AST, WAV2VEC2, SEAMLESS] {
        let keys = [("feature_extractor", "image_processor"), ("audio_processor", "tokenizer")];
        for (key, other) in keys {
            let processor =
                format!(r#"{{"{other}": {{}}, "{key}": {json}, "processor_class": "SomeProcessor"}}"#);
            assert!(Preprocessor::is_in_processor_config(&processor).unwrap());
            assert_eq!(Preprocessor::from_json(&processor).unwrap().to_json(), json);
        }
    }
    let both = format!(r#"{{"audio_processor": {WHISPER}, "feature_extractor": {AST}}}"#);
    assert_eq!(Preprocessor::from_json(both).unwrap().to_json(), AST);
    let null = format!(r#"{{"audio_processor": {WHISPER}, "feature_extractor": null}}"#);
    assert!(!Preprocessor::is_in_processor_config(null).unwrap());
    assert!(!Preprocessor::is_in_processor_config(r#"{"processor_class": "WhisperProcessor"}"#).unwrap());
}

/// What the classes of transformers' pull request #44394 hold, as it would write them.
const AUDIO_PROCESSORS: [(&str, &str); 5] = [
    (
        WAV2VEC2,
        r#"{"audio_processor_type": "Wav2Vec2AudioProcessor", "sampling_rate": 16000, "force_mono": true, "do_normalize": true,
            "padding": true, "padding_side": "right", "padding_value": 0.0, "return_padding_mask": true}"#,
    ),
    (
        AST,
        r#"{"audio_processor_type": "AudioSpectrogramTransformerAudioProcessor", "sampling_rate": 16000, "do_normalize": true,
            "ast_mean": -6.845978, "ast_std": 5.5654526, "max_length_frames": 128, "max_length": null,
            "return_padding_mask": false, "spectrogram_config": {
                "stft_config": {"n_fft": 512, "win_length": 400, "hop_length": 160, "window_fn": "hann_window", "power": 2.0,
                    "center": false, "periodic": false, "left_align_fft": true},
                "mel_scale_config": {"n_mels": 128, "f_min": 20.0, "f_max": 8000.0, "mel_scale": "kaldi"},
                "log_mode": "log", "preemphasis": 0.97, "remove_dc_offset": true, "transpose_features": true}}"#,
    ),
    (
        WHISPER,
        r#"{"audio_processor_type": "WhisperAudioProcessorNumpy", "sampling_rate": 16000, "chunk_length": 30, "max_length": 480000,
            "truncation": true, "return_padding_mask": false, "spectrogram_config": {
                "stft_config": {"n_fft": 400, "hop_length": 160, "power": 2.0, "win_length": null},
                "mel_scale_config": {"n_mels": 128, "mel_scale": "slaney", "norm": "slaney", "f_max": null},
                "log_mode": "log10", "skip_last_frame": true, "clip_max_offset": 8.0, "post_log_shift": 4.0,
                "post_log_scale": 0.25}}"#,
    ),
    (
        CLAP,
        r#"{"audio_processor_type": "ClapAudioProcessor", "sampling_rate": 48000, "max_length": 480000, "padding": true,
            "truncation": null, "truncation_mode": "rand_trunc", "padding_mode": "repeatpad", "spectrogram_config": {
                "stft_config": {"n_fft": 1024, "hop_length": 480, "power": 2.0},
                "mel_scale_config": {"n_mels": 64, "f_min": 50, "f_max": 14000, "mel_scale": "slaney", "norm": "slaney"},
                "log_mode": "dB"}}"#,
    ),
    (
        CLAP,
        r#"{"audio_processor_type": "ClapAudioProcessor", "sampling_rate": 48000, "max_length": 480000, "padding_mode": "repeatpad",
            "truncation_mode": "fusion", "spectrogram_config": {"stft_config": {"n_fft": 1024, "hop_length": 480},
                "mel_scale_config": {"n_mels": 64, "f_min": 50, "f_max": 14000, "mel_scale": "htk", "norm": null}}}"#,
    ),
];

#[test]
fn an_audio_processor_is_the_feature_extractor_of_the_same_settings() {
    let settings = |json: &str| {
        let text = Preprocessor::from_json(json).unwrap().to_json();
        let mut keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        // Leftovers that only the older file has.
        ["chunk_length_s", "n_fft", "nb_max_frames", "processor_class"].iter().for_each(|key| {
            if keys["feature_extractor_type"] == "ClapFeatureExtractor" {
                keys.remove(*key);
            }
        });
        keys
    };
    for (older, newer) in AUDIO_PROCESSORS {
        let mut want = settings(older);
        if newer.contains("fusion") {
            want["truncation"] = "fusion".into();
        }
        assert_eq!(settings(newer), want);
        // It counts for more than what stands beside it for older versions.
        let both = format!(r#"{{"feature_extractor": {WHISPER}, "audio_processor": {newer}}}"#);
        assert_eq!(settings(&both), want);
    }
}

#[test]
fn an_audio_processor_that_computes_otherwise_is_refused_by_its_key() {
    let change = |of: usize, from: &str, to: &str| {
        let (_, newer) = AUDIO_PROCESSORS[of];
        assert!(newer.contains(from), "{from}");
        kind(&newer.replace(from, to))
    };
    for (of, from, to, named) in [
        (1, r#""preemphasis": 0.97"#, r#""preemphasis": 0.5"#, "spectrogram_config.preemphasis"),
        (2, r#""clip_max_offset": 8.0"#, r#""clip_max_offset": 6.0"#, "spectrogram_config.clip_max_offset"),
        (2, r#""win_length": null"#, r#""win_length": 320"#, "spectrogram_config.stft_config.win_length"),
        (2, r#""max_length": 480000"#, r#""max_length": 480001"#, "max_length"),
        (
            3,
            r#""mel_scale": "slaney""#,
            r#""mel_scale": "htk""#,
            "spectrogram_config.mel_scale_config.mel_scale",
        ),
        (3, r#""norm": "slaney""#, r#""norm": null"#, "spectrogram_config.mel_scale_config.norm"),
    ] {
        let found = change(of, from, to);
        assert!(matches!(found, ErrorKind::Value { key, .. } if key == named), "{named}: {found:?}");
    }
    let unknown = kind(r#"{"audio_processor_type": "SeamlessM4TAudioProcessor"}"#);
    assert!(matches!(unknown, ErrorKind::UnknownAudioProcessor { .. }), "{unknown:?}");
}

#[test]
fn numbers_and_flags_are_read_as_python_reads_them() {
    let with = |json: &str, key: &str, value: &str| {
        let mut keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
        keys.insert(key.to_owned(), serde_json::from_str(value).unwrap());
        Preprocessor::from_json(serde_json::to_string(&keys).unwrap()).unwrap().to_json()
    };
    for (json, key, value) in [
        (WAV2VEC2, "sampling_rate", "16000.0"),
        (WAV2VEC2, "return_attention_mask", "1"),
        (WHISPER, "n_fft", "400.0"),
        (WHISPER, "return_attention_mask", "null"),
        (AST, "max_length", "128.0"),
        (AST, "do_normalize", "1.0"),
        (CLAP, "frequency_max", "14000.0"),
        (CLAP, "return_attention_mask", "0"),
    ] {
        assert_eq!(with(json, key, value), json, "{key}: {value}");
    }
    assert!(with(WAV2VEC2, "do_normalize", "null").contains(r#""do_normalize": false"#));
}

#[test]
fn a_key_that_cannot_be_read_is_named() {
    for (json, key, value) in
        [(WAV2VEC2, "do_normalize", r#""no""#), (AST, "mean", r#""loud""#), (WHISPER, "n_fft", "400.5")]
    {
        let mut keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
        keys.insert(key.to_owned(), serde_json::from_str(value).unwrap());
        let found = kind(&serde_json::to_string(&keys).unwrap());
        assert!(matches!(&found, ErrorKind::Key { key: named, .. } if named == key), "{key}: {found:?}");
    }
}

#[test]
fn a_file_too_old_to_name_its_extractor_needs_the_model_type() {
    let old = r#"{"do_normalize": true, "feature_size": 1, "padding_value": 0, "sampling_rate": 16000}"#;
    assert!(matches!(kind(old), ErrorKind::NoExtractor));
    for model in ["hubert", "wav2vec2", "unispeech", "unispeech-sat", "Wav2Vec2FeatureExtractor"] {
        assert!(matches!(Preprocessor::from_json_for(old, model), Ok(Preprocessor::Wav2Vec2(_))), "{model}");
    }
    assert!(matches!(Preprocessor::from_json_for(old, "bert").unwrap_err().kind, ErrorKind::NoExtractor));
    // What the file says counts for more.
    assert!(matches!(Preprocessor::from_json_for(AST, "hubert"), Ok(Preprocessor::Ast(_))));
}

#[test]
fn an_unknown_extractor_is_answered_with_the_supported_ones() {
    let error =
        Preprocessor::from_json(r#"{"feature_extractor_type": "QuillFeatureExtractor"}"#).unwrap_err();
    let said = error.source().unwrap().to_string();
    for name in ["Quill", "Wav2Vec2", "AST", "Whisper", "Clap", "SeamlessM4T"] {
        assert!(said.contains(name), "{name} in {said}");
    }
}

#[test]
fn settings_that_are_too_much_together_name_their_keys() {
    for (json, changes, keys) in [
        (AST, r#"{"max_length": 65536, "num_mel_bins": 1024}"#, ["`max_length`", "`num_mel_bins`"]),
        (
            WHISPER,
            r#"{"chunk_length": 600, "sampling_rate": 1000000, "hop_length": 100000}"#,
            ["`chunk_length`", "`sampling_rate`"],
        ),
        (WHISPER, r#"{"chunk_length": 600, "feature_size": 1024}"#, ["`feature_size`", "`chunk_length`"]),
        (WHISPER, r#"{"feature_size": 1024, "n_fft": 65536}"#, ["`feature_size`", "`n_fft`"]),
        (
            CLAP,
            r#"{"max_length_s": 600, "sampling_rate": 1000000, "hop_length": 100000}"#,
            ["`max_length_s`", "`sampling_rate`"],
        ),
        (
            CLAP,
            r#"{"feature_size": 1024, "fft_window_size": 65536}"#,
            ["`feature_size`", "`fft_window_size`"],
        ),
    ] {
        let mut keys_of: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
        keys_of.extend(serde_json::from_str::<serde_json::Map<_, _>>(changes).unwrap());
        let said = kind(&serde_json::to_string(&keys_of).unwrap()).to_string();
        assert!(keys.iter().all(|key| said.contains(key)), "{changes}: {said}");
    }
}

#[test]
fn hostile_configs_are_refused() {
    for json in ["", "[]", "{", r#"{"feature_extractor": 3}"#, r#"{"feature_extractor_type": 7}"#] {
        assert!(Preprocessor::from_json(json).is_err(), "{json}");
    }
    assert!(Preprocessor::from_json([0xff, 0xfe]).is_err());
    for (json, key, value) in [
        (WAV2VEC2, "sampling_rate", "0"),
        (WAV2VEC2, "sampling_rate", "-16000"),
        (WAV2VEC2, "padding_side", r#""both""#),
        (AST, "sampling_rate", "1"),
        (AST, "num_mel_bins", "0"),
        (AST, "max_length", "18446744073709551615"),
        (AST, "std", "0.0"),
        (AST, "mean", r#""loud""#),
        (WHISPER, "chunk_length", "4294967295"),
        (WHISPER, "chunk_length", "0"),
        (WHISPER, "hop_length", "0"),
        (WHISPER, "n_fft", "0"),
        (WHISPER, "n_fft", "401"),
        (WHISPER, "n_fft", "18446744073709551615"),
        (WHISPER, "dither", "0.1"),
        (WHISPER, "feature_size", "0"),
        (WHISPER, "sampling_rate", "4294967295"),
        (CLAP, "max_length_s", "18446744073709551615"),
        (CLAP, "hop_length", "0"),
        (CLAP, "frequency_min", "-50"),
        (CLAP, "frequency_max", "1"),
        (CLAP, "frequency_max", "1e300"),
        (CLAP, "fft_window_size", "1"),
        (CLAP, "fft_window_size", "1023"),
        (CLAP, "truncation", r#""coin""#),
        (CLAP, "padding", r#""more""#),
    ] {
        let mut keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
        keys.insert(key.to_owned(), serde_json::from_str(value).unwrap());
        let json = serde_json::to_string(&keys).unwrap();
        assert!(Preprocessor::from_json(&json).is_err(), "{key}: {value}");
    }
}
