//! The Hub client against a Hub on the loopback interface: what it fetches, what it refuses, what it leaves
//! behind.

#![allow(clippy::unwrap_used)] // A helper that cannot go on fails the test, as it should.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use earmark_hub::{Error, ErrorKind, Hub, HubBuilder, Missing, Progress, Repo};
use earmark_testkit::http::{Request, Response, Server};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const NEXT_COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";
const CONFIG: &str = "/owner/name/resolve/main/config.json";

fn repo() -> Repo {
    Repo::model("owner/name").unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file kept in git, as the Hub answers for it.
fn small(body: &str) -> Response {
    Response::new(200, body).header("ETag", "\"a-git-hash\"").header("X-Repo-Commit", COMMIT)
}

/// A file kept in LFS, after the redirect: its etag is its SHA-256.
fn large(body: &[u8]) -> Response {
    Response::new(200, body).header("ETag", format!("\"{}\"", sha256(body))).header("X-Repo-Commit", COMMIT)
}

fn no_such_file() -> Response {
    Response::new(404, "Entry not found")
        .header("X-Error-Code", "EntryNotFound")
        .header("X-Repo-Commit", COMMIT)
}

/// A cache folder, and a builder with it and the server; waits are short and few.
struct Cache(TempDir);

impl Cache {
    fn new() -> Cache {
        Cache(tempfile::tempdir().unwrap())
    }

    fn builder(&self, server: &Server) -> HubBuilder {
        Hub::builder(self.0.path())
            .endpoint(server.url())
            .retries(2)
            .retry_delay(Duration::from_millis(1))
            .timeout(Duration::from_secs(20))
    }

    fn hub(&self, server: &Server) -> Hub {
        self.builder(server).build().unwrap()
    }

    fn offline(&self, server: &Server) -> Hub {
        self.builder(server).offline(true).build().unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("models--owner--name").join(path)
    }

    /// Every file and link of the cache but locks and notes of absence, relative, sorted.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, root, found);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let mut found = Vec::new();
        walk(self.0.path(), self.0.path(), &mut found);
        found.retain(|path| !path.starts_with(".locks") && !path.contains(".no_exist"));
        found.sort();
        found
    }
}

/// All an error can show, to a person or in a log.
fn message(error: &Error) -> String {
    format!("{error}: {}; {error:?}", error.kind)
}

/// Fails to fetch `config.json`, leaves no file behind, and returns why.
#[track_caller]
fn refused(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> (ErrorKind, Server) {
    let (cache, server) = (Cache::new(), Server::start(handler));
    let error = cache.hub(&server).fetch(&repo(), "config.json").unwrap_err();
    assert_eq!(cache.files(), [""; 0], "{}", message(&error));
    assert!(error.to_string().contains("`config.json` of model `owner/name@main`"), "{error}");
    (*error.kind, server)
}

mod cached {
    use super::*;

    #[test]
    fn fetched_file_lies_where_python_looks_for_it() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        let path = cache.hub(&server).fetch(&repo(), "sub/config.json").unwrap();

        assert_eq!(path, cache.path(&format!("snapshots/{COMMIT}/sub/config.json")));
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        assert_eq!(fs::read(cache.path("blobs/a-git-hash")).unwrap(), b"{}");
        assert_eq!(fs::read_to_string(cache.path("refs/main")).unwrap(), COMMIT);
        #[cfg(unix)]
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("../../../blobs/a-git-hash"));
        assert_eq!(cache.files().len(), 3, "{:?}", cache.files());
    }

    #[test]
    fn unchanged_file_is_asked_about_but_not_downloaded_again() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        let hub = cache.hub(&server);
        let first = hub.fetch(&repo(), "config.json").unwrap();
        assert_eq!(hub.fetch(&repo(), "config.json").unwrap(), first);
        assert_eq!((server.count("HEAD"), server.count("GET")), (2, 1));
    }

    #[test]
    fn file_of_a_commit_is_served_without_asking() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        let hub = cache.hub(&server);
        let repo = Repo::model(&format!("owner/name@{COMMIT}")).unwrap();
        hub.fetch(&repo, "config.json").unwrap();
        let connections = server.connections();
        hub.fetch(&repo, "config.json").unwrap();
        assert_eq!(server.connections(), connections);
    }

    #[test]
    fn moved_branch_is_followed_and_shared_bytes_are_not_downloaded_twice() {
        let asked = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            let moved = request.method == "HEAD" && asked.fetch_add(1, Ordering::SeqCst) > 0;
            small("{}").header("X-Repo-Commit", if moved { NEXT_COMMIT } else { COMMIT })
        });
        let cache = Cache::new();
        let hub = cache.hub(&server);
        hub.fetch(&repo(), "config.json").unwrap();
        let path = hub.fetch(&repo(), "config.json").unwrap();
        assert_eq!(path, cache.path(&format!("snapshots/{NEXT_COMMIT}/config.json")));
        assert_eq!(fs::read(path).unwrap(), b"{}");
        assert_eq!(fs::read_to_string(cache.path("refs/main")).unwrap(), NEXT_COMMIT);
        assert_eq!(server.count("GET"), 1);
    }

    #[test]
    fn cached_file_serves_while_the_server_is_down() {
        let (cache, mut server) = (Cache::new(), Server::start(|_| small("{}")));
        let hub = cache.hub(&server);
        let path = hub.fetch(&repo(), "config.json").unwrap();
        server.stop();
        assert_eq!(hub.fetch(&repo(), "config.json").unwrap(), path);
    }

    #[test]
    fn cached_file_serves_while_the_server_is_busy_or_wants_a_token() {
        for status in [401, 403, 429, 500, 503] {
            let asked = AtomicUsize::new(0);
            let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => small("{}"),
                _ => Response::new(status, "no"),
            });
            let cache = Cache::new();
            let hub = cache.hub(&server);
            let path = hub.fetch(&repo(), "config.json").unwrap();
            assert_eq!(hub.fetch(&repo(), "config.json").unwrap(), path, "{status}");
        }
    }

    #[test]
    fn cached_file_of_another_length_is_replaced() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{\"whole\": true}")));
        let hub = cache.hub(&server);
        let path = hub.fetch(&repo(), "config.json").unwrap();
        fs::write(cache.path("blobs/a-git-hash"), "{\"wh").unwrap();
        assert_eq!(hub.fetch(&repo(), "config.json").unwrap(), path);
        assert_eq!(fs::read(path).unwrap(), b"{\"whole\": true}");
    }

    #[test]
    fn two_at_once_download_once() {
        let (cache, server) = (Cache::new(), Server::start(|_| large(&[7; 100_000])));
        let hubs = [cache.hub(&server), cache.hub(&server)];
        std::thread::scope(|scope| {
            for hub in &hubs {
                scope.spawn(|| hub.fetch(&repo(), "model.safetensors").unwrap());
            }
        });
        assert_eq!(server.count("GET"), 1);
    }
}

mod offline {
    use super::*;

    #[test]
    fn cached_file_is_found_and_no_socket_opened() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        let path = cache.hub(&server).fetch(&repo(), "config.json").unwrap();
        let connections = server.connections();
        assert_eq!(cache.offline(&server).fetch(&repo(), "config.json").unwrap(), path);
        assert_eq!(server.connections(), connections);
    }

    #[test]
    fn missing_file_is_an_error_that_names_the_cache_and_no_socket_opened() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        let hub = cache.offline(&server);
        let error = hub.fetch(&repo(), "config.json").unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Offline { .. }), "{error:?}");
        assert!(error.kind.to_string().contains(cache.0.path().to_str().unwrap()), "{}", error.kind);
        assert!(error.kind.to_string().contains("a folder that is here"), "{}", error.kind);
        assert!(hub.fetch_model(&repo()).is_err());
        assert_eq!(server.connections(), 0);
        assert_eq!(cache.files(), [""; 0]);
    }

    #[test]
    fn whole_model_comes_from_the_cache() {
        let (cache, server) = (Cache::new(), model::server(&["config.json", "pytorch_model.bin"]));
        let folder = cache.hub(&server).fetch_model(&repo()).unwrap().into_folder();
        let connections = server.connections();
        assert_eq!(cache.offline(&server).fetch_model(&repo()).unwrap().folder(), folder);
        assert_eq!(server.connections(), connections);
    }
}

