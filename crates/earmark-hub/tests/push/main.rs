//! Pushes against a Hub on the loopback interface: what arrives, what is not sent twice, and what a failure leaves behind.

#![allow(clippy::unwrap_used)] // A helper that cannot go on fails the test, as it should.

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

mod arrives {
    use super::*;

    #[test]
    fn a_new_repository_in_one_commit() {
        let place = Place::new();
        let pushed = place.push().unwrap();
        place.all_there("main");
        assert_eq!(place.hub.commits(REPO), 2, "the one that made it, and ours");
        assert_eq!(pushed.commit, place.hub.head(REPO, "main"));
        assert_eq!(pushed.page, place.hub.url() + "/me/model");
        assert_eq!((pushed.sent.len(), pushed.unchanged), (4, 0));
        assert_eq!(place.hub.is_private(REPO), Some(false));

        // The weights went to the storage, once and without the token; not into the commit.
        assert_eq!(place.count("PUT", "/upload/"), 1);
        for request in place.hub.storage().requests() {
            assert!(!request.headers.contains_key("authorization"));
        }
        let commits = place.hub.server().requests();
        let commit = commits.iter().find(|request| request.path.contains("/commit/")).unwrap();
        assert!(commit.body.len() < 2000, "{}", commit.body.len());
    }

    #[test]
    fn large_files_in_parts_where_the_hub_wants_parts() {
        let place = Place::new();
        place.hub.set_part_size(100_001);
        place.push().unwrap();
        place.all_there("main");
        assert_eq!((place.count("PUT", "/part/"), place.count("POST", "/complete/")), (3, 1));
    }

    #[test]
    fn private_repositories_branches_and_pull_requests() {
        let place = Place::new();
        let hub = place.builder().build().unwrap();
        hub.push(&Push { private: true, ..place.what() }).unwrap();
        assert_eq!(place.hub.is_private(REPO), Some(true));

        let before = place.hub.head(REPO, "main");
        place.write("config.json", b"{}");
        let branch = Push { repo: Repo::model("me/model@next/try").unwrap(), ..place.what() };
        let pushed = hub.push(&branch).unwrap();
        assert_eq!(pushed.sent, ["config.json"]);
        place.all_there("next/try");
        assert_eq!(place.hub.head(REPO, "main"), before);

        let pushed = hub.push(&Push { create_pr: true, ..place.what() }).unwrap();
        assert_eq!(pushed.page, place.hub.url() + "/me/model/discussions/1");
        place.all_there("refs/pr/1");
        assert_eq!(place.hub.head(REPO, "main"), before);
    }

    #[test]
    fn nothing_twice_and_no_commit_when_nothing_differs() {
        let place = Place::new();
        place.push().unwrap();
        place.hub.set_page_size(2);
        let pushed = place.push().unwrap();
        assert_eq!((pushed.commit, pushed.unchanged), (None, 4));
        assert_eq!((place.hub.commits(REPO), place.count("PUT", "/upload/")), (2, 1));

        place.write("README.md", b"# another card");
        assert_eq!(place.push().unwrap().sent, ["README.md"]);
        assert_eq!(place.count("PUT", "/upload/"), 1);
        // A file that only changed its place is in the storage already.
        let mut moved = place.what();
        moved.files[3].0 = "weights/model.safetensors".to_owned();
        place.builder().build().unwrap().push(&moved).unwrap();
        assert_eq!(place.count("PUT", "/upload/"), 1);
        assert_eq!(place.hub.files(REPO, "main")["weights/model.safetensors"], weights());
    }

    #[test]
    fn what_was_pushed_is_what_is_fetched() {
        let place = Place::new();
        place.push().unwrap();
        let hub = place.builder().build().unwrap();
        let folder = hub.fetch_all(&Repo::model("me/model").unwrap(), |_| true).unwrap();
        for (name, bytes) in place.sent() {
            assert_eq!(fs::read(folder.folder().join(name)).unwrap(), bytes);
        }
    }

