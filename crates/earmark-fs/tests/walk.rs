//! A folder is walked by name, whatever links and depths it has.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, but does not see that these helpers are theirs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use earmark_fs::{EntryKind, Walk, WalkError};
use tempfile::TempDir;

fn tree(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    root
}

fn kinds(walk: Walk) -> Vec<(String, EntryKind)> {
    walk.into_iter().map(|entry| entry.map(|entry| (entry.name(), entry.kind)).unwrap()).collect()
}

fn names(walk: Walk) -> Vec<String> {
    kinds(walk).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn folders_come_before_their_contents_and_names_in_byte_order() {
    let root = tree(&["b/2", "b/10", "a-b/x", "a/y", "Z"]);
    assert_eq!(names(Walk::new(root.path())), ["Z", "a", "a/y", "a-b", "a-b/x", "b", "b/10", "b/2"]);
    assert_eq!(names(Walk::new(root.path()).depth(1)), ["Z", "a", "a-b", "b"]);
}

#[test]
fn a_link_that_leads_back_is_a_loop_and_one_that_leads_nowhere_is_no_file() {
    let root = tree(&["a/1", "b/1"]);
    symlink("..", root.path().join("a/up")).unwrap();
    symlink("nowhere", root.path().join("a/gone")).unwrap();
    symlink("../a", root.path().join("b/other")).unwrap();
    let (file, folder) = (EntryKind::File, EntryKind::Folder);
    let expected = [
        ("a", folder),
        ("a/1", file),
        ("a/gone", EntryKind::Other),
        ("a/up", EntryKind::Loop),
        ("b", folder),
        ("b/1", file),
        ("b/other", folder),
        ("b/other/1", file),
        ("b/other/gone", EntryKind::Other),
        ("b/other/up", EntryKind::Loop),
    ];
    let expected = expected.map(|(name, kind)| (name.to_owned(), kind));
    assert_eq!(kinds(Walk::new(root.path()).follow_links(true)), expected);
    // Not followed, links are what they lead to, and nothing is walked into.
    let plain = kinds(Walk::new(root.path()));
    assert_eq!(plain.len(), 7);
    assert!(plain.contains(&("a/up".to_owned(), folder)) && plain.contains(&("b/other".to_owned(), folder)));
}

#[test]
fn a_folder_is_skipped_and_a_link_to_one_skips_nothing() {
    let root = tree(&[".git/x", "a/1", "c/1"]);
    symlink("a", root.path().join(".link")).unwrap();
    let mut entries = Walk::new(root.path()).into_iter();
    let mut seen = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.unwrap();
        match entry.is_hidden() {
            true => entries.skip_folder(),
            false => seen.push(entry.name()),
        }
    }
    assert_eq!(seen, ["a", "a/1", "c", "c/1"]);
}

#[test]
fn folders_nested_too_deep_are_an_error_that_names_one() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("d/".repeat(300));
    fs::create_dir_all(deep).unwrap();
    let error = Walk::new(root.path()).into_iter().find_map(Result::err).unwrap();
    assert!(
        error.path.ends_with("d/d/d") && error.source.to_string().contains("256 levels deep"),
        "{error:?}"
    );
    assert_eq!(Walk::new(root.path()).depth(300).into_iter().filter(Result::is_ok).count(), 300);
}

#[test]
fn a_folder_that_is_missing_or_cannot_be_listed_is_named() {
    let error = Walk::new("/nowhere/at/all").into_iter().next().unwrap().unwrap_err();
    let WalkError { path, source } = &error;
    assert_eq!((path.as_path(), source.kind()), (Path::new("/nowhere/at/all"), std::io::ErrorKind::NotFound));
    assert_eq!(error.to_string(), "cannot list the folder `/nowhere/at/all`");
}
