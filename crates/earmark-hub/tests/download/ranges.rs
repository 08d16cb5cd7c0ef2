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
        assert!(matches!(kind, ErrorKind::OutOfRange { len: 36, .. }), "{kind:?}");
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
    let ranges: Vec<_> = server.requests().iter().filter_map(|r| r.headers.get("range").cloned()).collect();
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