    #[test]
    fn progress_counts_the_bytes_of_large_files() {
        #[derive(Default)]
        struct Heard(Mutex<(Vec<String>, u64, usize)>);
        impl Progress for Heard {
            fn started(&self, file: &str, total: Option<u64>) {
                self.0.lock().unwrap().0.push(format!("{file} {total:?}"));
            }
            fn advanced(&self, bytes: u64) {
                self.0.lock().unwrap().1 += bytes;
            }
            fn finished(&self) {
                self.0.lock().unwrap().2 += 1;
            }
        }
        let (place, heard) = (Place::new(), Arc::new(Heard::default()));
        let hub = place.builder().progress(Arc::clone(&heard) as Arc<dyn Progress>).build().unwrap();
        hub.push(&place.what()).unwrap();
        let heard = heard.0.lock().unwrap();
        assert_eq!(*heard, (vec!["model.safetensors Some(300000)".to_owned()], 300_000, 1));
    }
}

mod refused {
    use super::*;

    #[test]
    fn without_a_token_or_offline_before_any_connection() {
        let place = Place::new();
        let bare = Hub::builder(place.folder.path()).endpoint(place.hub.url());
        let error = bare.clone().build().unwrap().push(&place.what()).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::NoToken), "{error:?}");
        assert!(error.kind.to_string().contains("earmark login"), "{}", error.kind);
        let offline = bare.token(TOKEN).offline(true).build().unwrap();
        let error = offline.push(&place.what()).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::OfflinePush), "{error:?}");
        assert!(offline.whoami().is_err());
        assert_eq!(place.hub.server().connections(), 0);
    }

    #[test]
    fn tokens_that_may_not_write_or_are_none() {
        let place = Place::new();
        place.push().unwrap();
        place.write("README.md", b"# mine now");
        let read = place.builder().token("hf_secret_read").build().unwrap();
        let error = read.push(&place.what()).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::NoWriteAccess { status: 403, .. }), "{error:?}");
        assert!(error.kind.to_string().contains("role is write"), "{}", error.kind);
        assert_eq!(read.whoami().unwrap().role.as_deref(), Some("read"));
        let unknown = place.builder().token("hf_secret_unknown").build().unwrap();
        assert!(matches!(*unknown.whoami().unwrap_err().kind, ErrorKind::BadToken));
        assert!(unknown.push(&place.what()).is_err());
        let account = place.builder().build().unwrap().whoami().unwrap();
        assert_eq!((&*account.name, account.role.as_deref()), ("me", Some("write")));
    }

    #[test]
    fn a_file_that_is_gone_before_anything_is_sent() {
        let place = Place::new();
        fs::remove_file(place.folder.path().join("README.md")).unwrap();
        let mut push = place.what();
        let error = place.builder().build().unwrap().push(&push).unwrap_err();
        assert!(matches!(&*error.kind, ErrorKind::LocalFile { path, .. } if path.ends_with("README.md")));
        assert_eq!(place.hub.server().connections(), 0);
        push.files[0].0 = "../config.json".to_owned();
        assert!(place.builder().build().unwrap().push(&push).is_err());
    }

    #[test]
    fn the_token_is_in_no_error_even_when_the_hub_repeats_it() {
        let place = Place::new();
        place.hub.set_fault(|request| {
            let said = request.headers.get("authorization").cloned().unwrap_or_default();
            Some(Response::new(422, "").header("X-Error-Message", format!("bad {said}")))
        });
        let error = place.push().unwrap_err();
        assert!(!message(&error).contains("secret"), "{}", message(&error));
    }
}

mod failures {
    use super::*;

    /// Where a push can fail, and how often that call is made by one that is well.
    const CALLS: [&str; 7] =
        ["/revision/", "/tree/", "/preupload/", "/objects/batch", "/lfs-verify/", "/commit/", "/upload/"];

