//! What is written for people and programs.

pub(crate) mod rows; // Results,
pub(crate) mod format; // the formats that they are written in,
pub(crate) mod writer; // and what writes them:
pub(crate) mod text;
pub(crate) mod result_table;

pub(crate) mod parquet; // Tables as files;
pub(crate) mod embeddings;
pub(crate) mod predictions;
pub(crate) mod manifest;

pub(crate) mod columns; // text for people,
pub(crate) mod report;
pub(crate) mod clock;
pub(crate) mod escape;
pub(crate) mod shell;

pub(crate) mod messages; // and the two streams.
pub(crate) mod progress;
pub(crate) mod training;
pub(crate) mod stdout;
