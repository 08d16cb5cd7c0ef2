//! The PATHs of a command: files, folders, patterns, web addresses, standard input.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use earmark_audio::has_audio_extension;
use earmark_fs::{EntryKind, Walk};
use glob::{MatchOptions, Pattern};

use crate::input::path::Input;
use crate::output::messages;

/// Which sounds to read.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// Sound files, folders (searched recursively), quoted glob patterns, http(s) URLs, or - for standard input.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,

    /// Process only part I of N, every N-th file from the I-th on, to share the work among N jobs: 1/4.
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    shard: Option<Shard>,
}

/// Part `index` (from 1) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    index: usize,
    count: usize,
}

fn parse_shard(text: &str) -> Result<Shard, String> {
    let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match numbers {
        Some((index, count)) if index >= 1 && index <= count => Ok(Shard { index, count }),
        _ => Err("expected I/N with I from 1 to N, such as 2/8".to_owned()),
    }
}

impl InputArgs {
    /// The folder of each PATH: the folder itself, or that which the file lies in, or the pattern begins in.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let files = self.paths.iter().filter_map(|named| match Input::new(named) {
            Input::File(path) => Some((path, named.to_str())),
            Input::Url(_) | Input::Stdin => None,
        });
        let folder = |(path, text): (PathBuf, Option<&str>)| match text {
            _ if path.is_dir() => path,
            Some(text) if path.symlink_metadata().is_err() => beginning(text).0.into(),
            _ => path.parent().map(Path::to_owned).unwrap_or_default(),
        };
        files
            .map(folder)
            .map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder })
            .collect()
    }

    /// All inputs, in the order given; the files of a folder or a pattern sorted by name.
    pub(crate) fn find(&self) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for named in &self.paths {
            let path = Path::new(named);
            let pattern = named.to_str().filter(|text| text.contains(['*', '?', '[']));
            match (Input::new(named), pattern) {
                (Input::File(_), _) if path.is_dir() => {
                    let before = inputs.len();
                    search(path, &mut inputs)?;
                    if inputs.len() == before {
                        bail!("no sound files in the folder `{}`", earmark_fs::text(path));
                    }
                }
                (Input::File(_), Some(text)) if path.symlink_metadata().is_err() => {
                    let before = inputs.len();
                    fitting(text, &mut inputs)?;
                    if inputs.len() == before {
                        bail!("no file matches the pattern `{text}`");
                    }
                }
                (input, _) => inputs.push(input),
            }
        }
        // A file that is named and lies in a named folder is one file.
        let mut seen = HashSet::new();
        inputs.retain(|input| seen.insert(input.name()));
        if let Some(Shard { index, count }) = self.shard {
            let all = inputs.len();
            inputs = inputs.into_iter().skip(index - 1).step_by(count).collect();
            if inputs.is_empty() {
                messages::note(format_args!("--shard {index}/{count} has no files: there are only {all}"));
            }
        }
        Ok(inputs)
    }
}

/// Sound files below a folder, by name; hidden ones are passed over, and links to folders are not followed.
fn search(folder: &Path, inputs: &mut Vec<Input>) -> Result<()> {
    let mut entries = Walk::new(folder).into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            // It fails by itself when its turn comes, and the others do not.
            Err(error) if error.path != folder => inputs.push(Input::File(error.path)),
            Err(error) => return Err(error.into()),
            Ok(entry) if entry.is_hidden() => entries.skip_folder(),
            // Also what is no file: that shows when its turn comes, and is said then.
            Ok(entry) if !entry.is_folder() && has_audio_extension(&entry.path) => {
                inputs.push(Input::File(entry.path));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Files whose paths fit a pattern, by name, and sound files below the folders that do. Links to folders are followed where
/// the pattern says how deep it goes: with `**` they may lead round and round.
fn fitting(text: &str, inputs: &mut Vec<Input>) -> Result<()> {
    let pattern = Pattern::new(text).with_context(|| format!("invalid pattern `{text}`"))?;
    let (folder, rest) = beginning(text);
    let deep = rest.split(std::path::is_separator).any(|part| part == "**");
    let depth = (!deep).then(|| 1 + rest.matches(std::path::is_separator).count());
    descend(Path::new(folder), &pattern, depth, inputs)
}

/// The folder that a pattern begins in, and the rest.
fn beginning(text: &str) -> (&str, &str) {
    let special = text.find(['*', '?', '[']).unwrap_or(text.len());
    let start = text[..special].rfind(std::path::is_separator).map_or(0, |at| at + 1);
    text.split_at(start)
}

/// Without a depth no links are followed.
fn descend(folder: &Path, pattern: &Pattern, depth: Option<usize>, inputs: &mut Vec<Input>) -> Result<()> {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let walk = Walk::new(here).follow_links(depth.is_some());
    let walk = depth.into_iter().fold(walk, Walk::depth);
    for entry in walk {
        let entry = entry?;
        let path = folder.join(&entry.relative);
        if pattern.matches_with(&earmark_fs::text(&path), options) {
            match entry.is_folder() {
                true if entry.is_link => {}
                true => search(&path, inputs)?,
                false => inputs.push(Input::File(path.clone())),
            }
        }
        // A pattern of finite depth may lead through a link to a folder above.
        let left = depth.and_then(|depth| depth.checked_sub(entry.relative.iter().count()));
        if entry.kind == EntryKind::Loop && left.is_some_and(|left| left > 0) {
            descend(&path, pattern, left, inputs)?;
        }
    }
    Ok(())
}
