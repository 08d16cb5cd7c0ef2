//! Uploads: large files by git-LFS, then one commit for all, as Python's `huggingface_hub` 2.4.0 does it without xet.

pub(crate) mod request;
mod call;
pub(crate) mod account;
mod local_file;
mod destination;
mod storage;
mod session;
mod lfs;
