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
    let ranges: Vec<_> = server.requests().iter().filter_map(|r| r.headers.get("range").cloned()).collect();
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
        assert!(matches!(kind, ErrorKind::Length { received: r, expected: 8 } if r == received), "{kind:?}");
        assert_eq!(server.count("GET"), 2);
    }
}

#[test]
fn body_longer_than_the_head_said_is_not_read_to_its_end() {
    const BODY: usize = 1 << 20;
    let chunk = [format!("{BODY:x}\r\n").into_bytes(), vec![b' '; BODY], b"\r\n0\r\n\r\n".to_vec()].concat();
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
