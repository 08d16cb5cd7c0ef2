//! Cargo, and where it keeps things.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root of the repository")
}

/// Cargo's target folder, wherever the user keeps it: this program was built there.
pub(crate) fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("failed to find this program's own path")?;
    let target = program.ancestors().nth(2).context("xtask was not built by cargo")?;
    Ok(target.to_path_buf())
}

/// Runs a command to its end, in the root of the repository unless it says otherwise; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("failed to start `{program}`"))?;
    if !status.success() {
        bail!("`{program}` ended with {status}");
    }
    Ok(())
}

/// `cargo ARGS` in the root of the repository.
pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    run(Command::new("cargo").args(args))
}

/// What `cargo ARGS` prints; what it says on stderr is shown when it fails.
pub(crate) fn cargo_output(args: &[&str]) -> Result<String> {
    let mut command = Command::new("cargo");
    let output = command.args(args).current_dir(root()).stdin(Stdio::null()).output();
    let output = output.context("failed to start cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` failed:\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("`cargo {}` did not print text", args.join(" ")))
}

/// `cargo tree`'s lines for `packages`, in `format`.
pub(crate) fn tree(format: &str, edges: &str, packages: &[&str]) -> Result<Vec<String>> {
    let args = ["tree", "--locked", "--prefix", "none", "--format", format, "--edges", edges];
    let text = cargo_output(&[&args, packages].concat())?;
    Ok(text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect())
}

/// A member of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Whether `cargo publish` takes it.
    pub(crate) published: bool,
    pub(crate) folder: PathBuf,
    /// The crates of this workspace that it uses, not for tests only.
    pub(crate) uses: Vec<String>,
    pub(crate) has_features: bool,
    pub(crate) has_library: bool,
    /// The root file of each of its targets: library, binary, tests, examples, benches.
    pub(crate) roots: Vec<PathBuf>,
}

/// The members of the workspace, by name.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let text = cargo_output(&["metadata", "--locked", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata did not print JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut packages = packages
        .iter()
        .map(|package| {
            package_of(package).context("cargo metadata describes a package otherwise than it used to")
        })
        .collect::<Result<Vec<_>>>()?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn package_of(package: &Value) -> Option<Package> {
    let targets = package["targets"].as_array()?;
    let roots = targets.iter().map(|target| Some(PathBuf::from(target["src_path"].as_str()?)));
    let uses = package["dependencies"].as_array()?.iter().filter(|it| it["kind"].is_null());
    let uses = uses.filter(|it| it["path"].is_string()).filter_map(|it| it["name"].as_str());
    let kinds = targets.iter().filter_map(|target| target["kind"].as_array()).flatten();
    let features = package["features"].as_object()?;
    Some(Package {
        name: package["name"].as_str()?.to_owned(),
        published: package["publish"].is_null(),
        folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_path_buf(),
        uses: uses.map(str::to_owned).collect(),
        has_features: !features.is_empty(),
        has_library: kinds.into_iter().any(|kind| kind == "lib"),
        roots: roots.collect::<Option<_>>()?,
    })
}
