//! What fails by Xet succeeds the other way, and leaves nothing behind.

use std::sync::Arc;
use std::time::Instant;

use super::*;

type Fault = dyn Fn(&Request) -> Option<Response> + Send + Sync;

/// Faults of a storage, at requests whose path has this in it.
fn faults(part: &'static str) -> Vec<(String, Arc<Fault>)> {
    let at = move |request: &Request| request.path.contains(part);
    let status = |status: u16| -> Arc<Fault> {
        Arc::new(move |it| at(it).then(|| Response::new(status, "no").header("Retry-After", "0")))
    };
    let mut all: Vec<(String, Arc<Fault>)> =
        [400, 401, 403, 404, 416, 429, 500, 503].map(|n| (format!("{part} {n}"), status(n))).into();
    all.push((
        format!("{part} silent"),
        Arc::new(move |it| at(it).then(|| Response { silent: true, ..Response::new(200, "") })),
    ));
    all.push((
        format!("{part} no answer of that kind"),
        Arc::new(move |it| at(it).then(|| Response::new(200, "{}"))),
    ));
    all.push((
        format!("{part} cut"),
        Arc::new(move |it| at(it).then(|| Response::new(200, vec![0; 4000]).cut_at(100))),
    ));
    all
}

#[test]
fn a_download_that_fails_by_xet_comes_by_plain_https() {
    for part in ["/reconstructions/", "/xorb/"] {
        for (name, fault) in faults(part) {
            let (place, begun) = (Place::filled(), Instant::now());
            place.hub.set_xet_fault(move |request| fault(request));
            let path =
                place.fetch(&place.hasty()).unwrap_or_else(|error| panic!("{name}: {}", message(&error)));
            assert_eq!(fs::read(path).unwrap(), weights(), "{name}");
            // More than once where the machine is busy and the client in a hurry.
            assert!(place.hub.storage().count("GET") > 0, "{name}");
            assert!(place.leftovers().is_empty(), "{name}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_hub_without_tokens_for_xet_gives_files_by_plain_https() {
    for status in [401, 404, 500] {
        let place = Place::filled();
        place
            .hub
            .set_fault(move |it| it.path.contains("/xet-read-token/").then(|| Response::new(status, "")));
        assert_eq!(fs::read(place.fetch(&place.hasty()).unwrap()).unwrap(), weights());
        assert_eq!(place.hub.xet().connections(), 0);
    }
}

#[test]
fn other_bytes_from_the_xet_storage_never_reach_the_cache() {
    let place = Place::filled();
    // The right number of chunks and bytes, and one of them another.
    place.hub.set_xet_fault(|request| {
        let n: usize =
            request.path.split("/xorb/").nth(1)?.split('/').nth(1)?.split('?').next()?.parse().ok()?;
        let part = weights()[n << 24..].chunks(1 << 24).next()?.to_vec();
        let chunk = |chunk: &[u8]| {
            let length = (chunk.len() as u32).to_le_bytes();
            [&[0], &length[..3], &[0], &length[..3], chunk].concat()
        };
        let mut body: Vec<u8> = part.chunks(1 << 16).flat_map(chunk).collect();
        body[1000] ^= 1;
        Some(Response::new(200, body))
    });
    let hub = place.builder().build().unwrap();
    assert_eq!(fs::read(place.fetch(&hub).unwrap()).unwrap(), weights());
    assert_eq!(place.hub.storage().count("GET"), 1);

    place.hub.set_storage_fault(|_| Some(Response::new(503, "").header("Retry-After", "0")));
    fs::remove_dir_all(place.folder.path().join("hub")).unwrap();
    let error = place.fetch(&place.builder().build().unwrap()).unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Status { status: 503, .. }), "{}", message(&error));
    assert!(!place.folder.path().join("hub/models--me--model/snapshots").exists());
    assert!(place.leftovers().is_empty());
}

#[test]
fn an_upload_that_fails_by_xet_goes_by_git_lfs() {
    for part in ["/xorbs/", "/shards"] {
        for (name, fault) in faults(part) {
            let (place, begun) = (Place::new(), Instant::now());
            place.hub.set_xet_fault(move |request| fault(request));
            let pushed = place.hasty().push(&place.what());
            pushed.unwrap_or_else(|error| panic!("{name}: {}", message(&error)));
            assert_eq!(place.hub.files(REPO, "main")["model.safetensors"], weights(), "{name}");
            assert_eq!(place.hub.storage().count("PUT"), 1, "{name}");
            assert_eq!(place.hub.commits(REPO), 2, "{name}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_connection_that_drops_while_chunks_are_sent_is_made_up_for_by_git_lfs() {
    let place = Place::new();
    place.hub.xet().set_body_fault(Some(BodyFault::Disconnect(100_000)));
    place.push().unwrap();
    assert_eq!(place.hub.files(REPO, "main")["model.safetensors"], weights());
    assert_eq!(place.hub.storage().count("PUT"), 1);
}

#[test]
fn a_storage_that_takes_a_byte_now_and_then_is_given_up_on() {
    let place = Place::new();
    place.hub.xet().set_body_fault(Some(BodyFault::Drip(Duration::from_millis(20))));
    let hub = place.builder().min_rate(1 << 20, Duration::from_millis(500)).build().unwrap();
    let begun = Instant::now();
    hub.push(&place.what()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(place.hub.storage().count("PUT"), 1);
}

#[test]
fn what_failed_once_is_not_tried_for_the_next_file() {
    let place = Place::filled();
    place.hub.add(REPO, "main", &[("other.safetensors", &weights()[5..])]);
    place.hub.set_xet_fault(|_| Some(Response::new(404, "")));
    let hub = place.builder().build().unwrap();
    place.fetch(&hub).unwrap();
    let asked = place.hub.xet().connections();
    hub.fetch(&repo(), "other.safetensors").unwrap();
    assert_eq!(place.hub.xet().connections(), asked);
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_made_twice() {
    let place = Place::filled();
    fs::write(place.folder.path().join("model.safetensors"), &weights()[1..]).unwrap();
    let (url, twin) = (place.hub.url(), place.what());
    let once = std::sync::atomic::AtomicUsize::new(0);
    place.hub.set_fault(move |request| {
        if request.path.contains("/commit/") && once.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            let cache = tempfile::tempdir().unwrap();
            Hub::builder(cache.path()).endpoint(&url).token(TOKEN).build().unwrap().push(&twin).unwrap();
            return Some(Response::new(200, "{\"commitOid\": ").cut_at(4));
        }
        None
    });
    let pushed = place.push().unwrap();
    assert_eq!(pushed.commit, place.hub.head(REPO, "main"));
    assert_eq!(place.hub.commits(REPO), 2);
}
