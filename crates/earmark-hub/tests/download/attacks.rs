//! What a server may not make of its answers.

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
    let hub = cache.builder(&server).retries(0).min_rate(1024, Duration::from_millis(150)).build().unwrap();
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
        ("a download from the web", hub.fetch_url(&address, None, &cache.0.path().join("a")).unwrap_err()),
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
    let hub = Cache::new().builder(&server).min_rate(1 << 20, Duration::from_millis(50)).build().unwrap();
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
