//! Which clips are trained on and when, and how much each class counts.

use std::fmt;
use std::str::FromStr;

use earmark_audio::UnknownName;

/// The weights of the classes in the loss.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassWeights {
    /// None: each clip counts the same.
    None,
    /// clips / (classes × clips of the class) over the training clips, as `compute_class_weight("balanced")` of scikit-learn.
    Balanced,
    /// Classes by name, and their weights; 1 for the others.
    Named(Vec<(String, f64)>),
}

/// Which clips an epoch trains on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Each once, in a random order.
    Random,
    /// As many clips in a random order, of every class equally often.
    Balanced,
    /// Each once, in a random order in which the clips of a step have nearly one length: `LengthGroupedSampler` of transformers.
    GroupByLength,
}

/// When clips are decoded for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// All of them before the first step.
    All,
    /// Those that are evaluated before the first step, each of the others when a step needs it.
    Lazily,
}

impl ClassWeights {
    pub(crate) const FORM: &str =
        "none, balanced, or NAME=WEIGHT with a weight above 0, several joined by commas";
}

impl Sampling {
    /// Every one of them.
    pub const ALL: &[Sampling] = &[Sampling::Random, Sampling::Balanced, Sampling::GroupByLength];

    /// As recipes write it.
    pub const fn name(self) -> &'static str {
        match self {
            Sampling::Random => "random",
            Sampling::Balanced => "balanced",
            Sampling::GroupByLength => "group_by_length",
        }
    }
}

impl Check {
    /// Every one of them.
    pub const ALL: &[Check] = &[Check::All, Check::Lazily];

    /// As recipes write it.
    pub const fn name(self) -> &'static str {
        match self {
            Check::All => "all",
            Check::Lazily => "lazily",
        }
    }
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClassWeights::None => f.write_str("none"),
            ClassWeights::Balanced => f.write_str("balanced"),
            ClassWeights::Named(weights) => {
                let weights: Vec<String> =
                    weights.iter().map(|(class, weight)| format!("{class}={weight}")).collect();
                f.write_str(&weights.join(","))
            }
        }
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Check {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Check, UnknownName> {
        UnknownName::find(text, Check::ALL, Check::name)
    }
}

impl FromStr for ClassWeights {
    type Err = String;

    fn from_str(text: &str) -> Result<ClassWeights, String> {
        let named = |part: &str| {
            // The name of a class may have a sign of equality in it, a number has none.
            let (class, weight) = part.rsplit_once('=')?;
            let (class, weight) = (class.trim(), weight.trim().parse::<f64>().ok()?);
            (!class.is_empty() && weight > 0.0 && weight.is_finite()).then(|| (class.to_owned(), weight))
        };
        match text {
            "none" => Ok(ClassWeights::None),
            "balanced" => Ok(ClassWeights::Balanced),
            text => {
                let weights: Option<Vec<_>> = text.split(',').map(named).collect();
                let mut weights = weights.ok_or_else(|| format!("expected {}", ClassWeights::FORM))?;
                weights.sort_by(|a, b| a.0.cmp(&b.0));
                match weights.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                    Some(pair) => Err(format!("`{}` has two weights", pair[0].0)),
                    None => Ok(ClassWeights::Named(weights)),
                }
            }
        }
    }
}

impl FromStr for Sampling {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Sampling, UnknownName> {
        UnknownName::find(text, Sampling::ALL, Sampling::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_weights_are_read_as_they_are_written() {
        for text in ["none", "balanced", "dog=1.5", "a=b=2,cat=0.25"] {
            assert_eq!(text.parse::<ClassWeights>().unwrap().to_string(), text);
        }
        for text in ["", "dog", "dog=", "=1", "dog=0", "dog=-1", "dog=inf", "dog=1,", "dog=1,dog=2"] {
            assert!(text.parse::<ClassWeights>().is_err(), "{text}");
        }
    }
}