mod refusals {
    use super::*;

    #[test]
    fn what_does_not_exist_is_named_with_its_page() {
        let cases = [
            (404, "EntryNotFound", Missing::File, "/owner/name/tree/main"),
            (404, "RevisionNotFound", Missing::Revision, "/owner/name"),
            (404, "RepoNotFound", Missing::Repo, "/owner/name"),
            (401, "RepoNotFound", Missing::Repo, "/owner/name"),
            (404, "", Missing::Unknown, "/owner/name/tree/main"),
        ];
        for (status, code, expected, page_path) in cases {
            let (kind, server) = refused(move |_| Response::new(status, "gone").header("X-Error-Code", code));
            let ErrorKind::NotFound { what, page } = kind else { panic!("{code}: {kind}") };
            assert_eq!((what, page), (expected, server.url() + page_path), "{status} {code}");
            assert_eq!(server.connections(), 1, "{code} is not worth another try");
        }
    }

    #[test]
    fn gated_model_says_to_set_a_token_and_accept_the_licence() {
        for status in [401, 403] {
            let (kind, server) =
                refused(move |_| Response::new(status, "").header("X-Error-Code", "GatedRepo"));
            assert!(matches!(kind, ErrorKind::AccessDenied { token_sent: false, .. }), "{kind:?}");
            let said = kind.to_string();
            assert!(said.contains("HF_TOKEN") && said.contains("licence"), "{said}");
            assert!(said.contains(&(server.url() + "/owner/name")), "{said}");
        }
    }

    #[test]
    fn persistent_trouble_is_an_error_after_every_try() {
        for status in [429, 500, 503] {
            let (kind, server) = refused(move |_| Response::new(status, "<html>busy</html>"));
            assert!(matches!(kind, ErrorKind::Status { status: s, .. } if s == status), "{kind:?}");
            assert_eq!(server.connections(), 3, "one try and two repeats");
        }
    }

    #[test]
    fn error_page_after_a_good_head_is_not_the_file() {
        for status in [403, 404, 429, 500, 503] {
            // Both the length and the etag of the page are those of the file: the status alone gives it away.
            let (kind, server) = refused(move |request| match &*request.method {
                "HEAD" => small("<html>no</html>"),
                _ => Response { status, ..small("<html>no</html>") },
            });
            let gets = if status == 403 || status == 404 { 1 } else { 3 };
            assert_eq!(server.count("GET"), gets, "{status}: {kind}");
        }
    }

    #[test]
    fn nobody_home_says_how_to_do_without() {
        let (cache, mut server) = (Cache::new(), Server::start(|_| small("{}")));
        server.stop();
        let error = cache.hub(&server).fetch(&repo(), "config.json").unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Unreachable { .. }), "{error:?}");
        let said = error.kind.to_string();
        assert!(said.contains("a folder that is here") && said.contains("HF_HUB_OFFLINE=1"), "{said}");
        assert!(std::error::Error::source(&*error.kind).is_some());
    }

    #[test]
    fn silent_server_is_given_up_on() {
        let (cache, server) = (Cache::new(), Server::start(|_| Response { silent: true, ..small("{}") }));
        let hub = cache.builder(&server).retries(0).timeout(Duration::from_millis(50)).build().unwrap();
        let error = hub.fetch(&repo(), "config.json").unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Unreachable { .. }), "{error:?}");
    }

    #[test]
    fn answer_without_the_headers_of_a_hub_is_refused() {
        for header in ["ETag", "X-Repo-Commit"] {
            let (kind, _) = refused(move |_| small("{}").without(header));
            assert!(matches!(&kind, ErrorKind::Malformed { what, .. } if what.contains(header)), "{kind:?}");
        }
    }

    #[test]
    fn headers_that_would_be_paths_out_of_the_cache_are_refused() {
        let outside = tempfile::tempdir().unwrap();
        let absolute = outside.path().join("x").to_str().unwrap().to_owned();
        for value in ["../../../x", &absolute, "..", "a/b"] {
            for header in ["ETag", "X-Linked-ETag", "X-Repo-Commit"] {
                let value = value.to_owned();
                let (kind, _) = refused(move |_| small("{}").header(header, value.clone()));
                assert!(matches!(kind, ErrorKind::Malformed { .. }), "{kind:?}");
            }
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn file_names_that_leave_the_repository_are_refused_before_any_request() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        for file in ["../x", "/etc/passwd", "a/../../x", "a\\b", ""] {
            let error = cache.hub(&server).fetch(&repo(), file).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Name { .. }), "{file}: {error:?}");
        }
        assert_eq!(server.connections(), 0);
    }

    #[test]
    fn redirects_that_never_end_are_given_up_on() {
        let (kind, server) = refused(|_| Response::new(302, "").header("Location", CONFIG));
        assert!(matches!(kind, ErrorKind::Redirects), "{kind:?}");
        assert_eq!(server.connections(), 5);
    }
}

mod repeats {
    use super::*;

    /// Answers each method's first requests from the list, later ones as a healthy Hub would.
    fn flaky(method: &'static str, first: Vec<Response>, body: &'static [u8]) -> Server {
        let seen = AtomicUsize::new(0);
        Server::start(move |request| {
            let healthy = || match request.headers.get("range").and_then(|r| r.strip_prefix("bytes=")) {
                Some(range) => {
                    let start: usize = range.trim_end_matches('-').parse().unwrap();
                    let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
                    Response::new(206, &body[start..]).header("Content-Range", range)
                }
                None => large(body),
            };
            if request.method != method {
                return healthy();
            }
            first.get(seen.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or_else(healthy)
        })
    }

    const WEIGHTS: &[u8] = b"some weights, far too few to be of use";

    #[track_caller]
    fn fetched(server: &Server) -> Cache {
        let cache = Cache::new();
        let path = cache.hub(server).fetch(&repo(), "model.safetensors").unwrap();
        assert_eq!(fs::read(path).unwrap(), WEIGHTS);
        assert_eq!(cache.files().len(), 3, "{:?}", cache.files());
        cache
    }

    #[test]
    fn trouble_that_passes_is_waited_out() {
        for method in ["HEAD", "GET"] {
            let busy = Response::new(503, "busy").header("Retry-After", "0");
            let server = flaky(method, vec![Response::new(500, "oops"), busy], WEIGHTS);
            fetched(&server);
            assert_eq!(server.count(method), 3);
        }
    }

    #[test]
    fn cut_large_file_goes_on_where_it_stopped() {
        let server = flaky("GET", vec![large(WEIGHTS).cut_at(9)], WEIGHTS);
        fetched(&server);
        let ranges: Vec<_> =
            server.requests().iter().filter_map(|r| r.headers.get("range").cloned()).collect();
        assert_eq!(ranges, ["bytes=9-"]);
    }

    #[test]
    fn cut_large_file_starts_over_where_ranges_are_ignored() {
        let server = flaky("GET", vec![large(WEIGHTS).cut_at(9), large(WEIGHTS)], WEIGHTS);
        fetched(&server);
        assert_eq!(server.count("GET"), 2);
    }

    #[test]
    fn cut_small_file_starts_over_as_nothing_would_tell_if_the_halves_fit() {
        let cut = AtomicUsize::new(0);
        let server = Server::start(move |request| match &*request.method {
            "GET" if cut.fetch_add(1, Ordering::SeqCst) == 0 => small("{\"a\": 1}").cut_at(3),
            _ => small("{\"a\": 1}"),
        });
        let cache = Cache::new();
        let path = cache.hub(&server).fetch(&repo(), "config.json").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"{\"a\": 1}");
        assert!(server.requests().iter().all(|request| !request.headers.contains_key("range")));
    }

