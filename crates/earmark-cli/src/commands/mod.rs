//! The commands, a file each.

pub(crate) mod bench;
pub(crate) mod classify;
pub(crate) mod data;
pub(crate) mod decode;
pub(crate) mod embed;
pub(crate) mod eval;
pub(crate) mod features;
pub(crate) mod inspect;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod push;
pub(crate) mod shell;
pub(crate) mod train;
pub(crate) mod zero_shot;
