//! A small synthesiser whose every bit is the same on every machine.
//!
//! IEEE 754 fixes `+ - * /`, `sqrt` and `floor`; `sin`, `exp` and `powf` are each system's own. So sines come from a
//! polynomial, decays from repeated multiplication and pitches from a table.
//!
//! A voice is an iterator over samples that ends when it is inaudible; [`Track::mix`] adds it in.

use std::array;
use std::f64::consts::{LN_2, TAU};
use std::iter;

use crate::random::Pcg64;

/// Samples a second, GTZAN's.
pub(crate) const RATE: u32 = 22_050;
const SAMPLES_A_SECOND: f64 = RATE as f64;

/// What has been played so far.
pub(crate) struct Track {
    samples: Vec<f64>,
}

impl Track {
    pub(crate) fn new(seconds: f64) -> Track {
        Track { samples: vec![0.0; samples_in(seconds)] }
    }

    /// Adds a voice that starts `at` so many seconds; what lies beyond the end is dropped.
    pub(crate) fn mix(&mut self, at: f64, level: f64, voice: impl Iterator<Item = f64>) {
        let start = samples_in(at).min(self.samples.len());
        for (sample, x) in self.samples[start..].iter_mut().zip(voice) {
            *sample += level * x;
        }
    }

    /// The last `count` samples.
    pub(crate) fn into_last(mut self, count: usize) -> Vec<f64> {
        self.samples.split_off(self.samples.len().saturating_sub(count))
    }
}

/// How many samples so many seconds have; none before the start.
pub(crate) fn samples_in(seconds: f64) -> usize {
    (seconds * SAMPLES_A_SECOND).round() as usize
}

/// The frequency of a MIDI note: 69 is 440 Hz, 12 notes are an octave.
pub(crate) fn hz(note: i32) -> f64 {
    const OCTAVE: [f64; 12] = [
        261.625565, 277.182631, 293.664768, 311.126984, 329.627557, 349.228231, 369.994423, 391.995436,
        415.304698, 440.0, 466.163762, 493.883301,
    ];
    let octave = note.div_euclid(12) - 5;
    let shift = if octave < 0 { 1.0 / f64::from(1 << -octave) } else { f64::from(1 << octave) };
    OCTAVE[note.rem_euclid(12) as usize] * shift
}

/// The sine of so many turns, to 6e-8: below a 16-bit step.
fn sine(turns: f64) -> f64 {
    let t = turns - (turns + 0.5).floor();
    let quarter = if t > 0.25 { 0.5 - t } else { t.max(-0.5 - t) };
    let x = TAU * quarter;
    let y = x * x;
    x * (1.0 - y / 6.0 * (1.0 - y / 20.0 * (1.0 - y / 42.0 * (1.0 - y / 72.0 * (1.0 - y / 110.0)))))
}

/// White noise in `[-1, 1)`.
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut rng = Pcg64::seeded(seed);
    iter::repeat_with(move || 2.0 * rng.next_f64() - 1.0)
}

/// Falls from one to half in so many seconds, and so on until it is silent.
fn decay(half_life: f64) -> impl Iterator<Item = f64> {
    let keep = 1.0 - LN_2 / (half_life * SAMPLES_A_SECOND).max(2.0);
    iter::successors(Some(1.0), move |x| (*x > 1e-3).then_some(x * keep))
}

/// Rises to one, stays, and falls to nothing `seconds` after its start.
fn swell(seconds: f64, attack: f64, release: f64) -> impl Iterator<Item = f64> {
    let end = samples_in(seconds);
    (0..end).map(move |n| {
        let risen = n as f64 / (attack * SAMPLES_A_SECOND);
        let left = (end - n) as f64 / (release * SAMPLES_A_SECOND);
        risen.min(left).min(1.0)
    })
}