    #[test]
    fn body_that_is_always_cut_is_an_error() {
        let (kind, _) = refused(|request| match &*request.method {
            "HEAD" => small("{\"a\": 1}"),
            _ => small("{\"a\": 1}").cut_at(3),
        });
        assert!(matches!(kind, ErrorKind::Interrupted { received: 3, expected: Some(8), .. }), "{kind:?}");
    }

    #[test]
    fn wrong_length_is_tried_twice_and_refused() {
        for body in ["{}", "{\"longer\": true}"] {
            let (kind, server) = refused(move |request| match &*request.method {
                "HEAD" => small("{\"a\": 1}"),
                _ => small(body),
            });
            let received = body.len() as u64;
            assert!(
                matches!(kind, ErrorKind::Length { received: r, expected: 8 } if r == received),
                "{kind:?}"
            );
            assert_eq!(server.count("GET"), 2);
        }
    }

    #[test]
    fn body_longer_than_the_head_said_is_not_read_to_its_end() {
        const BODY: usize = 1 << 20;
        let chunk =
            [format!("{BODY:x}\r\n").into_bytes(), vec![b' '; BODY], b"\r\n0\r\n\r\n".to_vec()].concat();
        let (kind, _) = refused(move |request| match &*request.method {
            "HEAD" => small("{\"a\": 1}"),
            _ => Response::new(200, chunk.clone()).header("Transfer-Encoding", "chunked"),
        });
        let ErrorKind::Length { received, expected: 8 } = kind else { panic!("{kind:?}") };
        assert!((9..BODY as u64).contains(&received), "{received}");
    }

    #[test]
    fn body_of_unknown_length_is_refused() {
        let (kind, _) = refused(|request| match &*request.method {
            "HEAD" => small("{}").header("Transfer-Encoding", "chunked"),
            _ => Response::new(200, "2\r\n{}\r\n0\r\n\r\n").header("Transfer-Encoding", "chunked"),
        });
        assert!(matches!(&kind, ErrorKind::Malformed { what, .. } if what.contains("Length")), "{kind:?}");
    }

    #[test]
    fn wrong_checksum_is_tried_twice_and_refused() {
        let (kind, server) = refused(|request| match &*request.method {
            "HEAD" => large(b"the right bytes"),
            _ => large(b"the wrong bytes"),
        });
        let ErrorKind::Checksum { received, expected } = kind else { panic!("{kind:?}") };
        assert_eq!((received, expected), (sha256(b"the wrong bytes"), sha256(b"the right bytes")));
        assert_eq!(server.count("GET"), 2);
    }

    #[test]
    fn wrong_checksum_once_is_forgiven() {
        let wrong = vec![b'x'; WEIGHTS.len()];
        let server = flaky("GET", vec![Response::new(200, wrong)], WEIGHTS);
        fetched(&server);
    }

    #[test]
    fn second_half_of_another_file_does_not_pass() {
        let half = Response::new(206, vec![b'x'; WEIGHTS.len() - 9]).header("Content-Range", "bytes 9-37/38");
        let server = flaky("GET", vec![large(WEIGHTS).cut_at(9), half], WEIGHTS);
        fetched(&server);
        assert_eq!(server.count("GET"), 3);
    }
}

mod addresses {
    use super::*;

    #[test]
    fn redirect_to_another_spelling_is_followed() {
        let server = Server::start(|request| match &*request.path {
            CONFIG => Response::new(307, "moved").header("Location", "/Owner/Name/resolve/main/config.json"),
            "/Owner/Name/resolve/main/config.json" => small("{}"),
            other => panic!("{other}"),
        });
        let path = Cache::new().hub(&server).fetch(&repo(), "config.json");
        assert!(path.is_ok(), "{path:?}");
    }

    #[test]
    fn large_file_is_described_by_the_redirect_and_comes_from_the_other_host() {
        const BODY: &[u8] = b"weights";
        let storage = Server::start(|_| Response::new(200, BODY).header("ETag", "\"not-this-one\""));
        let location = storage.url() + "/blob?signature=s3cr3t";
        let hub_server = Server::start(move |_| {
            Response::new(302, "Found. Redirecting")
                .header("Location", location.clone())
                .header("X-Linked-ETag", format!("\"{}\"", sha256(BODY)))
                .header("X-Linked-Size", BODY.len().to_string())
                .header("X-Repo-Commit", COMMIT)
        });
        let cache = Cache::new();
        let hub = cache.builder(&hub_server).token("hf_secret").build().unwrap();
        let path = hub.fetch(&repo(), "model.safetensors").unwrap();
        assert_eq!(fs::read(path).unwrap(), BODY);
        assert!(cache.path(&format!("blobs/{}", sha256(BODY))).exists());
        assert_eq!(storage.count("HEAD"), 0);

        // The token is for the endpoint alone.
        for request in hub_server.requests() {
            assert_eq!(request.headers.get("authorization").map(String::as_str), Some("Bearer hf_secret"));
        }
        assert_eq!(storage.requests().len(), 1);
        assert!(!storage.requests()[0].headers.contains_key("authorization"));
    }

    #[test]
    fn without_a_token_none_is_sent_and_nothing_may_be_compressed() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        cache.hub(&server).fetch(&repo(), "config.json").unwrap();
        for request in server.requests() {
            assert!(!request.headers.contains_key("authorization"));
            assert_eq!(request.headers["accept-encoding"], "identity");
        }
    }

    #[test]
    fn token_is_in_no_debug_output_and_no_error() {
        let server = Server::start(|_| Response::new(403, ""));
        let cache = Cache::new();
        let builder = cache.builder(&server).token("hf_secret");
        assert!(!format!("{builder:?}").contains("secret"));
        let hub = builder.build().unwrap();
        assert!(!format!("{hub:?}").contains("secret"));
        let error = hub.fetch(&repo(), "config.json").unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::AccessDenied { token_sent: true, .. }), "{error:?}");
        assert!(!message(&error).contains("secret"));

        let error = cache.builder(&server).token("hf_secret\nX-Evil: 1").build().unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Token), "{error:?}");
        assert!(!message(&error).contains("secret"));
    }

    #[test]
    fn dataset_and_revision_and_odd_file_names_are_spelled_as_the_hub_expects() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("x")));
        let repo = Repo::dataset("PolyAI/minds14@refs/convert/parquet").unwrap();
        let path = cache.hub(&server).fetch(&repo, "en-US/a file#1.parquet").unwrap();
        let expected = "/datasets/PolyAI/minds14/resolve/refs%2Fconvert%2Fparquet/en-US/a%20file%231.parquet";
        assert!(server.requests().iter().any(|r| r.is("GET", expected)), "{:?}", server.requests());

        let root = cache.0.path().join("datasets--PolyAI--minds14");
        assert_eq!(path, root.join("snapshots").join(COMMIT).join("en-US/a file#1.parquet"));
        assert_eq!(fs::read_to_string(root.join("refs/refs/convert/parquet")).unwrap(), COMMIT);
    }

    #[test]
    fn mirror_may_live_below_a_path() {
        let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
        let hub = cache.builder(&server).endpoint(server.url() + "/mirror/").build().unwrap();
        hub.fetch(&repo(), "config.json").unwrap();
        assert!(server.requests()[0].is("HEAD", &format!("/mirror{CONFIG}")));
    }
}

mod model {
    use super::*;

    const INDEX: &str = "model.safetensors.index.json";

    fn file_of(request: &Request) -> &str {
        request.path.rsplit('/').next().unwrap()
    }

