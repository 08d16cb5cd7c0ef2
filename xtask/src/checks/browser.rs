//! The page of `earmark serve`, and that of an evaluation, in a real browser: the Playwright tests of `web/tests` against the command as it is built now.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::Outcome;
use crate::util::cargo::{cargo, root, run as must, target};
use crate::util::npm;

const TESTS: &str = "crates/earmark-serve/web/tests";

/// Chromium and Chrome, as systems call them.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

pub(crate) fn run() -> Result<Outcome> {
    let tests = root().join(TESTS);
    let Some(browser) = browser()? else {
        return missing("no Chromium is installed, and the variable CHROMIUM names none".to_owned());
    };
    if let Err(why) = npm::install(&tests) {
        return missing(why);
    }
    must(&mut npm::script(&tests, "check"))?;
    cargo(&["build", "--release", "--package", "earmark-cli"])?;
    let earmark = target()?.join("release").join(format!("earmark{}", env::consts::EXE_SUFFIX));
    must(npm::script(&tests, "test").env("CHROMIUM", browser).env("EARMARK", earmark))?;
    Ok(Outcome::Passed)
}

/// The browser to test in.
fn browser() -> Result<Option<PathBuf>> {
    if let Some(named) = env::var_os("CHROMIUM").map(PathBuf::from) {
        if !named.is_file() {
            bail!("CHROMIUM is `{}`, which is not a file", named.display());
        }
        return Ok(Some(named));
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let paths = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    Ok(paths.into_iter().find(|path| path.is_file()))
}

/// Skipped where a person works, failed in CI: there it would be skipped for ever and nobody would see it.
fn missing(why: String) -> Result<Outcome> {
    match env::var("CI").is_ok_and(|ci| ci == "true") {
        true => bail!("{why}"),
        false => Ok(Outcome::Skipped(why)),
    }
}
