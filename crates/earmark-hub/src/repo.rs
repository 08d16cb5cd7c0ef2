use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Subject};

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
    /// A model named `ID[@REVISION]`; the revision is `main` unless given.
    ///
    /// # Errors
    /// A name the Hub could not have, see [`RepoId`] and [`Revision`].
    pub fn model(name: &str) -> Result<Repo, Error> {
        Repo::parse(RepoKind::Model, name)
    }

    /// A dataset named `ID[@REVISION]`; the revision is `main` unless given.
    ///
    /// # Errors
    /// A name the Hub could not have, see [`RepoId`] and [`Revision`].
    pub fn dataset(name: &str) -> Result<Repo, Error> {
        Repo::parse(RepoKind::Dataset, name)
    }

    fn parse(kind: RepoKind, name: &str) -> Result<Repo, Error> {
        // An id cannot hold `@`, so the first one ends it.
        let (id, revision) = match name.split_once('@') {
            Some((id, revision)) => (id, revision.parse()?),
            None => (name, Revision::default()),
        };
        Ok(Repo { kind, id: id.parse()?, revision })
    }

    pub(crate) fn at(&self, revision: Revision) -> Repo {
        Repo { revision, ..self.clone() }
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}@{}`", self.kind, self.id, self.revision)
    }
}

/// What a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// Weights and their configuration.
    Model,
    /// Examples.
    Dataset,
}

impl RepoKind {
    /// What precedes the id in a URL.
    pub(crate) fn url_prefix(self) -> Option<&'static str> {
        match self {
            RepoKind::Model => None,
            RepoKind::Dataset => Some("datasets"),
        }
    }

    /// What precedes the id in an address of the API.
    pub(crate) fn api_name(self) -> &'static str {
        match self {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
        }
    }

    /// What precedes the id in a cache folder's name.
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

impl FromStr for RepoId {
    type Err = Error;

    fn from_str(id: &str) -> Result<RepoId, Error> {
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
        Err(bad_name("repository id", id, why))
    }
}

/// A branch, a tag, a reference (`refs/convert/parquet`) or a commit (40 hexadecimal digits).
///
/// Git's rules for reference names hold (`git check-ref-format`), so a revision is also a safe relative path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(String);

impl Revision {
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

impl FromStr for Revision {
    type Err = Error;

    fn from_str(revision: &str) -> Result<Revision, Error> {
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
        Err(bad_name("revision", revision, why))
    }
}

/// A file's path inside a repository: relative, with `/` between parts, and staying inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileName<'a>(&'a str);

impl<'a> FileName<'a> {
    pub(crate) fn new(file: &'a str) -> Result<Self, Error> {
        let why = if file.is_empty() || file.len() > 1000 {
            "it has 1 to 1000 characters"
        } else if file.contains(|c: char| c.is_control() || c == '\\') {
            "it holds a backslash or a control character"
        } else if file.split('/').any(|part| matches!(part, "" | "." | ".."))
            // On Windows a drive (`c:x`) is one more way out.
            || !Path::new(file).components().all(|c| matches!(c, Component::Normal(_)))
        {
            "it must be a relative path that stays inside the repository"
        } else {
            return Ok(FileName(file));
        };
        Err(bad_name("file name", file, why))
    }

    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn bad_name(what: &'static str, name: &str, why: &'static str) -> Error {
    // Names come from anywhere, so an error shows the start of one, on one line.
    let shown = name.chars().take(120).collect::<String>().escape_debug().to_string();
    Error::new(Subject::Name(shown), ErrorKind::Name { what, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repo_splits_at_the_first_at_sign() {
        let repo = Repo::model("ntu-spml/distilhubert@refs/pr/3").unwrap();
        assert_eq!(repo.id.as_str(), "ntu-spml/distilhubert");
        assert_eq!(repo.revision.as_str(), "refs/pr/3");
        assert_eq!(Repo::dataset("PolyAI/minds14").unwrap().revision.as_str(), "main");
        assert_eq!(repo.to_string(), "model `ntu-spml/distilhubert@refs/pr/3`");
    }

    #[test]
    fn ids_the_hub_could_have_are_taken_and_no_others() {
        for good in ["a/b", "gpt2", "MIT/ast-finetuned-audioset-10-10-0.4593", "_a/b_", "a.b/c-d_e"] {
            assert!(good.parse::<RepoId>().is_ok(), "{good}");
        }
        let long = "x".repeat(97);
        let bad = [
            "", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/.b", "-a/b", "a/b--c", "a/b.git", "a b/c",
            "a/ü", &long,
        ];
        for bad in bad {
            assert!(bad.parse::<RepoId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn revisions_cannot_leave_the_refs_folder() {
        for good in ["main", "refs/convert/parquet", "v1.0", &"0".repeat(40)] {
            assert!(good.parse::<Revision>().is_ok(), "{good}");
        }
        for bad in ["", "../x", "a/../b", "/etc", "a//b", "a b", "a\\b", "c:x", ".hidden", "a@{0}", "a\n"] {
            assert!(bad.parse::<Revision>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_forty_lower_case_hex_digits_are_a_commit() {
        assert!("0123456789abcdef0123456789abcdef01234567".parse::<Revision>().unwrap().is_commit());
        assert!(!"0123456789ABCDEF0123456789abcdef01234567".parse::<Revision>().unwrap().is_commit());
        assert!(!"0123456".parse::<Revision>().unwrap().is_commit());
    }

    #[test]
    fn file_names_stay_inside_the_repository() {
        for good in ["config.json", "en-US/train/0000.parquet", "a..b", "with space#?.txt"] {
            assert!(FileName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\\..\\b", "a\0b", "a\nb"] {
            assert!(FileName::new(bad).is_err(), "{bad}");
        }
    }
}