    /// A repository with these files, each holding its name; the index lists two shards.
    pub(super) fn server(files: &'static [&'static str]) -> Server {
        Server::start(|request| {
            let file = file_of(request);
            match file {
                _ if !files.contains(&file) => no_such_file(),
                INDEX => small(
                    r#"{"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}"#,
                )
                .header("ETag", "\"index\""),
                "pytorch_model.bin.index.json" => {
                    small(r#"{"weight_map": {"a": "1.bin", "b": "2.bin"}}"#).header("ETag", "\"index\"")
                }
                _ => large(file.as_bytes()),
            }
        })
    }

    /// What `fetch_model` brings, by file name.
    fn brought(files: &'static [&'static str]) -> Vec<String> {
        let (cache, server) = (Cache::new(), server(files));
        let folder = cache.hub(&server).fetch_model(&repo()).unwrap().into_folder();
        assert_eq!(folder, cache.path(&format!("snapshots/{COMMIT}")));
        assert_eq!(fs::read_to_string(cache.path("refs/main")).unwrap(), COMMIT);
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn safetensors_are_preferred_and_nothing_else_is_fetched() {
        let all = &[
            "config.json",
            "preprocessor_config.json",
            "model.safetensors",
            INDEX,
            "pytorch_model.bin",
            "README.md",
        ];
        assert_eq!(brought(all), ["config.json", "model.safetensors", "preprocessor_config.json"]);
    }

    #[test]
    fn every_shard_of_an_index_is_fetched() {
        let files =
            &["config.json", INDEX, "1.safetensors", "2.safetensors", "3.safetensors", "pytorch_model.bin"];
        assert_eq!(brought(files), ["1.safetensors", "2.safetensors", "config.json", INDEX]);
    }

    #[test]
    fn shards_of_pickles_and_a_processor_config_are_fetched() {
        let files = &[
            "config.json",
            "processor_config.json",
            "pytorch_model.bin.index.json",
            "1.bin",
            "2.bin",
            "3.bin",
        ];
        assert_eq!(
            brought(files),
            ["1.bin", "2.bin", "config.json", "processor_config.json", "pytorch_model.bin.index.json"]
        );
    }

    #[test]
    fn pickle_will_do_and_a_preprocessor_is_optional() {
        assert_eq!(brought(&["config.json", "pytorch_model.bin"]), ["config.json", "pytorch_model.bin"]);
    }

    #[test]
    fn no_weights_at_all_is_an_error_that_lists_what_would_do() {
        let (cache, server) = (Cache::new(), server(&["config.json"]));
        let error = cache.hub(&server).fetch_model(&repo()).unwrap_err();
        assert!(matches!(&*error.kind, ErrorKind::NoneOf { files, .. } if files.len() == 4), "{error:?}");
        assert!(error.kind.to_string().contains("`pytorch_model.bin`"), "{}", error.kind);
        assert!(!cache.path("refs/main").exists(), "offline, `main` should not stand for half a model");
    }

    #[test]
    fn no_config_is_an_error_that_names_it() {
        let (cache, server) = (Cache::new(), server(&["model.safetensors"]));
        let error = cache.hub(&server).fetch_model(&repo()).unwrap_err();
        assert!(error.to_string().contains("`config.json`"), "{error}");
        assert!(error.kind.to_string().contains("/tree/main"), "{}", error.kind);
    }

    #[test]
    fn branch_that_moves_midway_does_not_mix_two_commits() {
        let server = Server::start(|request| {
            // Whoever still asks for `main` after the config gets the next commit.
            let moved = request.path.contains("/main/") && file_of(request) != "config.json";
            large(file_of(request).as_bytes())
                .header("X-Repo-Commit", if moved { NEXT_COMMIT } else { COMMIT })
        });
        let cache = Cache::new();
        let folder = cache.hub(&server).fetch_model(&repo()).unwrap().into_folder();
        assert!(folder.ends_with(COMMIT) && folder.join("model.safetensors").exists());
        assert!(!cache.path(&format!("snapshots/{NEXT_COMMIT}")).exists());
    }

    #[test]
    fn second_fetch_asks_about_the_config_alone() {
        let (cache, server) = (Cache::new(), server(&["config.json", "pytorch_model.bin"]));
        let hub = cache.hub(&server);
        let model = hub.fetch_model(&repo()).unwrap();
        assert_eq!(model.commit(), COMMIT);
        let connections = server.connections();
        assert_eq!(hub.fetch_model(&repo()).unwrap(), model);
        assert_eq!(server.connections() - connections, 1, "what the commit lacks is remembered too");
    }

    #[test]
    fn index_that_lists_no_shards_or_leads_elsewhere_is_refused() {
        let cases = [
            "not json",
            "[]",
            "{}",
            r#"{"weight_map": {}}"#,
            r#"{"weight_map": {"a": 1}}"#,
            r#"{"weight_map": {"a": "run.sh"}}"#,
            r#"{"weight_map": {"a": "../../x.safetensors"}}"#,
            r#"{"weight_map": {"a": "/x.safetensors"}}"#,
        ];
        for index in cases {
            let server = Server::start(move |request| match file_of(request) {
                "config.json" => large(b"{}"),
                INDEX => large(index.as_bytes()),
                _ => no_such_file(),
            });
            let error = Cache::new().hub(&server).fetch_model(&repo()).unwrap_err();
            assert!(
                matches!(*error.kind, ErrorKind::Index { .. } | ErrorKind::Name { .. }),
                "{index}: {error:?}"
            );
        }
    }

    #[test]
    fn first_that_exists_is_told_by_its_place() {
        let (cache, server) = (Cache::new(), server(&["b", "c"]));
        let (place, path) = cache.hub(&server).fetch_first(&repo(), &["a", "b", "c"]).unwrap();
        assert_eq!((place, fs::read(path).unwrap()), (1, b"b".to_vec()));
    }

    #[test]
    fn first_that_exists_stops_at_trouble_rather_than_taking_the_next() {
        let server = Server::start(|request| match file_of(request) {
            "a" => Response::new(503, "busy"),
            file => large(file.as_bytes()),
        });
        let error = Cache::new().hub(&server).fetch_first(&repo(), &["a", "b"]).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Status { status: 503, .. }), "{error:?}");
    }
}

mod progress {
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Progress for Heard {
        fn started(&self, file: &str, total: Option<u64>) {
            self.0.lock().unwrap().push(format!("{file} {total:?}"));
        }

        fn advanced(&self, bytes: u64) {
            self.0.lock().unwrap().push(bytes.to_string());
        }

        fn finished(&self) {
            self.0.lock().unwrap().push("end".to_owned());
        }
    }

    #[test]
    fn bytes_are_counted_and_a_cached_file_is_silent() {
        let (cache, server) = (Cache::new(), Server::start(|_| large(&[7; 300_000])));
        let heard = Arc::new(Heard::default());
        let hub = cache.builder(&server).progress(Arc::clone(&heard) as Arc<dyn Progress>).build().unwrap();
        hub.fetch(&repo(), "model.safetensors").unwrap();
        hub.fetch(&repo(), "model.safetensors").unwrap();

        let heard = heard.0.lock().unwrap();
        assert_eq!(heard.first().unwrap(), "model.safetensors Some(300000)");
        assert_eq!(heard.last().unwrap(), "end");
        let bytes: u64 = heard[1..heard.len() - 1].iter().map(|n| n.parse::<u64>().unwrap()).sum();
        assert_eq!(bytes, 300_000);
    }

    #[test]
    fn failed_download_finishes_too() {
        let server = Server::start(|request| match &*request.method {
            "HEAD" => small("{}"),
            _ => Response::new(403, ""),
        });
        let cache = Cache::new();
        let heard = Arc::new(Heard::default());
        let hub = cache.builder(&server).progress(Arc::clone(&heard) as Arc<dyn Progress>).build().unwrap();
        hub.fetch(&repo(), "config.json").unwrap_err();
        assert_eq!(*heard.0.lock().unwrap(), ["config.json Some(2)", "end"]);
    }
}

mod the_web {
    use std::io::Read as _;

    use super::*;

