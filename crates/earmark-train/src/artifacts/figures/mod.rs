//! Figures: SVG made here, and a confusion matrix as pixels for TensorBoard.

pub(crate) mod svg; // What they are drawn with.
pub(crate) mod curves;
pub(crate) mod confusion;
pub(crate) mod reliability;
pub(crate) mod confidences;
pub(crate) mod bar;
