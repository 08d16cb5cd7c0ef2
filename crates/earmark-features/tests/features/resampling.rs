//! What must hold of any resampler, for both.

use std::f64::consts::TAU;

use earmark_features::{ErrorKind, Resampler, StreamResampler, resample};
use earmark_testkit::noise;
use proptest::prelude::*;

use super::{clip, rate};

const BOTH: [Resampler; 2] = [Resampler::Hq, Resampler::Torchaudio];

/// A sum of sines that both rates can hold, at `hz` samples a second.
fn chord(tones: &[f64], samples: usize, hz: u32) -> Vec<f32> {
    let at = |n: usize| tones.iter().map(|f| (TAU * f * n as f64 / f64::from(hz)).sin()).sum::<f64>();
    (0..samples).map(|n| (0.3 * at(n)) as f32).collect()
}

/// Signal over the error, in decibels, away from the ends, where the clip is cut off.
fn signal_to_noise(got: &[f32], want: &[f32], margin: usize) -> f64 {
    let inner = margin..want.len() - margin;
    let energy = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>();
    let signal = energy(&mut want[inner.clone()].iter().map(|&x| f64::from(x)));
    let error = got[inner.clone()].iter().zip(&want[inner]).map(|(g, w)| f64::from(g - w));
    10.0 * (signal / energy(&mut { error })).log10()
}

/// Worst measured: 114.9 dB (22050 to 16000); an odd block's half-sample shift would leave 20 to 60 dB.
#[test]
fn hq_keeps_the_pass_band_and_the_time_to_110_db() {
    for from in [8_000, 11_025, 16_007, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 44_101] {
        for to in [16_000, 48_000, 44_100] {
            if from == to {
                continue;
            }
            let band = 0.46 * f64::from(from.min(to));
            let tones = [0.011 * band, 0.13 * band, 0.52 * band, band];
            let seconds = 4;
            let input = clip(chord(&tones, (seconds * from) as usize, from), from);
            let want = chord(&tones, (seconds * to) as usize, to);
            let got = resample(input, rate(to), Resampler::Hq).unwrap();
            assert_eq!(got.samples().len(), want.len());
            // A block for nearly coprime rates is as long as the rate itself: two seconds at most.
            let snr = signal_to_noise(got.samples(), &want, (want.len() * 5) / 16);
            eprintln!("{from} to {to}: {snr:.1} dB");
            assert!(snr >= 110.0, "{from} to {to}: {snr:.1} dB");
        }
    }
}

/// Worst measured: -142.0 dB (96000 to 44100).
#[test]
fn hq_lets_no_alias_through() {
    for (from, to) in [(44_100, 16_000), (48_000, 16_000), (96_000, 44_100), (44_101, 16_000)] {
        let above = [0.53 * f64::from(to), 0.61 * f64::from(to)];
        let above: Vec<f64> = above.into_iter().filter(|f| *f < 0.49 * f64::from(from)).collect();
        let input = clip(chord(&above, 4 * from as usize, from), from);
        let got = resample(input, rate(to), Resampler::Hq).unwrap();
        let inner = &got.samples()[to as usize..3 * to as usize];
        let power = inner.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / inner.len() as f64;
        let alias = 10.0 * (power / (0.09 / 2.0 * above.len() as f64)).log10();
        eprintln!("{from} to {to}: alias at {alias:.1} dB");
        assert!(alias <= -110.0, "{from} to {to}: alias at {alias:.1} dB");
    }
}

#[test]
fn rates_too_odd_to_transform_still_resample_well() {
    // 300007 is prime: a block would be 600014 samples, and the long sinc filter takes over. Measured: 113.6 dB.
    let (from, to) = (300_007, 16_000);
    let tones = [500.0, 3_000.0, 6_000.0];
    let input = clip(chord(&tones, from as usize, from), from);
    let got = resample(input, rate(to), Resampler::Hq).unwrap();
    let snr = signal_to_noise(got.samples(), &chord(&tones, to as usize, to), 2_000);
    eprintln!("{from} to {to}: {snr:.1} dB");
    assert!(snr >= 110.0, "{snr:.1} dB");
}

