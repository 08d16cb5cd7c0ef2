//! `cargo xtask test [--device libtorch] [ARGS]`: every test of the workspace, on the CPU or another device.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::util::cargo::{root, run as must, target};
use crate::util::libtorch::Libtorch;

/// Unit and integration tests, then the examples in the docs. `args` go to `cargo test`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--release"]).current_dir(root());
    match args {
        [flag, device, args @ ..] if flag == "--device" => {
            if device != "libtorch" {
                bail!(
                    "the tests run on the CPU, or with `--device libtorch` on libtorch's CPU, not on `{device}`"
                );
            }
            let libtorch = Libtorch::find(None)?;
            libtorch.tell(&mut cargo);
            libtorch.tell_programs(&mut cargo);
            // All of the workspace here too: with some packages only, burn would compile once more.
            cargo.env("EARMARK_TEST_DEVICE", device);
            cargo.args(["--workspace", "--features", "earmark-cli/libtorch,earmark-tests/libtorch"]);
            // Not those of the command as a whole, which say what the usual build says.
            cargo.args(["--lib", "--bins", "--test", "whole", "--no-fail-fast"]).args(args);
        }
        // The whole workspace at once and in release, as the product is built: otherwise burn compiles a second time.
        args => {
            cargo.arg("--workspace").args(args);
        }
    }
    let list = target()?.join("skipped-tests.txt");
    fs::write(&list, "").with_context(|| format!("failed to write `{}`", list.display()))?;
    let done = must(cargo.env("EARMARK_SKIPPED", &list));
    // After a failure too, so that what is missing is never in doubt.
    let lines = fs::read_to_string(&list).with_context(|| format!("failed to read `{}`", list.display()))?;
    println!("{}", skipped(&lines));
    done
}

/// What the tests that called `earmark_testkit::skip` said, a line `why<TAB>test` each, in words.
fn skipped(lines: &str) -> String {
    let mut by_reason: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (why, test) in lines.lines().filter_map(|line| line.split_once('\t')) {
        by_reason.entry(why).or_default().insert(test);
    }
    let count: usize = by_reason.values().map(BTreeSet::len).sum();
    let mut text = format!("{count} skipped");
    for (at, (why, tests)) in by_reason.iter().enumerate() {
        text.push_str(if at == 0 { ": " } else { "; " });
        text.push_str(&format!("{} for {why}", tests.len()));
    }
    for test in by_reason.values().flatten() {
        text.push_str(&format!("\n  {test}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::skipped;

    #[test]
    fn skipped_tests_are_counted_once_each_by_their_reason() {
        assert_eq!(skipped(""), "0 skipped");
        let lines = "no network\tpushes\nno material\tmatches\nno material\tmatches\nno material\tagrees\n";
        assert_eq!(
            skipped(lines),
            "3 skipped: 2 for no material; 1 for no network\n  agrees\n  matches\n  pushes"
        );
    }
}
