//! Tables as files, by polars.

pub(crate) mod parquet; // What the others share.
pub(crate) mod embeddings;
pub(crate) mod predictions;
pub(crate) mod manifest;
