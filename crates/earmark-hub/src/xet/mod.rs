//! Large files by Xet, the Hub's storage of deduplicated chunks, as hf-xet 1.8.0 speaks it.
//!
//! hf-xet moves the bytes and nothing else. Where they go, how long it may take and whether they are right is decided here, for its
//! retries have no limit of time over all and an upload's last request has none at all; it tells the Hub counts of what it did
//! unless it is forbidden; and it takes any address for the storage: with `local://` it writes to a folder that the
//! server names. Whatever fails, the other way is open: plain HTTPS down, git-LFS up.
//!
//! Why hf-hub does not do this is in ARCHITECTURE.md.

pub(crate) mod session;
pub(crate) mod watch;
mod download;
mod upload;
