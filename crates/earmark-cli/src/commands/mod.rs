//! The commands, a file or a room each.

pub(crate) mod classify;
pub(crate) mod zero_shot;
pub(crate) mod listen;
pub(crate) mod serve;
pub(crate) mod embed;
pub(crate) mod search;
pub(crate) mod clip;
pub(crate) mod merge;

pub(crate) mod train;
pub(crate) mod probe;
pub(crate) mod eval;
pub(crate) mod runs;
pub(crate) mod data;

pub(crate) mod inspect;
pub(crate) mod decode;
pub(crate) mod features;
pub(crate) mod bench;

pub(crate) mod push;
pub(crate) mod account;

pub(crate) mod completions;
pub(crate) mod man;
