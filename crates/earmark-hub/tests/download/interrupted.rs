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
    let hub = cache.builder(&server).retries(0).min_rate(1024, Duration::from_millis(150)).build().unwrap();
    let error = hub.fetch(&repo(), "model.safetensors").unwrap_err();
    let kept = fs::metadata(cache.path(&format!("blobs/{}.incomplete", sha256(BODY)))).unwrap().len();
    assert!((1..30).contains(&kept), "{kept}");
    assert!(matches!(&*error.kind, ErrorKind::TooSlow { server: s, .. } if *s == server.url()), "{error:?}");
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

#[test]
fn a_lock_that_is_held_while_nothing_comes_is_not_waited_for_for_ever() {
    let (cache, server) = (Cache::new(), Server::start(part));
    let locks = cache.0.path().join(".locks/models--owner--name");
    fs::create_dir_all(&locks).unwrap();
    let held = fs::File::create(locks.join(format!("{}.lock", sha256(BODY)))).unwrap();
    held.lock().unwrap();
    let hub = cache.builder(&server).min_rate(1, Duration::from_millis(300)).build().unwrap();
    let path = hub.fetch(&repo(), "model.safetensors").unwrap();
    assert_eq!(fs::read(path).unwrap(), BODY);
}
