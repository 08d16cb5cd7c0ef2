use super::*;

#[test]
fn a_large_file_goes_and_comes_by_xet_and_a_small_one_does_not() {
    let place = Place::new();
    let pushed = place.push().unwrap();
    assert_eq!(pushed.sent, ["config.json", "model.safetensors"]);
    assert!(place.sent_by_xet("/xorbs/") >= weights().len());
    assert_eq!(place.hub.files(REPO, "main")["model.safetensors"], weights());

    let hub = place.builder().build().unwrap();
    let path = place.fetch(&hub).unwrap();
    assert_eq!(fs::read(&path).unwrap(), weights());
    let blob = format!("hub/models--me--model/blobs/{}", sha256(&weights()));
    assert!(place.folder.path().join(blob).is_file(), "the cache has not the layout that Python reads");
    hub.fetch(&repo(), "config.json").unwrap();
    assert!(place.leftovers().is_empty());
    assert_eq!(place.hub.storage().connections(), 0, "git-LFS or plain HTTPS was used");
}

#[test]
fn of_a_file_that_changed_a_little_little_is_sent() {
    let place = Place::new();
    place.push().unwrap();
    let (before, mut other) = (place.sent_by_xet("/xorbs/"), weights());
    other[8_000_000] ^= 1;
    fs::write(place.folder.path().join("model.safetensors"), &other).unwrap();
    place.push().unwrap();
    assert!(place.sent_by_xet("/xorbs/") - before < 1 << 20, "{}", place.sent_by_xet("/xorbs/") - before);
    assert_eq!(place.hub.files(REPO, "main")["model.safetensors"], other);
}

#[test]
fn nothing_is_sent_or_committed_where_nothing_differs() {
    let place = Place::filled();
    fs::write(place.folder.path().join("config.json"), "{}").unwrap();
    assert_eq!(place.push().unwrap().commit, None);
    assert_eq!(place.hub.xet().connections(), 0);
}

#[test]
fn a_pull_request_goes_by_xet_too() {
    let place = Place::filled();
    fs::write(place.folder.path().join("model.safetensors"), &weights()[1..]).unwrap();
    let hub = place.builder().build().unwrap();
    hub.push(&Push { create_pr: true, ..place.what() }).unwrap();
    assert_eq!(place.hub.files(REPO, "refs/pr/1")["model.safetensors"], weights()[1..]);
    assert_eq!(place.hub.storage().connections(), 0);
}

#[test]
fn the_xet_storage_sees_neither_the_token_of_the_hub_nor_counts_of_what_was_done() {
    let place = Place::new();
    place.push().unwrap();
    place.fetch(&place.builder().build().unwrap()).unwrap();
    for request in place.hub.xet().requests() {
        assert!(!format!("{:?}", request.headers).contains(TOKEN), "{}", request.path);
        let known = ["/v1/", "/v2/", "/xorb/"];
        assert!(known.iter().any(|start| request.path.starts_with(start)), "{}", request.path);
    }
    assert!(!place.hub.server().requests().iter().any(|it| it.path.contains("telemetry")));
}

#[test]
fn another_endpoint_is_asked_for_xet_only_when_told_so() {
    let place = Place::filled();
    let hub = Hub::builder(place.folder.path().join("other")).endpoint(place.hub.url()).build().unwrap();
    assert_eq!(fs::read(place.fetch(&hub).unwrap()).unwrap(), weights());
    assert_eq!(place.hub.xet().connections(), 0);
}

#[test]
fn what_plain_https_left_is_resumed_by_plain_https() {
    let place = Place::filled();
    let plain = place.builder().xet(false).retries(0).build().unwrap();
    place.hub.set_storage_fault(|_| Some(Response::new(200, weights()).cut_at(10_000_000)));
    place.fetch(&plain).unwrap_err();
    place.hub.clear_faults();
    let path = place.fetch(&place.builder().build().unwrap()).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
    assert_eq!(place.hub.xet().connections(), 0);
    let requests = place.hub.storage().requests();
    assert_eq!(requests.last().unwrap().headers["range"], "bytes=10000000-");
}
