//! Where clips come from.

pub(crate) mod archive;
pub(crate) mod folder;
pub(crate) mod local;
pub(crate) mod pages;
pub(crate) mod read_at;
pub(crate) mod stream;
pub(crate) mod table;
