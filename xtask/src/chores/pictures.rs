//! `cargo xtask pictures`: makes the pictures of README.md anew.

use anyhow::{Context as _, Result};

use crate::util::cargo::{self, cargo, root, target};
use crate::util::tools::tool;

/// Builds the command and draws what it shows; `args` go to `docs/pictures/make.py`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    cargo(&["build", "--release", "--package", "earmark-cli"])?;
    let mut python = tool("python")?.context("the pictures need the package `pyte`")?;
    let earmark = target()?.join("release").join("earmark");
    let pictures = root().join("docs").join("pictures");
    python.arg(pictures.join("make.py")).arg("--earmark").arg(earmark).arg("--out").arg(pictures);
    cargo::run(python.args(args))
}
