//! `numpy.random.default_rng`: PCG64 (O'Neill, 2014, XSL-RR 128/64) seeded through `SeedSequence`.
//!
//! Names and constants are those of numpy 2.4 (`numpy/random/bit_generator.pyx`, `src/pcg64/pcg64.h`).

/// The shuffled order of `0..n`, bit-equal to `numpy.random.default_rng(seed).permutation(n)`.
///
/// `datasets` shuffles and splits with it.
pub fn permutation(n: usize, seed: u64) -> Vec<usize> {
    let mut rng = Pcg64::seeded(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        let j = rng.up_to(i as u64) as usize;
        order.swap(i, j);
    }
    order
}

/// `numpy.random.PCG64`.
pub(crate) struct Pcg64 {
    state: u128,
    increment: u128,
    /// The high half of the last output, when only its low half has been used.
    high_half: Option<u32>,
}

impl Pcg64 {
    const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

    /// `numpy.random.default_rng(seed).bit_generator`.
    pub(crate) fn seeded(seed: u64) -> Pcg64 {
        let [a, b, c, d] = seed_sequence(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let mut rng = Pcg64 { state: 0, increment: wide(c, d) << 1 | 1, high_half: None };
        rng.step();
        rng.state = rng.state.wrapping_add(wide(a, b));
        rng.step();
        rng
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Half an output: the low half of a new one, then its high half.
    fn next_u32(&mut self) -> u32 {
        self.high_half.take().unwrap_or_else(|| {
            let both = self.next_u64();
            self.high_half = Some((both >> 32) as u32);
            both as u32
        })
    }

    /// `Generator.random()`: uniform in `[0, 1)`, 53 bits.
    pub(crate) fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `random_interval`: uniform in `0..=max`. Draws as many bits as `max` has until they say no more than `max`.
    fn up_to(&mut self, max: u64) -> u64 {
        let mask = u64::MAX.checked_shr(max.leading_zeros()).unwrap_or(0);
        loop {
            let drawn = if u32::try_from(max).is_ok() { u64::from(self.next_u32()) } else { self.next_u64() };
            if drawn & mask <= max {
                return drawn & mask;
            }
        }
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)` (O'Neill's `seed_seq_fe`, pool of four words).
fn seed_sequence(seed: u64) -> [u64; 4] {
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(|word| hash.apply(word));
    for source in 0..pool.len() {
        for target in 0..pool.len() {
            if source != target {
                pool[target] = mix(pool[target], hash.apply(pool[source]));
            }
        }
    }

    let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
    let mut words = pool.into_iter().cycle();
    std::array::from_fn(|_| {
        let mut half = || u64::from(hash.apply(words.next().expect("a cycle does not end")));
        half() | half() << 32
    })
}

struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn apply(&mut self, word: u32) -> u32 {
        let word = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let word = word.wrapping_mul(self.constant);
        word ^ word >> 16
    }
}

fn mix(x: u32, y: u32) -> u32 {
    let mixed = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
    mixed ^ mixed >> 16
}