    /// Fails calls of this kind for as long as it answers.
    fn fail(
        place: &Place,
        call: &'static str,
        answer: impl Fn() -> Option<Response> + Send + Sync + Clone + 'static,
    ) {
        let other = answer.clone();
        place.hub.set_fault(move |request| if request.path.contains(call) { answer() } else { None });
        place.hub.set_storage_fault(move |request| if request.path.contains(call) { other() } else { None });
    }

    #[test]
    fn every_status_at_every_call_leaves_no_commit_and_a_repeat_succeeds() {
        for call in CALLS {
            for status in [403, 429, 500, 503] {
                let place = Place::new();
                fail(&place, call, move || Some(Response::new(status, "no").header("Retry-After", "0")));
                let error = place.push().unwrap_err();
                assert!(!message(&error).contains("s3cr3t") && !message(&error).contains("hf_"), "{error:?}");
                assert!(place.hub.commits(REPO) <= 1, "{call} {status}");
                place.hub.clear_faults();
                let sent = place.count("PUT", "/upload/");
                place.push().unwrap();
                place.all_there("main");
                assert_eq!(place.hub.commits(REPO), 2, "{call} {status}");
                if call == "/commit/" {
                    assert_eq!((sent, place.count("PUT", "/upload/")), (1, 1), "the storage had the weights");
                }
            }
        }
    }

    #[test]
    fn trouble_that_passes_is_waited_out() {
        for call in CALLS {
            let (place, seen) = (Place::new(), Arc::new(AtomicUsize::new(0)));
            let trouble = move || match seen.fetch_add(1, Ordering::SeqCst) {
                0 => Some(Response::new(500, "oops")),
                1 => Some(Response::new(200, "{\"cut\": \"short\"}").cut_at(5)),
                _ => None,
            };
            // A storage's cut answer to a PUT is an answer: its status came whole.
            let trouble = move || trouble().filter(|answer| call != "/upload/" || answer.status == 500);
            fail(&place, call, trouble);
            place.push().unwrap();
            place.all_there("main");
            assert_eq!(place.hub.commits(REPO), 2, "{call}");
        }
    }

    #[test]
    fn a_commit_whose_answer_was_lost_is_not_made_twice() {
        let place = Place::new();
        place.push().unwrap();
        place.write("config.json", b"{}");
        // The Hub commits, and the answer is cut: as if by another, who sent the same files.
        let committed = Arc::new(AtomicUsize::new(0));
        let url = place.hub.url();
        let twin = place.what();
        place.hub.set_fault(move |request| {
            if request.path.contains("/commit/") && committed.fetch_add(1, Ordering::SeqCst) == 0 {
                let cache = tempfile::tempdir().unwrap();
                let hub = Hub::builder(cache.path()).endpoint(&url).token(TOKEN).build().unwrap();
                hub.push(&twin).unwrap();
                return Some(Response::new(200, "{\"commitOid\": ").cut_at(4));
            }
            None
        });
        let pushed = place.push().unwrap();
        assert_eq!(pushed.commit, place.hub.head(REPO, "main"));
        assert_eq!(place.hub.commits(REPO), 3);
        place.all_there("main");
    }

