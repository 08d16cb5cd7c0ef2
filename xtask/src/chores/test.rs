//! `cargo xtask test [--device libtorch] [ARGS]`: every test of the workspace, on the CPU or another device.

use std::process::Command;

use anyhow::{Result, bail};

use crate::util::cargo::{root, run as must};
use crate::util::libtorch::Libtorch;

/// Unit and integration tests, then the examples in the docs. `args` go to `cargo test`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--release"]).current_dir(root());
    match args {
        [flag, device, args @ ..] if flag == "--device" => {
            if device != "libtorch" {
                bail!(
                    "the tests compute on the CPU, or on libtorch's CPU by `--device libtorch`, not on `{device}`"
                );
            }
            let libtorch = Libtorch::find(None)?;
            libtorch.tell(&mut cargo);
            libtorch.tell_programs(&mut cargo);
            // All of the workspace here too: with some packages only, burn would compile once more.
            cargo.env("EARMARK_TEST_DEVICE", device);
            cargo.args(["--workspace", "--features", "earmark-cli/libtorch,earmark-tests/libtorch"]);
            // Not those of the command as a whole, which say what the usual build says.
            cargo.args(["--lib", "--bins", "--test", "whole", "--no-fail-fast"]).args(args);
        }
        // The whole workspace at once and in release, as the product is built: otherwise burn compiles a second time.
        args => {
            cargo.arg("--workspace").args(args);
        }
    }
    must(&mut cargo)
}
