//! What every `XConfig::validate` asks of its numbers. Each failure names its key.

use crate::error::ErrorKind;

fn bad(key: &'static str, why: String) -> Result<(), ErrorKind> {
    Err(ErrorKind::BadConfig { key, why })
}

/// Each `(key, value, most)` is 1 to `most`. Bounds far above any published model keep a hostile file from asking for the
/// machine's memory.
pub(crate) fn sizes(sizes: &[(&'static str, usize, usize)]) -> Result<(), ErrorKind> {
    match sizes.iter().find(|(_, value, most)| *value == 0 || value > most) {
        Some((key, value, most)) => bad(key, format!("is {value}, expected 1 to {most}")),
        None => Ok(()),
    }
}

/// The attention heads share the width equally.
pub(crate) fn heads(key: &'static str, heads: usize, width_key: &str, width: usize) -> Result<(), ErrorKind> {
    if width.is_multiple_of(heads) {
        return Ok(());
    }
    bad(key, format!("is {heads}, which does not divide {width_key} {width}"))
}

/// Each value is a probability below 1.
pub(crate) fn chances(chances: &[(&'static str, f64)]) -> Result<(), ErrorKind> {
    match chances.iter().find(|(_, value)| !(0.0..1.0).contains(value)) {
        Some((key, value)) => bad(key, format!("is {value}, expected 0 or more and less than 1")),
        None => Ok(()),
    }
}

/// The epsilon of a norm.
pub(crate) fn epsilon(key: &'static str, value: f64) -> Result<(), ErrorKind> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    bad(key, format!("is {value}, expected more than 0"))
}

/// The standard deviation of new weights.
pub(crate) fn deviation(key: &'static str, value: f64) -> Result<(), ErrorKind> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    bad(key, format!("is {value}, expected 0 or more"))
}
