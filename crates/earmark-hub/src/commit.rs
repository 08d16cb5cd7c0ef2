//! What the Hub calls versions: of a repository a commit, of a file's bytes an ETag. Both become file names in the cache, so
//! headers that hold anything else are refused here.

use crate::repo::{Revision, is_commit};

/// A full commit hash: 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit(String);

impl Commit {
    pub(crate) fn new(text: &str) -> Option<Commit> {
        is_commit(text).then(|| Commit(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_revision(&self) -> Revision {
        Revision::checked(&self.0).expect("40 hexadecimal digits are a revision")
    }
}

/// An ETag that is safe as a file name: letters, digits, `-`, `_` and inner `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Etag(String);

impl Etag {
    /// From the header: `"…"`, perhaps after `W/`.
    pub(crate) fn new(header: &str) -> Option<Etag> {
        let text = header.strip_prefix("W/").unwrap_or(header).trim_matches('"');
        let safe = (1..=128).contains(&text.len())
            && !text.starts_with('.')
            && !text.ends_with(".incomplete")
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        safe.then(|| Etag(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the bytes, which is the ETag of an LFS file.
    pub(crate) fn sha256(&self) -> Option<&str> {
        is_sha256(&self.0).then_some(&self.0)
    }
}

/// Whether it is a hash of 256 bits, as the Hub writes them: 64 lower-case hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes in lower-case hexadecimal, as the Hub writes hashes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etag_headers_become_file_names_or_nothing() {
        let name = |header| Etag::new(header).map(|etag| etag.0);
        assert_eq!(name("\"abc-123\"").as_deref(), Some("abc-123"));
        assert_eq!(name("W/\"abc\"").as_deref(), Some("abc"));
        for bad in
            ["", "\"\"", "\"../x\"", "\"/etc/passwd\"", "\"a/b\"", "\".hidden\"", "\"x.incomplete\"", "a b"]
        {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_sixty_four_hex_digits_are_a_checksum() {
        let sha = "0123456789abcdef".repeat(4);
        assert_eq!(Etag::new(&sha).unwrap().sha256(), Some(&*sha));
        assert_eq!(Etag::new(&sha[1..]).unwrap().sha256(), None);
        assert_eq!(Etag::new(&sha.replace('a', "g")).unwrap().sha256(), None);
    }
}
