//! What every `XConfig::validate` asks of its numbers, each failure with its key; and every network of its input.

use burn::tensor::Tensor;

use crate::error::ErrorKind;

pub(crate) fn bad(key: &'static str, why: String) -> Result<(), ErrorKind> {
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

/// Sizes that are each possible may together be more than any machine holds, or than a number counts. `with` names the others.
pub(crate) fn product(
    key: &'static str,
    with: &str,
    makes: &str,
    count: u128,
    most: u128,
) -> Result<(), ErrorKind> {
    if count <= most {
        return Ok(());
    }
    bad(key, format!("with {with} gives {count} {makes}, expected {most} at most"))
}

/// Four times the largest published encoder of sound; 32 GB in `f32`.
pub(crate) const MOST_PARAMETERS: u128 = 1 << 33;
/// A clip's spectrogram, or what a convolution makes of a second: far above what published models have.
pub(crate) const MOST_VALUES: u128 = 1 << 26;

/// Parameters of transformer layers: queries, keys, values and output, and the two feed-forward layers.
pub(crate) fn transformer_parameters(layers: usize, width: usize, inner: usize) -> u128 {
    let (layers, width, inner) = (layers as u128, width as u128, inner as u128);
    layers * (4 * width * width + 2 * width * inner)
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

/// The spectrograms `[B, …]` are of the size that the config says.
pub(crate) fn spectrograms(given: &Tensor<3>, size: [usize; 2]) -> Result<(), ErrorKind> {
    let [_, rows, columns] = given.dims();
    if [rows, columns] == size {
        return Ok(());
    }
    let why = format!("the spectrograms have shape {:?}, but the network expects {size:?}", [rows, columns]);
    Err(ErrorKind::BadInput(why))
}
