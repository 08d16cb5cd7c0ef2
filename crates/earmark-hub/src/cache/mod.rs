//! The cache folder, laid out as Python's `huggingface_hub` 2.4.0 lays it out, so that both can use one:
//!
//! ```text
//! models--owner--name/
//!   blobs/<etag>                  the bytes; an LFS file's ETag is its SHA-256
//!   snapshots/<commit>/<file>     a link to the blob
//!   refs/<revision>               the commit that it stood for when last asked
//!   .no_exist/<commit>/<file>     empty: this commit has no such file
//! .locks/models--owner--name/<etag>.lock
//! ```

pub(crate) mod layout;
pub(crate) mod listing;
pub(crate) mod publish;
