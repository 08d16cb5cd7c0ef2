//! What an input of a command is, and how it is opened.

pub(crate) mod path; // A file, an address or standard input,
pub(crate) mod open; // and its sound.
