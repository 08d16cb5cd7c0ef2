//! Short-time Fourier transforms and the filters behind them.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{FftNum, RealFftPlanner, RealToComplex};

use crate::dsp::mel::{MelBank, cast};

/// Frames filtered side by side, one a lane of a vector. Each band then adds up its bins in their order, frame by frame,
/// as it would alone.
pub(crate) const LANES: usize = 8;

/// Below this many frames a second thread costs more than it saves.
const FRAMES_PER_TASK: usize = 64;

/// A planned transform of one frame, shared by all threads.
#[derive(Clone)]
pub(crate) struct Spectrum<T> {
    fft: Arc<dyn RealToComplex<T>>,
}

/// What an extractor computes before and after the transform of a frame.
pub(crate) trait FrameSteps<T>: Sync {
    /// Fills `frame` with the windowed samples of frame `index`. `false` when they are all 0, and so need no transform.
    fn window(&self, index: usize, frame: &mut [T]) -> bool;

    /// The power of one bin.
    fn power(bin: Complex<T>) -> T;

    /// The values of the result for the energies of one band, a frame a lane.
    fn level(&self, energies: [T; LANES]) -> [f32; LANES];
}

/// The buffers of one thread, so that nothing is allocated per frame.
struct Scratch<T> {
    frame: Vec<T>,
    bins: Vec<Complex<T>>,
    work: Vec<Complex<T>>,
    /// The power of each bin, frame beside frame.
    power: Vec<[T; LANES]>,
}

impl<T: FftNum> Spectrum<T> {
    pub(crate) fn new(frame: usize) -> Spectrum<T> {
        Spectrum { fft: RealFftPlanner::new().plan_fft_forward(frame) }
    }

    /// Fills `out`, `[frames, bands]`, on all threads. Frames do not depend on each other, so the result is the same for
    /// any number of threads.
    pub(crate) fn levels(&self, bank: &MelBank<T>, steps: &impl FrameSteps<T>, out: &mut [f32]) {
        let (bands, arch) = (bank.bands(), Arch::new());
        out.par_chunks_mut(LANES * bands).with_min_len(FRAMES_PER_TASK / LANES).enumerate().for_each_init(
            || self.scratch(),
            |scratch, (index, rows)| {
                let first = index * LANES;
                arch.dispatch(Frames { spectrum: self, bank, steps, scratch, first, rows });
            },
        );
    }

    fn scratch(&self) -> Scratch<T> {
        let bins = self.fft.make_output_vec();
        let power = vec![[T::zero(); LANES]; bins.len()];
        Scratch { frame: self.fft.make_input_vec(), bins, work: self.fft.make_scratch_vec(), power }
    }
}

/// Up to [`LANES`] frames from `first` on, as an operation of `pulp`, which compiles it for the widest vectors of the machine.
struct Frames<'a, T, F> {
    spectrum: &'a Spectrum<T>,
    bank: &'a MelBank<T>,
    steps: &'a F,
    scratch: &'a mut Scratch<T>,
    first: usize,
    rows: &'a mut [f32],
}

impl<T: FftNum, F: FrameSteps<T>> WithSimd for Frames<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Frames { spectrum, bank, steps, scratch, first, rows } = self;
        let Scratch { frame, bins, work, power } = scratch;
        let bands = bank.bands();
        for lane in 0..rows.len() / bands {
            if steps.window(first + lane, frame) {
                let done = spectrum.fft.process_with_scratch(frame, bins, work);
                done.expect("the buffers are the transform's own");
                power.iter_mut().zip(&*bins).for_each(|(power, &bin)| power[lane] = F::power(bin));
            } else {
                power.iter_mut().for_each(|power| power[lane] = T::zero());
            }
        }
        for band in 0..bands {
            let levels = steps.level(bank.energies(band, power));
            // The last frames may be fewer; the other lanes are dropped.
            rows[band..].iter_mut().step_by(bands).zip(levels).for_each(|(to, level)| *to = level);
        }
    }
}

impl<T> fmt::Debug for Spectrum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spectrum").field(&self.fft.len()).finish()
    }
}

/// Hann's window; `periodic` leaves out the last point, so that copies overlap seamlessly.
pub(crate) fn hann<T: FftNum>(length: usize, periodic: bool) -> Vec<T> {
    let period = if periodic { length } else { length - 1 };
    (0..length).map(|n| cast(0.5 - 0.5 * (TAU * n as f64 / period as f64).cos())).collect()
}

/// Copies the frame around `centre` under `window`; before the start and after the end the samples are mirrored
/// (`pad_mode="reflect"` of the reference: the edge sample itself is not repeated).
#[inline(always)]
pub(crate) fn centred_frame<T: FftNum>(samples: &[f32], centre: usize, window: &[T], frame: &mut [T]) {
    let half = window.len() / 2;
    let inside = centre.checked_sub(half).and_then(|start| samples.get(start..start + window.len()));
    let widen = |x: f32| T::from_f32(x).expect("`f32` and `f64` take any `f32`");
    if let Some(inside) = inside {
        for ((to, &x), &w) in frame.iter_mut().zip(inside).zip(window) {
            *to = widen(x) * w;
        }
    } else {
        for (i, (to, &w)) in frame.iter_mut().zip(window).enumerate() {
            *to = widen(samples[mirrored(centre + i, half, samples.len())]) * w;
        }
    }
}

/// Where `position - offset` lies in `0..length` when the ends are mirrors.
fn mirrored(position: usize, offset: usize, length: usize) -> usize {
    let distance = position.abs_diff(offset);
    let period = (2 * (length - 1)).max(1);
    let folded = distance % period;
    if folded < length { folded } else { period - folded }
}
