//! Tones that encode their class.

use std::f64::consts::TAU;

/// What the clip of a class, with this number, sounds like at this rate: `class_tone`, or something else for a test.
pub type Sound<'a> = &'a dyn Fn(usize, usize, u32) -> Vec<f32>;

/// Seconds of a clip. The tones of all classes have a whole number of periods in it, so they are orthogonal.
const SECONDS: f64 = 0.1;

/// The frequency of a class: 102 classes stay below the 4 kHz that a file at 8 kHz holds.
fn hz(class: usize) -> f64 {
    200.0 + 30.0 * class as f64
}

/// A tone whose frequency encodes the class. No two clips of a class have the same samples: `clip` sets loudness and phase.
pub fn class_tone(class: usize, clip: usize, rate: u32) -> Vec<f32> {
    // Multiples of two irrational numbers, which never repeat.
    let part = |step: f64| (clip as f64 * step).fract();
    let (loudness, phase) = (0.25 + 0.5 * part(0.618_033_988_749_895), TAU * part(0.754_877_666_246_693));
    let samples = (SECONDS * f64::from(rate)).round() as usize;
    let at = |n: usize| loudness * (TAU * hz(class) * n as f64 / f64::from(rate) + phase).sin();
    (0..samples).map(|n| at(n) as f32).collect()
}

/// The class, of so many, that the tone in a clip encodes.
pub fn class_of_tone(samples: &[f32], rate: u32, classes: usize) -> usize {
    // Goertzel's recurrence: one bin of a Fourier transform without a sine for each sample.
    let power = |class: usize| {
        let twice_cos = 2.0 * (TAU * hz(class) / f64::from(rate)).cos();
        let (last, before) = samples.iter().fold((0.0, 0.0), |(last, before), sample| {
            (f64::from(*sample) + twice_cos * last - before, last)
        });
        last * last + before * before - twice_cos * last * before
    };
    (0..classes).max_by(|a, b| power(*a).total_cmp(&power(*b))).unwrap()
}

/// A WAV file of 16-bit samples, mono.
pub fn wav(samples: &[f32], rate: u32) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let mut file = Vec::with_capacity(44 + bytes as usize);
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    // Two bytes a frame, 16 bits a sample.
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    let whole = |sample: f32| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    file.extend(samples.iter().flat_map(|sample| whole(*sample).to_le_bytes()));
    file
}
