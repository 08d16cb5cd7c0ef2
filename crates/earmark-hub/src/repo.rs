//! What repositories, revisions and files are called. Every name that reaches a URL or the cache was checked here.

use std::fmt;
use std::path::{Component, Path};

/// A repository at a revision: everything needed to name a file on the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// Model or dataset.
    pub kind: RepoKind,
    /// `owner/name`.
    pub id: RepoId,
    /// Branch, tag or commit.
    pub revision: Revision,
}

impl Repo {
    /// The same repository at another revision.
    pub(crate) fn at(&self, revision: Revision) -> Repo {
        Repo { revision, ..self.clone() }
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}@{}`", self.kind, self.id, self.revision)
    }
}

/// The kind of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// Weights and their configuration.
    Model,
    /// Examples.
    Dataset,
}

impl RepoKind {
    /// The path segment before the id in a URL.
    pub(crate) fn url_prefix(self) -> Option<&'static str> {
        match self {
            RepoKind::Model => None,
            RepoKind::Dataset => Some("datasets"),
        }
    }

    /// The path segment before the id in a URL of the API.
    pub(crate) fn api_name(self) -> &'static str {
        match self {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
        }
    }

    /// The start of the cache folder's name.
    pub(crate) fn cache_prefix(self) -> &'static str {
        match self {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
        }
    }
}

impl fmt::Display for RepoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RepoKind::Model => "model",
            RepoKind::Dataset => "dataset",
        })
    }
}

/// A repository's name on the Hub, `owner/name`; a few old ones have no owner (`gpt2`).
///
/// The rules are those of `huggingface_hub` 2.4.0 `validate_repo_id`: each part is made of ASCII letters,
/// digits, `-`, `_` and `.`, starts and ends with a letter, digit or `_`, and is at most 96 characters;
/// neither `--` nor `..` occurs, and the name does not end in `.git`. So an id is also a safe folder name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepoId(String);

impl RepoId {
    /// The id, or the rule that it breaks.
    pub(crate) fn checked(id: &str) -> Result<RepoId, &'static str> {
        let why = if id.matches('/').count() > 1 {
            "it has more than one `/`; the form is `owner/name`"
        } else if id.split('/').any(|part| part.is_empty() || part.len() > 96) {
            "each part of `owner/name` has 1 to 96 characters"
        } else if !id.bytes().all(|b| is_word(b) || matches!(b, b'-' | b'.' | b'/')) {
            "only ASCII letters, digits, `-`, `_` and `.` are allowed"
        } else if id.split('/').any(|part| part.starts_with(['-', '.']) || part.ends_with(['-', '.'])) {
            "a part starts or ends with `-` or `.`"
        } else if id.contains("--") || id.contains("..") {
            "`--` and `..` are not allowed"
        } else if id.ends_with(".git") {
            "it ends in `.git`"
        } else {
            return Ok(RepoId(id.to_owned()));
        };
        Err(why)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A branch, a tag, a reference (`refs/convert/parquet`) or a commit (40 hexadecimal digits).
///
/// Git's rules for reference names hold (`git check-ref-format`), so a revision is also a safe relative path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(String);

impl Revision {
    /// The revision, or the rule that it breaks.
    pub(crate) fn checked(revision: &str) -> Result<Revision, &'static str> {
        let bad_char = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\\"<>|".contains(c);
        let why = if revision.is_empty() || revision.len() > 200 {
            "it has 1 to 200 characters"
        } else if revision.contains(bad_char) {
            "it holds a space or a character git refuses"
        } else if revision.contains("..") || revision.contains("@{") {
            "`..` and `@{` are not allowed"
        } else if revision.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            "a part between slashes is empty or starts with `.`"
        } else {
            return Ok(Revision(revision.to_owned()));
        };
        Err(why)
    }

    /// The revision as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a full commit hash, whose files can never change.
    pub fn is_commit(&self) -> bool {
        is_commit(&self.0)
    }
}

/// Whether `text` is a full commit hash: 40 lower-case hexadecimal digits.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Default for Revision {
    fn default() -> Self {
        Revision("main".to_owned())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file's path inside a repository: relative, with `/` between parts, and staying inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileName<'a>(&'a str);

impl<'a> FileName<'a> {
    /// The name, or the rule that it breaks.
    pub(crate) fn checked(file: &'a str) -> Result<Self, &'static str> {
        let why = if file.is_empty() || file.len() > 1000 {
            "it has 1 to 1000 characters"
        } else if file.contains(|c: char| c.is_control() || c == '\\') {
            "it holds a backslash or a control character"
        } else if file.split('/').any(|part| matches!(part, "" | "." | ".."))
            // On Windows a drive (`c:x`) would leave it too.
            || !Path::new(file).components().all(|c| matches!(c, Component::Normal(_)))
        {
            "it must be a relative path that stays inside the repository"
        } else {
            return Ok(FileName(file));
        };
        Err(why)
    }

    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_the_hub_could_have_are_taken_and_no_others() {
        for good in ["a/b", "gpt2", "MIT/ast-finetuned-audioset-10-10-0.4593", "_a/b_", "a.b/c-d_e"] {
            assert!(RepoId::checked(good).is_ok(), "{good}");
        }
        let long = "x".repeat(97);
        let bad = [
            "", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/.b", "-a/b", "a/b--c", "a/b.git", "a b/c",
            "a/ü", &long,
        ];
        for bad in bad {
            assert!(RepoId::checked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn revisions_cannot_leave_the_refs_folder() {
        for good in ["main", "refs/convert/parquet", "v1.0", &"0".repeat(40)] {
            assert!(Revision::checked(good).is_ok(), "{good}");
        }
        for bad in ["", "../x", "a/../b", "/etc", "a//b", "a b", "a\\b", "c:x", ".hidden", "a@{0}", "a\n"] {
            assert!(Revision::checked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_forty_lower_case_hex_digits_are_a_commit() {
        assert!(Revision::checked("0123456789abcdef0123456789abcdef01234567").unwrap().is_commit());
        assert!(!Revision::checked("0123456789ABCDEF0123456789abcdef01234567").unwrap().is_commit());
        assert!(!Revision::checked("0123456").unwrap().is_commit());
    }

    #[test]
    fn file_names_stay_inside_the_repository() {
        for good in ["config.json", "en-US/train/0000.parquet", "a..b", "with space#?.txt"] {
            assert!(FileName::checked(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\\..\\b", "a\0b", "a\nb"] {
            assert!(FileName::checked(bad).is_err(), "{bad}");
        }
    }
}
