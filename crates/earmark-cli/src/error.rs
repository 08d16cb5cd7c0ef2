use std::fmt;

use crate::output::messages::Text;

/// An error and its causes, each said once, a line for each.
pub(crate) fn chain(error: &anyhow::Error) -> Text {
    let mut causes = causes(error).into_iter();
    let first = causes.next().unwrap_or_default();
    causes.fold(Text::from(first), |text, cause| text.then(format!("  because {cause}")))
}

/// As [`chain`], on one line.
pub(crate) fn line(error: &anyhow::Error) -> String {
    causes(error).join(": ")
}

fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // A wrapper that only passes its source on repeats it.
        if !causes.last().is_some_and(|before| before.ends_with(&cause)) {
            causes.push(cause);
        }
    }
    causes
}

/// A command that was given wrongly, as only its run shows: exit code 2.
pub(crate) fn usage(text: impl fmt::Display) -> anyhow::Error {
    anyhow::Error::new(Usage(text.to_string()))
}

/// See [`usage`].
#[derive(Debug)]
pub(crate) struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}
