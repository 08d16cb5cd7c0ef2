//! Where clips come from: folders, tables, Parquet and archives, on this machine or elsewhere.

pub(crate) mod archive;
pub(crate) mod clip_names;
pub(crate) mod field_table;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod label_column;
pub(crate) mod layout;
pub(crate) mod parquet;
pub(crate) mod read_at;
pub(crate) mod remote;
pub(crate) mod row_names;
pub(crate) mod stream;
pub(crate) mod unpack;
