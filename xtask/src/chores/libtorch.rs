//! `cargo xtask libtorch [--pip] [--python PATH]`: finds libtorch 2.9.0 or makes it, and says what it can do. `train-gtzan`,
//! `eval` and `run` with `--device libtorch…` build with what this finds.

use anyhow::{Result, bail};

use crate::util::libtorch::{Libtorch, driver};
use crate::util::python::take_option;

/// Finds or installs it, and prints which it is.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut args = args.to_vec();
    let python = take_option(&mut args)?;
    let pip = args.iter().any(|arg| arg == "--pip");
    if let Some(unknown) = args.iter().find(|arg| *arg != "--pip") {
        bail!("unknown argument `{unknown}`: usage is `cargo xtask libtorch [--pip] [--python PATH]`");
    }
    let found = match (Libtorch::find(python.as_deref()), pip) {
        (Ok(found), _) => found,
        (Err(_), true) => Libtorch::install()?,
        (Err(none), false) => return Err(none),
    };
    let cuda = match &found.cuda {
        Some(version) if driver() => {
            format!("built for CUDA {version}, and NVIDIA's driver is loaded: use --device libtorch:cuda")
        }
        Some(version) => {
            format!(
                "built for CUDA {version}, but NVIDIA's driver is not loaded: --device libtorch computes on the CPU"
            )
        }
        None => "built without CUDA: --device libtorch computes on the CPU".to_owned(),
    };
    println!("libtorch {} in {}, {cuda}", found.version, found.libraries.display());
    println!("next:    cargo xtask train-gtzan --sample --device libtorch");
    Ok(())
}
