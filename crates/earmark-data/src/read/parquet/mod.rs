//! Parquet files: those with a column of sounds, and tables of vectors.

mod file;
mod checked_pages;
mod guard;
pub(crate) mod shard;
pub(crate) mod vectors;
mod value;
