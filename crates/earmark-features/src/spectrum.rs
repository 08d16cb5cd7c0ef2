//! Short-time Fourier transforms, one frame at a time.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{FftNum, RealFftPlanner, RealToComplex};

use crate::mel::cast;

/// A planned transform of one frame, shared by all threads.
#[derive(Clone)]
pub(crate) struct Spectrum<T> {
    fft: Arc<dyn RealToComplex<T>>,
}

/// What one thread needs to transform frames; nothing is allocated per frame.
pub(crate) struct Scratch<T> {
    /// The frame to transform, windowed; its contents are lost.
    pub(crate) frame: Vec<T>,
    /// The spectrum, `frame.len() / 2 + 1` bins.
    pub(crate) bins: Vec<Complex<T>>,
    /// Room for the power of each bin.
    pub(crate) power: Vec<T>,
    work: Vec<Complex<T>>,
}

impl<T: FftNum> Spectrum<T> {
    pub(crate) fn new(frame: usize) -> Spectrum<T> {
        Spectrum { fft: RealFftPlanner::new().plan_fft_forward(frame) }
    }

    pub(crate) fn scratch(&self) -> Scratch<T> {
        let bins = self.fft.make_output_vec();
        let power = vec![T::zero(); bins.len()];
        Scratch { frame: self.fft.make_input_vec(), bins, power, work: self.fft.make_scratch_vec() }
    }

    /// Transforms `scratch.frame` into `scratch.bins`.
    pub(crate) fn transform(&self, scratch: &mut Scratch<T>) {
        self.fft
            .process_with_scratch(&mut scratch.frame, &mut scratch.bins, &mut scratch.work)
            .expect("the buffers are the transform's own");
    }
}

impl<T> fmt::Debug for Spectrum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spectrum").field(&self.fft.len()).finish()
    }
}

/// Below this many frames a second thread costs more than it saves.
const FRAMES_PER_TASK: usize = 64;

/// Fills the rows of `out`, `bins` values each, on all threads. Rows do not depend on each other, so the result is the
/// same for any number of threads.
pub(crate) fn fill_frames<S>(
    out: &mut [f32],
    bins: usize,
    scratch: impl Fn() -> S + Sync + Send,
    fill: impl Fn(&mut S, usize, &mut [f32]) + Sync + Send,
) {
    out.par_chunks_mut(bins)
        .with_min_len(FRAMES_PER_TASK)
        .enumerate()
        .for_each_init(scratch, |scratch, (index, row)| fill(scratch, index, row));
}

/// Hann's window; `periodic` leaves out the last point, so that copies overlap seamlessly.
pub(crate) fn hann<T: FftNum>(length: usize, periodic: bool) -> Vec<T> {
    let period = if periodic { length } else { length - 1 };
    (0..length).map(|n| cast(0.5 - 0.5 * (TAU * n as f64 / period as f64).cos())).collect()
}

/// Copies the frame around `centre` under `window`; before the start and after the end the samples are mirrored
/// (`pad_mode="reflect"` of the reference: the edge sample itself is not repeated).
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
