//! How far another draw of clips could move a number: intervals at 95 %.

pub(crate) mod clusters; // Read first: which clips belong together.
pub(crate) mod wilson;
pub(crate) mod bootstrap;
mod bca;
pub(crate) mod accuracy;
pub(crate) mod mean;
