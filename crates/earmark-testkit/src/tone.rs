use std::f64::consts::TAU;

/// A sine of `hz` at amplitude 0.5: `seconds` long, `rate` samples a second.
pub fn tone(hz: f64, seconds: f64, rate: u32) -> Vec<f32> {
    let samples = (seconds * f64::from(rate)).round() as usize;
    (0..samples).map(|n| (0.5 * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32).collect()
}

/// White noise in `[-1, 1)`, the same for the same seed (a 64-bit linear congruential generator).
pub fn noise(samples: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
        })
        .collect()
}
