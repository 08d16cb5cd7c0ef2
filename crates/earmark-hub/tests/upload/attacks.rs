//! What a Hub that was taken over, or a storage, may not make of a push.

use serde_json::{Value, json};

use super::*;

/// A Hub that answers the LFS batch with these actions, made of the address where the storage takes the weights.
fn batch(actions: impl Fn(&str) -> Value + Send + Sync + 'static) -> Place {
    let place = Place::new();
    let storage = place.hub.storage().url();
    place.hub.set_fault(move |request| {
        request.path.ends_with("/objects/batch").then(|| {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            let oid = asked["objects"][0]["oid"].as_str().unwrap();
            let object = json!({ "oid": oid, "actions": actions(&format!("{storage}/upload/{oid}")) });
            Response::new(200, json!({ "objects": [object] }).to_string())
        })
    });
    place
}

/// Nothing went anywhere but to the Hub, and no commit was made.
#[track_caller]
fn refused(place: &Place, words: &[&str]) -> Error {
    let error = place.push().unwrap_err();
    for word in words {
        assert!(error.kind.to_string().contains(word), "no `{word}`: {}", error.kind);
    }
    assert!(
        !message(&error).contains("secret") && !message(&error).contains("s3cr3t"),
        "{}",
        message(&error)
    );
    assert_eq!(place.held("main"), []);
    error
}

#[test]
fn a_file_goes_to_no_address_but_https_or_the_endpoints_own_host() {
    for address in
        ["http://evil.example", "file:///etc", "ftp://127.0.0.1", "http://127.0.0.2:9", "http://[::1]:9"]
    {
        let href = format!("{address}/x?signature=s3cr3t");
        let host = address.trim_end_matches("///etc");
        let cases: [fn(&str, &str) -> Value; 4] = [
            |bad, _| json!({ "upload": { "href": bad } }),
            |bad, good| json!({ "upload": { "href": good }, "verify": { "href": bad } }),
            |bad, good| json!({ "upload": { "href": good, "header": { "chunk_size": "300000", "1": bad } } }),
            |bad, good| json!({ "upload": { "href": bad, "header": { "chunk_size": "300000", "1": good } } }),
        ];
        for actions in cases {
            let bad = href.clone();
            let place = batch(move |good| actions(&bad, good));
            let error = refused(&place, &["`model.safetensors`", host, "nothing was committed"]);
            assert!(matches!(*error.kind, ErrorKind::UploadAddress { .. }), "{error:?}");
        }
    }
}

