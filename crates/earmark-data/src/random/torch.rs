//! `torch.randperm` on the CPU: the Mersenne Twister (Matsumoto and Nishimura, 1998, MT19937).

/// The shuffled order of `0..n`, equal to `torch.randperm(n, generator=torch.Generator().manual_seed(seed))` (torch
/// 2.9.0, `aten/src/ATen/native/TensorFactories.cpp`, `randperm_cpu`).
///
/// The reference `Trainer` visits the clips of epoch `e` in the order of `seed + e`. Equal below 214 748 364 clips,
/// where torch goes over to a second algorithm.
pub fn torch_randperm(n: usize, seed: u64) -> Vec<usize> {
    let mut rng = rand_mt::Mt::new(seed as u32); // torch keeps 64 bits of seed, but its twister reads 32 of them
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..n.saturating_sub(1) {
        let ahead = rng.next_u32() as usize % (n - i);
        order.swap(i, i + ahead);
    }
    order
}
