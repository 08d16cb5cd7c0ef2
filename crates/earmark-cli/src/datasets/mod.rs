//! Datasets, wherever they are.

pub(crate) mod open; // Folders, published datasets and the sample;
pub(crate) mod clips; // their clips one by one,
pub(crate) mod fetch; // and their files.
