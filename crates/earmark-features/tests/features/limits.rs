//! Clips that are too short, too long or too loud, for every extractor.

use earmark_features::{ErrorKind, Preprocessor, Wav2Vec2Extractor};
use earmark_testkit::noise;

use super::clip;

const WAV2VEC2: &str = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000}"#;
const AST: &str =
    r#"{"feature_extractor_type": "ASTFeatureExtractor", "max_length": 64, "num_mel_bins": 16}"#;
const WHISPER: &str = r#"{"feature_extractor_type": "WhisperFeatureExtractor", "chunk_length": 1}"#;
const FUSED: &str = r#"{"feature_extractor_type": "ClapFeatureExtractor", "max_length_s": 1}"#;
const CROPPED: &str =
    r#"{"feature_extractor_type": "ClapFeatureExtractor", "max_length_s": 1, "truncation": "rand_trunc"}"#;
const SEAMLESS: &str = r#"{"feature_extractor_type": "SeamlessM4TFeatureExtractor"}"#;
const CED: &str = r#"{"feature_extractor_type": "CedFeatureExtractor"}"#;

fn open(json: &str) -> Preprocessor {
    Preprocessor::from_json(json).unwrap()
}

#[test]
fn a_sample_whose_square_overflows_is_named_with_its_time() {
    for json in [WAV2VEC2, AST, WHISPER, FUSED, CROPPED, SEAMLESS, CED] {
        let extractor = open(json);
        let rate = extractor.sampling_rate().hz();
        let mut samples = noise(rate as usize, 1);
        let at = rate as usize / 4;
        // The largest that is taken makes finite features.
        samples[at] = 1e14;
        let features = extractor.extract(&clip(samples.clone(), rate)).unwrap();
        assert!(features.data.iter().all(|x| x.is_finite()), "{json}");
        samples[at] = -1e30;
        let error = extractor.extract(&clip(samples, rate)).unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::TooLoud { index, seconds: 0.25, value: -1e30 } if index == at),
            "{json}: {error:?}"
        );
    }
}

#[test]
fn a_batch_with_a_sample_whose_square_overflows_is_refused() {
    let mut samples = noise(1000, 1);
    samples[7] = 1e20;
    let clips = [clip(noise(1000, 2), 16_000), clip(samples, 16_000)];
    let error = Wav2Vec2Extractor::default().extract_batch(&clips, &Default::default()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooLoud { index: 7, .. }), "{error:?}");
}

#[test]
fn the_shortest_clip_makes_features_and_one_sample_less_makes_none() {
    for (json, least) in
        [(WAV2VEC2, 1), (AST, 400), (WHISPER, 1), (FUSED, 1), (CROPPED, 1), (SEAMLESS, 560), (CED, 257)]
    {
        let extractor = open(json);
        let rate = extractor.sampling_rate().hz();
        assert_eq!(extractor.min_samples(), least, "{json}");
        extractor.extract(&clip(noise(least, 1), rate)).unwrap();
        if least > 1 {
            let error = extractor.extract(&clip(noise(least - 1, 1), rate)).unwrap_err();
            let ErrorKind::TooShort { samples, needed } = error.kind else { panic!("{error:?}") };
            assert_eq!((samples, needed), (least - 1, least));
        }
    }
}

#[test]
fn what_lies_beyond_the_longest_clip_is_not_read_and_what_lies_before_is() {
    for (json, most) in [(AST, Some(400 + 64 * 160 - 1)), (WHISPER, Some(16_000))] {
        let extractor = open(json);
        assert_eq!(extractor.max_samples(), most, "{json}");
        let most = most.unwrap();
        let samples = noise(most + 4000, 1);
        let of = |samples: &[f32]| extractor.extract(&clip(samples.to_vec(), 16_000)).unwrap().data;
        assert_eq!(of(&samples), of(&samples[..most]), "{json}");
        assert_ne!(of(&samples), of(&samples[..most - 160]), "{json}");
    }
    assert_eq!(open(CROPPED).max_samples(), Some(48_000));
    // The waveform itself, and a view of the whole clip.
    assert_eq!([WAV2VEC2, FUSED, SEAMLESS, CED].map(|json| open(json).max_samples()), [None; 4]);
}

#[test]
fn a_clip_of_the_samples_of_some_frames_has_them_and_one_sample_less_has_not() {
    for (json, frames) in [(SEAMLESS, 16), (CED, 16)] {
        let extractor = open(json);
        let real = |samples: usize| {
            let features = extractor.extract(&clip(noise(samples, 1), 16_000)).unwrap();
            let all = features.shape[0];
            features.attention_mask.map_or(all, |mask| mask.iter().filter(|&&x| x == 1).count())
        };
        let least = extractor.samples_of(frames);
        assert_eq!([real(least), real(least - 1)], [frames, frames - 1], "{json}");
    }
}

#[test]
fn settings_beyond_the_range_of_f32_are_an_error_and_no_features() {
    for (key, value) in [("std", "1e-300"), ("mean", "1e300")] {
        let json = AST.replace('}', &format!(r#", "{key}": {value}}}"#));
        let error = open(&json).extract(&clip(noise(16_000, 1), 16_000)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::NotFinite), "{key}: {error:?}");
    }
}
