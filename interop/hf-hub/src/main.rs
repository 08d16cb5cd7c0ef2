//! Why earmark-hub is not hf-hub beyond the calls that look up and create repositories: each fault of hf-hub 1.0.0 that was read in its source, shown against the loopback Hub.
//!
//! ```sh
//! cargo run --release --manifest-path interop/hf-hub/Cargo.toml --target-dir target/hf-hub
//! ```
//!
//! It prints a line for each, `there` or `gone`, and what was seen. With another version of hf-hub in Cargo.toml, a line that says `gone` is a
//! reason less (ARCHITECTURE.md).

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use earmark_testkit::http::Response;
use earmark_testkit::hub::LoopbackHub;
use hf_hub::repository::{CommitOperation, RepoTreeEntry};
use hf_hub::{HFClient, HFClientSync};
use tempfile::TempDir;

const TOKEN: &str = "hf_write";
const REPO: &str = "models/me/model";

fn main() {
    if std::env::var_os("HF_HUB_FAULTS_ENDPOINT").is_some() {
        return the_environments_token_is_sent_by_a_client_without_one();
    }
    println!("hf-hub 1.0.0, against a Hub on the loopback interface");
    large_files_are_put_into_the_commit();
    the_storages_address_is_taken_as_it_comes();
    a_commit_is_repeated_when_its_answer_is_lost();
    a_silent_server_is_waited_for();
    an_error_page_becomes_the_cached_file();
    an_etag_leads_out_of_the_cache();
    the_environments_token_is_sent_by_a_client_without_one();
    the_sha256_of_a_large_file_is_lost();
    into_a_folder_nothing_comes_by_xet();
}

fn tell(what: &str, is_there: bool, seen: &str) {
    println!("{}  {what}: {seen}", if is_there { "there" } else { "gone " });
}

fn hub() -> LoopbackHub {
    let hub = LoopbackHub::start();
    hub.add_token(TOKEN, "me", true);
    hub.add(REPO, "main", &[("config.json", b"{}"), ("model.safetensors", &[7; 3_000_000])]);
    hub
}

fn client(hub: &LoopbackHub, cache: &Path) -> HFClientSync {
    HFClient::builder().endpoint(hub.url()).token(TOKEN).cache_dir(cache).build_sync().expect("a client")
}

/// Commits other weights, and says how that ended.
fn commit(hub: &LoopbackHub, cache: &Path) -> Result<(), hf_hub::HFError> {
    let operations = vec![CommitOperation::add_bytes("model.safetensors", vec![8; 3_000_000])];
    let repo = client(hub, cache).model("me", "model");
    repo.create_commit().operations(operations).commit_message("Upload").send().map(drop)
}

/// A storage of git-LFS is there and is not used.
fn large_files_are_put_into_the_commit() {
    let (hub, cache) = (hub(), TempDir::new().expect("a folder"));
    let done = commit(&hub, cache.path());
    let requests = hub.server().requests();
    let body =
        requests.iter().filter(|it| it.path.contains("/commit/")).map(|it| it.body.len()).max().unwrap_or(0);
    let seen = format!(
        "the commit's body has {body} bytes, the storage was sent {} files ({done:?})",
        hub.storage().count("PUT")
    );
    tell("a large file is put into the commit where the storage is not Xet's", body > 3_000_000, &seen);
}

/// The Hub names a folder of this machine as its Xet storage.
fn the_storages_address_is_taken_as_it_comes() {
    let (mut hub, cache) = (hub(), TempDir::new().expect("a folder"));
    hub.offer_xet();
    let folder = cache.path().join("named-by-the-server");
    let answer = format!(
        "{{\"accessToken\": \"x\", \"exp\": 4000000000, \"casUrl\": \"local://{}\"}}",
        folder.display()
    );
    hub.set_fault(move |it| it.path.contains("/xet-").then(|| Response::new(200, answer.clone())));
    let done = commit(&hub, cache.path()).map_err(|error| error.to_string());
    let seen = format!("the folder was made: {}, and the push ended with {done:?}", folder.exists());
    tell("a server may name a folder here as the storage", folder.exists(), &seen);
}

fn a_commit_is_repeated_when_its_answer_is_lost() {
    let (hub, cache) = (hub(), TempDir::new().expect("a folder"));
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    hub.set_fault(|it| {
        let is_commit = it.path.contains("/commit/");
        (is_commit && ASKED.fetch_add(1, Ordering::SeqCst) < 2)
            .then(|| Response::new(504, "made, but too late"))
    });
    let done = commit(&hub, cache.path());
    let asked = ASKED.load(Ordering::SeqCst);
    let looked = hub.server().requests().iter().filter(|it| it.path.contains("/revision/")).count();
    let seen = format!("sent {asked} times, the branch was looked at {looked} times ({done:?})");
    tell("a commit is repeated without a look at the branch", asked > 1 && looked == 0, &seen);
}

