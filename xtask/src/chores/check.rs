//! `cargo xtask check [NAME..|--all|--bless]`: everything about the source that is not a test. Cheapest first.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::checks::{
    Outcome, browser, circles, dependencies, docs, features, layers, one_burn, package, page, paths, python,
    spelling,
};
use crate::util::cargo::cargo;
use crate::util::near::suggest;

struct Check {
    name: &'static str,
    run: fn() -> Result<Outcome>,
    /// Whether it is made when nothing is asked for by name.
    always: bool,
}

const fn always(name: &'static str, run: fn() -> Result<Outcome>) -> Check {
    Check { name, run, always: true }
}

const fn by_name(name: &'static str, run: fn() -> Result<Outcome>) -> Check {
    Check { name, run, always: false }
}

const CHECKS: &[Check] = &[
    always("spelling", spelling::run),
    always("format", format),
    always("paths", paths::run),
    always("circles", circles::run),
    always("layers", layers::run),
    always("one-burn", one_burn::run),
    always("unused", dependencies::unused),
    always("licences", dependencies::licences),
    always("advisories", dependencies::advisories),
    always("package", package::run),
    always("page", page::run),
    always("lints", lints),
    always("docs", docs::run),
    always("features", features::run),
    always("python", python::run),
    by_name("browser", browser::run),
    by_name("alone", features::alone),
];

/// Makes the checks of the names in `args`, or those that every change must pass.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if args == ["--bless"] {
        return docs::bless();
    }
    let known = |name: &String| {
        let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        let found = CHECKS.iter().find(|check| check.name == name);
        found.with_context(|| {
            format!("no check `{name}`{}; the checks are {}", suggest(name, &names), names.join(", "))
        })
    };
    let chosen: Vec<&Check> = match args {
        [] => CHECKS.iter().filter(|check| check.always).collect(),
        [all] if all == "--all" => CHECKS.iter().collect(),
        names => names.iter().map(known).collect::<Result<_>>()?,
    };
    let mut skipped = Vec::new();
    for check in &chosen {
        let (name, start) = (check.name, Instant::now());
        match (check.run)().with_context(|| format!("the check `{name}` failed"))? {
            Outcome::Passed => eprintln!("check: {name} ({:.1} s)", start.elapsed().as_secs_f32()),
            Outcome::Skipped(why) => {
                eprintln!("check: {name} skipped: {why}");
                skipped.push(format!("{name} ({why})"));
            }
        }
    }
    println!("{} checks passed, {} skipped", chosen.len() - skipped.len(), skipped.len());
    if !skipped.is_empty() {
        println!("skipped: {}", skipped.join(", "));
    }
    Ok(())
}

fn format() -> Result<Outcome> {
    cargo(&["fmt", "--all", "--check"])?;
    Ok(Outcome::Passed)
}

fn lints() -> Result<Outcome> {
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    Ok(Outcome::Passed)
}
