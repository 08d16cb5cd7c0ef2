use std::fmt;
use std::str::FromStr;

use burn::tensor::FloatDType;
use earmark_audio::UnknownName;

/// The dtype of the matrix products, as `--bf16` and `--fp16` of the reference set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// Products in bfloat16: the range of f32 with three digits.
    Bf16,
    /// Products in 16-bit floats: four digits, a small range, and so a scaled loss.
    Fp16,
}

impl Precision {
    /// Every one of them.
    pub const ALL: &[Precision] = &[Precision::Fp32, Precision::Bf16, Precision::Fp16];

    /// As recipes write it.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Bf16 => "bf16",
            Precision::Fp16 => "fp16",
        }
    }

    /// The dtype of the products, where it is not that of the weights.
    pub(crate) fn half(self) -> Option<FloatDType> {
        match self {
            Precision::Fp32 => None,
            Precision::Bf16 => Some(FloatDType::BF16),
            Precision::Fp16 => Some(FloatDType::F16),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Precision, UnknownName> {
        // As dtypes are spelled elsewhere.
        let name = match text {
            "f32" => "fp32",
            "f16" => "fp16",
            name => name,
        };
        UnknownName::find(name, Precision::ALL, Precision::name)
    }
}
