//! Files that a comment, a document or a script names exist: `crates/earmark-audio/src/lib.rs`, `earmark-audio/src/lib.rs`, and
//! where a Markdown link leads.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Outcome;
use crate::util::cargo::root;

pub(crate) fn run() -> Result<Outcome> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--"]);
    let output = git.args(["*.md", "*.rs", "*.py", "*.toml", "*.yml"]).current_dir(root()).output();
    let output = output.context("failed to start git")?;
    let files = String::from_utf8(output.stdout).context("git did not print text")?;
    let mut gone = Vec::new();
    for file in files.lines().filter(|file| root().join(file).is_file()) {
        let text =
            fs::read_to_string(root().join(file)).with_context(|| format!("failed to read `{file}`"))?;
        for (number, line) in text.lines().enumerate() {
            let markdown = file.ends_with(".md");
            // The changelog tells what was.
            if file != "CHANGELOG.md" {
                let named =
                    mentioned(line).into_iter().filter(|path| !root().join("crates").join(path).exists());
                gone.extend(named.map(|path| format!("{file}:{}: {path}", number + 1)));
            }
            let folder = root().join(file).parent().map(Path::to_path_buf).unwrap_or_default();
            let here =
                |name: &&str| folder.join(name).exists() || files.lines().any(|file| is_end(file, name));
            let nowhere = bare(line).into_iter().filter(|name| !here(name));
            let told = markdown && file != "CHANGELOG.md";
            gone.extend(nowhere.filter(|_| told).map(|name| format!("{file}:{}: {name}", number + 1)));
            let broken = linked(line).into_iter().filter(|path| !folder.join(path).exists());
            gone.extend(broken.filter(|_| markdown).map(|path| format!("{file}:{}: {path}", number + 1)));
        }
    }
    if !gone.is_empty() {
        bail!("files that are named and are not there:\n  {}", gone.join("\n  "));
    }
    Ok(Outcome::Passed)
}

/// The paths below `crates/` that a line mentions: those that begin with the name of one of our crates and end in a file name.
fn mentioned(line: &str) -> Vec<&str> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "_./-".contains(c)));
    let paths = words.map(|word| word.strip_prefix("crates/").unwrap_or(word).trim_end_matches('.'));
    paths.filter(|path| is_ours(path)).collect()
}

fn is_ours(path: &str) -> bool {
    let Some((crate_name, rest)) = path.split_once('/') else { return false };
    let named = crate_name == "earmark" || crate_name.starts_with("earmark-");
    let below = ["src/", "tests/", "examples/", "benches/"].iter().any(|folder| rest.starts_with(folder));
    named && below && rest.rsplit('/').next().is_some_and(|file| file.contains('.'))
}

/// The sources that a line of Markdown names without their crate, as `lib.rs` or `networks/ast.rs`.
fn bare(line: &str) -> Vec<&str> {
    let code = line.split('`').skip(1).step_by(2);
    code.filter(|name| {
        name.ends_with(".rs") && name.chars().all(|c| c.is_ascii_alphanumeric() || "_/-.".contains(c))
    })
    .filter(|name| !is_ours(name.strip_prefix("crates/").unwrap_or(name)))
    .collect()
}

/// Whether `name` is the end of the path `file`, in whole steps.
fn is_end(file: &str, name: &str) -> bool {
    Path::new(file).ends_with(name)
}

/// The files of this repository that a line of Markdown links to.
fn linked(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let paths = targets.filter(|target| !target.contains(':') && !target.contains(' '));
    paths.filter_map(|path| path.split('#').next()).filter(|path| !path.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{bare, is_end, linked, mentioned};

    #[test]
    fn paths_are_found_in_prose_and_in_code() {
        let line = "// See `crates/earmark-data/src/lib.rs`, earmark/examples/classify.rs and earmark-models/src/lib.rs.";
        let found = ["earmark-data/src/lib.rs", "earmark/examples/classify.rs", "earmark-models/src/lib.rs"];
        assert_eq!(mentioned(line), found);
        assert_eq!(mentioned("crates/earmark-data/src and earmark-data, earmark_data::lib"), [""; 0]);
    }

    #[test]
    fn names_between_backticks_are_files_anywhere() {
        assert_eq!(
            bare("`lib.rs`, `a/b.rs`, `f()`, `x.toml`, lib.rs, `earmark-fs/src/lib.rs`"),
            ["lib.rs", "a/b.rs"]
        );
        assert!(is_end("crates/x/src/a/b.rs", "a/b.rs") && !is_end("crates/x/src/aa/b.rs", "a/b.rs"));
    }

    #[test]
    fn links_to_files_are_found_and_addresses_are_not() {
        assert_eq!(linked("[a](docs/a.md#part), [b](https://b.example) [c](../c)"), ["docs/a.md", "../c"]);
        assert_eq!(linked("[top](#top) f(x)"), [""; 0]);
    }
}
