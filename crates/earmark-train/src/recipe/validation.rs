use std::fmt;
use std::str::FromStr;

/// Which of the training clips choose the epoch in place of the held-out ones.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ValFromTrain {
    /// None: the held-out clips do.
    #[default]
    None,
    /// This share, drawn as the split draws.
    Share(f64),
    /// Those of other groups than the rest, for a split by groups.
    Group,
    /// Those of another fold than the held-out ones, for a split by folds.
    Fold,
}

impl ValFromTrain {
    pub(crate) const FORM: &str = "a share above 0 and below 1, group or fold";
}

impl fmt::Display for ValFromTrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValFromTrain::None => Ok(()),
            ValFromTrain::Share(share) => share.fmt(f),
            ValFromTrain::Group => f.write_str("group"),
            ValFromTrain::Fold => f.write_str("fold"),
        }
    }
}

impl FromStr for ValFromTrain {
    type Err = String;

    fn from_str(text: &str) -> Result<ValFromTrain, String> {
        match (text, text.parse::<f64>()) {
            ("", _) => Ok(ValFromTrain::None),
            ("group", _) => Ok(ValFromTrain::Group),
            ("fold", _) => Ok(ValFromTrain::Fold),
            (_, Ok(share)) if share > 0.0 && share < 1.0 => Ok(ValFromTrain::Share(share)),
            _ => Err(format!("expected {}", ValFromTrain::FORM)),
        }
    }
}