#[test]
fn equal_rates_change_nothing() {
    for resampler in BOTH {
        let input = clip(noise(1_000, 5), 22_050);
        assert_eq!(resample(input.clone(), rate(22_050), resampler).unwrap(), input);
    }
}

#[test]
fn rates_far_apart_are_a_broken_header() {
    for resampler in BOTH {
        for (from, to) in [(1, 16_000), (u32::MAX, 16_000), (249, 16_000), (16_000, u32::MAX)] {
            let error = StreamResampler::new(rate(from), rate(to), resampler).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::RatesTooFarApart { .. }));
        }
        assert!(StreamResampler::new(rate(250), rate(16_000), resampler).is_ok());
    }
}

#[test]
fn samples_that_could_overflow_are_an_error_at_any_rate() {
    for resampler in BOTH {
        for from in [44_100, 16_000] {
            let with = |x: f32| (0..4_000).map(|n| if n % 3 == 0 { x } else { -x }).collect::<Vec<f32>>();
            let error = resample(clip(with(f32::MAX), from), rate(16_000), resampler).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::TooLoud { index: 0, .. }));
            assert!(resample(clip(with(1e14), from), rate(16_000), resampler).is_ok());
        }
    }
}

#[test]
fn a_stream_says_where_in_the_clip_a_sample_is_too_large() {
    for (from, to) in [(8_000, 16_000), (16_000, 16_000)] {
        let mut stream = StreamResampler::new(rate(from), rate(to), Resampler::Hq).unwrap();
        let mut out = Vec::new();
        stream.push(&noise(6_000, 1), &mut out).unwrap();
        let error = stream.push(&[0.0, 0.0, 1e30], &mut out).unwrap_err();
        let want = 6_002.0 / f64::from(from);
        assert!(
            matches!(error.kind, ErrorKind::TooLoud { index: 6_002, value: 1e30, seconds } if seconds == want)
        );
    }
}

/// Long enough for whole stretches of blocks at once, which a stream of small pieces never sees.
#[test]
fn a_long_clip_gives_the_samples_of_its_small_pieces() {
    for resampler in BOTH {
        for (from, to) in [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (44_100, 48_000)] {
            let samples = noise(200_000, 11);
            let whole = resample(clip(samples.clone(), from), rate(to), resampler).unwrap();
            let mut stream = StreamResampler::new(rate(from), rate(to), resampler).unwrap();
            let mut pieces = Vec::new();
            samples.chunks(1_024).for_each(|piece| stream.push(piece, &mut pieces).unwrap());
            stream.finish(&mut pieces);
            assert_eq!(pieces, whole.samples(), "{from} to {to}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_cut_anywhere_gives_the_whole_clips_samples(
        from in prop_oneof![Just(8_000), Just(44_100), Just(48_000), 4_000..50_000u32],
        to in prop_oneof![Just(16_000), Just(48_000), 4_000..50_000u32],
        cuts in prop::collection::vec(0..3_000usize, 1..6),
    ) {
        for resampler in BOTH {
            let samples = noise(cuts.iter().sum::<usize>() + 1, 7);
            let whole = resample(clip(samples.clone(), from), rate(to), resampler).unwrap();
            let exact = (samples.len() as u64 * u64::from(to)).div_ceil(u64::from(from));
            prop_assert_eq!(whole.samples().len() as u64, exact);
            let mut stream = StreamResampler::new(rate(from), rate(to), resampler).unwrap();
            let (mut pieces, mut rest) = (Vec::new(), samples.as_slice());
            for cut in cuts.iter().copied() {
                let (piece, tail) = rest.split_at(cut);
                stream.push(piece, &mut pieces).unwrap();
                rest = tail;
            }
            stream.push(rest, &mut pieces).unwrap();
            stream.finish(&mut pieces);
            prop_assert_eq!(pieces, whole.samples());
        }
    }
}
