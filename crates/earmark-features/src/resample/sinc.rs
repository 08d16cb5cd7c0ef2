//! Windowed-sinc resampling with one short filter per output phase.

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

use crate::resample::ratio::Ratio;

/// Stretches worked on at once, a few vectors wide.
const LANES: usize = 32;

/// Output samples a stretch should have at least: it begins with a filter's length of input that gives none.
const MIN_STRETCH: usize = 128;

/// Input taken in at once: more would be copied to memory and back.
const MAX_PIECE: usize = 1 << 16;

/// Longer stretches, of rates with hardly a common divisor, would not fit in the cache side by side.
const MAX_COLUMNS: usize = 2048;

/// The polyphase filter and the samples it still needs.
///
/// The reference builds a dense kernel of `to × (2 width + from)` values, 2.8 GB for 44101 to 16000 Hz. All but
/// `12 from / base` taps of each phase lie where the window is zero, so only those are kept, and a phase is computed
/// when the first output sample needs it.
#[derive(Debug)]
pub(crate) struct Sinc {
    ratio: Ratio,
    design: Design,
    /// Taps per phase.
    taps: usize,
    /// Filters of the phases used so far, `taps` each.
    filters: Vec<f32>,
    /// Input not yet left behind by every filter; begins with the silence before the clip.
    window: Vec<f32>,
    /// Position of `window[0]` in the clip, moved by `lead` to stay positive.
    window_start: usize,
    /// Samples of silence before the clip.
    lead: usize,
    /// The next output sample, and how it lies on the input: `emitted = block * to + phase`.
    emitted: usize,
    block: usize,
    phase: usize,
}

#[derive(Debug, Clone, Copy)]
struct Design {
    zero_crossings: f64,
    roll_off: f64,
    tap: fn(&Design, Ratio, usize, isize) -> f32,
}

impl Design {
    /// The pass band in units of `1 / (from * to)` seconds, `base_freq` of the reference.
    fn base(&self, ratio: Ratio) -> f64 {
        ratio.from.min(ratio.to) as f64 * self.roll_off
    }
}

impl Sinc {
    /// The defaults of `torchaudio.functional.resample`, in `f32` as it computes them for `f32` audio.
    pub(crate) fn torchaudio(ratio: Ratio) -> Sinc {
        Sinc::new(ratio, Design { zero_crossings: 6.0, roll_off: 0.99, tap: tap_f32 })
    }

    /// A filter ten times as long, for rates whose blocks are too large to transform.
    pub(crate) fn long(ratio: Ratio) -> Sinc {
        Sinc::new(ratio, Design { zero_crossings: 64.0, roll_off: 0.95, tap: tap_f64 })
    }

    fn new(ratio: Ratio, design: Design) -> Sinc {
        let half_width = design.zero_crossings * ratio.from as f64 / design.base(ratio);
        // A phase's centre lies between two samples: the filter spans `lead` before the first, `lead` after the second.
        let lead = half_width.ceil() as usize;
        let taps = 2 * lead + 2;
        let window = vec![0.0; lead];
        let filters = Vec::new();
        Sinc { ratio, design, taps, filters, window, window_start: 0, lead, emitted: 0, block: 0, phase: 0 }
    }

