//! The name that was meant.

/// `: did you mean `eval`?`, where one of the names is like it; else nothing.
pub(crate) fn suggest(unknown: &str, names: &[&str]) -> String {
    let likeness = |name: &str| strsim::jaro(name, unknown);
    let near = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    // As alike as clap wants it.
    near.filter(|near| likeness(near) > 0.7)
        .map(|near| format!(": did you mean `{near}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn a_slip_of_a_letter_is_understood_and_nonsense_is_not() {
        assert_eq!(suggest("evl", &["train-gtzan", "eval", "run"]), ": did you mean `eval`?");
        assert_eq!(suggest("quux", &["train-gtzan", "eval", "run"]), "");
    }
}
