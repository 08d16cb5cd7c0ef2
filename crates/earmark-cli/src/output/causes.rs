//! An error in one line: what failed, and the reason that helps.

use std::error::Error;

/// An error and its causes in one line, without those that say nothing new. [`earmark_error::chain`] has all of them.
pub(crate) fn brief(error: &dyn Error) -> String {
    fold(&earmark_error::causes(error))
}

/// Below these no cause helps: they are the resolver's and the sockets'.
const LAST: &[&str] = &["no answer from "];

fn fold(causes: &[String]) -> String {
    let end = causes.iter().position(|cause| LAST.iter().any(|last| cause.starts_with(last)));
    let causes = &causes[..end.map_or(causes.len(), |end| end + 1)];
    let mut told: Vec<String> = Vec::new();
    for (at, cause) in causes.iter().enumerate() {
        if !causes.get(at + 1).is_some_and(|next| is_repeated(cause, next)) {
            told.push(cause.clone());
        }
    }
    if let [.., attempt, reason] = told.as_mut_slice()
        && reason == NOT_FOUND
    {
        // `a.wav`: no such file
        match attempt.split_once('`') {
            Some((verb, name)) if verb.contains("read") || verb.contains("open") => {
                *attempt = format!("`{name}");
            }
            Some((verb, _)) if verb.contains("write") => *reason = "its folder does not exist".to_owned(),
            _ => {}
        }
    }
    told.join(": ")
}

const NOT_FOUND: &str = "no such file";

/// Whether a cause only says that something failed, of what the next one names as well.
fn is_repeated(cause: &str, next: &str) -> bool {
    if cause.starts_with("cannot download `") && next.starts_with("cannot fetch `") {
        return true;
    }
    let writes = |cause: &str| cause.starts_with("cannot write");
    // That something was to be written says more than that it was in use.
    let is_attempt =
        (cause.starts_with("cannot ") || cause.starts_with("failed to ")) && (!writes(cause) || writes(next));
    let is_whole = cause.ends_with('`');
    // In the odd places between backticks are the names.
    let mut names = cause.split('`').skip(1).step_by(2);
    let has = |name: &str| next.contains(&format!("`{name}`")) || next.contains(&format!("`{name}/"));
    is_attempt && is_whole && cause.contains('`') && names.all(has)
}

#[cfg(test)]
mod tests {
    use super::fold;

    fn folded(causes: &[&str]) -> String {
        fold(&causes.iter().map(|&cause| cause.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_the_next_cause_says_better_is_left_out() {
        for (causes, line) in [
            (
                &["cannot open the model in `half`", "cannot use `half/config.json`", "no key"][..],
                "cannot use `half/config.json`: no key",
            ),
            (
                &["cannot use `a.wav`", "cannot decode `a.wav`", "it is empty"],
                "cannot decode `a.wav`: it is empty",
            ),
            // What it says of itself is kept, and so is what is named nowhere else.
            (
                &["cannot open `a`: it is a link", "cannot read `a`", "why"],
                "cannot open `a`: it is a link: cannot read `a`: why",
            ),
            (
                &["cannot write to `run`", "the folder is not empty: it contains `run.json`"],
                "cannot write to `run`: the folder is not empty: it contains `run.json`",
            ),
            (
                &["cannot write `run`", "cannot use `run/model.safetensors`", "file too large"],
                "cannot write `run`: cannot use `run/model.safetensors`: file too large",
            ),
            (
                &["cannot open the run in `a`", "cannot read `b`", "why"],
                "cannot open the run in `a`: cannot read `b`: why",
            ),
            (
                &["--push-to-hub cannot work, so nothing was trained", "offline"],
                "--push-to-hub cannot work, so nothing was trained: offline",
            ),
        ] {
            assert_eq!(folded(causes), line);
        }
    }

    #[test]
    fn a_missing_file_is_named_once() {
        for (causes, line) in [
            (&["cannot read `a.wav`", "no such file"][..], "`a.wav`: no such file"),
            (&["cannot write `a/b`", "no such file"], "cannot write `a/b`: its folder does not exist"),
            (&["cannot read `a`", "permission denied"], "cannot read `a`: permission denied"),
        ] {
            assert_eq!(folded(causes), line);
        }
    }

    #[test]
    fn resolvers_and_sockets_are_not_told() {
        let causes = [
            "cannot fetch `a`",
            "no answer from example.org: check the network",
            "client error (Connect)",
            "dns error",
        ];
        assert_eq!(folded(&causes), "cannot fetch `a`: no answer from example.org: check the network");
    }
}
