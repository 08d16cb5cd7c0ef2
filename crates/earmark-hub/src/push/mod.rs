//! Uploads: git-LFS for large files, then one commit for all, as Python's `huggingface_hub` 2.4.0 does without xet.
//!
//! Not by hf-hub 1.0.0: where the Hub's LFS answer is not xet it puts large files into the commit's body, whole, in base64,
//! several copies at a time in memory; it repeats a commit that may have happened; and it has no timeout. ARCHITECTURE.md
//! has the measurement.

pub(crate) mod request;
mod call;
pub(crate) mod account;
mod local_file;
mod destination;
mod storage;
mod session;
mod lfs;
