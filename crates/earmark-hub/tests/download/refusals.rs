use super::*;

#[test]
fn what_does_not_exist_is_named_with_its_page() {
    let cases = [
        (404, "EntryNotFound", Missing::File, "/owner/name/tree/main"),
        (404, "RevisionNotFound", Missing::Revision, "/owner/name"),
        (404, "RepoNotFound", Missing::Repo, "/owner/name"),
        (401, "RepoNotFound", Missing::Repo, "/owner/name"),
        (404, "", Missing::Unknown, "/owner/name/tree/main"),
    ];
    for (status, code, expected, page_path) in cases {
        let (kind, server) = refused(move |_| Response::new(status, "gone").header("X-Error-Code", code));
        let ErrorKind::NotFound { what, page } = kind else { panic!("{code}: {kind}") };
        assert_eq!((what, page), (expected, server.url() + page_path), "{status} {code}");
        assert_eq!(server.connections(), 1, "{code} is not worth another try");
    }
}

#[test]
fn gated_model_says_to_set_a_token_and_accept_the_licence() {
    for status in [401, 403] {
        let (kind, server) = refused(move |_| Response::new(status, "").header("X-Error-Code", "GatedRepo"));
        assert!(matches!(kind, ErrorKind::AccessDenied { token_sent: false, .. }), "{kind:?}");
        let said = kind.to_string();
        assert!(said.contains("HF_TOKEN") && said.contains("licence"), "{said}");
        assert!(said.contains(&(server.url() + "/owner/name")), "{said}");
    }
}

#[test]
fn persistent_trouble_is_an_error_after_every_try() {
    for status in [429, 500, 503] {
        let (kind, server) = refused(move |_| Response::new(status, "<html>busy</html>"));
        assert!(matches!(kind, ErrorKind::Status { status: s, .. } if s == status), "{kind:?}");
        assert_eq!(server.connections(), 3, "one try and two repeats");
    }
}

#[test]
fn error_page_after_a_good_head_is_not_the_file() {
    for status in [403, 404, 429, 500, 503] {
        // Both the length and the etag of the page are those of the file: the status alone gives it away.
        let (kind, server) = refused(move |request| match &*request.method {
            "HEAD" => small("<html>no</html>"),
            _ => Response { status, ..small("<html>no</html>") },
        });
        let gets = if status == 403 || status == 404 { 1 } else { 3 };
        assert_eq!(server.count("GET"), gets, "{status}: {kind}");
    }
}

#[test]
fn nobody_home_says_how_to_do_without() {
    let (cache, mut server) = (Cache::new(), Server::start(|_| small("{}")));
    server.stop();
    let error = cache.hub(&server).fetch(&repo(), "config.json").unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Unreachable { .. }), "{error:?}");
    let said = error.kind.to_string();
    assert!(said.contains("a local folder") && said.contains("HF_HUB_OFFLINE=1"), "{said}");
    assert!(std::error::Error::source(&*error.kind).is_some());
}

#[test]
fn silent_server_is_given_up_on() {
    let (cache, server) = (Cache::new(), Server::start(|_| Response { silent: true, ..small("{}") }));
    let hub = cache.builder(&server).retries(0).timeout(Duration::from_millis(50)).build().unwrap();
    let error = hub.fetch(&repo(), "config.json").unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Unreachable { .. }), "{error:?}");
}

#[test]
fn answer_without_the_headers_of_a_hub_is_refused() {
    for header in ["ETag", "X-Repo-Commit"] {
        let (kind, _) = refused(move |_| small("{}").without(header));
        assert!(matches!(&kind, ErrorKind::Malformed { what, .. } if what.contains(header)), "{kind:?}");
    }
}

#[test]
fn headers_that_would_be_paths_out_of_the_cache_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().join("x").to_str().unwrap().to_owned();
    for value in ["../../../x", &absolute, "..", "a/b"] {
        for header in ["ETag", "X-Linked-ETag", "X-Repo-Commit"] {
            let value = value.to_owned();
            let (kind, _) = refused(move |_| small("{}").header(header, value.clone()));
            assert!(matches!(kind, ErrorKind::Malformed { .. }), "{kind:?}");
        }
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn file_names_that_leave_the_repository_are_refused_before_any_request() {
    let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
    for file in ["../x", "/etc/passwd", "a/../../x", "a\\b", ""] {
        let error = cache.hub(&server).fetch(&repo(), file).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Name { .. }), "{file}: {error:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn redirects_that_never_end_are_given_up_on() {
    let (kind, server) = refused(|_| Response::new(302, "").header("Location", CONFIG));
    assert!(matches!(kind, ErrorKind::TooManyRedirects), "{kind:?}");
    assert_eq!(server.connections(), 5);
}
