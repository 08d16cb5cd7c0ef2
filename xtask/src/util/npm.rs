//! npm, for the page of `earmark serve` and its tests.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::cargo::run;

/// Installs the packages of a folder's lock file there, or says why that is not possible here.
pub(crate) fn install(folder: &Path) -> Result<(), String> {
    if Command::new("npm").arg("--version").output().is_err() {
        return Err("npm is not installed".to_owned());
    }
    // Without the packages' own scripts: nothing needs one (esbuild's binary is a package), and none may download a browser.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--silent"]).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    run(npm.current_dir(folder))
        .map_err(|error| format!("the npm packages of `{}` cannot be installed: {error:#}", folder.display()))
}

/// `npm run NAME` in a folder.
pub(crate) fn script(folder: &Path, name: &str) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", name]).current_dir(folder);
    npm
}
