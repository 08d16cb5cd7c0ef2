use earmark_audio::SampleRate;

/// `to / from` in lowest terms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Ratio {
    pub(crate) fn new(from: SampleRate, to: SampleRate) -> Ratio {
        let divisor = greatest_common_divisor(from.hz(), to.hz());
        Ratio { from: (from.hz() / divisor) as usize, to: (to.hz() / divisor) as usize }
    }

    /// How many samples `samples` samples become.
    pub(crate) fn resampled_length(self, samples: usize) -> usize {
        // `u128`: the product may not fit the `usize` of a 32-bit machine.
        (samples as u128 * self.to as u128).div_ceil(self.from as u128) as usize
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