    #[test]
    fn somebody_elses_commit_meanwhile_is_not_overwritten() {
        let place = Arc::new(Place::new());
        place.push().unwrap();
        place.write("config.json", b"{}");
        let weak = Arc::downgrade(&place);
        let once = AtomicUsize::new(0);
        place.hub.set_fault(move |request| {
            if request.path.contains("/preupload/") && once.fetch_add(1, Ordering::SeqCst) == 0 {
                weak.upgrade().unwrap().hub.add(REPO, "main", &[("theirs.txt", b"theirs")]);
            }
            None
        });
        let error = place.push().unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::MovedOn), "{error:?}");
        place.hub.clear_faults();
        place.push().unwrap();
        assert_eq!(place.hub.files(REPO, "main")["theirs.txt"], b"theirs");
        assert_eq!(place.hub.files(REPO, "main")["config.json"], b"{}");
    }

    #[test]
    fn a_hub_that_holds_other_bytes_afterwards_is_caught() {
        let place = Arc::new(Place::new());
        place.push().unwrap();
        place.write("config.json", b"{}");
        let weak = Arc::downgrade(&place);
        place.hub.set_fault(move |request| {
            request.path.contains("/commit/").then(|| {
                let hub = &weak.upgrade().unwrap().hub;
                let commit = hub.add(REPO, "main", &[("config.json", b"{ }")]);
                Response::new(200, format!("{{\"commitOid\": \"{commit}\"}}"))
            })
        });
        let error = place.push().unwrap_err();
        assert!(matches!(&*error.kind, ErrorKind::PushDiffers { file, .. } if file == "config.json"));
    }

    #[test]
    fn a_file_that_changes_while_it_is_sent_is_not_committed() {
        let place = Place::new();
        let file = place.folder.path().join("model.safetensors");
        place.hub.set_fault(move |request| {
            if request.path.contains("/lfs-verify/") {
                fs::write(&file, b"other weights").unwrap();
            }
            None
        });
        let error = place.push().unwrap_err();
        assert!(
            matches!(&*error.kind, ErrorKind::LocalFile { path, .. } if path.ends_with("model.safetensors"))
        );
        assert_eq!(place.held("main"), []);
    }

    #[test]
    fn silence_is_given_up_on() {
        let place = Place::new();
        for call in ["/revision/", "/upload/", "/commit/"] {
            fail(&place, call, || Some(Response { silent: true, ..Response::new(200, "") }));
            let hub = place.builder().retries(0).timeout(Duration::from_millis(80)).build().unwrap();
            // Uploads are given a second for every 16 KiB on top, so a small one.
            place.write("model.safetensors", b"few weights");
            let error = hub.push(&place.what()).unwrap_err();
            let kinds = matches!(*error.kind, ErrorKind::NoAnswer { .. } | ErrorKind::UploadCut { .. });
            assert!(kinds, "{call}: {error:?}");
        }
    }
}

/// What a Hub that was taken over, or a storage, may not make of a push.
mod attacks {
    use serde_json::{Value, json};

    use super::*;

    /// A Hub that answers the LFS batch with these actions, made of the address where the storage takes the weights.
    fn batch(actions: impl Fn(&str) -> Value + Send + Sync + 'static) -> Place {
        let place = Place::new();
        let storage = place.hub.storage().url();
        place.hub.set_fault(move |request| {
            request.path.ends_with("/objects/batch").then(|| {
                let asked: Value = serde_json::from_slice(&request.body).unwrap();
                let oid = asked["objects"][0]["oid"].as_str().unwrap();
                let object = json!({ "oid": oid, "actions": actions(&format!("{storage}/upload/{oid}")) });
                Response::new(200, json!({ "objects": [object] }).to_string())
            })
        });
        place
    }

    /// Nothing went anywhere but to the Hub, and no commit was made.
    #[track_caller]
    fn refused(place: &Place, words: &[&str]) -> Error {
        let error = place.push().unwrap_err();
        for word in words {
            assert!(error.kind.to_string().contains(word), "no `{word}`: {}", error.kind);
        }
        assert!(
            !message(&error).contains("secret") && !message(&error).contains("s3cr3t"),
            "{}",
            message(&error)
        );
        assert_eq!(place.held("main"), []);
        error
    }

    #[test]
    fn a_file_goes_to_no_address_but_https_or_the_endpoints_own_host() {
        for address in
            ["http://evil.example", "file:///etc", "ftp://127.0.0.1", "http://127.0.0.2:9", "http://[::1]:9"]
        {
            let href = format!("{address}/x?signature=s3cr3t");
            let host = address.trim_end_matches("///etc");
            let cases: [fn(&str, &str) -> Value; 4] = [
                |bad, _| json!({ "upload": { "href": bad } }),
                |bad, good| json!({ "upload": { "href": good }, "verify": { "href": bad } }),
                |bad, good| json!({ "upload": { "href": good, "header": { "chunk_size": "300000", "1": bad } } }),
                |bad, good| json!({ "upload": { "href": bad, "header": { "chunk_size": "300000", "1": good } } }),
            ];
            for actions in cases {
                let bad = href.clone();
                let place = batch(move |good| actions(&bad, good));
                let error = refused(&place, &["`model.safetensors`", host, "nothing was committed"]);
                assert!(matches!(*error.kind, ErrorKind::UploadAddress { .. }), "{error:?}");
            }
        }
    }