    pub(crate) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let mut pieces = samples.chunks(MAX_PIECE).peekable();
        while let Some(piece) = pieces.next() {
            self.window.extend_from_slice(piece);
            let limit = usize::MAX;
            Arch::new().dispatch(Emit { sinc: self, out, limit, more: pieces.peek().is_some() });
            let behind = (self.position() - self.window_start).min(self.window.len());
            self.window.drain(..behind);
            self.window_start += behind;
        }
    }

    pub(crate) fn finish(&mut self, length: usize, out: &mut Vec<f32>) {
        while self.emitted < length {
            let silence = self.window.len() + self.taps + self.ratio.from;
            self.window.resize(silence, 0.0);
            Arch::new().dispatch(Emit { sinc: self, out, limit: length, more: false });
        }
    }

    /// Where the next output sample's filter begins, counted from the start of the leading silence.
    fn position(&self) -> usize {
        self.block * self.ratio.from + self.first_tap(self.phase)
    }

    /// The input sample under the first tap of `phase`, moved by `lead`.
    fn first_tap(&self, phase: usize) -> usize {
        phase * self.ratio.from / self.ratio.to
    }

    /// Appends one output sample, unless it needs input that is not there yet.
    #[inline(always)]
    fn emit(&mut self, out: &mut Vec<f32>) -> bool {
        let start = self.position() - self.window_start;
        if start + self.taps > self.window.len() {
            return false;
        }
        self.design_filter(self.phase);
        let filter = &self.filters[self.phase * self.taps..][..self.taps];
        let input = &self.window[start..start + self.taps];
        // Tap after tap by fused multiply-add: the order in which `conv1d` adds up a clip of more than a few thousand
        // samples, and then equal bit for bit. It matters for CLAP, whose nearly silent bands hold nothing but this
        // rounding once a clip was brought up to 48 kHz.
        out.push(input.iter().zip(filter).fold(0.0, |sum, (x, tap)| x.mul_add(*tap, sum)));
        self.emitted += 1;
        self.phase += 1;
        if self.phase == self.ratio.to {
            (self.block, self.phase) = (self.block + 1, 0);
        }
        true
    }

    /// Appends the output of [`LANES`] stretches of whole blocks at once, or nothing when they are not there yet.
    ///
    /// Neighbouring stretches meet the same filters, so column by column they make vectors; every sum is still that of
    /// [`emit`](Self::emit).
    #[inline(always)]
    fn emit_stretches(&mut self, scratch: &mut [Vec<[f32; LANES]>; 2], out: &mut Vec<f32>) -> bool {
        let [columns, results] = scratch;
        let Ratio { from, to } = self.ratio;
        let blocks = self.stretch();
        let stretch = blocks * from;
        let reach = (blocks - 1) * from + self.first_tap(to - 1) + self.taps;
        let start = self.position() - self.window_start;
        let needed = (LANES - 1) * stretch + reach;
        let Some(input) = self.window.get(start..start + needed) else {
            return false;
        };
        let rows: [&[f32]; LANES] = std::array::from_fn(|lane| &input[lane * stretch..][..reach]);
        columns.clear();
        columns.extend((0..reach).map(|at| std::array::from_fn(|lane| rows[lane][at])));
        results.clear();
        for (block, phase) in (0..blocks).flat_map(|block| (0..to).map(move |phase| (block, phase))) {
            self.design_filter(phase);
            let filter = &self.filters[phase * self.taps..][..self.taps];
            let columns = &columns[block * from + self.first_tap(phase)..][..self.taps];
            let mut sums = [0.0f32; LANES];
            for (column, tap) in columns.iter().zip(filter) {
                for (sum, x) in sums.iter_mut().zip(column) {
                    *sum = x.mul_add(*tap, *sum);
                }
            }
            results.push(sums);
        }
        for lane in 0..LANES {
            out.extend(results.iter().map(|sums| sums[lane]));
        }
        self.emitted += LANES * blocks * to;
        self.block += LANES * blocks;
        true
    }

    /// Blocks in a stretch.
    fn stretch(&self) -> usize {
        MIN_STRETCH.div_ceil(self.ratio.to)
    }

    /// Computes the filter of `phase`, unless it is there; phases are first asked for in order.
    fn design_filter(&mut self, phase: usize) {
        if self.filters.len() == phase * self.taps {
            let first = self.first_tap(phase) as isize - self.lead as isize;
            let taps = (first..).take(self.taps);
            self.filters.extend(taps.map(|k| (self.design.tap)(&self.design, self.ratio, phase, k)));
        }
    }
}

