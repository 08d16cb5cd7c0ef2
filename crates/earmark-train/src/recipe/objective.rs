//! What makes rare classes count as much as frequent ones.

use std::fmt;
use std::str::FromStr;

use earmark_audio::UnknownName;

/// The weights of the classes in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassWeights {
    /// None: each clip counts the same.
    None,
    /// clips / (classes × clips of the class) over the training clips, as `compute_class_weight("balanced")` of scikit-learn.
    Balanced,
}

/// Which clips an epoch trains on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Each once, in a random order.
    Random,
    /// As many clips in a random order, of every class equally often.
    Balanced,
}

impl ClassWeights {
    /// Every one of them.
    pub const ALL: &[ClassWeights] = &[ClassWeights::None, ClassWeights::Balanced];

    /// As recipes write it.
    pub const fn name(self) -> &'static str {
        match self {
            ClassWeights::None => "none",
            ClassWeights::Balanced => "balanced",
        }
    }
}

impl Sampling {
    /// Every one of them.
    pub const ALL: &[Sampling] = &[Sampling::Random, Sampling::Balanced];

    /// As recipes write it.
    pub const fn name(self) -> &'static str {
        match self {
            Sampling::Random => "random",
            Sampling::Balanced => "balanced",
        }
    }
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ClassWeights {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<ClassWeights, UnknownName> {
        UnknownName::find(text, ClassWeights::ALL, ClassWeights::name)
    }
}

impl FromStr for Sampling {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Sampling, UnknownName> {
        UnknownName::find(text, Sampling::ALL, Sampling::name)
    }
}
