//! What our dependencies are licensed under.

use anyhow::{Result, bail};

use crate::util::cargo::tree;

/// Licences that a dependency may be under, as SPDX names them. Of `A OR B` one is enough, of `A AND B` both are needed.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0", // symphonia: file by file, and we change none of its files
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(crate) fn run() -> Result<()> {
    for line in tree("{p}|{l}", "normal,build,dev", &["--workspace"])? {
        let Some((package, licence)) = line.split_once('|') else { continue };
        if !allowed(licence) {
            bail!(
                "`{package}` is under `{licence}`, which is not on the list in xtask/src/checks/licences.rs"
            );
        }
    }
    Ok(())
}

/// Whether the list satisfies an SPDX expression.
fn allowed(licence: &str) -> bool {
    // Lax: `MIT/Apache-2.0`, the old way to write OR, is still in some manifests.
    let Ok(expression) = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX) else { return false };
    expression.evaluate(|requirement| LICENCES.contains(&requirement.to_string().as_str()))
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn of_two_licences_one_is_enough_and_both_are_needed() {
        assert!(allowed("MIT OR GPL-3.0"));
        assert!(allowed("MIT/Apache-2.0"));
        assert!(!allowed("MIT AND GPL-3.0"));
        assert!(allowed("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!allowed("(GPL-2.0 OR GPL-3.0) AND Unicode-3.0"));
        assert!(!allowed(""));
    }
}
