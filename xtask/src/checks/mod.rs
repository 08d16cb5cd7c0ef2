//! What `cargo xtask check` asks, one file a question.

pub(crate) mod paths;
pub(crate) mod circles;
pub(crate) mod layers;
pub(crate) mod one_burn;
pub(crate) mod spelling;
pub(crate) mod dependencies;
pub(crate) mod features;
pub(crate) mod package;
pub(crate) mod docs;
pub(crate) mod page;
pub(crate) mod browser;
pub(crate) mod python;

/// How a check ended when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It could not be made here, and why.
    Skipped(String),
}

impl Outcome {
    pub(crate) fn no_tools() -> Self {
        Self::Skipped("the programs of xtask/tools.txt cannot be installed".to_owned())
    }
}
