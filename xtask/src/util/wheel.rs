//! The Python package of `crates/earmark-py`: its tools, and a wheel of what cargo has built.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::util::cargo::{cargo, root, run, target};

const PACKAGE: &str = "crates/earmark-py";
const REQUIREMENTS: &str = "crates/earmark-py/tests/requirements.txt";

/// The folder of the package.
pub(crate) fn package() -> PathBuf {
    root().join(PACKAGE)
}

/// A virtual environment.
pub(crate) struct Venv(PathBuf);

impl Venv {
    /// The one with maturin and the other tools, made where it is not there.
    pub(crate) fn tools() -> Result<Venv> {
        let venv = Venv(target()?.join("python/tools"));
        if !venv.python().is_file() {
            venv.make()?;
        }
        venv.pip(&["--requirement", REQUIREMENTS])?;
        Ok(venv)
    }

    /// An empty one, in which only `wheel` and the tools of the tests are installed.
    pub(crate) fn fresh(wheel: &Path) -> Result<Venv> {
        let venv = Venv(target()?.join("python/fresh"));
        if venv.0.exists() {
            fs::remove_dir_all(&venv.0)
                .with_context(|| format!("failed to remove `{}`", venv.0.display()))?;
        }
        venv.make()?;
        let wheel = wheel.to_str().context("the path of the wheel is not UTF-8")?;
        venv.pip(&["--requirement", REQUIREMENTS, wheel])?;
        Ok(venv)
    }

    /// `python -m MODULE ARGS`, in the folder of the package.
    pub(crate) fn module(&self, module: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.python());
        command.args(["-m", module]).args(args).current_dir(package()).env("PYTHONDONTWRITEBYTECODE", "1");
        // maturin looks for the interpreter there.
        let path = env::var_os("PATH").unwrap_or_default();
        let bin = [self.bin()].into_iter().chain(env::split_paths(&path));
        command.env("PATH", env::join_paths(bin).expect("the paths were split at the same sign"));
        command
    }

    fn make(&self) -> Result<()> {
        run(Command::new("python3").args(["-m", "venv"]).arg(&self.0))
    }

    fn pip(&self, args: &[&str]) -> Result<()> {
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(self.python()).args(install).args(args))
    }

    fn bin(&self) -> PathBuf {
        self.0.join(if cfg!(windows) { "Scripts" } else { "bin" })
    }

    fn python(&self) -> PathBuf {
        self.bin().join(format!("python{}", env::consts::EXE_SUFFIX))
    }
}

/// The folder of what a wheel holds, with the library that the build of the whole workspace made.
///
/// maturin writes what describes it, but does not build: it would build the package by itself, and so with other features of shared
/// crates, which compiles burn once more.
pub(crate) fn content(tools: &Venv) -> Result<PathBuf> {
    cargo(&["build", "--release", "--quiet", "--workspace", "--all-targets"])?;
    let folder = folder()?;
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to remove `{}`", folder.display()))?;
    }
    let content = folder.join("content");
    copy(&package().join("python/earmark"), &content.join("earmark"))?;
    let library = format!("{}_earmark{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let library = target()?.join("release").join(library);
    let module = if cfg!(windows) { "earmark/_earmark.pyd" } else { "earmark/_earmark.abi3.so" };
    let module = content.join(module);
    fs::copy(&library, &module).with_context(|| format!("failed to copy `{}`", library.display()))?;
    if cfg!(target_os = "linux") {
        run(Command::new("strip").arg("--strip-all").arg(&module))?;
    }
    let describe = ["pep517", "write-dist-info", "--metadata-directory", &text(&content)?];
    run(&mut tools.module("maturin", &describe))?;
    Ok(content)
}

/// A wheel of [`content`].
pub(crate) fn of_the_workspace(tools: &Venv) -> Result<PathBuf> {
    let (content, folder) = (content(tools)?, folder()?);
    run(&mut tools.module("wheel", &["pack", "--dest-dir", &text(&folder)?, &text(&content)?]))?;
    let made = fs::read_dir(&folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let mut wheels = made.filter(|path| path.extension().is_some_and(|it| it == "whl"));
    wheels.next().with_context(|| format!("no wheel was made in `{}`", folder.display()))
}

fn folder() -> Result<PathBuf> {
    Ok(target()?.join("python/wheel"))
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("`{}` is not UTF-8", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("failed to read `{}`", from.display()))? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        match name.to_str() {
            Some("__pycache__") => {}
            _ if kind.is_dir() => copy(&entry.path(), &to.join(&name))?,
            Some(text) if text.ends_with(".py") || text.ends_with(".pyi") || text == "py.typed" => {
                fs::copy(entry.path(), to.join(&name))?;
            }
            _ => bail!("`{}` does not belong into the package", entry.path().display()),
        }
    }
    Ok(())
}
