//! A job over many sounds, and its journal.

pub(crate) mod job; // Read first: the whole of it;
pub(crate) mod prepare; // decoding and features on threads of their own,
pub(crate) mod lengths; // how long the inputs are,
pub(crate) mod work; // the model,
pub(crate) mod windows; // the scores of a recording's windows,
pub(crate) mod results; // where results go,
pub(crate) mod saved; // what is on the disk of them, also of an interrupted job,
pub(crate) mod remaining; // and what is left to do.
pub(crate) mod progress; // What is shown meanwhile,
pub(crate) mod cautions; // warned of,
pub(crate) mod interruption; // said where it ends early,
pub(crate) mod summary; // and at its end.
