//! libtorch of the version that burn-tch is made for: found, or installed by pip.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::util::cargo::{run as must, target};

/// What burn-tch 0.22.1 is made for, to the digit.
const VERSION: &str = "2.9.0";

/// A libtorch that was found.
pub(crate) struct Libtorch {
    /// Who has it: an interpreter, or a folder as pytorch.org ships it.
    from: From,
    /// The folder of the libraries.
    pub(crate) libraries: PathBuf,
    pub(crate) version: String,
    /// The CUDA it was made for; `None` without.
    pub(crate) cuda: Option<String>,
}

enum From {
    Python(PathBuf),
    Folder(PathBuf),
}

impl Libtorch {
    /// `LIBTORCH`, or else that of an interpreter: the one named, `EARMARK_PYTHON`, the one made here before, the active
    /// environment's, `python3`.
    ///
    /// # Errors
    /// None of them, or of another version: each with what was found there.
    pub(crate) fn find(python: Option<&str>) -> Result<Libtorch> {
        if let Some(folder) = env::var_os("LIBTORCH").filter(|folder| !folder.is_empty()) {
            return Libtorch::in_folder(Path::new(&folder));
        }
        let mut tried = Vec::new();
        let named = python.map(OsString::from).or_else(|| env::var_os("EARMARK_PYTHON"));
        let interpreters = match named {
            Some(named) => vec![PathBuf::from(named)],
            None => {
                let active = env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin/python"));
                let made = Libtorch::environment()?.join("bin/python");
                [Some(made), active, Some("python3".into())].into_iter().flatten().collect()
            }
        };
        for interpreter in interpreters {
            match Libtorch::of_python(&interpreter) {
                Ok(found) => return Ok(found),
                Err(why) => tried.push(format!("{}: {why}", interpreter.display())),
            }
        }
        bail!(
            "libtorch {VERSION} not found:\n  {}\ninstall it under target/ with `cargo xtask libtorch --pip` (about 7 GB with CUDA's \
             libraries), set LIBTORCH to an unpacked libtorch, or pass --python PATH of an interpreter that has torch {VERSION}",
            tried.join("\n  ")
        )
    }

    fn in_folder(folder: &Path) -> Result<Libtorch> {
        let libraries = folder.join("lib");
        if !libraries.is_dir() {
            bail!(
                "LIBTORCH is `{}`, which has no folder `lib`: set it to an unpacked libtorch",
                folder.display()
            );
        }
        let version = std::fs::read_to_string(folder.join("build-version"))
            .with_context(|| format!("LIBTORCH is `{}`, which does not say its version", folder.display()))?;
        let version = version.trim().to_owned();
        check(&version).with_context(|| format!("LIBTORCH is `{}`", folder.display()))?;
        let cuda = version.split_once("+cu").map(|(_, cuda)| cuda.to_owned());
        Ok(Libtorch { from: From::Folder(folder.to_path_buf()), libraries, version, cuda })
    }

    fn of_python(interpreter: &Path) -> Result<Libtorch> {
        // Not `import torch`, which takes seconds and loads CUDA: its files say it as well.
        const SCRIPT: &str = "import importlib.util, runpy, os\n\
            spec = importlib.util.find_spec('torch')\n\
            folder = os.path.dirname(spec.origin) if spec else ''\n\
            print(folder)\n\
            about = runpy.run_path(os.path.join(folder, 'version.py')) if spec else {}\n\
            print(about.get('__version__', ''))\n\
            print(about.get('cuda') or '')";
        let output = Command::new(interpreter).args(["-c", SCRIPT]).output().context("it does not start")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().map(str::to_owned);
        let (folder, version, cuda) = (
            lines.next().unwrap_or_default(),
            lines.next().unwrap_or_default(),
            lines.next().unwrap_or_default(),
        );
        if folder.is_empty() {
            bail!("it has no torch");
        }
        check(&version)?;
        let from = From::Python(interpreter.to_path_buf());
        let cuda = Some(cuda).filter(|cuda| !cuda.is_empty());
        Ok(Libtorch { from, libraries: Path::new(&folder).join("lib"), version, cuda })
    }

