//! A commit on the Hub: to whose repository it goes, and what became of it.

use anyhow::Result;
use earmark_hub::{Hub, Pushed, Repo};

use crate::output::count::count;
use crate::output::messages;

/// The repository with its owner: the token's, where none is named.
pub(crate) fn with_owner(hub: &Hub, repo: Repo) -> Result<Repo> {
    if repo.id.as_str().contains('/') {
        return Ok(repo);
    }
    let id = format!("{}/{}", hub.whoami()?.name, repo.id);
    Ok(Repo { id: id.parse()?, ..repo })
}

/// Reports what was sent.
pub(crate) fn report(pushed: &Pushed) {
    match &pushed.commit {
        None => messages::note("nothing to commit: the Hub already has all files"),
        Some(commit) => {
            let (sent, short) = (pushed.sent.len(), commit.get(..8).unwrap_or(commit));
            messages::note(format_args!(
                "commit {short}: uploaded and verified {}, {} unchanged",
                count(sent, "file"),
                pushed.unchanged
            ));
        }
    }
}
