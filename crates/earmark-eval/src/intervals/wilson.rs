/// The 95 % Wilson score interval of `correct / total`; `[0, 1]` when nothing was counted. For clips that are independent.
///
/// Unlike the normal approximation it stays inside 0 to 1 and has a width at 100 %. (E. B. Wilson, 1927.)
pub fn wilson_interval(correct: u64, total: u64) -> [f64; 2] {
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if total == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (total as f64, correct as f64 / total as f64);
    let centre = p + Z * Z / (2.0 * n);
    let half_width = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [((centre - half_width) / scale).max(0.0), ((centre + half_width) / scale).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_counted_says_nothing() {
        assert_eq!(wilson_interval(0, 0), [0.0, 1.0]);
        assert_eq!(wilson_interval(0, 10)[0], 0.0);
        assert!(wilson_interval(10, 10)[1] > 1.0 - 1e-15);
    }
}
