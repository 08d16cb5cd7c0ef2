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