    fn read(hub: &Hub, url: &str) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        hub.open_url(url).map_err(|error| std::io::Error::other(message(&error)))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_is_behind_an_address_comes_without_the_token_and_is_not_cached() {
        let server = Server::start(|request| match request.path.as_str() {
            "/a.wav?key=secret" => Response::new(200, "sound"),
            "/moved" => Response::new(302, "").header("Location", "/a.wav?key=secret"),
            _ => Response::new(404, "<html>"),
        });
        let cache = Cache::new();
        let hub = cache.builder(&server).token("hf_secret").build().unwrap();
        for path in ["a.wav?key=secret", "moved"] {
            assert_eq!(read(&hub, &format!("{}/{path}", server.url())).unwrap(), b"sound");
        }
        assert!(server.requests().iter().all(|request| !request.headers.contains_key("authorization")));
        assert_eq!(fs::read_dir(cache.0.path()).unwrap().count(), 0);

        let said = read(&hub, &format!("{}/no.wav?key=secret", server.url())).unwrap_err().to_string();
        assert!(said.contains("404") && said.contains("/no.wav?…") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn trouble_that_passes_is_waited_out_and_a_cut_body_is_no_whole_one() {
        let asked = AtomicUsize::new(0);
        let server = Server::start(move |request| match request.path.as_str() {
            "/busy" if asked.fetch_add(1, Ordering::SeqCst) < 2 => Response::new(503, "busy"),
            "/cut" => Response::new(200, vec![0; 5000]).cut_at(1234),
            _ => Response::new(200, "sound"),
        });
        let hub = Cache::new().hub(&server);
        assert_eq!(read(&hub, &format!("{}/busy", server.url())).unwrap(), b"sound");
        let cut = read(&hub, &format!("{}/cut", server.url())).unwrap_err();
        assert_eq!(cut.kind(), std::io::ErrorKind::UnexpectedEof);
        assert!(cut.to_string().contains("1234 of 5000"), "{cut}");
    }

    /// A server that gives parts of `0123456789`.
    fn parts(etag: impl Fn() -> String + Send + Sync + 'static) -> Server {
        Server::start(move |request| {
            let body = b"0123456789";
            let range =
                request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
            match (request.path.as_str(), range) {
                ("/whole", _) | (_, None) => Response::new(200, &body[..]).header("ETag", etag()),
                (_, Some((from, to))) => {
                    let (from, to) = (from.parse().unwrap(), to.parse::<usize>().unwrap().min(9));
                    Response::new(206, &body[from..=to])
                        .header("ETag", etag())
                        .header("Content-Range", format!("bytes {from}-{to}/10"))
                }
            }
        })
    }

    #[test]
    fn parts_of_a_file_are_read_where_it_lies() {
        let server = parts(|| "\"one\"".to_owned());
        let hub = Cache::new().hub(&server);
        let file = hub.open_url_file(&format!("{}/file", server.url())).unwrap();
        let mut bytes = [0; 4];
        file.read_at(5, &mut bytes).unwrap();
        assert_eq!((file.len(), &bytes), (10, b"5678"));
        let past = file.read_at(8, &mut bytes).unwrap_err();
        assert!(matches!(*past.kind, ErrorKind::PastTheEnd { offset: 8, wanted: 4, len: 10 }), "{past:?}");
        let whole = hub.open_url_file(&format!("{}/whole", server.url())).unwrap_err();
        assert!(matches!(*whole.kind, ErrorKind::NoRanges), "{whole:?}");
    }

    #[test]
    fn a_file_that_changes_between_two_reads_is_an_error() {
        let asked = AtomicUsize::new(0);
        let server = parts(move || format!("\"{}\"", asked.fetch_add(1, Ordering::SeqCst) / 2));
        let file = Cache::new().hub(&server).open_url_file(&format!("{}/file", server.url())).unwrap();
        let mut bytes = [0; 2];
        file.read_at(0, &mut bytes).unwrap();
        let changed = file.read_at(2, &mut bytes).unwrap_err();
        assert!(matches!(*changed.kind, ErrorKind::Changed), "{changed:?}");
    }

    #[test]
    fn a_download_appears_whole_and_right_or_not_at_all() {
        let server = Server::start(|request| match request.path.as_str() {
            "/cut" => Response::new(200, vec![7; 5000]).cut_at(1234),
            _ => Response::new(200, "sound"),
        });
        let cache = Cache::new();
        let target = cache.0.path().join("downloads/file.tar.gz");
        let fetch = |path: &str, sha: Option<&str>| {
            cache.hub(&server).fetch_url(&format!("{}/{path}", server.url()), sha, &target)
        };
        assert!(matches!(*fetch("cut", None).unwrap_err().kind, ErrorKind::Interrupted { .. }));
        assert!(matches!(*fetch("file", Some("00")).unwrap_err().kind, ErrorKind::Checksum { .. }));
        assert_eq!(fs::read_dir(cache.0.path().join("downloads")).unwrap().count(), 0);
        fetch("file", Some(&sha256(b"sound"))).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"sound");
    }

    #[test]
    fn offline_no_socket_is_opened_and_what_is_no_address_is_refused() {
        let server = Server::start(|_| Response::new(200, "sound"));
        let said = read(&Cache::new().offline(&server), &server.url()).unwrap_err().to_string();
        assert!(said.contains("offline"), "{said}");
        for bad in ["file:///etc/passwd", "https://", "a.wav"] {
            let said = read(&Cache::new().hub(&server), bad).unwrap_err().to_string();
            assert!(said.contains("web address"), "{said}");
        }
        assert_eq!(server.connections(), 0);
    }
}

mod in_place {
    use std::io::Read as _;

    use super::*;

    const BODY: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    /// The part of the body a request asks for, as a storage would give it.
    fn part(request: &Request, body: &[u8]) -> Response {
        let Some(range) = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return large(body);
        };
        let (start, last) = range.split_once('-').unwrap();
        let (start, last): (usize, usize) = (start.parse().unwrap(), last.parse().unwrap_or(body.len() - 1));
        Response { status: 206, body: body[start..=last].to_vec(), ..large(body) }
            .header("Content-Range", format!("bytes {start}-{last}/{}", body.len()))
    }

    fn open(server: &Server) -> (Cache, earmark_hub::HubFile) {
        let cache = Cache::new();
        let file = cache.hub(server).open_file(&repo(), "shard.parquet").unwrap();
        (cache, file)
    }

    fn read(file: &earmark_hub::HubFile, offset: u64, length: usize) -> Result<Vec<u8>, ErrorKind> {
        let mut bytes = vec![0; length];
        file.read_at(offset, &mut bytes).map(|()| bytes).map_err(|error| *error.kind)
    }

    #[test]
    fn any_part_is_read_by_one_request_and_nothing_is_cached() {
        let server = Server::start(|request| part(request, BODY));
        let (cache, file) = open(&server);
        assert_eq!(file.len(), 36);
        for (offset, length) in [(0, 36), (10, 5), (35, 1), (36, 0)] {
            assert_eq!(read(&file, offset, length).unwrap(), BODY[offset as usize..][..length]);
        }
        assert_eq!((server.count("HEAD"), server.count("GET")), (1, 3));
        let pinned = format!("/owner/name/resolve/{COMMIT}/shard.parquet");
        assert!(server.requests().iter().filter(|r| r.method == "GET").all(|r| r.path == pinned));
        assert_eq!(cache.files(), [""; 0]);

        for (offset, length) in [(36, 1), (30, 7), (u64::MAX, 2)] {
            let kind = read(&file, offset, length).unwrap_err();
            assert!(matches!(kind, ErrorKind::PastTheEnd { len: 36, .. }), "{kind:?}");
        }
        assert_eq!(server.count("GET"), 3);
    }

