//! Large files by Xet, against a Hub and a Xet storage on the loopback interface.

#![allow(clippy::unwrap_used)] // A helper that cannot go on fails the test, as it should.

mod transfers;
mod faults;
mod attacks;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use earmark_hub::{Error, ErrorKind, Hub, HubBuilder, Push, Pushed, Repo};
use earmark_testkit::http::{BodyFault, Request, Response};
use earmark_testkit::hub::{LoopbackHub, sha256};
use tempfile::TempDir;

const TOKEN: &str = "hf_secret_write";
const REPO: &str = "models/me/model";

/// A Hub with a Xet storage and one user, a folder with a model in it, and a place for caches.
struct Place {
    hub: LoopbackHub,
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let (mut hub, folder) = (LoopbackHub::start(), tempfile::tempdir().unwrap());
        hub.offer_xet();
        hub.add_token(TOKEN, "me", true);
        fs::write(folder.path().join("config.json"), "{\"model_type\": \"hubert\"}").unwrap();
        fs::write(folder.path().join("model.safetensors"), weights()).unwrap();
        Place { hub, folder }
    }

    /// The same with the model on the Hub.
    fn filled() -> Place {
        let place = Place::new();
        place.hub.add(REPO, "main", &[("config.json", b"{}"), ("model.safetensors", &weights())]);
        place
    }

    fn builder(&self) -> HubBuilder {
        Hub::builder(self.folder.path().join("hub"))
            .endpoint(self.hub.url())
            .token(TOKEN)
            .xet(true)
            .retries(1)
            .retry_delay(Duration::from_millis(1))
            .timeout(Duration::from_secs(20))
    }

    /// One that gives up soon.
    fn hasty(&self) -> Hub {
        let hub = self.builder().timeout(Duration::from_millis(300));
        hub.min_rate(1, Duration::from_millis(900)).build().unwrap()
    }

    fn what(&self) -> Push {
        let file = |name: &str| (name.to_owned(), self.folder.path().join(name));
        Push {
            repo: repo(),
            files: vec![file("config.json"), file("model.safetensors")],
            message: "Upload".to_owned(),
            private: false,
            create_pr: false,
        }
    }

    fn push(&self) -> Result<Pushed, Error> {
        self.builder().build().unwrap().push(&self.what())
    }

    fn fetch(&self, hub: &Hub) -> Result<PathBuf, Error> {
        hub.fetch(&repo(), "model.safetensors")
    }

    /// What lies in the cache beside whole blobs.
    fn leftovers(&self) -> Vec<PathBuf> {
        let blobs = self.folder.path().join("hub/models--me--model/blobs");
        let all = fs::read_dir(blobs).into_iter().flatten().map(|entry| entry.unwrap().path());
        all.filter(|path| path.extension().is_some()).collect()
    }

    /// Bytes of the bodies that the Xet storage was sent at paths with this in them.
    fn sent_by_xet(&self, part: &str) -> usize {
        let requests = self.hub.xet().requests();
        requests
            .iter()
            .filter(|it| it.method == "POST" && it.path.contains(part))
            .map(|it| it.body.len())
            .sum()
    }
}

fn repo() -> Repo {
    Repo::model("me/model").unwrap()
}

/// 9 MB in which nothing repeats: more than one part of what the storage sends, but not a whole number of chunks.
fn weights() -> Vec<u8> {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..17_000_001).map(|_| byte()).collect()
}

fn message(error: &Error) -> String {
    format!("{error}: {}; {error:?}", error.kind)
}
