//! What is written for people and programs.

pub(crate) mod escape;
pub(crate) mod messages;
pub(crate) mod parquet;
pub(crate) mod progress;
pub(crate) mod rows;
pub(crate) mod stdout;
pub(crate) mod table;
