use std::fmt;

/// A label of a dataset that a model does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The label.
    pub label: String,
    /// The most similar labels of the model that no other label of the dataset has; at most three.
    pub nearest: Vec<String>,
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.label)?;
        if self.nearest.is_empty() {
            return Ok(());
        }
        write!(f, " (nearest: {})", Quoted(&self.nearest))
    }
}

/// Names in a message: in quotes, and of many only the first ones.
pub(crate) struct Quoted<'a>(pub(crate) &'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listed(self.0.iter().map(|name| format!("`{name}`")), self.0.len(), f)
    }
}

/// At most this many of a list are printed.
const LISTED: usize = 10;

/// A list in a message, cut after its first ones.
fn listed(
    items: impl Iterator<Item = impl fmt::Display>,
    count: usize,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for (position, item) in items.take(LISTED).enumerate() {
        write!(f, "{}{item}", if position > 0 { ", " } else { "" })?;
    }
    match count.saturating_sub(LISTED) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// Labels without a match in a message.
pub(crate) struct Listed<'a>(pub(crate) &'a [Unmatched]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listed(self.0.iter(), self.0.len(), f)
    }
}

/// What a model has instead, at the end of a message; nothing when it has nothing else.
pub(crate) struct Instead<'a>(pub(crate) &'a [String]);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; labels of the model that the dataset does not have: {}", Quoted(self.0))
    }
}
