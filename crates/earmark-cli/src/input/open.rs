//! Opens inputs: files by themselves, addresses through the Hub's HTTP client.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use earmark_audio::{DecodeOptions, Decoder};
use earmark_hub::Hub;
use earmark_pipeline::Sound;

use crate::input::path::Input;

/// Opens inputs; it has a client where one of them is an address.
pub(crate) struct Opener(Option<Hub>);

impl Opener {
    /// Opens a client with `hub` if `inputs` need one.
    pub(crate) fn new(inputs: &[Input], hub: impl FnOnce() -> Result<Hub>) -> Result<Opener> {
        let remote = inputs.iter().any(|input| matches!(input, Input::Url(_)));
        Ok(Opener(if remote { Some(hub()?) } else { None }))
    }

    /// The whole of it, to be decoded at once.
    pub(crate) fn sound(&self, input: &Input) -> Result<Sound> {
        let named = |bytes| Sound::Named(input.shown(), bytes);
        match input {
            Input::File(path) => check_regular(path).map(|()| Sound::File(path.clone())),
            Input::Stdin => read_all(io::stdin().lock()).map(named).context("cannot read standard input"),
            Input::Url(url) => {
                let read =
                    || read_all(self.body(url)?).with_context(|| format!("cannot fetch `{}`", input.shown()));
                // A connection that is cut midway is tried once more.
                read().or_else(|error| if is_cut(&error) { read() } else { Err(error) }).map(named)
            }
        }
    }

    /// A decoder that reads it block by block.
    pub(crate) fn decoder(&self, input: &Input, options: &DecodeOptions) -> Result<Decoder> {
        Ok(match input {
            Input::File(path) => {
                check_regular(path)?;
                Decoder::open(path, options)?
            }
            Input::Stdin => Decoder::from_stream(io::stdin().lock(), options)?,
            Input::Url(url) => Decoder::from_stream(self.body(url)?, options)
                .with_context(|| format!("cannot decode `{}`", input.shown()))?,
        })
    }

    fn body(&self, url: &str) -> Result<earmark_hub::Body> {
        Ok(self.0.as_ref().context("no HTTP client was opened")?.open_url(url)?)
    }
}

/// Refuses FIFOs, which would be waited for, and devices, which have no end.
fn check_regular(path: &Path) -> Result<()> {
    let name = earmark_fs::text(path);
    match earmark_fs::open(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            bail!("cannot read `{name}`: {error}; pipe it in and pass - to read standard input")
        }
        opened => opened.map(drop).with_context(|| format!("cannot read `{name}`")),
    }
}

fn is_cut(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.into_iter().any(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// All bytes of a sound that cannot be decoded as it comes, up to a limit.
fn read_all(reader: impl Read) -> Result<Vec<u8>> {
    const LIMIT: u64 = 1 << 30;
    let mut bytes = Vec::new();
    reader.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        bail!("more than 1 GiB: save it to a file first");
    }
    Ok(bytes)
}
