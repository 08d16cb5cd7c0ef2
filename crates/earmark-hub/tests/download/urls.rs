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
