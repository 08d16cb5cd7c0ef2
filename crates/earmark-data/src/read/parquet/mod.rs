//! Parquet files with a column of sounds.

mod checked_pages;
mod guard;
pub(crate) mod shard;
mod value;