    #[test]
    fn a_stream_begins_anywhere_and_is_one_request() {
        let server = Server::start(|request| part(request, BODY));
        let (_cache, file) = open(&server);
        for from in [0, 7, 36] {
            let mut bytes = Vec::new();
            file.stream(from).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, BODY[from as usize..]);
        }
        assert_eq!(server.count("GET"), 2);
        assert!(file.stream(37).is_err());
    }

    #[test]
    fn cut_answers_are_taken_up_where_they_broke_off() {
        let asked = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            let cut = asked.fetch_add(1, Ordering::SeqCst);
            let answer = part(request, BODY);
            if cut % 2 == 1 { answer.cut_at(3) } else { answer }
        });
        let (_cache, file) = open(&server);
        assert_eq!(read(&file, 4, 20).unwrap(), BODY[4..24]);
        let mut bytes = Vec::new();
        file.stream(0).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, BODY);
        let ranges: Vec<_> =
            server.requests().iter().filter_map(|r| r.headers.get("range").cloned()).collect();
        assert_eq!(ranges, ["bytes=4-23", "bytes=7-23", "bytes=0-35", "bytes=3-35"]);
    }

    #[test]
    fn an_answer_that_is_always_cut_is_given_up_on() {
        let server = Server::start(|request| part(request, BODY).cut_at(1));
        let (_cache, file) = open(&server);
        let kind = read(&file, 0, 36).unwrap_err();
        assert!(matches!(kind, ErrorKind::Interrupted { expected: Some(36), .. }), "{kind:?}");
        let mut bytes = Vec::new();
        let error = file.stream(0).unwrap().read_to_end(&mut bytes).unwrap_err();
        assert!(error.to_string().contains("`shard.parquet`"), "{error}");
        assert_eq!(bytes, BODY[..bytes.len()]);
    }

    #[test]
    fn a_file_that_changes_midway_is_an_error_however_it_shows() {
        const OTHER: &[u8] = b"quite other bytes of the same length";
        assert_eq!(OTHER.len(), BODY.len());
        let first = |request: &Request| request.method == "HEAD";
        let etag = Server::start(move |r| part(r, if first(r) { BODY } else { OTHER }));
        let length = Server::start(move |r| {
            let changed = part(r, &BODY[..30]).header("ETag", format!("\"{}\"", sha256(BODY)));
            if first(r) { part(r, BODY) } else { changed }
        });
        let gone = Server::start(move |r| match first(r) {
            true => part(r, BODY),
            false => Response::new(416, ""),
        });
        for server in [etag, length, gone] {
            let (_cache, file) = open(&server);
            let kind = read(&file, 0, 5).unwrap_err();
            assert!(matches!(kind, ErrorKind::Changed), "{kind:?}");
            assert_eq!(server.count("GET"), 1, "asking again changes nothing");
        }
    }

    #[test]
    fn the_wrong_part_is_refused() {
        let server = Server::start(|r| match &*r.method {
            "HEAD" => part(r, BODY),
            _ => part(r, BODY).header("Content-Range", "bytes 1-5/36"),
        });
        let (_cache, file) = open(&server);
        assert!(matches!(read(&file, 0, 5), Err(ErrorKind::Malformed { .. })));
    }

    #[test]
    fn a_server_without_ranges_serves_too() {
        let server = Server::start(|_| large(BODY));
        let (_cache, file) = open(&server);
        assert_eq!(read(&file, 10, 5).unwrap(), BODY[10..15]);
    }

    #[test]
    fn a_stream_of_wrong_bytes_ends_in_an_error() {
        let wrong = b"0123456789ABCDEFghijklmnopqrstuvwxyz";
        let server = Server::start(|r| part(r, wrong).header("ETag", format!("\"{}\"", sha256(BODY))));
        let (_cache, file) = open(&server);
        let mut bytes = Vec::new();
        let error = file.stream(0).unwrap().read_to_end(&mut bytes).unwrap_err();
        assert!(message_of(&error).contains("SHA-256"), "{}", message_of(&error));
    }

    fn message_of(error: &std::io::Error) -> String {
        let mut said = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            said += &format!(": {inner}");
            source = inner.source();
        }
        said
    }

    #[test]
    fn the_storage_is_asked_without_the_token_and_its_address_used_again_until_it_expires() {
        let expired = Arc::new(AtomicUsize::new(0));
        let storage = Server::start({
            let expired = Arc::clone(&expired);
            move |request| match request.path.contains(&format!("={}", expired.load(Ordering::SeqCst))) {
                true => part(request, BODY).header("ETag", "\"the storage's own\""),
                false => Response::new(403, "expired"),
            }
        });
        let hub_server = Server::start({
            let address = storage.url();
            let expired = Arc::clone(&expired);
            move |_| {
                Response::new(302, "")
                    .header("Location", format!("{address}/blob?signed={}", expired.load(Ordering::SeqCst)))
                    .header("X-Linked-ETag", format!("\"{}\"", sha256(BODY)))
                    .header("X-Linked-Size", "36")
                    .header("X-Repo-Commit", COMMIT)
            }
        });
        let cache = Cache::new();
        let hub = cache.builder(&hub_server).token("hf_secret").build().unwrap();
        let file = hub.open_file(&repo(), "shard.parquet").unwrap();
        for _ in 0..3 {
            assert_eq!(read(&file, 3, 4).unwrap(), BODY[3..7]);
        }
        assert_eq!((hub_server.count("GET"), storage.count("GET")), (1, 3));
        expired.store(1, Ordering::SeqCst);
        assert_eq!(read(&file, 3, 4).unwrap(), BODY[3..7]);
        assert_eq!((hub_server.count("GET"), storage.count("GET")), (2, 5));
        assert!(storage.requests().iter().all(|request| !request.headers.contains_key("authorization")));
        assert!(!format!("{file:?}").contains("signed"));
    }

    #[test]
    fn a_cached_file_is_read_from_the_cache_and_offline_nothing_else_is() {
        let server = Server::start(|request| part(request, BODY));
        let cache = Cache::new();
        let path = cache.hub(&server).fetch(&repo(), "shard.parquet").unwrap();
        let gets = server.count("GET");
        for hub in [cache.hub(&server), cache.offline(&server)] {
            let file = hub.open_file(&repo(), "shard.parquet").unwrap();
            assert_eq!(file.cached().map(|p| p.canonicalize().unwrap()), Some(path.canonicalize().unwrap()));
            assert_eq!(read(&file, 10, 5).unwrap(), BODY[10..15]);
            let mut bytes = Vec::new();
            file.stream(30).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, BODY[30..]);
        }
        assert_eq!(server.count("GET"), gets);
        let error = cache.offline(&server).open_file(&repo(), "other.parquet").unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Offline { .. }), "{error:?}");
    }
}

mod listings {
    use super::*;

