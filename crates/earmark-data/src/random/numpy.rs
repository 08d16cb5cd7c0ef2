//! `numpy.random.default_rng`: PCG64 (O'Neill, 2014, XSL-RR 128/64) seeded through `SeedSequence`.
//!
//! The generator is `rand_pcg`'s. No crate has NumPy's seeding and its methods: names and constants are those of numpy 2.4
//! (`numpy/random/bit_generator.pyx`, `_generator.pyx`, `src/distributions/distributions.c`).

use std::collections::HashSet;

use rand_pcg::rand_core::Rng as _;

/// The shuffled order of `0..n`, bit-equal to `numpy.random.default_rng(seed).permutation(n)`.
///
/// `datasets` shuffles and splits with it.
pub fn permutation(n: usize, seed: u64) -> Vec<usize> {
    Pcg64::seeded(seed).permutation(n)
}

/// `numpy.random.PCG64`, and what `numpy.random.Generator` draws from it.
pub(crate) struct Pcg64 {
    rng: rand_pcg::Pcg64,
    /// The high half of the last output, when only its low half has been used.
    high_half: Option<u32>,
}

impl Pcg64 {
    /// `numpy.random.default_rng(seed).bit_generator`.
    pub(crate) fn seeded(seed: u64) -> Pcg64 {
        let [a, b, c, d] = seed_sequence(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        Pcg64 { rng: rand_pcg::Pcg64::new(wide(a, b), wide(c, d)), high_half: None }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
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

    /// `Generator.permutation(n)`: the shuffled order of `0..n`.
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// `Generator.shuffle`, and what `Generator.permutation` does to a copy of a list.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            let j = self.up_to(i as u64) as usize;
            list.swap(i, j);
        }
    }

    /// `Generator.choice(n, size, replace=False)`: `size` different numbers below `n`, in random order.
    ///
    /// It is not the start of a [`permutation`](Self::permutation): `choice` bounds its numbers by another method.
    pub(crate) fn choice(&mut self, n: usize, size: usize) -> Vec<usize> {
        assert!(size <= n, "a choice without replacement takes no more than there is");
        if n > 10_000 && size > n / 50 {
            let mut order: Vec<usize> = (0..n).collect();
            self.shuffle_down_to((n - size).max(1), &mut order);
            return order.split_off(n - size);
        }
        // Floyd's algorithm: where a number was drawn before, the largest one that could have been stands for it.
        let mut drawn = HashSet::with_capacity(size);
        let mut chosen = Vec::with_capacity(size);
        for largest in n - size..n {
            let number = self.bounded(largest as u64) as usize;
            let number = if drawn.insert(number) { number } else { largest };
            drawn.insert(number);
            chosen.push(number);
        }
        self.shuffle_down_to(1, &mut chosen);
        chosen
    }

    /// `_shuffle_int`: settles the places of a list from its end down to `first`.
    fn shuffle_down_to(&mut self, first: usize, list: &mut [usize]) {
        for i in (first..list.len()).rev() {
            let j = self.bounded(i as u64) as usize;
            list.swap(i, j);
        }
    }

    /// `random_bounded_uint64` without a mask: uniform in `0..=max`, by Lemire's multiplication (arXiv:1805.10941).
    fn bounded(&mut self, max: u64) -> u64 {
        match u32::try_from(max) {
            Ok(0) => 0,
            Ok(u32::MAX) => self.next_u32().into(),
            Ok(max) => {
                let range = u64::from(max) + 1;
                // Products whose low half is below this would favour some results.
                let threshold = u64::from(u32::MAX - max) % range;
                loop {
                    let product = u64::from(self.next_u32()) * range;
                    if u64::from(product as u32) >= threshold {
                        return product >> 32;
                    }
                }
            }
            Err(_) if max == u64::MAX => self.next_u64(),
            Err(_) => {
                let range = u128::from(max) + 1;
                let threshold = u128::from(u64::MAX - max) % range;
                loop {
                    let product = u128::from(self.next_u64()) * range;
                    if u128::from(product as u64) >= threshold {
                        return (product >> 64) as u64;
                    }
                }
            }
        }
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use serde_json::Value;

    use super::Pcg64;

    /// Which numbers, in which order, and how far the generator has come. `tests/golden/make.py` makes the cases.
    #[test]
    fn choice_is_numpys_and_leaves_the_generator_where_numpy_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/splits.json");
        let golden: Value = serde_json::from_reader(File::open(path).unwrap()).unwrap();
        let cases = golden["choices"].as_array().unwrap();
        assert!(cases.iter().filter(|case| case["n"].as_u64() > Some(10_000)).count() > 3);
        for case in cases {
            let number = |key: &str| case[key].as_u64().unwrap();
            let mut rng = Pcg64::seeded(number("seed"));
            let order = rng.choice(number("n") as usize, number("size") as usize);
            let digest = order.iter().fold(0u64, |h, &x| h.wrapping_mul(31).wrapping_add(x as u64 + 1));
            assert_eq!((digest, u64::from(rng.next_u32())), (number("digest"), number("next")), "{case}");
        }
    }
}