/// A sawtooth with its corner rounded over two samples, so that high notes do not whistle (polynomial band-limited
/// step; Välimäki and Huovilainen, 2007).
fn saw(hz: f64, phase: f64) -> impl Iterator<Item = f64> {
    let step = hz / SAMPLES_A_SECOND;
    let mut phase = phase;
    iter::repeat_with(move || {
        phase += step;
        phase -= phase.floor();
        let corner = if phase < step {
            let x = phase / step;
            x + x - x * x - 1.0
        } else if phase > 1.0 - step {
            let x = (phase - 1.0) / step;
            x + x + x * x + 1.0
        } else {
            0.0
        };
        2.0 * phase - 1.0 - corner
    })
}

/// Lets through what lies below a frequency, six decibels an octave.
pub(crate) struct LowPass {
    open: f64,
    value: f64,
}

impl LowPass {
    pub(crate) fn new(hz: f64) -> LowPass {
        let turn = TAU * hz / SAMPLES_A_SECOND;
        LowPass { open: turn / (1.0 + turn), value: 0.0 }
    }

    pub(crate) fn pass(&mut self, x: f64) -> f64 {
        self.value += self.open * (x - self.value);
        self.value
    }
}

/// A string or bar that is struck once. The higher a partial, the weaker (`bright` times the one below it) and shorter.
pub(crate) fn pluck(hz: f64, half_life: f64, bright: f64) -> impl Iterator<Item = f64> {
    const PARTIALS: usize = 7;
    // Each partial is a pointer that turns and shrinks: one complex product a sample.
    let mut pointers = [(0.0, 0.0); PARTIALS];
    let mut turns = [(0.0, 0.0); PARTIALS];
    let mut level = 1.0 - bright;
    for partial in 0..PARTIALS {
        let number = (partial + 1) as f64;
        let frequency = hz * number;
        if frequency < 0.45 * SAMPLES_A_SECOND {
            let keep = 1.0 - LN_2 * number / (half_life * SAMPLES_A_SECOND);
            let turn = frequency / SAMPLES_A_SECOND;
            pointers[partial] = (level, 0.0);
            turns[partial] = (keep * sine(turn + 0.25), keep * sine(turn));
        }
        level *= bright;
    }
    (0..samples_in(10.0 * half_life)).map(move |_| {
        let mut sum = 0.0;
        for (pointer, turn) in pointers.iter_mut().zip(&turns) {
            *pointer = (pointer.0 * turn.0 - pointer.1 * turn.1, pointer.0 * turn.1 + pointer.1 * turn.0);
            sum += pointer.1;
        }
        sum
    })
}

/// Three bows slightly out of tune with each other.
pub(crate) fn strings(hz: f64, seconds: f64, attack: f64) -> impl Iterator<Item = f64> {
    let mut bows = [(0.996, 0.0), (1.0, 0.37), (1.0045, 0.71)].map(|(detune, phase)| saw(hz * detune, phase));
    let mut body = LowPass::new(3.0 * hz);
    swell(seconds, attack, 0.15)
        .map(move |level| level * body.pass(bows.iter_mut().filter_map(Iterator::next).sum()) / 3.0)
}

/// A bright, hollow electronic tone: two sawtooths make a pulse.
pub(crate) fn pulse(hz: f64, seconds: f64, width: f64) -> impl Iterator<Item = f64> {
    let edges = saw(hz, 0.0).zip(saw(hz, width));
    edges.zip(swell(seconds, 0.005, 0.03)).map(|((up, down), level)| 0.5 * (up - down) * level)
}

/// A sawtooth behind a filter: an electric bass.
pub(crate) fn electric_bass(hz: f64, seconds: f64, cutoff: f64) -> impl Iterator<Item = f64> {
    let mut filter = LowPass::new(cutoff);
    saw(hz, 0.0).zip(swell(seconds, 0.004, 0.02)).map(move |(x, level)| filter.pass(x) * level)
}

/// A bare sine, for the lowest notes.
pub(crate) fn sub_bass(hz: f64, seconds: f64) -> impl Iterator<Item = f64> {
    let step = hz / SAMPLES_A_SECOND;
    swell(seconds, 0.01, 0.05).enumerate().map(move |(n, level)| sine(step * n as f64) * level)
}

