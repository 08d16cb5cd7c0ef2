//! The lines of metrics.jsonl, posted to an HTTP server while a run goes on.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;

use crate::output::messages;

/// A server that takes longer than this for a request has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a request: a resumed run has a long log.
const MOST: u64 = 1 << 20;

/// Where to report to: an http or https address.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("{error}, expected an address such as http://host:8000/metrics"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("the scheme is {other}, expected http or https")),
    }
}

/// Posts on a thread of its own: a server that is slow or gone never holds a run up.
pub(super) struct Reporter {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Reporter {
    pub(super) fn start(url: &Url, run: &Path) -> Reporter {
        let (wake, woken) = sync_channel(1);
        let posts = Posts { url: url.clone(), path: run.join("metrics.jsonl"), sent: 0, failing: false };
        Reporter { wake, thread: thread::spawn(move || posts.run(&woken)) }
    }

    /// There may be new lines.
    pub(super) fn look(&self) {
        // One look that waits is enough.
        let _ = self.wake.try_send(());
    }

    /// Posts the last lines.
    pub(super) fn finish(self) {
        drop(self.wake);
        let _ = self.thread.join();
    }
}

struct Posts {
    url: Url,
    path: PathBuf,
    /// Bytes that have arrived. From the beginning of the file on: a run that is resumed reports all of it again, so that nothing is
    /// missing of what an earlier session could not send.
    sent: u64,
    failing: bool,
}

impl Posts {
    fn run(mut self, woken: &Receiver<()>) {
        let client = match Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build() {
            Ok(client) => client,
            Err(error) => {
                messages::warning(format_args!("no metrics are reported: {}", error.without_url()));
                return;
            }
        };
        while woken.recv().is_ok() {
            self.post_all(&client);
        }
        self.post_all(&client);
        if self.failing {
            messages::warning(format_args!(
                "not all lines of metrics.jsonl reached {}; the file has them",
                self.host()
            ));
        }
    }

    fn post_all(&mut self, client: &Client) {
        while let Some(lines) = self.next_lines() {
            let bytes = lines.len() as u64;
            match self.post(client, lines) {
                Ok(()) => {
                    self.sent += bytes;
                    self.failing = false;
                }
                Err(why) => {
                    if !self.failing {
                        messages::warning(format_args!("cannot report metrics to {}: {why}", self.host()));
                    }
                    self.failing = true;
                    return;
                }
            }
        }
    }

    /// Whole lines that have not arrived yet.
    fn next_lines(&self) -> Option<Vec<u8>> {
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.sent)).ok()?;
        let mut lines = Vec::new();
        file.take(MOST).read_to_end(&mut lines).ok()?;
        let whole = lines.iter().rposition(|&byte| byte == b'\n')? + 1;
        lines.truncate(whole);
        Some(lines)
    }

    fn post(&self, client: &Client, lines: Vec<u8>) -> Result<(), String> {
        let request =
            client.post(self.url.clone()).header("content-type", "application/x-ndjson").body(lines);
        let answer = request.send().map_err(|error| match error.is_timeout() {
            true => format!("no answer within {} s", TIMEOUT.as_secs()),
            // The address may hold a password.
            false => earmark_error::chain(&error.without_url()),
        })?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }

    /// The server, without what may be secret in the address.
    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{}://{host}:{port}", self.url.scheme()),
            None => format!("{}://{host}", self.url.scheme()),
        }
    }
}
