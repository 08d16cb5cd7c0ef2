//! Datasets on disk, splits and the built-in sample.
#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, but does not see that these helpers are theirs.

mod shelf; // Where remote files come from.

mod duplicates;
mod folder;
mod groups;
mod gtzan;
mod layouts;
mod local;
mod published;
mod sample;
mod split;
mod vectors;

use std::error::Error;
use std::fs;
use std::path::Path;

/// An error with its causes, as a user reads it.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Writes files, and the folders they need.
fn plant(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "not read by anyone").unwrap();
    }
}
