//! What the PATHs of a command stand for: files, folders, patterns, standard input.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use earmark_data::is_sound;

/// What to listen to.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// Sound files, folders (searched through), patterns in quotes, or - for standard input.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,

    /// Do only every n-th file, from the i-th on: for n jobs that share the work.
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

/// One thing to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    File(PathBuf),
    Stdin,
}

impl Input {
    /// What the results call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Stdin => "-".to_owned(),
        }
    }
}

impl InputArgs {
    /// Every file meant, in the order given; what a folder or a pattern holds, by name.
    pub(crate) fn find(&self) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for text in &self.paths {
            let path = Path::new(text);
            if text == "-" {
                inputs.push(Input::Stdin);
            } else if path.is_dir() {
                let before = inputs.len();
                search(path, &mut inputs)?;
                if inputs.len() == before {
                    bail!("the folder `{text}` holds no sound files");
                }
            } else if text.starts_with("http://") || text.starts_with("https://") {
                bail!("`{text}` is an address: pipe it in, as in `curl -L {text} | earmark … -`");
            } else if !path.exists() && text.contains(['*', '?', '[']) {
                let found = glob::glob(text).with_context(|| format!("`{text}` is no pattern"))?;
                let before = inputs.len();
                for path in found {
                    inputs.push(Input::File(path.with_context(|| format!("cannot search for `{text}`"))?));
                }
                if inputs.len() == before {
                    bail!("no file fits the pattern `{text}`");
                }
            } else {
                // Whether it is there shows when its turn comes: one missing file should not stop a thousand others.
                inputs.push(Input::File(path.to_path_buf()));
            }
        }
        // A file that is named and lies in a named folder is one file.
        let mut seen = HashSet::new();
        inputs.retain(|input| seen.insert(input.name()));
        if let Some(Shard { index, count }) = self.shard {
            inputs = inputs.into_iter().skip(index - 1).step_by(count).collect();
        }
        Ok(inputs)
    }
}

/// Sound files below a folder, by name; hidden ones are passed over, and links to folders are not followed.
fn search(folder: &Path, inputs: &mut Vec<Input>) -> Result<()> {
    let unlisted = || format!("cannot list the folder `{}`", folder.display());
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .with_context(unlisted)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type().with_context(unlisted)?.is_dir() {
            search(&path, inputs)?;
        } else if is_sound(&path) && path.is_file() {
            inputs.push(Input::File(path));
        }
    }
    Ok(())
}