    #[test]
    fn a_storage_that_redirects_gets_no_file_there() {
        let elsewhere = earmark_testkit::http::Server::start(|_| Response::new(200, "{}"));
        for status in [301, 302, 307, 308] {
            let (place, to) = (Place::new(), elsewhere.url());
            place.hub.set_storage_fault(move |_| {
                Some(Response::new(status, "").header("Location", format!("{to}/x")))
            });
            refused(&place, &[&elsewhere.url(), "redirect"]);
            let (place, to) = (Place::new(), elsewhere.url());
            place.hub.set_part_size(100_001);
            place.hub.set_storage_fault(move |request| {
                let to = format!("{to}/x");
                request.path.contains("/complete/").then(|| Response::new(status, "").header("Location", to))
            });
            refused(&place, &[&elsewhere.url(), "redirect"]);
        }
        assert_eq!(elsewhere.connections(), 0);
    }

    #[test]
    fn headers_that_the_hub_names_carry_no_token_away_and_do_not_break_the_request() {
        let stolen = format!("Bearer {TOKEN}");
        let place =
            batch(move |href| json!({ "upload": { "href": href, "header": { "X-Amz-Meta": stolen } } }));
        let error = refused(&place, &["X-Amz-Meta"]);
        assert!(matches!(*error.kind, ErrorKind::UploadHeader { .. }), "{error:?}");
        assert_eq!(place.hub.storage().connections(), 0);

        let broken = batch(|href| json!({ "upload": { "href": href, "header": { "a\nb": "c" } } }));
        refused(&broken, &["`header`"]);

        let header = json!({
            "Content-Length": "3", "Transfer-Encoding": "chunked", "Host": "evil.example", "Connection": "upgrade",
            "X-Kept": "yes",
        });
        let place = batch(move |href| json!({ "upload": { "href": href, "header": header } }));
        place.push().unwrap();
        place.all_there("main");
        let requests = place.hub.storage().requests();
        let put = requests.iter().find(|request| request.method == "PUT").unwrap();
        assert_eq!(put.headers["content-length"], weights().len().to_string());
        assert_eq!(put.headers["x-kept"], "yes");
        assert!(
            !put.headers.contains_key("transfer-encoding") && put.headers["host"].starts_with("127.0.0.1")
        );
        assert!(!put.headers.contains_key("authorization"));
    }

    #[test]
    fn a_storage_that_takes_a_byte_now_and_then_is_given_up_on() {
        let place = Place::new();
        place.write("model.safetensors", &vec![7; 32 << 20]);
        place.hub.storage().set_body_fault(Some(BodyFault::Drip(Duration::from_millis(20))));
        let hub = place.builder().retries(0).least_rate(1 << 20, Duration::from_millis(500)).build().unwrap();
        let before = std::time::Instant::now();
        let error = hub.push(&place.what()).unwrap_err();
        let ErrorKind::UploadTooSlow { server, file, .. } = &*error.kind else { panic!("{error:?}") };
        assert_eq!((server, &**file), (&place.hub.storage().url(), "model.safetensors"));
        assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
        assert_eq!(place.held("main"), []);
    }

