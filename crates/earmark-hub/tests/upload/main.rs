//! Pushes against a Hub on the loopback interface: what arrives, what is not sent twice, and what a failure leaves behind.

#![allow(clippy::unwrap_used)] // A helper that cannot go on fails the test, as it should.

mod uploads;
mod refusals;
mod faults;
mod attacks;
mod readme;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use earmark_hub::{Error, ErrorKind, Hub, HubBuilder, Progress, Push, Pushed, Repo};
use earmark_testkit::http::{BodyFault, Request, Response};
use earmark_testkit::hub::LoopbackHub;
use earmark_testkit::skip;
use tempfile::TempDir;

const TOKEN: &str = "hf_secret_write";
const REPO: &str = "models/me/model";

/// A Hub with one user, a folder with a model in it, and a place for a cache.
struct Place {
    hub: LoopbackHub,
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let (hub, folder) = (LoopbackHub::start(), tempfile::tempdir().unwrap());
        hub.add_token(TOKEN, "me", true);
        hub.add_token("hf_secret_read", "me", false);
        let place = Place { hub, folder };
        place.write("config.json", b"{\"model_type\": \"hubert\"}");
        place.write("README.md", b"# card");
        place.write("empty.txt", b"");
        place.write("model.safetensors", &weights());
        place
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn builder(&self) -> HubBuilder {
        Hub::builder(self.folder.path().join("cache"))
            .endpoint(self.hub.url())
            .token(TOKEN)
            .retries(2)
            .retry_delay(Duration::from_millis(1))
            .timeout(Duration::from_secs(20))
    }

    fn what(&self) -> Push {
        let names = ["config.json", "README.md", "empty.txt", "model.safetensors"];
        let files: Vec<(String, PathBuf)> =
            names.iter().map(|name| ((*name).to_owned(), self.folder.path().join(name))).collect();
        Push {
            repo: Repo::model("me/model").unwrap(),
            files,
            message: "Upload".to_owned(),
            private: false,
            create_pr: false,
        }
    }

    fn push(&self) -> Result<Pushed, Error> {
        self.builder().build().unwrap().push(&self.what())
    }

    /// What the branch holds besides the file every new repository has.
    fn held(&self, revision: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = self.hub.files(REPO, revision);
        files.remove(".gitattributes");
        files.into_iter().collect()
    }

    fn sent(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> =
            self.what().files.into_iter().map(|(name, path)| (name, fs::read(path).unwrap())).collect();
        files.sort();
        files
    }

    #[track_caller]
    fn all_there(&self, revision: &str) {
        assert_eq!(self.held(revision), self.sent());
    }

    /// Requests to the Hub and its storage, by method and the start of the path.
    fn count(&self, method: &str, part: &str) -> usize {
        let servers = [self.hub.server(), self.hub.storage()];
        let all = servers.into_iter().flat_map(|server| server.requests());
        all.filter(|request| request.method == method && request.path.contains(part)).count()
    }
}

/// More than one buffer of anything, and nothing that repeats.
fn weights() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn message(error: &Error) -> String {
    format!("{error}: {}; {error:?}", error.kind)
}
