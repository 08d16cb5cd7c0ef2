use rand_mt::Mt;

/// The random numbers behind CLAP's crops: equal to those of `numpy.random` after `numpy.random.seed`.
#[derive(Debug, Clone)]
pub struct CropRng(Mt);

impl CropRng {
    /// As `numpy.random.seed(seed)`.
    pub fn seed(seed: u32) -> CropRng {
        CropRng(Mt::new(seed))
    }

    /// As `numpy.random.randint(0, end)` of numpy 2.4, for `end` up to 2³². An `end` of 0 or 1 draws nothing.
    pub fn below(&mut self, end: usize) -> usize {
        let Some(largest) = u32::try_from(end.saturating_sub(1)).ok().filter(|&n| n > 0) else {
            return 0;
        };
        // `RandomState` rejects draws under a mask. `rand`'s ranges and numpy's newer `Generator` bound them otherwise.
        let mask = u32::MAX >> largest.leading_zeros();
        loop {
            let draw = self.0.next_u32() & mask;
            if draw <= largest {
                return draw as usize;
            }
        }
    }
}
