//! A test that cannot check what its name says is counted, so that a green run does not hide it.

use std::io::Write as _;

/// Says on stderr that `test` is skipped, and why; adds the same as a line to the file that `EARMARK_SKIPPED` names, which
/// `cargo xtask test` counts. The test then returns.
///
/// # Panics
/// When that file cannot be written.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    let Some(path) = std::env::var_os("EARMARK_SKIPPED") else { return };
    // One write, so that lines of tests that run at once do not mix.
    let line = format!("{why}\t{test}\n");
    let file = std::fs::File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("EARMARK_SKIPPED names a file to write to");
}