    #[test]
    fn a_connection_that_drops_mid_upload_names_file_address_and_cause() {
        let place = Place::new();
        for bytes in [0, 1, 1000, 70_000, 299_999] {
            place.hub.storage().set_body_fault(Some(BodyFault::Disconnect(bytes)));
            let error = place.push().unwrap_err();
            let ErrorKind::UploadCut { server, file, .. } = &*error.kind else { panic!("{error:?}") };
            assert_eq!((server, &**file), (&place.hub.storage().url(), "model.safetensors"));
            assert!(std::error::Error::source(&*error.kind).is_some());
        }
        place.hub.storage().set_body_fault(None);
        place.push().unwrap();
        place.all_there("main");
    }

    #[test]
    fn what_is_no_regular_file_is_not_sent() {
        let place = Place::new();
        let fifo = place.folder.path().join("fifo");
        if !std::process::Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()) {
            skip("what_is_no_regular_file_is_not_sent", "no program `mkfifo`");
            return;
        }
        for path in [fifo, "/dev/zero".into(), place.folder.path().to_owned()] {
            let push = Push { files: vec![("x".to_owned(), path.clone())], ..place.what() };
            let error = place.builder().build().unwrap().push(&push).unwrap_err();
            assert!(matches!(&*error.kind, ErrorKind::LocalFile { path: p, .. } if *p == path), "{error:?}");
        }
        assert_eq!(place.hub.server().connections(), 0);
    }

    #[test]
    fn answers_without_end_or_measure_are_refused_and_say_the_limit() {
        let place = Place::new();
        place.push().unwrap();
        place.write("config.json", b"{}");
        let endless = |request: &Request, part: &str| {
            request.path.contains(part).then(|| {
                let length = format!("{}", 1_u64 << 40);
                Response::new(200, "{").header("Content-Length", length)
            })
        };
        for call in ["/revision/", "/tree/", "/preupload/", "/commit/"] {
            place.hub.set_fault(move |request| endless(request, call));
            let error = place.push().unwrap_err();
            let ErrorKind::TooLarge { limit, .. } = &*error.kind else { panic!("{call}: {error:?}") };
            assert!(error.kind.to_string().contains(&limit.to_string()), "{}", error.kind);
        }
    }

    #[test]
    fn names_and_words_of_the_hub_are_short_and_on_one_line() {
        let place = Place::new();
        let long = "x\n\u{1b}[31m\u{2028}\u{202e}".repeat(10_000);
        place.hub.set_fault(move |request| {
            let body = json!({ "name": long, "auth": { "accessToken": { "role": long } } }).to_string();
            request.path.ends_with("whoami-v2").then(|| Response::new(200, body))
        });
        let account = place.builder().build().unwrap().whoami().unwrap();
        let plain = |text: &str| text.chars().count() <= 300 && !text.contains(['\n', '\u{1b}', '\u{2028}']);
        assert!(plain(&account.name) && plain(&account.role.unwrap()), "{:?}", account.name);
        place.hub.set_fault(move |request| {
            let body = json!({ "error": "y\n\u{1b}".repeat(500) }).to_string();
            request.path.contains("/preupload/").then(|| Response::new(422, body))
        });
        let error = place.push().unwrap_err();
        assert!(plain(&error.kind.to_string()) && error.kind.to_string().contains("y  y"), "{}", error.kind);
    }
}

/// The table of the README, from what is really said.
mod said {
    use super::*;

    fn chain(error: &Error, hub: &LoopbackHub) -> String {
        let address = hub.url();
        let said = error.kind.to_string().replace(&address, "https://hub");
        said.replace(&hub.storage().url(), "https://storage").replace(&sha(&weights()), "9f86…")
    }

    fn sha(bytes: &[u8]) -> String {
        earmark_testkit::hub::sha256(bytes)
    }

    /// A fault by its name, and what fetching the weights then says.
    fn fetched(
        fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static,
        storage: bool,
    ) -> String {
        let hub = LoopbackHub::start();
        hub.add(REPO, "main", &[("model.safetensors", &weights())]);
        if storage {
            hub.set_storage_fault(fault);
        } else {
            hub.set_fault(fault);
        };
        let cache = tempfile::tempdir().unwrap();
        let client =
            Hub::builder(cache.path()).endpoint(hub.url()).retries(1).retry_delay(Duration::from_millis(1));
        let client = client.timeout(Duration::from_millis(100)).build().unwrap();
        let error = client.fetch(&Repo::model("me/model").unwrap(), "model.safetensors").unwrap_err();
        assert!(!cache.path().join("models--me--model/snapshots").exists(), "a wrong file is in the cache");
        chain(&error, &hub)
    }

