//! Block-wise Fourier resampling, by `rubato`.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, Sample, WindowFunction};

use crate::resample::ratio::Ratio;

/// A block holds at least this many samples of the lower rate: the filter is as long as a block, and has to be sharp
/// next to that rate's half.
const MIN_BLOCK: usize = 1024;

/// Rates with almost no common divisor make blocks of their own size; this bounds the memory (a few dozen MB).
const MAX_BLOCK: usize = 1 << 18;

/// How a ratio is cut into blocks.
pub(crate) struct Plan {
    ratio: Ratio,
    /// Input samples in a block.
    chunk: usize,
    /// Whether the transforms need `f64`. Blocks of no chosen size have large prime factors, and their transforms in
    /// `f32` leave noise at -108 dB.
    pub(crate) precise: bool,
}

impl Plan {
    /// `None` when the blocks would be larger than [`MAX_BLOCK`].
    pub(crate) fn new(ratio: Ratio) -> Option<Plan> {
        let (low, high) = (ratio.from.min(ratio.to), ratio.from.max(ratio.to));
        // The filter delays by half a block. An odd block would leave half a sample of shift that no trimming removes.
        let even = if ratio.from.is_multiple_of(2) && ratio.to.is_multiple_of(2) { 1 } else { 2 };
        let blocks = MIN_BLOCK.div_ceil(low).next_multiple_of(even);
        let chunk = blocks * ratio.from;
        (blocks * high <= MAX_BLOCK).then_some(Plan { ratio, chunk, precise: low > MIN_BLOCK })
    }
}

/// Feeds `rubato` blocks of its own size and drops the delay it puts in front.
pub(crate) struct Blocks<T> {
    fft: Fft<T>,
    chunk: usize,
    /// Samples that do not fill a block yet.
    pending: Vec<T>,
    block: Vec<T>,
    delay_left: usize,
    emitted: usize,
}

impl<T> std::fmt::Debug for Blocks<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks").field("chunk", &self.chunk).finish_non_exhaustive()
    }
}

impl<T: Sample + Into<f64>> Blocks<T> {
    pub(crate) fn new(Plan { ratio, chunk, .. }: Plan) -> Blocks<T> {
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(ratio.from, ratio.to, chunk, 1, 1, window, FixedSync::Both)
            .expect("the rates and the block are not zero");
        let block = vec![T::zero(); fft.output_frames_max()];
        let delay_left = fft.output_delay();
        Blocks { chunk: fft.input_frames_next(), fft, pending: Vec::new(), block, delay_left, emitted: 0 }
    }

    pub(crate) fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) {
        while !samples.is_empty() {
            let (head, tail) = samples.split_at(samples.len().min(self.chunk - self.pending.len()));
            self.pending.extend(head.iter().map(|&x| T::coerce(x)));
            samples = tail;
            if self.pending.len() == self.chunk {
                self.process(out);
            }
        }
    }

    pub(crate) fn finish(&mut self, length: usize, out: &mut Vec<f32>) {
        while self.emitted < length {
            self.pending.resize(self.chunk, T::zero());
            self.process(out);
        }
        out.truncate(out.len() - (self.emitted - length));
    }

    /// Turns the full block of `pending` into output.
    fn process(&mut self, out: &mut Vec<f32>) {
        let frames = self.block.len();
        let input =
            InterleavedSlice::new(&self.pending, 1, self.chunk).expect("one channel fits its own length");
        let mut output =
            InterleavedSlice::new_mut(&mut self.block, 1, frames).expect("one channel fits its own length");
        let (_, written) = self
            .fft
            .process_into_buffer(&input, &mut output, None)
            .expect("both buffers have the sizes the resampler asked for");
        self.pending.clear();
        let skipped = self.delay_left.min(written);
        self.delay_left -= skipped;
        self.emitted += written - skipped;
        out.extend(self.block[skipped..written].iter().map(|&x| x.into() as f32));
    }
}
