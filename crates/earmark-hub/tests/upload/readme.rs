//! The table of the README, from what is really said.

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
fn fetched(fault: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static, storage: bool) -> String {
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
        move |_: &_| Some(Response::new(status, "").header("X-Error-Code", code).header("Retry-After", "0"))
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
            pushed(|p| p.hub.storage().set_body_fault(Some(BodyFault::Disconnect(1000))), Some(TOKEN), false),
        ),
        (
            "push: an address that no file is sent to",
            pushed(|p| p.hub.set_storage_url("http://evil.example"), Some(TOKEN), false),
        ),
        (
            "push: a repository that was renamed",
            pushed(
                |p| p.hub.set_fault(|r| r.path.contains("/revision/").then(|| Response::new(307, ""))),
                Some(TOKEN),
                false,
            ),
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