    fn pushed(prepare: impl Fn(&Place), token: Option<&str>, offline: bool) -> String {
        let place = Place::new();
        prepare(&place);
        let hub = Hub::builder(place.folder.path().join("cache")).endpoint(place.hub.url()).retries(1);
        let hub = hub.retry_delay(Duration::from_millis(1)).offline(offline);
        let hub = token.map_or(hub.clone(), |token| hub.token(token)).build().unwrap();
        chain(&hub.push(&place.what()).unwrap_err(), &place.hub)
    }

    #[test]
    fn the_readme_says_what_is_said() {
        let status = |status, code: &'static str| {
            move |_: &_| {
                Some(Response::new(status, "").header("X-Error-Code", code).header("Retry-After", "0"))
            }
        };
        let body = |bytes: Vec<u8>| move |_: &_| Some(Response::new(200, bytes.clone()));
        let mut wrong = weights();
        wrong[7] ^= 1;
        let rows = [
            ("fetch: 401 or 403", fetched(status(403, "GatedRepo"), false)),
            ("fetch: no such repository", fetched(status(404, "RepoNotFound"), false)),
            ("fetch: no such file", fetched(status(404, "EntryNotFound"), false)),
            ("fetch: 429", fetched(status(429, ""), false)),
            ("fetch: 500, 503", fetched(status(503, ""), false)),
            ("fetch: cut", fetched(|_| Some(Response::new(200, weights()).cut_at(123_456)), true)),
            ("fetch: too short", fetched(body(weights()[..1000].to_vec()), true)),
            (
                "fetch: other bytes",
                fetched(body(wrong), true).replace(
                    &sha(&{
                        let mut w = weights();
                        w[7] ^= 1;
                        w
                    }),
                    "60303…",
                ),
            ),
            ("fetch: silence", fetched(|_| Some(Response { silent: true, ..Response::new(200, "") }), false)),
            ("push: offline", pushed(|_| (), Some(TOKEN), true)),
            ("push: no token", pushed(|_| (), None, false)),
            (
                "push: a token that only reads",
                pushed(
                    |p| {
                        p.push().unwrap();
                        p.write("README.md", b"# other");
                    },
                    Some("hf_secret_read"),
                    false,
                )
                .replace("hf_", ""),
            ),
            (
                "push: the storage is busy",
                pushed(|p| p.hub.set_storage_fault(status(503, "")), Some(TOKEN), false),
            ),
            (
                "push: cut",
                pushed(
                    |p| {
                        p.hub.set_fault(|r| {
                            r.path.contains("/commit/").then(|| Response::new(200, "{ }").cut_at(1))
                        });
                    },
                    Some(TOKEN),
                    false,
                ),
            ),
            (
                "push: cut on the way to the storage",
                pushed(
                    |p| p.hub.storage().set_body_fault(Some(BodyFault::Disconnect(1000))),
                    Some(TOKEN),
                    false,
                ),
            ),
            (
                "push: an address that no file is sent to",
                pushed(|p| p.hub.set_storage_url("http://evil.example"), Some(TOKEN), false),
            ),
            (
                "push: another's commit meanwhile",
                pushed(
                    |p| p.hub.set_fault(|r| r.path.contains("/commit/").then(|| Response::new(412, ""))),
                    Some(TOKEN),
                    false,
                ),
            ),
        ];
        let rows: Vec<String> = rows.iter().map(|(what, said)| format!("| {what} | {said} |\n")).collect();
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
        assert!(rows.iter().all(|row| readme.contains(row)), "{}", rows.concat());
    }
}
