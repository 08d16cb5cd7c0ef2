use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::modules::{Crate, imports};
use super::{Arrows, add_arrows, circles, describe};

/// The circles of a crate made of these files; the first is its root.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    circles(&arrows(files)).iter().map(|circle| describe(circle, Path::new(""))).collect()
}

fn arrows(files: &[(&str, &str)]) -> Arrows {
    let texts: BTreeMap<&Path, &str> = files.iter().map(|(path, text)| (Path::new(path), *text)).collect();
    let read = |path: &Path| texts.get(path).map(|text| (*text).to_owned()).context("no such file");
    let of = Crate::read_with(Path::new(files[0].0), &read, &|path| texts.contains_key(path)).unwrap();
    let mut arrows = Arrows::new();
    add_arrows(&of, &mut arrows);
    arrows
}

fn leaves(tree: &str) -> Vec<(String, String)> {
    let tokens: proc_macro2::TokenStream = tree.parse().unwrap();
    let tokens: Vec<_> = tokens.into_iter().collect();
    imports(&tokens, false).into_iter().map(|import| (import.name, import.path.join("::"))).collect()
}

#[test]
fn two_files_that_use_each_other_are_a_circle_and_are_named() {
    let said = found(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use super::a::A; pub struct B;"),
    ]);
    assert_eq!(said, ["a.rs → b.rs (B) → a.rs (A)"]);
}

#[test]
fn one_way_is_no_circle() {
    let said = found(&[
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("a.rs", "use crate::B; pub struct A;"),
        ("b.rs", "pub struct B;"),
    ]);
    assert_eq!(said, [""; 0]);
}

#[test]
fn a_re_export_is_looked_through_and_is_itself_no_arrow() {
    let files = [
        ("lib.rs", "mod room; mod user; pub use room::{Deep as Shallow};"),
        ("room/mod.rs", "mod deep; mod other; pub(crate) use self::deep::Deep; pub use other::*;"),
        ("room/deep.rs", "pub struct Deep;"),
        ("room/other.rs", "pub fn work() {}"),
        ("user.rs", "use crate::Shallow; use crate::room::work;"),
    ];
    let arrows = arrows(&files);
    let to: Vec<&str> = arrows[Path::new("user.rs")].keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(to, ["room/deep.rs", "room/other.rs"]);
    assert_eq!(arrows.len(), 1, "{arrows:?}");
}

#[test]
fn a_circle_through_re_exports_is_found() {
    let said = found(&[
        ("lib.rs", "mod room; mod user;"),
        ("room/mod.rs", "mod deep; pub(crate) use deep::Deep;"),
        ("room/deep.rs", "use crate::user::User; pub struct Deep(User);"),
        ("user.rs", "pub struct User; fn f(_: crate::room::Deep) {}"),
    ]);
    assert_eq!(said, ["room/deep.rs → user.rs (User) → room/deep.rs (Deep)"]);
}

#[test]
fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
    let child = ("a/b.rs", "use super::Shared; pub fn work(_: Shared) {}");
    let using = ("a/mod.rs", "mod b; use b::work; pub struct Shared;");
    let exporting = ("a/mod.rs", "mod b; pub use b::work; pub struct Shared;");
    assert_eq!(found(&[("lib.rs", "mod a;"), using, child]), ["a/b.rs → a/mod.rs (Shared) → a/b.rs (work)"]);
    assert_eq!(found(&[("lib.rs", "mod a;"), exporting, child]), [""; 0]);
}

#[test]
fn a_path_in_the_code_counts_as_a_use_does() {
    let calling = [
        "fn f() { crate::b::g(); }",
        "fn f() { let x = vec![super::b::g()]; }",
        "use crate::b; fn f() { b::g(); }",
        "use crate::b as other; fn f() -> Vec<u8> { (0..3).map(other::g).collect() }",
        "fn f() { use crate::b::{self}; b::g() }",
        "macro_rules! m { () => { $crate::b::g() } }",
        "#[derive(Serialize)] struct S { #[serde(with = \"crate::b::g\")] x: u8 }",
        "mod inner { fn f() { super::super::b::g() } }",
        "impl Trait for S { const C: u8 = crate::b::g(); }",
        "fn f(x: &dyn crate::b::g) {}",
        "struct S { x: crate::b::g }",
    ];
    for a in calling {
        let a = format!("pub struct A; {a}");
        let said =
            found(&[("lib.rs", "mod a; mod b;"), ("a.rs", &a), ("b.rs", "use crate::a::A; pub fn g() {}")]);
        assert_eq!(said.len(), 1, "{a}");
    }
}

#[test]
fn what_is_no_path_of_the_crate_is_no_arrow() {
    let silent = [
        "use ::b::g;",
        "fn f() { ::b::g(); }",
        "fn f() { x.b::<u8>(); T::g(); Self::b(); }",
        "// use crate::b::g;\nfn f() { \"crate::b\"; }",
        "use std::b::g;",
        "use crate::b;",
        "#[cfg(test)] mod tests { use crate::b::g; }",
        "#[cfg(test)] use crate::b::g;",
        "#[cfg(test)] mod absent;",
        "#[cfg(all(test, unix))] fn f() { crate::b::g() }",
        "/// [`crate::b::g`]\nfn f() {}",
    ];
    for a in silent {
        let a = format!("{a} pub struct A;");
        let said =
            found(&[("lib.rs", "mod a; mod b;"), ("a.rs", &a), ("b.rs", "use crate::a::A; pub fn g() {}")]);
        assert_eq!(said, [""; 0], "{a}");
    }
}

#[test]
fn a_function_and_a_module_of_one_name_are_both_meant() {
    let said = found(&[
        ("lib.rs", "mod decode; mod user; pub use decode::decode;"),
        ("decode.rs", "use crate::user::U; pub fn decode() {} pub struct D;"),
        ("user.rs", "use crate::decode; fn f() { decode() } pub struct U;"),
    ]);
    assert_eq!(said.len(), 1, "{said:?}");
    let said = found(&[
        ("lib.rs", "mod decode; mod user; pub use decode::decode;"),
        ("decode.rs", "use crate::user::U; pub fn decode() {} pub struct D;"),
        ("user.rs", "use crate::decode::D; pub struct U;"),
    ]);
    assert_eq!(said, ["decode.rs → user.rs (U) → decode.rs (D)"]);
}

#[test]
fn use_trees_are_read_to_their_leaves() {
    let pair = |name: &str, path: &str| (name.to_owned(), path.to_owned());
    assert_eq!(leaves("a::b;"), [pair("b", "a::b")]);
    assert_eq!(
        leaves("crate::{a::{self, B as C, d::*}, e, r#type::F};"),
        [
            pair("a", "crate::a"),
            pair("C", "crate::a::B"),
            pair("*", "crate::a::d"),
            pair("e", "crate::e"),
            pair("F", "crate::type::F"),
        ]
    );
    assert_eq!(leaves("super::super::x as _;"), [pair("_", "super::super::x")]);
    assert_eq!(leaves("{a::B, c};"), [pair("B", "a::B"), pair("c", "c")]);
    assert_eq!(leaves("::other::Name;"), []);
}

#[test]
fn the_shortest_circle_of_a_knot_stands_for_it() {
    let said = found(&[
        ("lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::{a::A, b::B as Other}; pub struct C;"),
        ("d.rs", "use crate::e::E; pub struct D;"),
        ("e.rs", "use crate::d::D; pub struct E;"),
    ]);
    assert_eq!(
        said,
        ["b.rs → c.rs (C) → b.rs (B), and 1 more in the same knot", "d.rs → e.rs (E) → d.rs (D)"]
    );
}
