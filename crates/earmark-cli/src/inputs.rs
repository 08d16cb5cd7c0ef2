//! What the PATHs of a command stand for: files, folders, patterns, web addresses, standard input.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use earmark_audio::{DecodeOptions, Decoder};
use earmark_data::is_sound;
use earmark_hub::Hub;
use earmark_pipeline::Sound;

use crate::model::HubArgs;

/// What to listen to.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// Sound files, folders (searched through), patterns in quotes, http(s) addresses, or - for standard input.
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
    Address(String),
    Stdin,
}

impl Input {
    /// What one PATH names by itself. Whether a file is there shows when its turn comes: one missing file should not stop
    /// a thousand others.
    pub(crate) fn named(text: &str) -> Input {
        match text {
            "-" => Input::Stdin,
            _ if text.starts_with("http://") || text.starts_with("https://") => {
                Input::Address(text.to_owned())
            }
            _ => Input::File(text.into()),
        }
    }

    /// What the results call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Address(url) => url.clone(),
            Input::Stdin => "-".to_owned(),
        }
    }
}

/// Opens inputs: the files by themselves, addresses through the Hub's HTTP client, if there are any.
pub(crate) struct Opener(Option<Hub>);

impl Opener {
    pub(crate) fn new(inputs: &[Input], hub: &HubArgs) -> Result<Opener> {
        let remote = inputs.iter().any(|input| matches!(input, Input::Address(_)));
        Ok(Opener(if remote { Some(hub.open()?) } else { None }))
    }

    /// All of it, to be heard as one clip.
    pub(crate) fn sound(&self, input: &Input) -> Result<Sound> {
        let named = |bytes| Sound::Named(input.name(), bytes);
        match input {
            Input::File(path) => Ok(Sound::File(path.clone())),
            Input::Stdin => whole(io::stdin().lock()).map(named).context("cannot read standard input"),
            Input::Address(url) => {
                let read = || whole(self.body(url)?).with_context(|| format!("cannot fetch `{url}`"));
                // A connection that is cut midway is tried once more.
                read().or_else(|error| if is_cut(&error) { read() } else { Err(error) }).map(named)
            }
        }
    }

    /// As it comes, to be heard block by block.
    pub(crate) fn decoder(&self, input: &Input, options: &DecodeOptions) -> Result<Decoder> {
        Ok(match input {
            Input::File(path) => Decoder::open(path, options)?,
            Input::Stdin => Decoder::from_stream(io::stdin().lock(), options)?,
            Input::Address(url) => Decoder::from_stream(self.body(url)?, options)
                .with_context(|| format!("cannot hear `{url}`"))?,
        })
    }

    fn body(&self, url: &str) -> Result<earmark_hub::Body> {
        Ok(self.0.as_ref().context("addresses were not asked for")?.open_url(url)?)
    }
}

fn is_cut(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.into_iter().any(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// As many bytes as a sound file that cannot be decoded as it comes may have.
fn whole(reader: impl Read) -> Result<Vec<u8>> {
    const MOST: u64 = 1 << 30;
    let mut bytes = Vec::new();
    reader.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        bail!("it goes on past a gibibyte: save it as a file, and name that");
    }
    Ok(bytes)
}

impl InputArgs {
    /// Every file meant, in the order given; what a folder or a pattern holds, by name.
    pub(crate) fn find(&self) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for text in &self.paths {
            let path = Path::new(text);
            match Input::named(text) {
                Input::File(_) if path.is_dir() => {
                    let before = inputs.len();
                    search(path, &mut inputs)?;
                    if inputs.len() == before {
                        bail!("the folder `{text}` holds no sound files");
                    }
                }
                Input::File(_) if !path.exists() && text.contains(['*', '?', '[']) => {
                    let found = glob::glob(text).with_context(|| format!("`{text}` is no pattern"))?;
                    let before = inputs.len();
                    for path in found {
                        inputs
                            .push(Input::File(path.with_context(|| format!("cannot search for `{text}`"))?));
                    }
                    if inputs.len() == before {
                        bail!("no file fits the pattern `{text}`");
                    }
                }
                input => inputs.push(input),
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
