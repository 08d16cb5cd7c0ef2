//! Uploads: large files by Xet or git-LFS, then one commit for all, as Python's `huggingface_hub` 2.4.0 does it.

pub(crate) mod request;
mod call;
pub(crate) mod account;
mod whoami;
pub(crate) mod local_file;
pub(crate) mod destination;
mod repository;
mod storage;
pub(crate) mod session;
mod lfs;