    /// Three files on two pages, one of them in LFS; `main` is at [`COMMIT`].
    fn server() -> Server {
        Server::start(|request| match request.path.as_str() {
            "/api/datasets/owner/name/revision/main" => {
                Response::new(200, format!("{{\"sha\": \"{COMMIT}\"}}"))
            }
            path if path == format!("/api/datasets/owner/name/tree/{COMMIT}?recursive=true") => {
                Response::new(
                    200,
                    format!(
                        r#"[{{"type": "directory", "path": "data", "oid": "0", "size": 0}},
                            {{"type": "file", "path": "data/b.wav", "oid": "1", "size": 7,
                              "lfs": {{"oid": "{}", "size": 7, "pointerSize": 120}}}}]"#,
                        sha256(b"b.wav")
                    ),
                )
                .header("Link", format!("<{path}&cursor=2>; rel=\"next\""))
            }
            path if path.ends_with("&cursor=2") => Response::new(
                200,
                r#"[{"type": "file", "path": "README.md", "oid": "2", "size": 9},
                    {"type": "file", "path": "data/a.wav", "oid": "3", "size": 5}]"#,
            ),
            path if path.contains("/resolve/") => large(path.rsplit('/').next().unwrap().as_bytes()),
            path => panic!("{path}"),
        })
    }

    fn dataset() -> Repo {
        Repo::dataset("owner/name").unwrap()
    }

    #[test]
    fn every_page_is_read_and_the_list_is_asked_for_once() {
        let (cache, server) = (Cache::new(), server());
        let files = cache.hub(&server).list(&dataset()).unwrap();
        let seen: Vec<_> = files.iter().map(|file| (&*file.path, file.size, file.sha256.is_some())).collect();
        assert_eq!(seen, [("README.md", 9, false), ("data/a.wav", 5, false), ("data/b.wav", 7, true)]);
        assert_eq!(files[2].sha256, Some(sha256(b"b.wav")));
        assert_eq!(server.count("GET"), 3);

        assert_eq!(cache.hub(&server).list(&dataset()).unwrap(), files);
        assert_eq!(server.count("GET"), 4, "only what `main` stands for is asked again");
        let pinned = cache.hub(&server).pin(&dataset()).unwrap();
        assert_eq!(cache.offline(&server).list(&pinned).unwrap(), files);
    }

    #[test]
    fn what_is_wanted_is_fetched_from_one_commit_and_is_there_offline() {
        let (cache, server) = (Cache::new(), server());
        let wanted = |file: &earmark_hub::RemoteFile| file.path.ends_with(".wav");
        let files = cache.hub(&server).fetch_all(&dataset(), wanted).unwrap();
        assert_eq!(files.commit(), COMMIT);
        let folder = files.folder();
        assert!(folder.ends_with(format!("snapshots/{COMMIT}")));
        assert_eq!(fs::read(folder.join("data/a.wav")).unwrap(), b"a.wav");
        assert!(!folder.join("README.md").exists());
        let connections = server.connections();
        assert_eq!(cache.offline(&server).fetch_all(&dataset(), wanted).unwrap(), files);
        let error = cache.offline(&server).fetch_all(&dataset(), |_| true).unwrap_err();
        assert!(error.to_string().contains("`README.md`"), "{error}");
        assert_eq!(server.connections(), connections);
    }

    #[test]
    fn a_list_that_leads_out_of_the_cache_or_to_another_host_is_refused() {
        let file = |path: &str| format!(r#"[{{"type": "file", "path": "{path}", "size": 1}}]"#);
        for (body, link) in [
            (file("../../x"), ""),
            (file("/etc/passwd"), ""),
            ("{}".to_owned(), ""),
            ("not json".to_owned(), ""),
            (r#"[{"type": "file", "path": "a"}]"#.to_owned(), ""),
            (file("a"), "<http://example.com/next>; rel=\"next\""),
        ] {
            let server = Server::start(move |_| match link {
                "" => Response::new(200, body.clone()),
                link => Response::new(200, body.clone()).header("Link", link),
            });
            let (cache, repo) = (Cache::new(), Repo::dataset(&format!("owner/name@{COMMIT}")).unwrap());
            let error = cache.hub(&server).list(&repo).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Malformed { .. }), "{error:?}");
            assert_eq!(cache.files(), [""; 0]);
        }
    }

    #[test]
    fn a_refusal_is_named_as_for_a_file() {
        let server = Server::start(|_| Response::new(403, ""));
        let error = Cache::new().hub(&server).list(&dataset()).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::AccessDenied { status: 403, .. }), "{error:?}");
        assert!(error.to_string().contains("dataset `owner/name@main`"), "{error}");
    }
}

mod interrupted {
    use super::*;

    const BODY: &[u8] = b"some weights, far too few to be of use, but enough to be cut in two";

    fn part(request: &Request) -> Response {
        match request.headers.get("range").and_then(|r| r.strip_prefix("bytes=")) {
            Some(range) => {
                let start: usize = range.trim_end_matches('-').parse().unwrap();
                let range = format!("bytes {start}-{}/{}", BODY.len() - 1, BODY.len());
                Response::new(206, &BODY[start..]).header("Content-Range", range)
            }
            None => large(BODY),
        }
    }

    fn ranges(server: &Server) -> Vec<String> {
        server.requests().iter().filter_map(|r| r.headers.get("range").cloned()).collect()
    }

    /// Leaves what a download that was killed after these bytes would.
    fn left(cache: &Cache, bytes: &[u8]) {
        fs::create_dir_all(cache.path("blobs")).unwrap();
        fs::write(cache.path(&format!("blobs/{}.incomplete", sha256(BODY))), bytes).unwrap();
    }

    #[track_caller]
    fn whole(cache: &Cache, server: &Server) {
        let path = cache.hub(server).fetch(&repo(), "model.safetensors").unwrap();
        assert_eq!(fs::read(path).unwrap(), BODY);
        assert_eq!(cache.files().len(), 3, "{:?}", cache.files());
    }

    #[test]
    fn a_later_run_goes_on_where_an_earlier_one_was_cut() {
        // Wherever it was: the places are drawn, so that no one of them is special.
        for seed in 1..20_usize {
            let cut = seed * 7919 % (BODY.len() - 1) + 1;
            let cache = Cache::new();
            let server = Server::start(move |r| match &*r.method {
                "HEAD" => part(r),
                _ => part(r).cut_at(if r.headers.contains_key("range") { 0 } else { cut }),
            });
            let error = cache.hub(&server).fetch(&repo(), "model.safetensors").unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Interrupted { .. }), "{error:?}");
            assert_eq!(cache.files(), [format!("models--owner--name/blobs/{}.incomplete", sha256(BODY))]);