/// Emits what is there, up to `limit` samples in all. As an operation of `pulp`, so that [`f32::mul_add`] is an
/// instruction where the machine has one: it is a slow function call otherwise.
struct Emit<'a> {
    sinc: &'a mut Sinc,
    out: &'a mut Vec<f32>,
    limit: usize,
    /// Whether more input is at hand, so that what does not fill the stretches may wait for it.
    more: bool,
}

impl WithSimd for Emit<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Emit { sinc, out, limit, more } = self;
        let stretches = sinc.stretch() * sinc.ratio.from <= MAX_COLUMNS;
        let mut scratch = [Vec::new(), Vec::new()];
        while sinc.emitted < limit {
            let left = limit - sinc.emitted;
            let whole = stretches && sinc.phase == 0 && left >= LANES * sinc.stretch() * sinc.ratio.to;
            if whole && sinc.emit_stretches(&mut scratch, out) {
                continue;
            }
            if whole && more || !sinc.emit(out) {
                break;
            }
        }
    }
}

/// The filter of `phase` at input sample `k` (0 is the sample under phase 0), step by step as torchaudio 2.9.0
/// `_get_sinc_resample_kernel` rounds it: an exact kernel would be up to 8e-5 away from the reference.
fn tap_f32(design: &Design, ratio: Ratio, phase: usize, k: isize) -> f32 {
    let (pi, crossings) = (PI as f32, design.zero_crossings as f32);
    let t = -(phase as f32) / ratio.to as f32 + k as f32 / ratio.from as f32;
    let t = (t * design.base(ratio) as f32).clamp(-crossings, crossings);
    let window = cos_f32(t * pi / crossings / 2.0);
    let scale = (design.base(ratio) / ratio.from as f64) as f32;
    let t = t * pi;
    let sinc = if t == 0.0 { 1.0 } else { sin_f32(t) / t };
    sinc * (window * window * scale)
}

/// `sin` as torch 2.9.0 computes it for `f32`, in the polynomial of SLEEF 3 (`xsinf_u1`): rounded from the true sine, one
/// value in twenty would be another, and the largest tap of a phase off by 1.2e-7.
fn sin_f32(x: f32) -> f32 {
    let half_turns = (x * std::f32::consts::FRAC_1_PI).round_ties_even();
    let sine = sine_near_zero(f64::from(x) - f64::from(half_turns) * PI);
    if half_turns.rem_euclid(2.0) == 1.0 { -sine } else { sine }
}

/// `cos`, likewise (`xcosf_u1`).
fn cos_f32(x: f32) -> f32 {
    let half_turns =
        2.0 * (f64::from(x) * f64::from(std::f32::consts::FRAC_1_PI) - 0.5).round_ties_even() + 1.0;
    let sine = sine_near_zero(f64::from(x) - half_turns * (PI / 2.0));
    if half_turns.rem_euclid(4.0) == 1.0 { -sine } else { sine }
}

/// The sine within a quarter turn: the higher terms in `f32`, the others in twice its precision.
fn sine_near_zero(x: f64) -> f32 {
    let square = x * x;
    let tail =
        [-0.000_198_106_9_f32, 0.008_333_079].into_iter().fold(2.608_316e-6_f32, |tail, coefficient| {
            // A fused multiply-add: the product of two `f32` is exact in `f64`.
            (f64::from(tail) * f64::from(square as f32) + f64::from(coefficient)) as f32
        });
    let cubic = f64::from(-0.166_666_6_f32) + f64::from(tail * square as f32);
    (x * (1.0 + cubic * square)) as f32
}

/// The same filter without rounding on the way.
fn tap_f64(design: &Design, ratio: Ratio, phase: usize, k: isize) -> f32 {
    let (from, to) = (ratio.from as f64, ratio.to as f64);
    let crossings = design.zero_crossings;
    let t = ((k as f64 / from - phase as f64 / to) * design.base(ratio)).clamp(-crossings, crossings);
    let window = (t * PI / crossings / 2.0).cos();
    let sinc = if t == 0.0 { 1.0 } else { (PI * t).sin() / (PI * t) };
    (sinc * window * window * design.base(ratio) / from) as f32
}
