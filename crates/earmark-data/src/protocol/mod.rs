//! Protocols by name: which clips of a published dataset are scored, so that two scores of one name can be compared.

mod definition; // What a protocol is,
mod scored; // and the clips that it scores.
mod rules; // How they are chosen,
mod list; // and every protocol there is.

pub use definition::Protocol;
pub use scored::{Part, Scored};
