//! Groups of arguments that commands share.

pub(crate) mod model; // Which model,
pub(crate) mod audio; // how sound is decoded for it,
pub(crate) mod device; // where it computes,
pub(crate) mod hub; // and whether the network is used;
pub(crate) mod inputs; // which sounds,
pub(crate) mod labels; // which labels,
pub(crate) mod label_filter;
pub(crate) mod dataset; // which dataset,
pub(crate) mod training; // how a model is trained on it,
pub(crate) mod windows; // how recordings are cut,
pub(crate) mod job; // and which results.
pub(crate) mod output;
pub(crate) mod parse;
