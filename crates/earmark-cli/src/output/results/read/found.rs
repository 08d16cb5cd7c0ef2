//! A sound in a table of results.

/// A sound that a job found in a recording, or a person marked there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found<'a> {
    /// The recording, as the table spells it; never empty.
    pub(crate) path: &'a str,
    /// How long the recording plays, in seconds, where the table has that.
    pub(crate) duration: Option<f64>,
    /// Seconds from the recording's beginning; not negative.
    pub(crate) start: f64,
    /// Behind its last sample, in seconds; after `start`.
    pub(crate) end: f64,
    /// Never empty.
    pub(crate) label: &'a str,
    /// Finite. None for a mark that a person made.
    pub(crate) score: Option<f32>,
}

impl Found<'_> {
    /// Checks what the fields promise.
    pub(crate) fn check(self) -> Result<Self, String> {
        let Found { path, duration, start, end, score, .. } = self;
        let numbers = [Some(start), Some(end), duration, score.map(f64::from)];
        if path.is_empty() {
            Err("has no path of a recording".to_owned())
        } else if let Some(odd) = numbers.into_iter().flatten().find(|number| !number.is_finite()) {
            Err(format!("holds `{odd}`, which is not a finite number"))
        } else if start < 0.0 || end <= start {
            Err(format!("goes from {start} to {end} s, which is no stretch of time"))
        } else {
            Ok(self)
        }
    }
}
