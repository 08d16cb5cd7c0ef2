use super::*;

#[test]
fn without_a_token_or_offline_before_any_connection() {
    let place = Place::new();
    let bare = Hub::builder(place.folder.path()).endpoint(place.hub.url());
    let error = bare.clone().build().unwrap().push(&place.what()).unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::NoToken), "{error:?}");
    assert!(error.kind.to_string().contains("earmark login"), "{}", error.kind);
    let offline = bare.token(TOKEN).offline(true).build().unwrap();
    let error = offline.push(&place.what()).unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::OfflinePush), "{error:?}");
    assert!(offline.whoami().is_err());
    assert_eq!(place.hub.server().connections(), 0);
}

#[test]
fn tokens_that_may_not_write_or_are_none() {
    let place = Place::new();
    place.push().unwrap();
    place.write("README.md", b"# mine now");
    let read = place.builder().token("hf_secret_read").build().unwrap();
    let error = read.push(&place.what()).unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::NoWriteAccess { status: 403, .. }), "{error:?}");
    assert!(error.kind.to_string().contains("role is write"), "{}", error.kind);
    assert_eq!(read.whoami().unwrap().role.as_deref(), Some("read"));
    let unknown = place.builder().token("hf_secret_unknown").build().unwrap();
    assert!(matches!(*unknown.whoami().unwrap_err().kind, ErrorKind::BadToken));
    assert!(unknown.push(&place.what()).is_err());
    let account = place.builder().build().unwrap().whoami().unwrap();
    assert_eq!((&*account.name, account.role.as_deref()), ("me", Some("write")));
}

#[test]
fn a_token_that_may_not_create_a_repository_or_a_branch() {
    let place = Place::new();
    let read = place.builder().token("hf_secret_read").build().unwrap();
    let denied = |what: Push| {
        let error = read.push(&what).unwrap_err();
        let ErrorKind::NoWriteAccess { status: 403, page } = &*error.kind else { panic!("{error:?}") };
        assert_eq!(*page, place.hub.url() + "/me/model");
    };
    denied(place.what());
    place.push().unwrap();
    denied(Push { repo: Repo::model("me/model@next").unwrap(), ..place.what() });
    assert_eq!(place.hub.head(REPO, "next"), None);
}

#[test]
fn a_repository_that_has_another_name_now_is_not_pushed_to() {
    let place = Place::new();
    place.push().unwrap();
    place.write("config.json", b"{}");
    for call in ["/revision/", "/preupload/", "/commit/"] {
        place.hub.set_fault(move |request| {
            let to = request.path.replace("/me/model/", "/me/other/");
            request.path.contains(call).then(|| Response::new(307, "").header("Location", to))
        });
        let error = place.push().unwrap_err();
        let said = error.kind.to_string();
        assert!(said.contains("307") && said.contains("another name now"), "{call}: {said}");
    }
}

#[test]
fn a_file_that_is_gone_before_anything_is_sent() {
    let place = Place::new();
    fs::remove_file(place.folder.path().join("README.md")).unwrap();
    let mut push = place.what();
    let error = place.builder().build().unwrap().push(&push).unwrap_err();
    assert!(matches!(&*error.kind, ErrorKind::LocalFile { path, .. } if path.ends_with("README.md")));
    assert_eq!(place.hub.server().connections(), 0);
    push.files[0].0 = "../config.json".to_owned();
    assert!(place.builder().build().unwrap().push(&push).is_err());
}

#[test]
fn the_token_is_in_no_error_even_when_the_hub_repeats_it() {
    let place = Place::new();
    place.hub.set_fault(|request| {
        let said = request.headers.get("authorization").cloned().unwrap_or_default();
        Some(Response::new(422, "").header("X-Error-Message", format!("bad {said}")))
    });
    let error = place.push().unwrap_err();
    assert!(!message(&error).contains("secret"), "{}", message(&error));
}