            let server = Server::start(part);
            whole(&cache, &server);
            assert_eq!(ranges(&server), [format!("bytes={cut}-")]);
        }
    }

    #[test]
    fn what_is_left_of_another_file_is_found_out_and_thrown_away() {
        for bytes in [&b"bytes of quite another file"[..], &[b'x'; 500], &[b'x'; 67]] {
            let (cache, server) = (Cache::new(), Server::start(part));
            left(&cache, bytes);
            whole(&cache, &server);
        }
    }

    #[test]
    fn what_was_whole_but_for_its_name_is_not_downloaded_again() {
        let (cache, server) = (Cache::new(), Server::start(part));
        left(&cache, BODY);
        whole(&cache, &server);
        assert_eq!(server.count("GET"), 0);
    }

    #[test]
    fn what_nobody_came_back_for_is_swept_up() {
        let (cache, server) = (Cache::new(), Server::start(part));
        left(&cache, b"");
        let old = cache.path("blobs/old.123-0.incomplete");
        let file = fs::File::create(&old).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(8 * 24 * 3600)).unwrap();
        whole(&cache, &server);
    }

    #[test]
    fn a_server_that_drips_is_given_up_on_and_its_file_taken_up_later() {
        let server = Server::start(|r| match &*r.method {
            "HEAD" => part(r),
            _ => Response { drip: Some(Duration::from_millis(30)), ..part(r) },
        });
        let cache = Cache::new();
        let hub =
            cache.builder(&server).retries(0).least_rate(1024, Duration::from_millis(150)).build().unwrap();
        let error = hub.fetch(&repo(), "model.safetensors").unwrap_err();
        let kept = fs::metadata(cache.path(&format!("blobs/{}.incomplete", sha256(BODY)))).unwrap().len();
        assert!((1..30).contains(&kept), "{kept}");
        assert!(
            matches!(&*error.kind, ErrorKind::TooSlow { server: s, .. } if *s == server.url()),
            "{error:?}"
        );
        let quick = Server::start(part);
        whole(&cache, &quick);
        assert_eq!(ranges(&quick), [format!("bytes={kept}-")]);
    }

    #[test]
    fn two_hubs_and_a_cut_between_them_download_each_byte_once() {
        let cut = AtomicUsize::new(0);
        let server = Server::start(move |r| match (&*r.method, cut.load(Ordering::SeqCst)) {
            ("GET", 0) => {
                cut.store(1, Ordering::SeqCst);
                part(r).cut_at(9)
            }
            _ => part(r),
        });
        let cache = Cache::new();
        let hubs = [0, 1].map(|_| cache.builder(&server).retries(0).build().unwrap());
        let results = std::thread::scope(|scope| {
            let run = |hub| scope.spawn(move || Hub::fetch(hub, &repo(), "model.safetensors"));
            hubs.each_ref().map(run).map(|thread| thread.join().unwrap())
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert_eq!(ranges(&server), ["bytes=9-"]);
        whole(&cache, &server);
    }
}

/// What a server may not make of its answers.
mod attacks {
    use std::io::Read as _;

    use super::*;

    fn dripping(response: Response) -> Response {
        Response { drip: Some(Duration::from_millis(30)), ..response }
    }

    /// A Hub and its storage whose bodies come a byte at a time, and somebody who gives up soon.
    fn drip() -> (Cache, Server, Hub) {
        const BODY: &[u8] = &[b' '; 400];
        let server = Server::start(|request| {
            let whole = large(BODY);
            dripping(match request.headers.get("range") {
                Some(_) => Response { status: 206, ..whole }.header("Content-Range", "bytes 0-399/400"),
                None => whole,
            })
        });
        let cache = Cache::new();
        let hub =
            cache.builder(&server).retries(0).least_rate(1024, Duration::from_millis(150)).build().unwrap();
        (cache, server, hub)
    }

    #[test]
    fn a_server_that_drips_is_given_up_on_whatever_is_asked_of_it() {
        let (cache, server, hub) = drip();
        let pinned = Repo::dataset(&format!("owner/name@{COMMIT}")).unwrap();
        let file = hub.open_file(&repo(), "shard.parquet").unwrap();
        let address = server.url() + "/a.wav";
        let mut bytes = [0; 400];
        let before = std::time::Instant::now();
        let errors = [
            ("a file", hub.fetch(&repo(), "model.safetensors").unwrap_err()),
            ("a listing", hub.list(&pinned).unwrap_err()),
            ("what a branch stands for", hub.pin(&repo()).unwrap_err()),
            ("a part of a file", file.read_at(0, &mut bytes).unwrap_err()),
            ("a part of a file on the web", {
                let whole = hub.open_url_file(&address).unwrap();
                whole.read_at(0, &mut bytes).unwrap_err()
            }),
            (
                "a download from the web",
                hub.fetch_url(&address, None, &cache.0.path().join("a")).unwrap_err(),
            ),
        ];
        for (what, error) in errors {
            let ErrorKind::TooSlow { server: named, bytes, .. } = &*error.kind else {
                panic!("{what}: {error:?}")
            };
            assert_eq!(*named, server.url(), "{what}");
            assert!((1..100).contains(bytes), "{what}: {bytes}");
        }
        let error = hub.open_url(&address).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert!(error.to_string().contains(&server.url()), "{error}");
        let error = file.stream(0).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert!(format!("{error:?}").contains("TooSlow"), "{error:?}");
        // Each window once; a part of a file on the web is asked for twice.
        assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
        assert!(!cache.0.path().join("a").exists());
    }

    #[test]
    fn a_slow_reader_is_not_taken_for_a_slow_server() {
        let server = Server::start(|_| Response::new(200, vec![7; 3 << 20]));
        let hub =
            Cache::new().builder(&server).least_rate(1 << 20, Duration::from_millis(50)).build().unwrap();
        let mut body = hub.open_url(&server.url()).unwrap();
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            body.read_exact(&mut buffer).unwrap();
        }
    }

    #[test]
    fn a_listing_without_end_or_measure_is_refused_and_says_the_limit() {
        let entry = r#"[{"type": "file", "path": "a", "size": 1}]"#;
        let endless = Server::start(move |request| {
            Response::new(200, entry).header("Link", format!("<{}>; rel=\"next\"", request.path))
        });
        let long = Server::start(|_| {
            let mut body = b"1000000\r\n".to_vec();
            body.extend(std::iter::repeat_n(b' ', 1 << 24));
            body.extend(b"\r\n1\r\n[\r\n0\r\n\r\n");
            Response::new(200, body).header("Transfer-Encoding", "chunked")
        });
        let promised = Server::start(|_| Response::new(200, "[").header("Content-Length", "99999999999999"));
        let pinned = Repo::dataset(&format!("owner/name@{COMMIT}")).unwrap();
        for (server, limit) in [(&endless, "2000"), (&long, "16777216"), (&promised, "16777216")] {
            let error = Cache::new().hub(server).list(&pinned).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::TooLarge { .. }), "{error:?}");
            assert!(error.kind.to_string().contains(limit), "{}", error.kind);
        }
    }

    #[test]
    fn what_is_compressed_is_not_unpacked() {
        // Two bytes of gzip would do to see whether anybody tries; a bomb is a matter of patience.
        let gzip = |response: Response| response.header("Content-Encoding", "gzip");
        let server = Server::start(move |_| gzip(large(b"\x1f\x8b")));
        for error in [
            Cache::new().hub(&server).fetch(&repo(), "model.safetensors").unwrap_err(),
            Cache::new().hub(&server).pin(&repo()).unwrap_err(),
        ] {
            assert!(matches!(*error.kind, ErrorKind::Malformed { .. }), "{error:?}");
        }
    }

    #[test]
    fn headers_without_measure_are_an_error() {
        for headers in [1, 3000] {
            let server = Server::start(move |_| {
                let mut answer = small("{}");
                for _ in 0..headers {
                    answer.headers.push(("X-Long", "x".repeat((4 << 20) / headers)));
                }
                answer
            });
            let cache = Cache::new();
            let hub = cache.builder(&server).retries(0).build().unwrap();
            assert!(hub.fetch(&repo(), "config.json").is_err());
            assert_eq!(cache.files(), [""; 0]);
        }
    }

    #[test]
    fn a_redirect_tells_nobody_where_it_came_from_and_takes_no_token_along() {
        let other = Server::start(|_| Response::new(200, format!("{{\"sha\": \"{COMMIT}\"}}")));
        let to = other.url();
        let server = Server::start(move |_| Response::new(307, "").header("Location", to.clone() + "/x"));
        let cache = Cache::new();
        let hub = cache.builder(&server).token("hf_secret").build().unwrap();
        hub.pin(&repo()).unwrap();
        hub.open_url(&(server.url() + "/a?signature=s3cr3t")).unwrap();
        assert_eq!(other.requests().len(), 2);
        for request in other.requests() {
            let said = format!("{:?}", request.headers);
            assert!(
                !said.contains("hf_secret") && !said.contains("s3cr3t") && !said.contains("referer"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_redirect_off_the_web_is_refused_and_named() {
        let server = Server::start(|_| Response::new(302, "").header("Location", "file:///etc/passwd"));
        let error = Cache::new().hub(&server).open_url(&server.url()).unwrap_err();
        assert!(matches!(&*error.kind, ErrorKind::InsecureRedirect { to } if to == "file:"), "{error:?}");
        assert_eq!(server.connections(), 1, "asking again changes nothing");
    }

    #[test]
    fn a_download_killed_at_any_moment_does_not_spoil_the_next() {
        // What a kill leaves: some of the bytes, a link on its way, a note cut short, an empty reference.
        let body = vec![7; 5000];
        let server = Server::start({
            let body = body.clone();
            move |_| large(&body)
        });
        let sha = sha256(&body);
        for left in [&[][..], &body[..1], &body[..4999], &body, &[8; 5000], &[7; 6000]] {
            let cache = Cache::new();
            for folder in ["blobs", "refs", ".earmark", "snapshots"] {
                fs::create_dir_all(cache.path(folder)).unwrap();
            }
            fs::write(cache.path(&format!("blobs/{sha}.incomplete")), left).unwrap();
            fs::write(cache.path("refs/main"), &COMMIT[..7]).unwrap();
            fs::write(cache.path(&format!(".earmark/{COMMIT}.files.json")), "[{\"path\": ").unwrap();
            let hub = cache.hub(&server);
            assert!(cache.offline(&server).fetch(&repo(), "model.safetensors").is_err());
            let path = hub.fetch(&repo(), "model.safetensors").unwrap();
            assert_eq!(fs::read(&path).unwrap(), body);
            assert_eq!(cache.offline(&server).fetch(&repo(), "model.safetensors").unwrap(), path);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_cached_is_readable_by_whom_the_umask_says() {
        use std::os::unix::fs::PermissionsExt as _;
        let (cache, server) = (Cache::new(), Server::start(|_| large(b"weights")));
        let path = cache.hub(&server).fetch(&repo(), "model.safetensors").unwrap();
        let web = cache.0.path().join("web");
        cache.hub(&server).fetch_url(&server.url(), None, &web).unwrap();
        let usual = cache.0.path().join("usual");
        fs::write(&usual, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        for path in [&path, &web, &cache.path("refs/main")] {
            assert_eq!(mode(path), mode(&usual), "{}", path.display());
        }
    }
}