#[test]
fn a_storage_that_redirects_gets_no_file_there() {
    let elsewhere = earmark_testkit::http::Server::start(|_| Response::new(200, "{}"));
    for status in [301, 302, 307, 308] {
        let (place, to) = (Place::new(), elsewhere.url());
        place.hub.set_storage_fault(move |_| {
            Some(Response::new(status, "").header("Location", format!("{to}/x")))
        });
        refused(&place, &[&elsewhere.url(), "redirect"]);
        let (place, to) = (Place::new(), elsewhere.url());
        place.hub.set_part_size(100_001);
        place.hub.set_storage_fault(move |request| {
            let to = format!("{to}/x");
            request.path.contains("/complete/").then(|| Response::new(status, "").header("Location", to))
        });
        refused(&place, &[&elsewhere.url(), "redirect"]);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn headers_that_the_hub_names_carry_no_token_away_and_do_not_break_the_request() {
    let stolen = format!("Bearer {TOKEN}");
    let place = batch(move |href| json!({ "upload": { "href": href, "header": { "X-Amz-Meta": stolen } } }));
    let error = refused(&place, &["X-Amz-Meta"]);
    assert!(matches!(*error.kind, ErrorKind::UploadHeader { .. }), "{error:?}");
    assert_eq!(place.hub.storage().connections(), 0);

    let broken = batch(|href| json!({ "upload": { "href": href, "header": { "a\nb": "c" } } }));
    refused(&broken, &["`header`"]);

    let header = json!({
        "Content-Length": "3", "Transfer-Encoding": "chunked", "Host": "evil.example", "Connection": "upgrade",
        "X-Kept": "yes",
    });
    let place = batch(move |href| json!({ "upload": { "href": href, "header": header } }));
    place.push().unwrap();
    place.all_there("main");
    let requests = place.hub.storage().requests();
    let put = requests.iter().find(|request| request.method == "PUT").unwrap();
    assert_eq!(put.headers["content-length"], weights().len().to_string());
    assert_eq!(put.headers["x-kept"], "yes");
    assert!(!put.headers.contains_key("transfer-encoding") && put.headers["host"].starts_with("127.0.0.1"));
    assert!(!put.headers.contains_key("authorization"));
}

#[test]
fn a_storage_that_takes_a_byte_now_and_then_is_given_up_on() {
    let place = Place::new();
    place.write("model.safetensors", &vec![7; 32 << 20]);
    place.hub.storage().set_body_fault(Some(BodyFault::Drip(Duration::from_millis(20))));
    let hub = place.builder().retries(0).min_rate(1 << 20, Duration::from_millis(500)).build().unwrap();
    let before = std::time::Instant::now();
    let error = hub.push(&place.what()).unwrap_err();
    let ErrorKind::UploadTooSlow { server, file, .. } = &*error.kind else { panic!("{error:?}") };
    assert_eq!((server, &**file), (&place.hub.storage().url(), "model.safetensors"));
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
    assert_eq!(place.held("main"), []);
}

#[test]
fn a_connection_that_drops_mid_upload_names_file_address_and_cause() {
    let place = Place::new();
    for bytes in [0, 1, 1000, 70_000, 299_999] {
        place.hub.storage().set_body_fault(Some(BodyFault::Disconnect(bytes)));
        let error = place.push().unwrap_err();
        let ErrorKind::UploadCut { server, file, .. } = &*error.kind else { panic!("{error:?}") };
        assert_eq!((server, &**file), (&place.hub.storage().url(), "model.safetensors"));
        assert!(std::error::Error::source(&*error.kind).is_some());
    }
    place.hub.storage().set_body_fault(None);
    place.push().unwrap();
    place.all_there("main");
}

#[test]
fn what_is_no_regular_file_is_not_sent() {
    let place = Place::new();
    let fifo = place.folder.path().join("fifo");
    if !std::process::Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()) {
        skip("what_is_no_regular_file_is_not_sent", "no program `mkfifo`");
        return;
    }
    for path in [fifo, "/dev/zero".into(), place.folder.path().to_owned()] {
        let push = Push { files: vec![("x".to_owned(), path.clone())], ..place.what() };
        let error = place.builder().build().unwrap().push(&push).unwrap_err();
        assert!(matches!(&*error.kind, ErrorKind::LocalFile { path: p, .. } if *p == path), "{error:?}");
    }
    assert_eq!(place.hub.server().connections(), 0);
}

#[test]
fn answers_without_end_or_measure_are_refused_and_say_the_limit() {
    let place = Place::new();
    place.push().unwrap();
    place.write("config.json", b"{}");
    let endless = |request: &Request, part: &str| {
        request.path.contains(part).then(|| {
            let length = format!("{}", 1_u64 << 40);
            Response::new(200, "{").header("Content-Length", length)
        })
    };
    for call in ["/tree/", "/preupload/", "/commit/"] {
        place.hub.set_fault(move |request| endless(request, call));
        let error = place.push().unwrap_err();
        let ErrorKind::TooLarge { limit, .. } = &*error.kind else { panic!("{call}: {error:?}") };
        assert!(error.kind.to_string().contains(&limit.to_string()), "{}", error.kind);
    }
}

/// hf-hub reads an answer of any size, so those that it reads are bounded by their time.
#[test]
fn an_answer_about_the_repository_that_does_not_end_is_given_up_on_in_time() {
    for call in ["/revision/", "/repos/create"] {
        for drip in [None, Some(Duration::from_millis(20))] {
            let place = Place::new();
            place.hub.set_fault(move |request| {
                let length = format!("{}", 1_u64 << 40);
                let answer = Response { drip, keep_open: true, ..Response::new(200, "{".repeat(10_000)) };
                request.path.contains(call).then(|| answer.header("Content-Length", length))
            });
            let hub = place.builder().retries(0).timeout(Duration::from_millis(300)).build().unwrap();
            let begun = std::time::Instant::now();
            let error = hub.push(&place.what()).unwrap_err();
            assert!(matches!(&*error.kind, ErrorKind::NoAnswer { .. }), "{call}: {error:?}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{call}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn names_and_words_of_the_hub_are_short_and_on_one_line() {
    let place = Place::new();
    let long = "x\n\u{1b}[31m\u{2028}\u{202e}".repeat(10_000);
    place.hub.set_fault(move |request| {
        let body = json!({ "name": long, "auth": { "accessToken": { "role": long } } }).to_string();
        request.path.ends_with("whoami-v2").then(|| Response::new(200, body))
    });
    let account = place.builder().build().unwrap().whoami().unwrap();
    let plain = |text: &str| text.chars().count() <= 300 && !text.contains(['\n', '\u{1b}', '\u{2028}']);
    assert!(plain(&account.name) && plain(&account.role.unwrap()), "{:?}", account.name);
    place.hub.set_fault(move |request| {
        let body = json!({ "error": "y\n\u{1b}".repeat(500) }).to_string();
        let calls = ["/preupload/", "/repos/create"];
        calls.iter().any(|call| request.path.contains(call)).then(|| Response::new(422, body))
    });
    let error = place.push().unwrap_err();
    assert!(plain(&error.kind.to_string()) && error.kind.to_string().contains("y  y"), "{}", error.kind);
    place.hub.clear_faults();
    place.push().unwrap();
    place.hub.set_fault(move |request| {
        let body = json!({ "error": "y\n\u{1b}".repeat(500) }).to_string();
        request.path.contains("/preupload/").then(|| Response::new(422, body))
    });
    place.write("config.json", b"{}");
    let error = place.push().unwrap_err();
    assert!(plain(&error.kind.to_string()) && error.kind.to_string().contains("y  y"), "{}", error.kind);
}
