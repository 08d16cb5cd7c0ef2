//! Names from text that a user or a server wrote.

use std::str::FromStr;

use earmark_error::Context as _;

use crate::error::{Error, ErrorKind, Subject};
use crate::repo::{FileName, Repo, RepoId, RepoKind, Revision};

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
}

impl FromStr for RepoId {
    type Err = Error;

    fn from_str(id: &str) -> Result<RepoId, Error> {
        named("repository id", id, RepoId::checked(id))
    }
}

impl FromStr for Revision {
    type Err = Error;

    fn from_str(revision: &str) -> Result<Revision, Error> {
        named("revision", revision, Revision::checked(revision))
    }
}

impl<'a> FileName<'a> {
    pub(crate) fn new(file: &'a str) -> Result<Self, Error> {
        named("file name", file, FileName::checked(file))
    }
}

fn named<T>(what: &'static str, name: &str, checked: Result<T, &'static str>) -> Result<T, Error> {
    checked.map_err(|why| ErrorKind::Name { what, why }).with_context(|| {
        // A name may be anything, so the error shows its start, escaped.
        Subject::Name(name.chars().take(120).collect::<String>().escape_debug().to_string())
    })
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
}
