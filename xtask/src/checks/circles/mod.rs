//! No circle between the files of a crate.
//!
//! One file points to another when it names something that is *defined* there, by a `use` or by a path in its code; a re-export
//! is looked through. What is no arrow:
//! - a module's `mod child;` and its re-exports of what its own children define (`pub use child::Name`);
//! - whatever is compiled for tests only: `#[cfg(test)]`.
//!
//! A child that names what its parent's file defines does point to the parent, and a parent that uses a child does point to the
//! child: if both do, what they share belongs in a third file. Methods and fields are not followed, for they come with a type
//! that somebody named.

mod modules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::modules::{Crate, Import};
use super::Outcome;
use crate::util::cargo;

/// For each file the files it points to, each with the name that it takes there.
type Arrows = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

pub(crate) fn run() -> Result<Outcome> {
    let mut found = Vec::new();
    for package in cargo::packages()? {
        let mut arrows = Arrows::new();
        for root in &package.roots {
            add_arrows(&Crate::read(root)?, &mut arrows);
        }
        found.extend(circles(&arrows).into_iter().map(|circle| describe(&circle, cargo::root())));
    }
    if !found.is_empty() {
        bail!(
            "files that need each other; what they share belongs in a file that needs neither:\n  {}",
            found.join("\n  ")
        );
    }
    Ok(Outcome::Passed)
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

fn add_arrows(of: &Crate, arrows: &mut Arrows) {
    for (id, module) in of.modules.iter().enumerate() {
        let mut point = |target: Target, name: &str, through: Option<&Import>| {
            // A module alone is no arrow: what is taken out of it is.
            let Target::Item(other) = target else { return };
            let exported_from_below = through.is_some_and(|import| import.exported) && below(of, other, id);
            let to = &of.modules[other].file;
            if *to != module.file && !exported_from_below {
                let names = arrows.entry(module.file.clone()).or_default();
                names.entry(to.clone()).or_insert_with(|| name.to_owned());
            }
        };
        for import in &module.imports {
            if import.name == "*" {
                for target in resolve(of, id, &import.path, 0) {
                    for (name, target) in everything(of, &target) {
                        point(target, &name, Some(import));
                    }
                }
            } else {
                for target in resolve(of, id, &import.path, 0) {
                    point(target, import.path.last().map_or("", String::as_str), Some(import));
                }
            }
        }
        for path in &module.paths {
            for target in resolve(of, id, path, 0) {
                point(target, path.last().map_or("", String::as_str), None);
            }
        }
    }
}

/// Whether module `inner` lies in module `outer`.
fn below(of: &Crate, inner: usize, outer: usize) -> bool {
    std::iter::successors(Some(inner), |&id| of.modules[id].parent).any(|id| id == outer)
}

/// More re-exports of re-exports than this are a circle of their own, which the compiler refuses.
const DEEP: usize = 16;

/// Where `path` leads when module `from` says it: nowhere when it is another crate's, to two places when a module and a function
/// share a name.
fn resolve(of: &Crate, from: usize, path: &[String], depth: usize) -> Vec<Target> {
    let Some((first, rest)) = path.split_first().filter(|_| depth < DEEP) else { return Vec::new() };
    let start = match first.as_str() {
        "crate" => vec![Target::Module(0)],
        "self" => vec![Target::Module(from)],
        "super" => of.modules[from].parent.map(Target::Module).into_iter().collect(),
        name => lookup(of, from, name, depth),
    };
    start.into_iter().flat_map(|target| follow(of, target, rest, depth)).collect()
}

fn follow(of: &Crate, target: Target, rest: &[String], depth: usize) -> Vec<Target> {
    let (Target::Module(id), Some((name, rest))) = (&target, rest.split_first()) else { return vec![target] };
    if name == "super" {
        let parent = of.modules[*id].parent.map(Target::Module);
        return parent.into_iter().flat_map(|target| follow(of, target, rest, depth)).collect();
    }
    let mut found = lookup(of, *id, name, depth);
    if found.is_empty() {
        // Re-exported from another crate, or made by a macro: it is this module that has it.
        found.push(Target::Item(*id));
    }
    // Between a module and a function of one name, only the module goes on.
    if !rest.is_empty() && found.iter().any(|target| matches!(target, Target::Module(_))) {
        found.retain(|target| matches!(target, Target::Module(_)));
    }
    found.into_iter().flat_map(|target| follow(of, target, rest, depth)).collect()
}

/// What `name` is in module `id`.
fn lookup(of: &Crate, id: usize, name: &str, depth: usize) -> Vec<Target> {
    let module = &of.modules[id];
    let children = module.children.iter().filter(|(child, _)| child == name);
    let mut found: Vec<Target> = children.map(|(_, child)| Target::Module(*child)).collect();
    if module.items.contains(name) {
        found.push(Target::Item(id));
    }
    for import in module.imports.iter().filter(|import| import.name == name && import.path != [name]) {
        found.extend(resolve(of, id, &import.path, depth + 1));
    }
    if found.is_empty() {
        for import in module.imports.iter().filter(|import| import.name == "*") {
            for target in resolve(of, id, &import.path, depth + 1) {
                if let Target::Module(other) = target
                    && other != id
                    && depth < DEEP
                    && (of.modules[other].items.contains(name)
                        || of.modules[other].imports.iter().any(|it| it.name == name))
                {
                    found.extend(lookup(of, other, name, depth + 1));
                }
            }
        }
    }
    found
}

/// What `use target::*` brings: the items of a module and its re-exports, each where it is defined.
fn everything(of: &Crate, target: &Target) -> Vec<(String, Target)> {
    let Target::Module(id) = *target else { return vec![("*".to_owned(), target.clone())] };
    let module = &of.modules[id];
    let own = (!module.items.is_empty()).then(|| ("*".to_owned(), Target::Item(id)));
    let exported =
        module.imports.iter().filter(|import| import.exported && import.name != "*").flat_map(|import| {
            resolve(of, id, &import.path, 1).into_iter().map(|target| (import.name.clone(), target))
        });
    own.into_iter().chain(exported).collect()
}

/// Files that need each other: each with the name that it takes from the next.
struct Circle {
    way: Vec<(PathBuf, String)>,
    /// How many more files reach these and are reached from them.
    more: usize,
}

/// One circle, the shortest, of each knot of files that all reach each other.
fn circles(arrows: &Arrows) -> Vec<Circle> {
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    for start in arrows.keys() {
        if done.contains(start) {
            continue;
        }
        let ahead = reached(arrows, start);
        let knot: Vec<&PathBuf> = ahead.iter().filter(|file| reached(arrows, file).contains(start)).collect();
        done.extend(knot.iter().map(|file| (*file).clone()));
        let shortest = knot.iter().filter_map(|file| shortest(arrows, file)).min_by_key(Vec::len);
        found.extend(shortest.map(|way| Circle { more: knot.len() - way.len(), way }));
    }
    found
}

/// The files that `start` leads to; itself too when it lies on a circle.
fn reached(arrows: &Arrows, start: &Path) -> BTreeSet<PathBuf> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(file) = waiting.pop() {
        for next in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    reached
}

/// The shortest way from `start` back to it.
fn shortest(arrows: &Arrows, start: &Path) -> Option<Vec<(PathBuf, String)>> {
    let mut ways = VecDeque::from([vec![]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let here = way.last().map_or(start, |(_, to, _): &(&Path, &Path, &String)| *to);
        for (next, name) in arrows.get(here).into_iter().flatten() {
            let longer: Vec<_> = way.iter().copied().chain([(here, next.as_path(), name)]).collect();
            if next == start {
                return Some(
                    longer.into_iter().map(|(from, _, name)| (from.to_path_buf(), name.clone())).collect(),
                );
            }
            if seen.insert(next) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// `a.rs → b.rs (Name) → a.rs (Other)`: in brackets what the file before takes there.
fn describe(circle: &Circle, root: &Path) -> String {
    let Circle { way: circle, more } = circle;
    let show = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let mut text = circle.first().map(|(file, _)| show(file)).unwrap_or_default();
    for (at, (_, name)) in circle.iter().enumerate() {
        let next = &circle[(at + 1) % circle.len()].0;
        text.push_str(&format!(" → {} ({name})", show(next)));
    }
    if *more > 0 {
        text.push_str(&format!(", and {more} more in the same knot"));
    }
    text
}

#[cfg(test)]
mod tests;
