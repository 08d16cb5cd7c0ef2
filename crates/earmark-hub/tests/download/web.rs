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
    assert!(matches!(*past.kind, ErrorKind::OutOfRange { offset: 8, wanted: 4, len: 10 }), "{past:?}");
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

#[test]
fn a_download_that_was_cut_goes_on_where_a_checksum_will_tell_and_else_starts_over() {
    let body: Vec<u8> = (0..50_000_u32).map(|n| (n % 251) as u8).collect();
    let (sha, served) = (sha256(&body), body.clone());
    let asked = AtomicUsize::new(0);
    // Cuts each answer after 20 000 bytes, three times.
    let server = Server::start(move |request| {
        let from =
            request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let from: usize = from.map_or(0, |from| from.parse().unwrap());
        let answer = match from {
            0 => Response::new(200, &served[..]),
            _ => Response::new(206, &served[from..])
                .header("Content-Range", format!("bytes {from}-{}/{}", served.len() - 1, served.len())),
        };
        match asked.fetch_add(1, Ordering::SeqCst) {
            0..3 => answer.cut_at(20_000.min(served.len() - from - 1)),
            _ => answer,
        }
    });
    let cache = Cache::new();
    let target = cache.0.path().join("file.tar.gz");
    let url = format!("{}/file", server.url());
    // Killed after the first answer, so to speak, and taken up by another run.
    let once = cache.builder(&server).retries(0).build().unwrap();
    once.fetch_url(&url, Some(&sha), &target).unwrap_err();
    cache.hub(&server).fetch_url(&url, Some(&sha), &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), body);
    let ranges: Vec<_> = server.requests().iter().map(|it| it.headers.get("range").cloned()).collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=20000-".to_owned()),
            Some("bytes=40000-".to_owned()),
            Some("bytes=49999-".to_owned())
        ]
    );
    assert_eq!(fs::read_dir(cache.0.path()).unwrap().count(), 1, "a leftover lies there");
}

#[test]
fn two_downloads_to_one_place_do_not_write_into_each_other() {
    let server = Server::start(|_| Response::new(200, "sound"));
    let cache = Cache::new();
    let target = cache.0.path().join("file");
    let held = fs::File::create(cache.0.path().join("file.incomplete")).unwrap();
    held.lock().unwrap();
    cache.hub(&server).fetch_url(&server.url(), None, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"sound");
    assert!(cache.0.path().join("file.incomplete").exists());
}
