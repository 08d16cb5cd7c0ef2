//! `cargo xtask wheel [ARGS]`: the wheel of the Python package, as it is published.

use std::ffi::OsStr;

use anyhow::{Context as _, Result};

use crate::util::cargo::{run as must, target};
use crate::util::wheel::Venv;

/// `args` go to `maturin build`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let wheels = target()?.join("wheels");
    let out = OsStr::to_str(wheels.as_os_str()).context("the path of the target folder is not UTF-8")?;
    let mut build = Venv::tools()?.module("maturin", &["build", "--release", "--locked", "--out", out]);
    must(build.args(args))
}