/// Root, fifth and octave through an amplifier that is turned up too far.
pub(crate) fn power_chord(root: i32, seconds: f64, drive: f64, cabinet: f64) -> impl Iterator<Item = f64> {
    let mut strings =
        [(0, 0.0), (7, 0.3), (12, 0.6)].map(|(interval, phase)| saw(hz(root + interval), phase));
    let mut speaker = [LowPass::new(cabinet), LowPass::new(cabinet)];
    swell(seconds, 0.003, 0.02).map(move |level| {
        let x = drive * level * strings.iter_mut().filter_map(Iterator::next).sum::<f64>();
        let clipped = x / (1.0 + x.abs());
        speaker.iter_mut().fold(clipped, |x, cone| cone.pass(x))
    })
}

/// A bass drum: a sine that falls to `hz` as it dies away.
pub(crate) fn kick(hz: f64, half_life: f64) -> impl Iterator<Item = f64> {
    let mut turns = 0.0;
    decay(half_life).map(move |level| {
        let fast = level * level;
        turns += hz * (1.0 + 3.0 * fast * fast) / SAMPLES_A_SECOND;
        sine(turns) * level
    })
}

/// A snare drum: a short tone under a longer hiss.
pub(crate) fn snare(hz: f64, half_life: f64, seed: u64) -> impl Iterator<Item = f64> {
    let mut rattle = LowPass::new(1_200.0);
    let hiss = noise(seed).zip(decay(half_life)).map(move |(x, level)| (x - rattle.pass(x)) * level);
    hiss.zip(pluck(hz, 0.4 * half_life, 0.3).chain(iter::repeat(0.0)))
        .map(|(hiss, tone)| 0.6 * hiss + 0.6 * tone)
}

/// Two cymbals on a stand: high noise, shut or open as `half_life` says.
pub(crate) fn hat(half_life: f64, seed: u64) -> impl Iterator<Item = f64> {
    let mut low: [LowPass; 2] = array::from_fn(|_| LowPass::new(6_000.0));
    noise(seed)
        .zip(decay(half_life))
        .map(move |(x, level)| low.iter_mut().fold(x, |x, filter| x - filter.pass(x)) * level)
}

/// A large cymbal: partials in no harmony, with a hiss.
pub(crate) fn ride(hz: f64, seed: u64) -> impl Iterator<Item = f64> {
    let mut partials = [1.0, 1.342, 1.683, 2.117].map(|ratio| saw(hz * ratio, 0.0));
    let mut low = LowPass::new(4_500.0);
    noise(seed).zip(decay(0.11)).map(move |(x, level)| {
        let metal: f64 = partials.iter_mut().filter_map(Iterator::next).sum();
        let x = 0.4 * x + 0.2 * metal;
        (x - low.pass(x)) * level
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_a_sine() {
        // Worst measured: 5.7e-8, at the quarter turns.
        for n in -4_000..4_000 {
            let turns = f64::from(n) / 1_000.0;
            assert!((sine(turns) - (TAU * turns).sin()).abs() < 6e-8, "{turns}");
        }
    }

    #[test]
    fn notes_have_their_frequencies() {
        for note in 12..120 {
            let exact = 440.0 * 2f64.powf(f64::from(note - 69) / 12.0);
            assert!((hz(note) / exact - 1.0).abs() < 1e-8, "{note}");
        }
    }

    #[test]
    fn a_decay_halves_on_time() {
        let halved = decay(0.1).nth(samples_in(0.1)).unwrap();
        assert!((halved - 0.5).abs() < 1e-3, "{halved}");
    }

    #[test]
    fn a_pluck_sounds_at_its_pitch() {
        // A period of 220 Hz is 100.2 samples: the tone resembles itself that much later, and not half as much later.
        let tone: Vec<f64> = pluck(220.5, 1.0, 0.5).take(4_000).collect();
        let alike = |lag: usize| tone.iter().zip(&tone[lag..]).map(|(a, b)| a * b).sum::<f64>();
        assert!(alike(100) > 0.9 * alike(0));
        assert!(alike(50) < 0.5 * alike(0));
    }
}
