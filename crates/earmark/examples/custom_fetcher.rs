//! Streams a Parquet file of sounds from a server of your own, by your own HTTP client.
//!
//! ```sh
//! cargo run --release -p earmark --features data --example custom_fetcher -- https://mirror.example me/birds data/train.parquet
//! ```

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use earmark::data::{Fetch, FetchError, Location, ReadAt, RemoteFile, Stream};
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::RANGE;

/// A server that has the files of the Hub at `<base>/<owner>/<name>/<path>`.
struct Mirror {
    base: String,
    client: Client,
}

impl Mirror {
    fn url(&self, file: &RemoteFile) -> String {
        match &file.location {
            Location::Hub { repo, path, .. } => format!("{}/{repo}/{path}", self.base),
            Location::Web(url) => url.clone(),
        }
    }
}

impl Fetch for Mirror {
    fn open(&self, file: &RemoteFile) -> Result<Arc<dyn ReadAt>, FetchError> {
        let (url, client) = (self.url(file), self.client.clone());
        let answer = client.head(&url).send().and_then(Response::error_for_status)?;
        let size = answer.headers().get("content-length").ok_or("the server does not say how long it is")?;
        let size = size.to_str()?.parse()?;
        Ok(Arc::new(Ranges { url, client, size }))
    }

    fn path(&self, file: &RemoteFile) -> Result<PathBuf, FetchError> {
        let url = self.url(file);
        let path = Path::new("downloads").join(url.rsplit('/').next().unwrap_or("file"));
        fs::create_dir_all("downloads")?;
        let mut answer = self.client.get(&url).send().and_then(Response::error_for_status)?;
        io::copy(&mut answer, &mut File::create(&path)?)?;
        Ok(path)
    }
}

/// A file that is read by range requests.
#[derive(Debug)]
struct Ranges {
    url: String,
    client: Client,
    size: u64,
}

impl ReadAt for Ranges {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let range = format!("bytes={offset}-{}", offset + buffer.len() as u64 - 1);
        let answer = self.client.get(&self.url).header(RANGE, &range).send();
        let mut answer = answer.and_then(Response::error_for_status).map_err(io::Error::other)?;
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            return Err(io::Error::other(format!("the server does not answer `{range}` in part")));
        }
        answer.read_exact(buffer)
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().context("which server?")?;
    let repo = arguments.next().context("which dataset? owner/name")?;
    let path = arguments.next().context("which Parquet file of it?")?;

    let mirror = Arc::new(Mirror { base, client: Client::new() });
    let (labels, stream) = Stream::of_shards(vec![RemoteFile::hub(&repo, "main", path)], None, mirror)?;
    for example in stream.take(5) {
        let example = example?;
        let label = example.label.and_then(|id| labels.name(id)).unwrap_or("no label");
        println!("{label}  {}  {} bytes", example.name, example.audio.len());
    }
    Ok(())
}
