//! `cargo xtask interop [real] [--python PATH]`: the checks against the Python reference stack, which CI does not run.
//!
//! One short training on data, weights and settings nobody has seen gives the run folder that the other checks read. `real` is
//! one check alone, with published weights, which it fetches; what follows it goes to its script.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::util::cargo;
use crate::util::python::{self, Python};
use crate::util::wheel;

/// Builds `earmark`, runs every check, and fails when one of them did.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut args = args.to_vec();
    let interpreter = python::take_option(&mut args)?;
    let real = args.first().is_some_and(|arg| arg == "real");
    if let (Some(unknown), false) = (args.first(), real) {
        bail!("unknown argument `{unknown}`: usage is `cargo xtask interop [real] [--python PATH]`");
    }
    let python = Python::choose(interpreter)?;
    cargo::run(Command::new("cargo").args(["build", "--release", "--package", "earmark-cli"]))?;
    let earmark = cargo::target()?.join(format!("release/earmark{EXE_SUFFIX}"));
    if real {
        let mut command = python.script(Path::new("interop/real_whisper.py"));
        return cargo::run(command.args(&args[1..]).env("EARMARK", &earmark));
    }
    let example = ["build", "--release", "--package", "earmark-testkit", "--example", "hub"];
    cargo::run(Command::new("cargo").args(example))?;
    let hub = cargo::target()?.join(format!("release/examples/hub{EXE_SUFFIX}"));
    let package = wheel::content(&wheel::Venv::tools()?)?;
    let work = cargo::target()?.join("interop");
    fs::create_dir_all(&work).with_context(|| format!("failed to make `{}`", work.display()))?;

    let (run, clips) = (work.join("run"), work.join("reference/data"));
    let checks: [(&str, Vec<PathBuf>); 17] = [
        ("trainer_parity.py", vec![work.clone()]), // First: it trains what the others read.
        ("adapter_loads.py", vec![work.clone()]),
        ("families.py", vec![work.clone()]),
        ("ced.py", vec![work]),
        ("export_loads.py", vec![run.join("model"), clips.clone()]),
        ("python_package.py", vec![package, run.join("model"), clips.clone()]),
        ("labels_read.py", vec![run.join("model"), clips.clone()]),
        ("datasets_read.py", vec![clips]),
        ("folders.py", Vec::new()),
        ("base_checkpoints.py", Vec::new()),
        ("model_card_reads.py", vec![run.join("model/README.md")]),
        ("tensorboard_reads.py", vec![run.clone()]),
        ("hub_roundtrip.py", vec![hub.clone(), run]),
        ("evaluations.py", vec![hub]),
        ("gradio_client_predicts.py", Vec::new()),
        ("openapi_holds.py", Vec::new()),
        ("probe.py", Vec::new()),
    ];
    let mut failed = Vec::new();
    for (script, paths) in &checks {
        eprintln!("\n{script}");
        let mut command = python.script(&Path::new("interop").join(script));
        // The rest still runs after a failure: what broke is plainer from three answers than from one.
        if let Err(error) = cargo::run(command.args(paths).env("EARMARK", &earmark)) {
            eprintln!("{error:#}");
            failed.push(*script);
        }
    }
    println!("\n{} of {} checks passed", checks.len() - failed.len(), checks.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
