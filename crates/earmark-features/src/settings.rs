//! Settings that several extractors have, as `preprocessor_config.json` writes them.

use serde::{Deserialize, Serialize, Serializer};

/// The end of a clip that padding fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaddingSide {
    /// After the sound.
    #[default]
    Right,
    /// Before the sound.
    Left,
}

/// Whole numbers without a decimal point, as the reference writes its integers.
pub(crate) fn whole<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
    match x.fract() == 0.0 && x.abs() < 1e9 {
        true => to.serialize_i64(*x as i64),
        false => to.serialize_f64(*x),
    }
}

/// A sample rate as the number of hertz.
pub(crate) mod rate {
    use earmark_audio::SampleRate;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(rate: &SampleRate, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(rate.hz())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SampleRate, D::Error> {
        SampleRate::new(u32::deserialize(from)?).ok_or_else(|| de::Error::custom("`sampling_rate` is 0"))
    }
}
