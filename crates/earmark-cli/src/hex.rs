//! Bytes as hexadecimal digits, and numbers by their bits, in the lines of a journal.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| "not hexadecimal digits".to_owned())
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(bytes))
}

/// As many bytes as the type has room for.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, B: TryFrom<Vec<u8>>>(
    deserializer: D,
) -> Result<B, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = bytes(&text).map_err(serde::de::Error::custom)?;
    let count = bytes.len();
    bytes
        .try_into()
        .map_err(|_| serde::de::Error::custom(format_args!("not as long as it should be: {count} bytes")))
}

/// The bits of each number, as decimal digits may be read back with another last bit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Floats(pub(crate) Vec<f32>);

impl Serialize for Floats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|x| x.to_bits().to_be_bytes()).collect();
        serializer.serialize_str(&text(&bytes))
    }
}

impl<'de> Deserialize<'de> for Floats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Floats, D::Error> {
        let bytes = bytes(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(serde::de::Error::custom("half a number"));
        }
        Ok(Floats(numbers.iter().map(|&bits| f32::from_bits(u32::from_be_bytes(bits))).collect()))
    }
}
