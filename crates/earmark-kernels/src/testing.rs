//! What the tests of several kernels need.

use pulp::Arch;

/// Every instruction set that this machine has.
pub(crate) fn instruction_sets() -> Vec<(&'static str, Arch)> {
    #[allow(unused_mut)]
    let mut sets = vec![("portable", Arch::Scalar)];
    #[cfg(target_arch = "x86_64")]
    {
        sets.extend(pulp::x86::V3::try_new().map(|set| ("avx2", Arch::V3(set))));
        sets.extend(pulp::x86::V4::try_new().map(|set| ("avx512", Arch::V4(set))));
    }
    #[cfg(target_arch = "aarch64")]
    sets.push(("native", Arch::new()));
    sets
}

/// Numbers in [-1, 1), the same for the same seed. (xorshift64*)
pub(crate) fn noise(seed: u64, length: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// The largest difference.
#[track_caller]
pub(crate) fn worst(y: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(y.len(), exact.len());
    y.iter().zip(exact).map(|(&y, exact)| (f64::from(y) - exact).abs()).fold(0.0, |worst, difference| {
        assert!(!difference.is_nan(), "not a number");
        worst.max(difference)
    })
}

/// The error function by its Taylor series, or by its continued fraction where that is long. Within 1e-14.
pub(crate) fn erf64(x: f64) -> f64 {
    if x.abs() > 3.0 {
        let z = x.abs();
        let fraction = (1..=60).rev().fold(z, |tail, k| z + f64::from(k) / 2.0 / tail);
        return (1.0 - (-z * z).exp() / fraction / std::f64::consts::PI.sqrt()).copysign(x);
    }
    let (mut sum, mut term) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn erf64_is_the_error_function() {
    // From Abramowitz and Stegun's table 7.1, and mpmath.
    for (x, y) in
        [(0.5, 0.520_499_877_813_046_5), (1.0, 0.842_700_792_949_714_9), (3.5, 0.999_999_256_901_628)]
    {
        assert!((erf64(x) - y).abs() < 1e-14, "{x}: {}", erf64(x));
        assert_eq!(erf64(-x), -erf64(x));
    }
}
