//! Block-wise Fourier resampling, by `rubato`.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::Ratio;

/// A block holds at least this many samples of the lower rate: the filter is as long as a block, and has to be sharp
/// next to that rate's half.
const MIN_BLOCK: usize = 1024;

/// Rates with almost no common divisor make blocks of their own size; this bounds the memory (a few dozen MB).
const MAX_BLOCK: usize = 1 << 18;

/// Feeds `rubato` blocks of its own size and drops the delay it puts in front.
pub(super) struct Blocks {
    fft: Fft<f32>,
    /// Samples that do not fill a block yet.
    pending: Vec<f32>,
    block: Vec<f32>,
    delay_left: usize,
    emitted: usize,
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks").field("fft", &self.fft).finish_non_exhaustive()
    }
}

impl Blocks {
    /// `None` when the blocks would be larger than [`MAX_BLOCK`].
    pub(super) fn new(ratio: Ratio) -> Option<Blocks> {
        let (low, high) = (ratio.from.min(ratio.to), ratio.from.max(ratio.to));
        // The filter delays by half a block. An odd block would leave half a sample of shift that no trimming removes.
        let even = if ratio.from.is_multiple_of(2) && ratio.to.is_multiple_of(2) { 1 } else { 2 };
        let blocks = MIN_BLOCK.div_ceil(low).next_multiple_of(even);
        if blocks * high > MAX_BLOCK {
            return None;
        }
        let chunk = blocks * ratio.from;
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(ratio.from, ratio.to, chunk, 1, 1, window, FixedSync::Both)
            .expect("the rates and the block are not zero");
        let block = vec![0.0; fft.output_frames_max()];
        let delay_left = fft.output_delay();
        Some(Blocks { fft, pending: Vec::with_capacity(chunk), block, delay_left, emitted: 0 })
    }

    pub(super) fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) {
        let chunk = self.fft.input_frames_next();
        if !self.pending.is_empty() {
            let (head, tail) = samples.split_at(samples.len().min(chunk - self.pending.len()));
            self.pending.extend_from_slice(head);
            samples = tail;
            if self.pending.len() < chunk {
                return;
            }
            let full = std::mem::take(&mut self.pending);
            self.process(&full, out);
            self.pending = full;
            self.pending.clear();
        }
        let mut chunks = samples.chunks_exact(chunk);
        for full in &mut chunks {
            self.process(full, out);
        }
        self.pending.extend_from_slice(chunks.remainder());
    }

    pub(super) fn finish(&mut self, length: usize, out: &mut Vec<f32>) {
        let mut last = std::mem::take(&mut self.pending);
        let chunk = self.fft.input_frames_next();
        while self.emitted < length {
            last.resize(chunk, 0.0);
            self.process(&last, out);
            last.clear();
        }
        out.truncate(out.len() - (self.emitted - length));
    }

    fn process(&mut self, chunk: &[f32], out: &mut Vec<f32>) {
        let frames = self.block.len();
        let input = InterleavedSlice::new(chunk, 1, chunk.len()).expect("one channel fits its own length");
        let mut output =
            InterleavedSlice::new_mut(&mut self.block, 1, frames).expect("one channel fits its own length");
        let (_, written) = self
            .fft
            .process_into_buffer(&input, &mut output, None)
            .expect("both buffers have the sizes the resampler asked for");
        let skipped = self.delay_left.min(written);
        self.delay_left -= skipped;
        self.emitted += written - skipped;
        out.extend_from_slice(&self.block[skipped..written]);
    }
}
