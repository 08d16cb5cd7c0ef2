//! What is fitted on the scores of labelled clips.

pub(super) mod args; // The flags of `earmark calibrate`,
pub(super) mod calibrate; // which scores clips,
mod halves; // divides them in two,
mod fit; // fits on the one and measures on the other;
pub(super) mod thresholds; // and the thresholds of `earmark eval --fit-thresholds`.
