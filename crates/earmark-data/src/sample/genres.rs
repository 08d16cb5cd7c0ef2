//! What the ten bands play, bar by bar.

use crate::random::Pcg64;
use crate::sample::synth::{self, LowPass, Track, hz};

/// A genre: how fast it goes, how many bars until it repeats, and what happens in a bar of four beats.
struct Style {
    beats_a_minute: (f64, f64),
    bars: usize,
    play_bar: fn(&mut Band, usize),
}

/// In the order of [`GENRES`](crate::catalog::gtzan::GENRES).
#[rustfmt::skip]
const STYLES: [Style; 10] = [
    Style { beats_a_minute: (84.0, 132.0), bars: 12, play_bar: blues },
    Style { beats_a_minute: (60.0, 110.0), bars: 4, play_bar: classical },
    Style { beats_a_minute: (96.0, 136.0), bars: 4, play_bar: country },
    Style { beats_a_minute: (112.0, 128.0), bars: 4, play_bar: disco },
    Style { beats_a_minute: (78.0, 102.0), bars: 2, play_bar: hiphop },
    Style { beats_a_minute: (112.0, 190.0), bars: 4, play_bar: jazz },
    Style { beats_a_minute: (130.0, 190.0), bars: 4, play_bar: metal },
    Style { beats_a_minute: (96.0, 128.0), bars: 4, play_bar: pop },
    Style { beats_a_minute: (66.0, 92.0), bars: 4, play_bar: reggae },
    Style { beats_a_minute: (104.0, 150.0), bars: 4, play_bar: rock },
];

const MAJOR: &[i32] = &[0, 4, 7];
const MINOR: &[i32] = &[0, 3, 7];
const DOMINANT_7: &[i32] = &[0, 4, 7, 10];
const MINOR_7: &[i32] = &[0, 3, 7, 10];
const MINOR_9: &[i32] = &[3, 7, 10, 14];
const MAJOR_9: &[i32] = &[4, 7, 11, 14];
const DOMINANT_13: &[i32] = &[4, 10, 14, 21];

/// So many seconds of a genre, at [`synth::RATE`], all within `[-1, 1]`.
pub(crate) fn play(genre: usize, seconds: f64, seed: u64) -> Vec<f32> {
    let style = &STYLES[genre];
    let mut band = Band::new(style, seconds, seed);
    let first = band.below(style.bars);
    let bar = 4.0 * band.beat;
    let mut played = 0;
    while band.bar_start < band.end {
        (style.play_bar)(&mut band, (first + played) % style.bars);
        band.bar_start += bar;
        played += 1;
    }
    band.recorded(synth::samples_in(seconds))
}

/// The players of one clip, and the recording they make.
struct Band {
    track: Track,
    rng: Pcg64,
    /// Seconds a beat lasts.
    beat: f64,
    /// Where an off-beat falls within its beat: one half is straight, two thirds are a shuffle.
    swing: f64,
    /// The MIDI note of the key, from C3 (48) upwards.
    key: i32,
    /// How bright this band's plucked strings are.
    bright: f64,
    /// How loud its drummer is.
    drums: f64,
    bar_start: f64,
    end: f64,
}

impl Band {
    fn new(style: &Style, seconds: f64, seed: u64) -> Band {
        let mut rng = Pcg64::seeded(seed);
        let mut between = |least: f64, most: f64| least + (most - least) * rng.next_f64();
        let beat = 60.0 / between(style.beats_a_minute.0, style.beats_a_minute.1);
        // The clip is the end of what is played, so that it starts anywhere in a bar.
        let end = seconds + 4.0 * beat * between(0.0, 1.0);
        let (swing, bright, drums) = (between(0.62, 0.69), between(0.4, 0.62), between(0.5, 1.4));
        let key = 48 + between(0.0, 12.0) as i32;
        Band { track: Track::new(end), rng, beat, swing, key, bright, drums, bar_start: 0.0, end }
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.rng.next_f64()
    }