    /// A virtual environment with torch in it.
    pub(crate) fn install() -> Result<Libtorch> {
        let folder = Libtorch::environment()?;
        eprintln!("installing torch {VERSION} into {}: about 7 GB with CUDA's libraries", folder.display());
        must(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let python = folder.join("bin/python");
        must(
            Command::new(&python).args(["-m", "pip", "install", "--quiet"]).arg(format!("torch=={VERSION}")),
        )?;
        Libtorch::of_python(&python).context("torch was installed but cannot be used")
    }

    fn environment() -> Result<PathBuf> {
        Ok(target()?.join("libtorch-venv"))
    }

    /// What a program that cargo starts has to know to find it; the product itself knows by its build script.
    pub(crate) fn tell_programs(&self, cargo: &mut Command) {
        let before = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let paths = std::iter::once(self.libraries.clone()).chain(env::split_paths(&before));
        if let Ok(joined) = env::join_paths(paths.filter(|path| !path.as_os_str().is_empty())) {
            cargo.env("LD_LIBRARY_PATH", joined);
        }
    }

    /// What cargo has to know to build with it.
    pub(crate) fn tell(&self, cargo: &mut Command) {
        cargo.env("EARMARK_TORCH_LIB", &self.libraries);
        match &self.from {
            From::Folder(folder) => {
                cargo.env("LIBTORCH", folder);
            }
            From::Python(interpreter) => {
                cargo.env("LIBTORCH_USE_PYTORCH", "1");
                // torch-sys runs `python` of the active environment, or else `python3`: both are found beside this one.
                if let Some(bin) = interpreter.parent().filter(|bin| !bin.as_os_str().is_empty()) {
                    let path = env::var_os("PATH").unwrap_or_default();
                    let paths = std::iter::once(bin.to_path_buf()).chain(env::split_paths(&path));
                    if let Ok(joined) = env::join_paths(paths) {
                        cargo.env("PATH", joined);
                    }
                    if let Some(environment) = bin.parent() {
                        cargo.env("VIRTUAL_ENV", environment);
                    }
                }
            }
        }
    }
}

/// Whether it is the version, whatever it was made for: `2.9.0+cu128`.
fn check(version: &str) -> Result<()> {
    match version.split('+').next() {
        Some(VERSION) => Ok(()),
        _ => bail!("it is torch {version}, and burn-tch needs {VERSION}: pip install torch=={VERSION}"),
    }
}

/// Whether NVIDIA's driver is loaded.
pub(crate) fn driver() -> bool {
    Path::new("/proc/driver/nvidia/version").exists() || Path::new("/dev/nvidiactl").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_named_beside_the_one_that_is_needed() {
        assert!(check("2.9.0+cu128").is_ok() && check("2.9.0").is_ok());
        let said = check("2.11.0").unwrap_err().to_string();
        assert!(said.contains("2.11.0") && said.contains("torch==2.9.0"), "{said}");
        assert!(check("2.9.01").is_err() && check("").is_err());
    }

    #[test]
    fn a_folder_says_its_version_and_its_cuda() {
        let folder = env::temp_dir().join(format!("libtorch-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        assert!(Libtorch::in_folder(&folder).is_err());
        std::fs::create_dir_all(folder.join("lib")).unwrap();
        assert!(Libtorch::in_folder(&folder).is_err(), "it does not say its version");
        std::fs::write(folder.join("build-version"), "2.9.0+cu128\n").unwrap();
        assert_eq!(Libtorch::in_folder(&folder).unwrap().cuda.as_deref(), Some("128"));
        std::fs::write(folder.join("build-version"), "2.8.0+cpu\n").unwrap();
        assert!(Libtorch::in_folder(&folder).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
