//! Files at any web address.

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod file;
mod open;
