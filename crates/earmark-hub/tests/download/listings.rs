use super::*;

/// Three files on two pages, one of them in LFS; `main` is at [`COMMIT`].
fn server() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/api/datasets/owner/name/revision/main" => Response::new(200, format!("{{\"sha\": \"{COMMIT}\"}}")),
        path if path == format!("/api/datasets/owner/name/tree/{COMMIT}?recursive=true") => Response::new(
            200,
            format!(
                r#"[{{"type": "directory", "path": "data", "oid": "0", "size": 0}},
                        {{"type": "file", "path": "data/b.wav", "oid": "1", "size": 7,
                          "lfs": {{"oid": "{}", "size": 7, "pointerSize": 120}}}}]"#,
                sha256(b"b.wav")
            ),
        )
        .header("Link", format!("<{path}&cursor=2>; rel=\"next\"")),
        path if path.ends_with("&cursor=2") => Response::new(
            200,
            r#"[{"type": "file", "path": "README.md", "oid": "2", "size": 9},
                {"type": "file", "path": "data/a.wav", "oid": "3", "size": 5}]"#,
        ),
        path if path.contains("/resolve/") => large(path.rsplit('/').next().unwrap().as_bytes()),
        path => panic!("{path}"),
    })
}

fn dataset() -> Repo {
    Repo::dataset("owner/name").unwrap()
}

#[test]
fn every_page_is_read_and_the_list_is_asked_for_once() {
    let (cache, server) = (Cache::new(), server());
    let files = cache.hub(&server).list(&dataset()).unwrap();
    let seen: Vec<_> = files.iter().map(|file| (&*file.path, file.size, file.sha256.is_some())).collect();
    assert_eq!(seen, [("README.md", 9, false), ("data/a.wav", 5, false), ("data/b.wav", 7, true)]);
    assert_eq!(files[2].sha256, Some(sha256(b"b.wav")));
    assert_eq!(server.count("GET"), 3);

    assert_eq!(cache.hub(&server).list(&dataset()).unwrap(), files);
    assert_eq!(server.count("GET"), 4, "only what `main` stands for is asked again");
    let pinned = cache.hub(&server).pin(&dataset()).unwrap();
    assert_eq!(cache.offline(&server).list(&pinned).unwrap(), files);
}

#[test]
fn what_is_wanted_is_fetched_from_one_commit_and_is_there_offline() {
    let (cache, server) = (Cache::new(), server());
    let wanted = |file: &earmark_hub::RemoteFile| file.path.ends_with(".wav");
    let files = cache.hub(&server).fetch_all(&dataset(), wanted).unwrap();
    assert_eq!(files.commit(), COMMIT);
    let folder = files.folder();
    assert!(folder.ends_with(format!("snapshots/{COMMIT}")));
    assert_eq!(fs::read(folder.join("data/a.wav")).unwrap(), b"a.wav");
    assert!(!folder.join("README.md").exists());
    let connections = server.connections();
    assert_eq!(cache.offline(&server).fetch_all(&dataset(), wanted).unwrap(), files);
    let error = cache.offline(&server).fetch_all(&dataset(), |_| true).unwrap_err();
    assert!(error.to_string().contains("`README.md`"), "{error}");
    assert_eq!(server.connections(), connections);
}

#[test]
fn a_list_that_leads_out_of_the_cache_or_to_another_host_is_refused() {
    let file = |path: &str| format!(r#"[{{"type": "file", "path": "{path}", "size": 1}}]"#);
    for (body, link) in [
        (file("../../x"), ""),
        (file("/etc/passwd"), ""),
        ("{}".to_owned(), ""),
        ("not json".to_owned(), ""),
        (r#"[{"type": "file", "path": "a"}]"#.to_owned(), ""),
        (file("a"), "<http://example.com/next>; rel=\"next\""),
    ] {
        let server = Server::start(move |_| match link {
            "" => Response::new(200, body.clone()),
            link => Response::new(200, body.clone()).header("Link", link),
        });
        let (cache, repo) = (Cache::new(), Repo::dataset(&format!("owner/name@{COMMIT}")).unwrap());
        let error = cache.hub(&server).list(&repo).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Malformed { .. }), "{error:?}");
        assert_eq!(cache.files(), [""; 0]);
    }
}

#[test]
fn a_refusal_is_named_as_for_a_file() {
    let server = Server::start(|_| Response::new(403, ""));
    let error = Cache::new().hub(&server).list(&dataset()).unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::AccessDenied { status: 403, .. }), "{error:?}");
    assert!(error.to_string().contains("dataset `owner/name@main`"), "{error}");
}
