use std::io;

/// An error and its causes, each said once.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // A wrapper that only passes its source on repeats it.
        if !text.ends_with(&cause) {
            if !text.is_empty() {
                text.push_str("\n  because ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// As [`chain`], on one line.
pub(crate) fn line(error: &anyhow::Error) -> String {
    chain(error).replace("\n  because ", ": ")
}

pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}
