//! The README's table of formats, held against the tests it names.

use std::collections::BTreeSet;

/// What stands in backticks in the table's column of tests.
fn claimed() -> BTreeSet<&'static str> {
    let readme = include_str!("../../README.md");
    let rows =
        readme.lines().filter(|line| line.starts_with('|')).map(|line| line.split('|').collect::<Vec<_>>());
    let named = |cell: &'static str| {
        cell.split_whitespace().filter_map(|word| word.strip_prefix('`')?.strip_suffix('`'))
    };
    let formats =
        rows.skip_while(|cells| cells[1].trim() != "container").take_while(|cells| cells.len() == 6);
    formats.skip(2).flat_map(|cells| named(cells[3])).collect()
}

/// The tests of `formats.rs`: `name: "file"` in its macros, and functions.
fn tested() -> BTreeSet<&'static str> {
    let is_name =
        |text: &&str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let lines = || include_str!("formats.rs").lines();
    let listed =
        lines().filter_map(|line| line.trim().split_once(": \"")).map(|(name, _)| name).filter(is_name);
    let after =
        lines().zip(lines().skip(1)).filter(|(line, _)| line.trim() == "#[test]").map(|(_, next)| next);
    let written = after.filter_map(|line| line.strip_prefix("fn ")?.split_once('(')).map(|(name, _)| name);
    listed.chain(written).collect()
}

#[test]
fn every_format_of_the_table_has_its_test_and_every_test_its_cell() {
    let (claimed, tested) = (claimed(), tested());
    assert!(claimed.len() > 50, "the table was not found: {claimed:?}");
    let untested: Vec<_> = claimed.difference(&tested).collect();
    let unclaimed: Vec<_> = tested.difference(&claimed).collect();
    assert!(
        untested.is_empty() && unclaimed.is_empty(),
        "no test: {untested:?}; not in README.md: {unclaimed:?}"
    );
}
