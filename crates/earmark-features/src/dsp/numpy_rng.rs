/// The random numbers behind CLAP's crops: the same as `numpy.random`'s after `numpy.random.seed`.
///
/// The generator is MT19937 (Matsumoto & Nishimura, 1998), seeded and bounded as numpy 2.4's `RandomState` does.
#[derive(Debug, Clone)]
pub struct CropRng {
    state: Vec<u32>,
    next: usize,
}

const SIZE: usize = 624;
const SHIFT: usize = 397;

impl CropRng {
    /// As `numpy.random.seed(seed)`.
    pub fn seed(seed: u32) -> CropRng {
        let mut state = Vec::with_capacity(SIZE);
        let mut x = seed;
        for i in 1..=SIZE as u32 {
            state.push(x);
            x = (x ^ (x >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i);
        }
        CropRng { state, next: SIZE }
    }

    /// As `numpy.random.randint(0, end)`, for `end` up to 2³²; draws nothing when there is nothing to choose.
    pub fn below(&mut self, end: usize) -> usize {
        let Some(largest) = u32::try_from(end.saturating_sub(1)).ok().filter(|&n| n > 0) else {
            return 0;
        };
        // Rejection under a mask: numpy's modern generators bound in another way, its `RandomState` does not.
        let mask = u32::MAX >> largest.leading_zeros();
        loop {
            let x = self.draw() & mask;
            if x <= largest {
                return x as usize;
            }
        }
    }

    fn draw(&mut self) -> u32 {
        if self.next == SIZE {
            for i in 0..SIZE {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % SIZE] & 0x7fff_ffff);
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + SHIFT) % SIZE] ^ (y >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}