    fn below(&mut self, count: usize) -> usize {
        (self.rng.next_f64() * count as f64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Any of the eight eighths of a bar, in beats.
    fn any_eighth(&mut self) -> f64 {
        self.below(8) as f64 / 2.0
    }

    fn chance(&mut self, part: f64) -> bool {
        self.rng.next_f64() < part
    }

    /// Somebody plays something `beats` after the start of the bar, never quite on time nor equally loud.
    fn play(&mut self, beats: f64, level: f64, voice: impl Iterator<Item = f64>) {
        let late = self.between(0.0, 0.008);
        let level = level * self.between(0.8, 1.2);
        self.track.mix(self.bar_start + beats * self.beat + late, level, voice);
    }

    fn chord(&mut self, beats: f64, level: f64, root: i32, intervals: &[i32], half_life: f64) {
        for interval in intervals {
            self.play(beats, level, synth::pluck(hz(root + interval), half_life, self.bright));
        }
    }

    fn kick(&mut self, beats: f64, level: f64) {
        self.play(beats, self.drums * level, synth::kick(52.0, 0.06));
    }

    fn snare(&mut self, beats: f64, level: f64) {
        let seed = self.rng.next_u64();
        self.play(beats, self.drums * level, synth::snare(190.0, 0.05, seed));
    }

    fn hat(&mut self, beats: f64, level: f64, half_life: f64) {
        let seed = self.rng.next_u64();
        self.play(beats, self.drums * level, synth::hat(half_life, seed));
    }

    fn ride(&mut self, beats: f64, level: f64) {
        let seed = self.rng.next_u64();
        self.play(beats, self.drums * level, synth::ride(3_100.0, seed));
    }

    /// The last `count` samples as a microphone hears them: its own colour, its own noise, its own level.
    fn recorded(mut self, count: usize) -> Vec<f32> {
        let mut treble = LowPass::new(self.between(3_500.0, 9_000.0));
        let mut bass = LowPass::new(self.between(200.0, 800.0));
        let (boom, sheen) = (self.between(0.4, 1.6), self.between(0.4, 1.6));
        let hiss = self.between(0.002, 0.02);
        let loudness = self.between(0.06, 0.16);
        let hum = synth::noise(self.rng.next_u64());
        let mut heard = self.track.into_last(count);
        for x in &mut heard {
            let low = bass.pass(*x);
            *x = treble.pass(boom * low + sheen * (*x - low));
        }

        let count = heard.len() as f64;
        let mean = heard.iter().sum::<f64>() / count;
        heard.iter_mut().for_each(|x| *x -= mean);
        let power = heard.iter().map(|x| x * x).sum::<f64>() / count;
        let scale = loudness / power.sqrt().max(1e-6); // even the shortest clip may fall into a pause
        heard.iter_mut().zip(hum).for_each(|(x, noise)| *x = scale * *x + hiss * loudness * noise);
        let peak = heard.iter().fold(0.0f64, |peak, x| peak.max(x.abs()));
        let headroom = (0.98 / peak.max(1e-6)).min(1.0);
        heard.into_iter().map(|x| (headroom * x) as f32).collect()
    }
}

/// A twelve-bar shuffle: seventh chords, a guitar that answers in blue notes, brushes.
fn blues(band: &mut Band, bar: usize) {
    let root = band.key + [0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7][bar];
    for beat in [0.0, 1.0, 2.0, 3.0] {
        let off = beat + band.swing;
        band.play(beat, 0.8, synth::pluck(hz(root - 12), 0.3, 0.35));
        band.chord(beat, 0.3, root, DOMINANT_7, 0.12);
        band.chord(off, 0.2, root, DOMINANT_7, 0.06);
        band.hat(beat, 0.12, 0.02);
        band.hat(off, 0.1, 0.015);
        if band.chance(0.6) {
            let note = band.key + 12 + band.pick(&[0, 3, 5, 6, 7, 10, 12]);
            let at = if band.chance(0.5) { beat } else { off };
            band.play(at, 0.7, synth::pluck(hz(note), 0.22, 0.6));
        }
    }
    band.snare(1.0, 0.25);
    band.snare(3.0, 0.25);
}

/// Bowed chords that last a bar under broken ones: no drums, nothing sudden.
fn classical(band: &mut Band, bar: usize) {
    let chords = [(0, MINOR), (5, MINOR), (7, MAJOR), (0, MINOR)];
    let (degree, intervals) = chords[bar];
    let root = band.key + degree;
    let seconds = 4.2 * band.beat;
    for interval in intervals {
        band.play(0.0, 0.4, synth::strings(hz(root + interval), seconds, 0.2));
    }
    band.play(0.0, 0.5, synth::strings(hz(root - 12), seconds, 0.15));
    let steps = band.pick(&[[0, 1, 2, 1], [2, 1, 0, 1], [0, 2, 1, 2]]);
    for (eighth, step) in steps.into_iter().cycle().take(8).enumerate() {
        let note = root + 12 + intervals[step];
        band.play(eighth as f64 / 2.0, 0.35, synth::pluck(hz(note), 0.35, 0.3));
    }
    let melody = root + 12 + band.pick(intervals);
    let at = band.any_eighth();
    band.play(at, 0.35, synth::strings(hz(melody), 2.0 * band.beat, 0.12));
}

/// Bass on root and fifth, bright strings in between, a train on the snare.
fn country(band: &mut Band, bar: usize) {
    let root = band.key + [0, 5, 7, 0][bar];
    for (beat, interval) in [(0.0, 0), (2.0, -5)] {
        band.play(beat, 1.0, synth::pluck(hz(root - 12 + interval), 0.18, 0.35));
        band.kick(beat, 0.35);
    }
    for beat in [1.0, 3.0] {
        for (n, interval) in [0, 4, 7, 12].into_iter().enumerate() {
            // A strum: string after string.
            let at = beat + 0.02 * n as f64;
            band.play(at, 0.3, synth::pluck(hz(root + 12 + interval), 0.16, 0.72));
        }
    }
    for eighth in 0..8 {
        let at = f64::from(eighth) / 2.0;
        band.snare(at, if eighth % 4 == 2 { 0.35 } else { 0.1 });
        if band.chance(0.6) {
            let note = root + 12 + band.pick(&[0, 2, 4, 7, 9]);
            band.play(at, 0.5, synth::pluck(hz(note), 0.12, 0.78));
        }
    }
}

/// Four on the floor, an open hat after every beat, a bass in octaves, strings that stab.
fn disco(band: &mut Band, bar: usize) {
    let root = band.key + [0, 0, 5, 7][bar];
    for beat in [0.0, 1.0, 2.0, 3.0] {
        band.kick(beat, 1.1);
        band.hat(beat + 0.5, 0.5, 0.07);
        let eighth = 0.45 * band.beat;
        band.play(beat, 0.7, synth::electric_bass(hz(root - 12), eighth, 500.0));
        band.play(beat + 0.5, 0.6, synth::electric_bass(hz(root), eighth, 500.0));
    }
    band.snare(1.0, 0.5);
    band.snare(3.0, 0.5);
    let stab = band.pick(&[0.0, 0.5, 1.5]);
    for at in [stab, stab + 2.0] {
        for interval in MINOR_7 {
            band.play(at, 0.3, synth::strings(hz(root + 12 + interval), 0.7 * band.beat, 0.02));
        }
    }
}

/// A slow, late beat over a bass that is mostly below hearing, and much room.
fn hiphop(band: &mut Band, bar: usize) {
    let root = band.key + [0, -2][bar];
    let ghost = band.pick(&[1.75, 2.25, 2.5]);
    for at in [0.0, ghost, 2.5 + band.swing / 4.0] {
        band.play(at, 1.3, synth::kick(44.0, 0.09));
    }
    band.snare(1.0, 0.9);
    band.snare(3.0, 0.9);
    for quarter in 0..8 {
        let at = f64::from(quarter / 2) + if quarter % 2 == 1 { 0.5 + (band.swing - 0.5) / 2.0 } else { 0.0 };
        band.hat(at, 0.45, 0.012);
    }
    for (at, beats) in [(0.0, 1.4), (2.5, 1.2)] {
        let low = if root >= 54 { root - 24 } else { root - 12 };
        band.play(at, 0.9, synth::sub_bass(hz(low), beats * band.beat));
    }
    if band.chance(0.8) {
        let at = band.pick(&[0.5, 1.5, 2.0]);
        band.chord(at, 0.3, root + 12, MINOR, 0.25);
    }
}

/// A ride cymbal that skips, a bass that walks, chords with a ninth where nobody expects them.
fn jazz(band: &mut Band, bar: usize) {
    let (degree, intervals) = [(2, MINOR_9), (7, DOMINANT_13), (0, MAJOR_9), (9, MINOR_9)][bar];
    let root = band.key + degree;
    for beat in [0.0, 1.0, 2.0, 3.0] {
        band.ride(beat, 0.5);
        let step = band.pick(&[0, 4, 7, 9, 10, 11]);
        let note = root - 24 + if beat == 0.0 { 12 } else { step };
        band.play(beat, 1.0, synth::pluck(hz(note), 0.2, 0.3));
    }
    band.ride(1.0 + band.swing, 0.35);
    band.ride(3.0 + band.swing, 0.35);
    band.hat(1.0, 0.2, 0.01);
    band.hat(3.0, 0.2, 0.01);
    for _ in 0..2 {
        let at = f64::from(band.pick(&[0, 1, 2, 3])) + band.swing;
        band.chord(at, 0.22, root, intervals, 0.18);
    }
    if band.chance(0.7) {
        let note = root + 12 + band.pick(intervals);
        let at = band.any_eighth();
        band.play(at, 0.4, synth::pluck(hz(note), 0.25, 0.25));
    }
}

/// Gallops on the lowest string through far too much amplifier, and two feet on the bass drum.
fn metal(band: &mut Band, bar: usize) {
    let low = band.key - 12 - if band.key > 54 { 12 } else { 0 };
    let root = low + [0, 0, 1, -2][bar];
    let gallop = band.pick(&[[0.0, 0.5, 0.75], [0.0, 0.25, 0.5], [0.0, 0.25, 0.75]]);
    for beat in [0.0, 1.0, 2.0, 3.0] {
        for at in gallop {
            let step = if band.chance(0.12) { 6 } else { 0 };
            let chord = synth::power_chord(root + step, 0.24 * band.beat, 14.0, 3_500.0);
            band.play(beat + at, 0.55, chord);
        }
        for quarter in 0..4 {
            band.play(beat + f64::from(quarter) / 4.0, 0.6, synth::kick(60.0, 0.025));
        }
        band.hat(beat, 0.35, 0.1);
    }
    band.snare(1.0, 0.8);
    band.snare(3.0, 0.8);
}

/// One, five, six, four: a pulsing keyboard, a tune on top, a clear backbeat.
fn pop(band: &mut Band, bar: usize) {
    let (degree, intervals) = [(0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)][bar];
    let root = band.key + degree;
    let eighth = 0.5 * band.beat;
    for n in 0..8 {
        let at = f64::from(n) / 2.0;
        for interval in intervals {
            band.play(at, 0.13, synth::pulse(hz(root + interval), 0.7 * eighth, 0.5));
        }
        band.play(at, 0.45, synth::electric_bass(hz(root - 12), 0.9 * eighth, 350.0));
        band.hat(at, 0.13, 0.015);
        if band.chance(0.5) {
            let note = band.key + 24 + band.pick(&[0, 2, 4, 7, 9]);
            band.play(at, 0.25, synth::pulse(hz(note), 0.9 * eighth, 0.25));
        }
    }
    for (at, level) in [(0.0, 0.9), (2.0, 0.8), (2.5, 0.5)] {
        band.kick(at, level);
    }
    band.snare(1.0, 0.6);
    band.snare(3.0, 0.6);
}

/// Chords only after the beat, the drum only on the third, and the bass has the tune.
fn reggae(band: &mut Band, bar: usize) {
    let (degree, intervals) = [(0, MINOR), (0, MINOR), (5, MINOR), (7, MINOR)][bar];
    let root = band.key + degree;
    for beat in [0.0, 1.0, 2.0, 3.0] {
        for interval in intervals {
            let skank = synth::pulse(hz(root + 12 + interval), 0.2 * band.beat, 0.5);
            band.play(beat + 0.5, 0.25, skank);
        }
        band.hat(beat, 0.1, 0.012);
        band.hat(beat + band.swing, 0.16, 0.02);
    }
    band.kick(2.0, 1.1);
    let seed = band.rng.next_u64();
    band.play(2.0, 0.6, synth::snare(420.0, 0.012, seed)); // on the rim
    for (at, beats) in [(0.0, 0.7), (0.75, 0.3), (1.5, 0.6), (2.5, 0.4), (3.0, 0.8)] {
        if band.chance(0.8) {
            let note = root - 12 + band.pick(&[0, 0, 3, 7, -5]);
            band.play(at, 1.0, synth::electric_bass(hz(note), beats * band.beat, 160.0));
        }
    }
}

/// Ringing power chords, eighths on the hat, and a backbeat to be heard in the last row.
fn rock(band: &mut Band, bar: usize) {
    let root = band.key + [0, -2, 5, 0][bar] - if band.key > 54 { 12 } else { 0 };
    for half in [0.0, 2.0] {
        let chord = synth::power_chord(root, 1.9 * band.beat, 2.5, 2_800.0);
        band.play(half, 0.5, chord);
        band.kick(half, 0.9);
        band.snare(half + 1.0, 0.8);
    }
    if band.chance(0.6) {
        band.kick(2.5, 0.7);
    }
    for eighth in 0..8 {
        let at = f64::from(eighth) / 2.0;
        band.hat(at, 0.25, 0.03);
        band.play(at, 0.4, synth::electric_bass(hz(root - 12), 0.42 * band.beat, 700.0));
    }
    if band.chance(0.4) {
        let note = root + 24 + band.pick(&[0, 3, 5, 7, 10]);
        let at = band.any_eighth();
        band.play(at, 0.35, synth::power_chord(note, band.beat, 2.0, 4_000.0));
    }
}
