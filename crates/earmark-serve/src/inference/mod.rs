//! From a request's sound to its labels.

pub(crate) mod model; // The model,
pub(crate) mod classification; // what it answers,
pub(crate) mod queue; // the line that a request waits in,
pub(crate) mod batcher; // the forward passes that it shares,
pub(crate) mod decode; // how a sound becomes a clip,
pub(crate) mod classify; // and its classification from end to end.
