//! Names that cannot be guessed.

use std::fmt::Write as _;

/// 128 random bits of the operating system, in 32 digits.
pub(crate) fn token() -> String {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the operating system has random numbers");
    bits.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
