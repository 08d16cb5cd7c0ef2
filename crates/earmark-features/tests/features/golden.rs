//! Every extractor and every option against the goldens of `../golden/make.py`.

use earmark_audio::Waveform;
use earmark_features::{
    AstConfig, AstExtractor, Batch, CedConfig, CedExtractor, ClapConfig, ClapExtractor, ClapPadding,
    ClapTruncation, Crop, CropRng, Error, ErrorKind, PadOptions, Padding, PaddingSide, Preprocessor,
    Resampler, SeamlessM4TConfig, SeamlessM4TExtractor, Wav2Vec2Extractor, WhisperConfig, WhisperExtractor,
    WhisperOptions, resample,
};
use earmark_testkit::{Golden, assert_close, noise};

use super::{clip, rate};

fn golden(name: &str) -> Golden {
    Golden::open(format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn torchaudio_resampling_matches_at_common_and_coprime_rates() {
    // Worst measured: 1.2e-7, as clips this short are not added up by fused multiply-add in the reference. A kernel
    // computed without torchaudio's rounding is off by up to 8e-5.
    const TOLERANCE: f32 = 2e-7;
    let golden = golden("resample");
    for (from, to) in
        [(44100, 16000), (8000, 48000), (11025, 16000), (22255, 16000), (4001, 1600), (1600, 4001)]
    {
        let input = clip(golden.f32s(&format!("{from}_{to}.input")), from);
        let got = resample(input, rate(to), Resampler::Torchaudio).unwrap();
        assert_close(
            &format!("{from} to {to}"),
            got.samples(),
            &golden.f32s(&format!("{from}_{to}")),
            TOLERANCE,
        );
    }
}

mod wav2vec2 {
    use super::*;

    /// The arithmetic is numpy's, addition by addition.
    const TOLERANCE: f32 = 0.0;

    fn clips(golden: &Golden) -> Vec<Waveform> {
        (0..3).map(|i| clip(golden.f32s(&format!("clip{i}")), 16_000)).collect()
    }

    #[track_caller]
    fn check(golden: &Golden, tag: &str, batch: &Batch) {
        let values = golden.f32s(&format!("{tag}.input_values"));
        assert_eq!(golden.shape(&format!("{tag}.input_values")), [batch.rows, batch.cols], "{tag}");
        assert_close(tag, &batch.input_values, &values, TOLERANCE);
        let mask = format!("{tag}.attention_mask");
        assert_eq!(batch.attention_mask.is_some(), golden.has(&mask), "{tag}");
        if let Some(got) = &batch.attention_mask {
            let want: Vec<i32> = golden.f64s(&mask).into_iter().map(|x| x as i32).collect();
            assert_eq!(got, &want, "{tag}");
        }
    }

    #[test]
    fn one_clip_is_normalised_alone() {
        let golden = golden("wav2vec2");
        let features = Wav2Vec2Extractor::default().extract(&clips(&golden)[0]).unwrap();
        assert_eq!(features.shape, [1001]);
        assert_close("alone", &features.data, &golden.f32s("alone"), TOLERANCE);
    }

    #[test]
    fn every_way_to_pad_matches() {
        let golden = golden("wav2vec2");
        let plain = Wav2Vec2Extractor::default();
        let left = Wav2Vec2Extractor { padding_side: PaddingSide::Left, ..plain.clone() };
        let valued = Wav2Vec2Extractor { padding_value: -1.0, ..plain.clone() };
        let masked = PadOptions { return_attention_mask: Some(true), ..PadOptions::default() };
        let max_length = PadOptions { padding: Padding::MaxLength, max_length: Some(1100), ..masked };
        let truncated = PadOptions { max_length: Some(600), truncation: true, ..masked };
        let multiple = PadOptions {
            padding: Padding::MaxLength,
            max_length: Some(650),
            truncation: true,
            pad_to_multiple_of: Some(64),
            ..masked
        };
        for (tag, extractor, options) in [
            ("longest_mask", &plain, masked),
            ("longest", &plain, PadOptions::default()),
            ("max_length", &plain, max_length),
            ("truncated", &plain, truncated),
            ("multiple", &plain, multiple),
            ("left_mask", &left, masked),
            ("valued_mask", &valued, masked),
        ] {
            check(&golden, tag, &extractor.extract_batch(&clips(&golden), &options).unwrap());
        }
    }

    #[test]
    fn clips_normalised_alone_are_collated_with_zeros() {
        let golden = golden("wav2vec2");
        let extractor = Wav2Vec2Extractor { return_attention_mask: true, ..Wav2Vec2Extractor::default() };
        let alone: Vec<Vec<f32>> =
            clips(&golden).iter().map(|clip| extractor.extract(clip).unwrap().data).collect();
        let alone: Vec<&[f32]> = alone.iter().map(Vec::as_slice).collect();
        let batch = extractor.pad(&alone, &PadOptions::default()).unwrap();
        assert_eq!(batch.lengths, [1001, 640, 127]);
        check(&golden, "collated", &batch);
    }

    #[test]
    fn without_do_normalize_the_samples_are_untouched() {
        let extractor = Wav2Vec2Extractor { do_normalize: false, ..Wav2Vec2Extractor::default() };
        let samples = noise(500, 1);
        let features = extractor.extract(&clip(samples.clone(), 16_000)).unwrap();
        assert_eq!(features.data, samples);
    }

    #[test]
    fn contradictory_options_are_refused() {
        let extractor = Wav2Vec2Extractor::default();
        let (long, none): (&[f32], &[f32]) = (&[0.5; 10], &[]);
        let max_length = PadOptions { padding: Padding::MaxLength, ..PadOptions::default() };
        let kind = |clips: &[&[f32]], options| extractor.pad(clips, &options).unwrap_err().kind;
        assert!(matches!(kind(&[], PadOptions::default()), ErrorKind::NoClips));
        assert!(matches!(kind(&[long, none], PadOptions::default()), ErrorKind::TooShort { .. }));
        assert!(matches!(kind(&[long], max_length), ErrorKind::Value { key: "max_length", .. }));
        let fits_not = PadOptions { max_length: Some(9), ..max_length };
        assert!(matches!(kind(&[none, long], fits_not), ErrorKind::TooShort { .. }));
        assert!(matches!(
            kind(&[long], fits_not),
            ErrorKind::DoesNotFit { row: 0, samples: 10, max_length: 9 }
        ));
        let enormous = PadOptions { max_length: Some(usize::MAX / 2), ..max_length };
        assert!(matches!(kind(&[long; 3], enormous), ErrorKind::Value { key: "max_length", .. }));
        let multiple_of_zero = PadOptions { pad_to_multiple_of: Some(0), ..PadOptions::default() };
        assert!(matches!(
            kind(&[long], multiple_of_zero),
            ErrorKind::Value { key: "pad_to_multiple_of", .. }
        ));
    }
}

mod ast {
    use super::*;

    /// Worst measured: 7.2e-5 (`raw`; where a quiet frame holds little more than the transform's `f32` rounding).
    const TOLERANCE: f32 = 1e-4;

    fn check(tag: &str, input: &str, hz: u32, config: AstConfig) {
        let golden = golden("ast");
        let features = AstExtractor::new(config).unwrap().extract(&clip(golden.f32s(input), hz)).unwrap();
        assert_eq!(features.shape, golden.shape(tag), "{tag}");
        assert_close(tag, &features.data, &golden.f32s(tag), TOLERANCE);
    }

    #[test]
    fn a_short_clip_is_padded_with_zero_after_the_logarithm() {
        check("padded", "clip", 16_000, AstConfig { max_length: 32, ..AstConfig::default() });
    }

    #[test]
    fn a_long_clip_keeps_its_first_frames() {
        let config =
            AstConfig { max_length: 16, num_mel_bins: 40, mean: -6.8, std: 5.5, ..AstConfig::default() };
        check("cut", "clip", 16_000, config);
    }

    #[test]
    fn without_do_normalize_the_logarithms_come_out() {
        let config =
            AstConfig { max_length: 32, num_mel_bins: 80, do_normalize: false, ..AstConfig::default() };
        check("raw", "clip", 16_000, config);
    }

    #[test]
    fn frames_are_25_ms_at_any_rate() {
        let config = AstConfig {
            sampling_rate: rate(8_000),
            max_length: 40,
            num_mel_bins: 64,
            ..AstConfig::default()
        };
        check("eight", "eight.clip", 8_000, config);
    }

    #[test]
    fn a_clip_shorter_than_a_frame_is_refused() {
        let extractor = AstExtractor::new(AstConfig::default()).unwrap();
        let error = extractor.extract(&clip(vec![0.1; 399], 16_000)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::TooShort { samples: 399, needed: 400 }));
        assert!(extractor.extract(&clip(vec![0.1; 400], 16_000)).is_ok());
    }
}

mod whisper {
    use super::*;

    /// Worst measured: 1.4e-5; the reference's own two implementations differ by 4e-5.
    const TOLERANCE: f32 = 4e-5;

    fn check(tag: &str, input: &str, config: WhisperConfig, options: WhisperOptions) {
        let golden = golden("whisper");
        let config = WhisperConfig { chunk_length: 1, ..config };
        let extractor = WhisperExtractor::new(config).unwrap();
        let features = extractor.extract_with(&clip(golden.f32s(input), 16_000), options).unwrap();
        let key = format!("{tag}.input_features");
        assert_eq!(features.shape, golden.shape(&key), "{tag}");
        assert_close(tag, &features.data, &golden.f32s(&key), TOLERANCE);
        let mask = format!("{tag}.attention_mask");
        assert_eq!(features.attention_mask.is_some(), golden.has(&mask), "{tag}");
        if let Some(got) = features.attention_mask {
            let want: Vec<i32> = golden.f64s(&mask).into_iter().map(|x| x as i32).collect();
            assert_eq!(got, want, "{tag}");
        }
    }

    #[test]
    fn a_short_clip_is_padded_with_silence() {
        check("short80", "short", WhisperConfig::default(), WhisperOptions::default());
    }

    #[test]
    fn a_long_clip_is_cut_and_128_bands_work() {
        let config = WhisperConfig { feature_size: 128, ..WhisperConfig::default() };
        check("long128", "long", config, WhisperOptions::default());
    }

    #[test]
    fn hop_and_frame_come_from_the_config() {
        let config =
            WhisperConfig { feature_size: 20, hop_length: 200, n_fft: 512, ..WhisperConfig::default() };
        check("hop200", "short", config, WhisperOptions::default());
    }

    #[test]
    fn do_normalize_counts_only_the_sound() {
        let options = WhisperOptions { do_normalize: true, return_attention_mask: true };
        check("normalized", "short", WhisperConfig::default(), options);
    }
}

mod clap {
    use super::*;

    /// In decibels. Worst measured: 3.9e-6 (the shrunk view of `fusion`); all else is equal bit for bit.
    const TOLERANCE: f32 = 1e-5;

    fn extractor(truncation: ClapTruncation, padding: ClapPadding) -> ClapExtractor {
        let config = ClapConfig {
            sampling_rate: rate(8_000),
            max_length_s: 1,
            hop_length: 400,
            fft_window_size: 512,
            frequency_min: if truncation == ClapTruncation::RandTrunc { 50.0 } else { 0.0 },
            frequency_max: 3_800.0,
            truncation,
            padding,
            ..ClapConfig::default()
        };
        ClapExtractor::new(config).unwrap()
    }

    fn check(tag: &str, input: &str, extractor: &ClapExtractor, longer: bool) {
        let golden = golden("clap");
        let clip = clip(golden.f32s(input), 8_000);
        let features = extractor.extract(&clip, &mut CropRng::seed(1234)).unwrap();
        assert_eq!(features.shape, golden.shape(tag), "{tag}");
        assert_close(tag, &features.data, &golden.f32s(tag), TOLERANCE);
        assert_eq!(features.is_longer, Some(longer), "{tag}");
    }

    #[test]
    fn a_short_clip_fills_the_window_in_three_ways() {
        for (name, padding) in [
            ("repeatpad", ClapPadding::RepeatPad),
            ("repeat", ClapPadding::Repeat),
            ("pad", ClapPadding::Pad),
        ] {
            let extractor = extractor(ClapTruncation::RandTrunc, padding);
            check(&format!("rand_trunc.{name}"), "short", &extractor, false);
        }
    }

    #[test]
    fn rand_trunc_crops_where_numpy_would() {
        check("rand_trunc.long", "long", &extractor(ClapTruncation::RandTrunc, ClapPadding::RepeatPad), true);
    }

    #[test]
    fn fusion_stacks_the_whole_and_three_crops() {
        let extractor = extractor(ClapTruncation::Fusion, ClapPadding::RepeatPad);
        check("fusion.long", "long", &extractor, true);
    }

    #[test]
    fn fusion_repeats_a_clip_that_is_not_longer() {
        let extractor = extractor(ClapTruncation::Fusion, ClapPadding::RepeatPad);
        // A batch of one is marked as longer whatever its length.
        check("fusion.short", "short", &extractor, true);
        check("fusion.exact", "exact", &extractor, true);
        check("fusion.hop", "hop", &extractor, true);
    }

    #[test]
    fn of_a_batch_of_short_clips_numpy_chooses_the_longer_one() {
        let golden = golden("clap");
        let extractor = extractor(ClapTruncation::Fusion, ClapPadding::RepeatPad);
        let clips = ["short", "exact", "hop"].map(|name| clip(golden.f32s(name), 8_000));
        let marked: Vec<f64> = (0..8)
            .flat_map(|seed| extractor.extract_batch(&clips, &mut CropRng::seed(seed)).unwrap())
            .map(|features| f64::from(u8::from(features.is_longer == Some(true))))
            .collect();
        assert_eq!(marked, golden.f64s("batch.is_longer"));
    }

    #[test]
    fn random_numbers_are_numpys() {
        let mut rng = CropRng::seed(99);
        let ends = [1, 2, 3, 10, 1_000, 96_001, 1 << 31].into_iter().cycle();
        let want = golden("clap").f64s("numpy.randint");
        let got: Vec<f64> = ends.take(want.len()).map(|end| rng.below(end) as f64).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn a_crop_outside_the_clip_or_of_the_wrong_kind_is_refused() {
        let clip = clip(noise(20_000, 3), 8_000);
        let extractor = extractor(ClapTruncation::RandTrunc, ClapPadding::RepeatPad);
        assert!(extractor.extract_at(&clip, Crop::Start(12_000)).is_ok());
        let kind = |crop| extractor.extract_at(&clip, crop).unwrap_err().kind;
        assert!(matches!(kind(Crop::Start(12_001)), ErrorKind::CropOutside { start: 12_001, last: 12_000 }));
        assert!(matches!(kind(Crop::Whole), ErrorKind::Value { key: "crop", .. }));
        let frames = Crop::Frames { front: 0, middle: 1, back: 2 };
        assert!(matches!(kind(frames), ErrorKind::Value { key: "crop", .. }));
    }
}

mod seamless {
    use super::*;

    /// Worst measured: 0.
    const TOLERANCE: f32 = 1e-5;

    fn check(tag: &str, input: &str, hz: u32, config: SeamlessM4TConfig) {
        let golden = golden("seamless");
        let extractor = SeamlessM4TExtractor::new(config).unwrap();
        let features = extractor.extract(&clip(golden.f32s(input), hz)).unwrap();
        let (values, mask) = (format!("{tag}.input_features"), format!("{tag}.attention_mask"));
        assert_eq!(features.shape, golden.shape(&values), "{tag}");
        let worst = assert_close(tag, &features.data, &golden.f32s(&values), TOLERANCE);
        println!("{tag}: {worst:e}");
        let found: Vec<f32> = features.attention_mask.unwrap().iter().map(|&x| x as f32).collect();
        assert_eq!(found, golden.f32s(&mask), "{tag}");
    }

    #[test]
    fn two_frames_lie_side_by_side() {
        check("even80", "even", 16_000, SeamlessM4TConfig::default());
    }

    #[test]
    fn an_odd_last_frame_is_beside_padding_and_masked() {
        check("odd80", "odd", 16_000, SeamlessM4TConfig { padding_value: 1.0, ..Default::default() });
    }

    #[test]
    fn two_frames_are_enough() {
        check("short20", "short", 16_000, SeamlessM4TConfig { num_mel_bins: 20, ..Default::default() });
    }

    #[test]
    fn frames_are_400_samples_at_any_rate() {
        check("eight", "odd", 8_000, SeamlessM4TConfig { sampling_rate: rate(8_000), ..Default::default() });
    }

    #[test]
    fn another_stride_and_padding_before_the_clip_are_refused() {
        let kind = |config| SeamlessM4TExtractor::new(config).unwrap_err().kind;
        let stride = kind(SeamlessM4TConfig { stride: 3, ..Default::default() });
        assert!(matches!(stride, ErrorKind::Value { key: "stride", .. }), "{stride:?}");
        let left = kind(SeamlessM4TConfig { padding_side: PaddingSide::Left, ..Default::default() });
        assert!(matches!(left, ErrorKind::Value { key: "padding_side", .. }), "{left:?}");
    }
}

mod ced {
    use super::*;

    /// Worst measured: 8.8e-5 dB: the reference transforms in `f32`.
    const TOLERANCE: f32 = 5e-4;

    fn check(tag: &str, input: &str, hz: u32, config: CedConfig) {
        let golden = golden("ced");
        let extractor = CedExtractor::new(config).unwrap();
        let features = extractor.extract(&clip(golden.f32s(input), hz)).unwrap();
        assert_eq!(features.shape, golden.shape(tag), "{tag}");
        let worst = assert_close(tag, &features.data, &golden.f32s(tag), TOLERANCE);
        println!("{tag}: {worst:e}");
    }

    #[test]
    fn levels_are_in_decibels_down_to_120_below_the_loudest() {
        check("default", "wave", 16_000, CedConfig::default());
        let golden = golden("ced");
        let levels = golden.f32s("default");
        let (loudest, least) = levels.iter().fold((f32::MIN, f32::MAX), |(a, b), &x| (a.max(x), b.min(x)));
        assert!((loudest - least - 120.0).abs() < 1e-3, "the golden has silence: {loudest} {least}");
    }

    #[test]
    fn more_than_half_a_transform_is_enough() {
        check("least", "short", 16_000, CedConfig::default());
    }

    #[test]
    fn every_setting_is_read() {
        let narrow = CedConfig { f_min: 50.0, f_max: Some(7000.0), win_size: 400, ..Default::default() };
        check("narrow", "wave", 16_000, narrow);
        let small =
            CedConfig { feature_size: 40, n_fft: 256, win_size: 256, hop_size: 128, ..Default::default() };
        check("small", "wave", 16_000, small);
        check("eight", "wave", 8_000, CedConfig { sampling_rate: rate(8_000), ..Default::default() });
    }

    #[test]
    fn settings_that_fit_no_spectrogram_are_refused_by_their_key() {
        let default = CedConfig::default;
        for (wanted, config) in [
            ("center", CedConfig { center: false, ..default() }),
            ("win_size", CedConfig { win_size: 513, ..default() }),
            ("n_fft", CedConfig { n_fft: 511, ..default() }),
            ("hop_size", CedConfig { hop_size: 0, ..default() }),
            ("f_max", CedConfig { f_min: 9000.0, ..default() }),
        ] {
            let kind = CedExtractor::new(config).unwrap_err().kind;
            assert!(matches!(kind, ErrorKind::Value { key, .. } if key == wanted), "{wanted}: {kind:?}");
        }
    }
}

const EXTRACTORS: [&str; 6] = [
    "Wav2Vec2FeatureExtractor",
    "ASTFeatureExtractor",
    "WhisperFeatureExtractor",
    "ClapFeatureExtractor",
    "SeamlessM4TFeatureExtractor",
    "CedFeatureExtractor",
];

#[test]
fn a_clip_at_another_rate_is_refused_by_every_extractor() {
    let clip = clip(vec![0.1; 8_000], 8_000);
    for name in EXTRACTORS {
        let preprocessor =
            Preprocessor::from_json(format!(r#"{{"feature_extractor_type": "{name}"}}"#)).unwrap();
        let error: Error = preprocessor.extract(&clip).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        let ErrorKind::RateMismatch { clip: found, model } = error.kind else { panic!("{:?}", error.kind) };
        assert_eq!((found, model), (clip.rate(), preprocessor.sampling_rate()));
    }
}

#[test]
fn features_do_not_depend_on_the_number_of_threads() {
    let clips: Vec<Waveform> = (0..5).map(|i| clip(noise(30_000 + 9_000 * i, i as u64), 16_000)).collect();
    for name in EXTRACTORS {
        // CLAP at 16 kHz with a window of one second, so that crops are drawn.
        let json = format!(
            r#"{{"feature_extractor_type": "{name}", "sampling_rate": 16000, "frequency_max": 7000, "max_length_s": 1}}"#
        );
        let preprocessor = Preprocessor::from_json(json).unwrap();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| preprocessor.extract_all(&clips).unwrap())
        };
        let one = on(1);
        assert_eq!(one, on(5), "{name}");
        let each: Vec<_> = clips.iter().map(|clip| preprocessor.extract(clip).unwrap()).collect();
        assert_eq!(one, each, "{name}");
    }
}
