use std::fmt;
use std::str::FromStr;

/// How the clips that are kept for evaluation are chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SplitBy {
    /// By the reference's `train_test_split`.
    #[default]
    Random,
    /// By the reference's `train_test_split(stratify_by_column=…)`.
    Stratified,
    /// As the dataset's makers did.
    Published,
    /// So that clips that agree in this field stay together.
    Group(String),
    /// Those that have this value in this field.
    Fold(String, String),
}

impl SplitBy {
    pub(crate) const FORM: &str = "random, stratified, published, group:FIELD or fold:FIELD=VALUE";
}

impl fmt::Display for SplitBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SplitBy::Random => f.write_str("random"),
            SplitBy::Stratified => f.write_str("stratified"),
            SplitBy::Published => f.write_str("published"),
            SplitBy::Group(field) => write!(f, "group:{field}"),
            SplitBy::Fold(field, value) => write!(f, "fold:{field}={value}"),
        }
    }
}

impl FromStr for SplitBy {
    type Err = String;

    fn from_str(text: &str) -> Result<SplitBy, String> {
        match text.split_once(':') {
            None if text == "random" => Ok(SplitBy::Random),
            None if text == "stratified" => Ok(SplitBy::Stratified),
            None if text == "published" => Ok(SplitBy::Published),
            Some(("group", field)) if !field.is_empty() => Ok(SplitBy::Group(field.to_owned())),
            Some(("fold", fold)) if fold.contains('=') => {
                let (field, value) = fold.split_once('=').unwrap_or_default();
                Ok(SplitBy::Fold(field.to_owned(), value.to_owned()))
            }
            _ => Err(format!("expected {}", SplitBy::FORM)),
        }
    }
}
