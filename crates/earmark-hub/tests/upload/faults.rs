use super::*;

/// Where a push can fail, and how often that call is made by one that is well.
const CALLS: [&str; 8] = [
    "/revision/",
    "/repos/create",
    "/tree/",
    "/preupload/",
    "/objects/batch",
    "/lfs-verify/",
    "/commit/",
    "/upload/",
];

/// Fails calls of this kind for as long as it answers.
fn fail(
    place: &Place,
    call: &'static str,
    answer: impl Fn() -> Option<Response> + Send + Sync + Clone + 'static,
) {
    let other = answer.clone();
    place.hub.set_fault(move |request| if request.path.contains(call) { answer() } else { None });
    place.hub.set_storage_fault(move |request| if request.path.contains(call) { other() } else { None });
}

#[test]
fn every_status_at_every_call_leaves_no_commit_and_a_repeat_succeeds() {
    for call in CALLS {
        for status in [403, 429, 500, 503] {
            let place = Place::new();
            fail(&place, call, move || Some(Response::new(status, "no").header("Retry-After", "0")));
            let error = place.push().unwrap_err();
            assert!(!message(&error).contains("s3cr3t") && !message(&error).contains("hf_"), "{error:?}");
            assert!(place.hub.commits(REPO) <= 1, "{call} {status}");
            place.hub.clear_faults();
            let sent = place.count("PUT", "/upload/");
            place.push().unwrap();
            place.all_there("main");
            assert_eq!(place.hub.commits(REPO), 2, "{call} {status}");
            if call == "/commit/" {
                assert_eq!((sent, place.count("PUT", "/upload/")), (1, 1), "the storage had the weights");
            }
        }
    }
}

#[test]
fn trouble_that_passes_is_waited_out() {
    for call in CALLS {
        let (place, seen) = (Place::new(), Arc::new(AtomicUsize::new(0)));
        let trouble = move || match seen.fetch_add(1, Ordering::SeqCst) {
            0 => Some(Response::new(500, "oops")),
            1 => Some(Response::new(200, "{\"cut\": \"short\"}").cut_at(5)),
            _ => None,
        };
        // A storage's cut answer to a PUT is an answer: its status came whole.
        let trouble = move || trouble().filter(|answer| call != "/upload/" || answer.status == 500);
        fail(&place, call, trouble);
        place.push().unwrap();
        place.all_there("main");
        assert_eq!(place.hub.commits(REPO), 2, "{call}");
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_made_twice() {
    let place = Place::new();
    place.push().unwrap();
    place.write("config.json", b"{}");
    // The Hub commits, and the answer is cut: as if by another, who sent the same files.
    let committed = Arc::new(AtomicUsize::new(0));
    let url = place.hub.url();
    let twin = place.what();
    place.hub.set_fault(move |request| {
        if request.path.contains("/commit/") && committed.fetch_add(1, Ordering::SeqCst) == 0 {
            let cache = tempfile::tempdir().unwrap();
            let hub = Hub::builder(cache.path()).endpoint(&url).token(TOKEN).build().unwrap();
            hub.push(&twin).unwrap();
            return Some(Response::new(200, "{\"commitOid\": ").cut_at(4));
        }
        None
    });
    let pushed = place.push().unwrap();
    assert_eq!(pushed.commit, place.hub.head(REPO, "main"));
    assert_eq!(place.hub.commits(REPO), 3);
    place.all_there("main");
}

#[test]
fn somebody_elses_commit_meanwhile_is_not_overwritten() {
    let place = Arc::new(Place::new());
    place.push().unwrap();
    place.write("config.json", b"{}");
    let weak = Arc::downgrade(&place);
    let once = AtomicUsize::new(0);
    place.hub.set_fault(move |request| {
        if request.path.contains("/preupload/") && once.fetch_add(1, Ordering::SeqCst) == 0 {
            weak.upgrade().unwrap().hub.add(REPO, "main", &[("theirs.txt", b"theirs")]);
        }
        None
    });
    let error = place.push().unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Conflict), "{error:?}");
    place.hub.clear_faults();
    place.push().unwrap();
    assert_eq!(place.hub.files(REPO, "main")["theirs.txt"], b"theirs");
    assert_eq!(place.hub.files(REPO, "main")["config.json"], b"{}");
}

#[test]
fn a_hub_that_holds_other_bytes_afterwards_is_caught() {
    let place = Arc::new(Place::new());
    place.push().unwrap();
    place.write("config.json", b"{}");
    let weak = Arc::downgrade(&place);
    place.hub.set_fault(move |request| {
        request.path.contains("/commit/").then(|| {
            let hub = &weak.upgrade().unwrap().hub;
            let commit = hub.add(REPO, "main", &[("config.json", b"{ }")]);
            Response::new(200, format!("{{\"commitOid\": \"{commit}\"}}"))
        })
    });
    let error = place.push().unwrap_err();
    assert!(matches!(&*error.kind, ErrorKind::PushMismatch { file, .. } if file == "config.json"));
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_not_committed() {
    let place = Place::new();
    let file = place.folder.path().join("model.safetensors");
    place.hub.set_fault(move |request| {
        if request.path.contains("/lfs-verify/") {
            fs::write(&file, b"other weights").unwrap();
        }
        None
    });
    let error = place.push().unwrap_err();
    assert!(matches!(&*error.kind, ErrorKind::LocalFile { path, .. } if path.ends_with("model.safetensors")));
    assert_eq!(place.held("main"), []);
}

#[test]
fn silence_is_given_up_on() {
    let place = Place::new();
    for call in ["/revision/", "/repos/create", "/upload/", "/commit/"] {
        fail(&place, call, || Some(Response { silent: true, ..Response::new(200, "") }));
        let hub = place.builder().retries(0).timeout(Duration::from_millis(80)).build().unwrap();
        // Uploads are given a second for every 16 KiB on top, so a small one.
        place.write("model.safetensors", b"few weights");
        let error = hub.push(&place.what()).unwrap_err();
        let kinds = matches!(*error.kind, ErrorKind::NoAnswer { .. } | ErrorKind::UploadCut { .. });
        assert!(kinds, "{call}: {error:?}");
    }
}
