//! `cargo xtask bench [--python PATH] [ARGS]`: ours beside PyTorch and ONNX Runtime, turn by turn. ARGS go to `bench/peers.py`.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::util::cargo;
use crate::util::python::{self, Python};

/// What the script compares with, beyond what the goldens are made with.
const REQUIREMENTS: &str = "bench/requirements.txt";

/// Builds `earmark` as people run it, and measures.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut args = args.to_vec();
    // What asks for help wants no 7 GB of packages first; the script's arguments need none.
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        return cargo::run(Command::new("python3").arg(cargo::root().join("bench/peers.py")).arg("--help"));
    }
    let python = Python::choose(python::take_option(&mut args)?)?;
    check_pins(&python)?;
    cargo::run(Command::new("cargo").args(["build", "--release", "--package", "earmark-cli"]))?;
    let target = cargo::target()?;
    let mut script = python.script(Path::new("bench/peers.py"));
    script.arg("--earmark").arg(target.join(format!("release/earmark{EXE_SUFFIX}")));
    // First, so that a --work of the person's own comes later and counts.
    script.arg("--work").arg(target.join("bench")).args(args);
    cargo::run(&mut script)
}

/// `Python::choose` knows the reference stack; the peers are a few packages more.
fn check_pins(python: &Python) -> Result<()> {
    let mut pins = python.script(Path::new("interop/pins.py"));
    let output = pins.arg(REQUIREMENTS).output().context("failed to start Python")?;
    if !output.status.success() {
        let wrong = String::from_utf8_lossy(&output.stdout).trim_end().replace('\n', "\n  ");
        let interpreter = pins.get_program().display();
        bail!(
            "`{interpreter}` does not have the packages of {REQUIREMENTS}:\n  {wrong}\n{interpreter} -m pip install -r \
             {REQUIREMENTS} gets them"
        );
    }
    Ok(())
}