fn a_silent_server_is_waited_for() {
    let (hub, cache) = (hub(), TempDir::new().expect("a folder"));
    hub.set_fault(|_| Some(Response { silent: true, ..Response::new(200, "") }));
    let (repo, (sender, receiver)) = (client(&hub, cache.path()).model("me", "model"), mpsc::channel());
    std::thread::spawn(move || {
        let done = repo.download_file().filename("config.json").send();
        let _ = sender.send(done.map(drop).map_err(|error| error.to_string()));
    });
    let seen = receiver.recv_timeout(Duration::from_secs(60));
    tell("a server that says nothing is waited for", seen.is_err(), &format!("after 60 s: {seen:?}"));
}

fn an_error_page_becomes_the_cached_file() {
    let (hub, cache) = (hub(), TempDir::new().expect("a folder"));
    hub.set_fault(|it| {
        let is_get = it.method == "GET" && it.path.contains("/resolve/");
        is_get.then(|| Response::new(403, "<html>no</html>"))
    });
    let found =
        client(&hub, cache.path()).model("me", "model").download_file().filename("config.json").send();
    let text = found.as_ref().ok().and_then(|path| fs::read_to_string(path).ok());
    let is_there = text.as_deref() == Some("<html>no</html>");
    tell("an error page becomes the cached file", is_there, &format!("{text:?}"));
}

fn an_etag_leads_out_of_the_cache() {
    let (hub, cache) = (hub(), TempDir::new().expect("a folder"));
    hub.set_fault(|it| {
        let found = Response::new(200, "evil")
            .header("ETag", "\"../../../outside\"")
            .header("X-Repo-Commit", "a".repeat(40));
        it.path.contains("/resolve/").then_some(found)
    });
    let inside = cache.path().join("a/hub");
    let done = client(&hub, &inside).model("me", "model").download_file().filename("config.json").send();
    let outside = cache.path().join("a/outside");
    let seen = format!("`outside` beside the cache was written: {} ({done:?})", outside.exists());
    tell("an ETag leads out of the cache", outside.exists(), &seen);
}

/// Asked of a process of its own, as the environment is set before any thread is.
fn the_environments_token_is_sent_by_a_client_without_one() {
    if let Ok(url) = std::env::var("HF_HUB_FAULTS_ENDPOINT") {
        let cache = TempDir::new().expect("a folder");
        let client =
            HFClient::builder().endpoint(url).cache_dir(cache.path()).build_sync().expect("a client");
        let _ = client.model("me", "model").download_file().filename("config.json").send();
        std::process::exit(0);
    }
    let hub = hub();
    let mut again = std::process::Command::new(std::env::current_exe().expect("this program"));
    let _ = again.env("HF_HUB_FAULTS_ENDPOINT", hub.url()).env("HF_TOKEN", TOKEN).output();
    let with = hub.server().requests().iter().filter(|it| it.headers.contains_key("authorization")).count();
    tell("no client is anonymous where HF_TOKEN is set", with > 0, &format!("{with} requests had the token"));
}

/// With `local_dir` it builds no path of the server's headers. But it looks for `X-Xet-Hash` behind the Hub's redirect.
fn into_a_folder_nothing_comes_by_xet() {
    let (mut hub, cache) = (hub(), TempDir::new().expect("a folder"));
    hub.offer_xet();
    let repo = client(&hub, cache.path()).model("me", "model");
    let done =
        repo.download_file().filename("model.safetensors").local_dir(cache.path().join("folder")).send();
    let (by_xet, plain) = (hub.xet().connections(), hub.storage().count("GET"));
    let seen = format!("{by_xet} connections to the Xet storage, {plain} downloads by HTTPS ({done:?})");
    tell("into a folder no large file comes by Xet", by_xet == 0 && plain > 0, &seen);
}

fn the_sha256_of_a_large_file_is_lost() {
    let (hub, cache) = (hub(), TempDir::new().expect("a folder"));
    let listed =
        client(&hub, cache.path()).model("me", "model").list_tree().recursive(true).send().expect("a list");
    let lfs = listed.into_iter().find_map(|entry| match entry {
        RepoTreeEntry::File { path, lfs, .. } if path == "model.safetensors" => Some(lfs),
        _ => None,
    });
    let sha256 = lfs.flatten().and_then(|lfs| lfs.sha256);
    tell("the list of files lacks the SHA-256 of a large file", sha256.is_none(), &format!("{sha256:?}"));
}
