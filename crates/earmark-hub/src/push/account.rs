/// The user of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The user's name.
    pub name: String,
    /// What the token permits, such as `write`, if the Hub says so.
    pub role: Option<String>,
}
