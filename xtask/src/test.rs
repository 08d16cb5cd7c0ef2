//! `cargo xtask test [ARGS]`: every test of the workspace.

use std::process::Command;

use anyhow::Result;

use crate::python::{root, run as must};

/// Unit and integration tests, then the examples in the docs. `args` go to `cargo test`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    // The whole workspace at once and in release, as the product is built: otherwise burn compiles a second time.
    must(Command::new("cargo").args(["test", "--release", "--workspace"]).args(args).current_dir(root()))
}
