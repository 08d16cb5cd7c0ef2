//! The results of a job over many sounds, and how they are written.

pub(crate) mod rows; // What a result is,
pub(crate) mod format; // the formats,
pub(crate) mod writer; // and what writes them:
pub(crate) mod text; // as text,
pub(crate) mod lines;
pub(crate) mod result_table; // or as Parquet;
pub(crate) mod read; // and what reads them back.
