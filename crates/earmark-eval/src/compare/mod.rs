//! Whether two models differ, from their predictions for the same clips.

pub(crate) mod mcnemar;
pub(crate) mod paired;
