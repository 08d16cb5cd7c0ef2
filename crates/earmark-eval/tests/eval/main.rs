//! The metrics against scikit-learn, and the intervals against what they promise.
#![allow(clippy::unwrap_used, reason = "what a helper cannot compute fails its test")]

mod coverage;
mod golden;
