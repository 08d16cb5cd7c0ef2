//! `torch.randperm` on the CPU: the Mersenne Twister (Matsumoto and Nishimura, 1998, MT19937).

/// The shuffled order of `0..n`, equal to `torch.randperm(n, generator=torch.Generator().manual_seed(seed))` (torch
/// 2.9.0, `aten/src/ATen/native/TensorFactories.cpp`, `randperm_cpu`).
///
/// The reference `Trainer` visits the clips of epoch `e` in the order of `seed + e`. Equal below 214 748 364 clips,
/// where torch goes over to a second algorithm.
pub fn torch_randperm(n: usize, seed: u64) -> Vec<usize> {
    let mut rng = Mt19937::seeded(seed as u32); // torch keeps 64 bits of seed, but its twister reads 32 of them
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..n.saturating_sub(1) {
        let ahead = rng.next_u32() as usize % (n - i);
        order.swap(i, i + ahead);
    }
    order
}

struct Mt19937 {
    state: [u32; Mt19937::N],
    next: usize,
}

impl Mt19937 {
    const N: usize = 624;
    const M: usize = 397;

    fn seeded(seed: u32) -> Mt19937 {
        let mut state = [seed; Self::N];
        for i in 1..Self::N {
            let last = state[i - 1];
            state[i] = (last ^ last >> 30).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Mt19937 { state, next: Self::N }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == Self::N {
            self.twist();
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    fn twist(&mut self) {
        for i in 0..Self::N {
            let y = self.state[i] & 0x8000_0000 | self.state[(i + 1) % Self::N] & 0x7fff_ffff;
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + Self::M) % Self::N] ^ y >> 1 ^ odd;
        }
    }
}
