use super::*;

#[test]
fn a_new_repository_in_one_commit() {
    let place = Place::new();
    let pushed = place.push().unwrap();
    place.all_there("main");
    assert_eq!(place.hub.commits(REPO), 2, "the one that made it, and ours");
    assert_eq!(pushed.commit, place.hub.head(REPO, "main"));
    assert_eq!(pushed.page, place.hub.url() + "/me/model");
    assert_eq!((pushed.sent.len(), pushed.unchanged), (4, 0));
    assert_eq!(place.hub.is_private(REPO), Some(false));

    // The weights went to the storage, once and without the token; not into the commit.
    assert_eq!(place.count("PUT", "/upload/"), 1);
    for request in place.hub.storage().requests() {
        assert!(!request.headers.contains_key("authorization"));
    }
    let commits = place.hub.server().requests();
    let commit = commits.iter().find(|request| request.path.contains("/commit/")).unwrap();
    assert!(commit.body.len() < 2000, "{}", commit.body.len());
}

#[test]
fn large_files_in_parts_where_the_hub_wants_parts() {
    let place = Place::new();
    place.hub.set_part_size(100_001);
    place.push().unwrap();
    place.all_there("main");
    assert_eq!((place.count("PUT", "/part/"), place.count("POST", "/complete/")), (3, 1));
}

#[test]
fn private_repositories_branches_and_pull_requests() {
    let place = Place::new();
    let hub = place.builder().build().unwrap();
    hub.push(&Push { private: true, ..place.what() }).unwrap();
    assert_eq!(place.hub.is_private(REPO), Some(true));

    let before = place.hub.head(REPO, "main");
    place.write("config.json", b"{}");
    let branch = Push { repo: Repo::model("me/model@next/try").unwrap(), ..place.what() };
    let pushed = hub.push(&branch).unwrap();
    assert_eq!(pushed.sent, ["config.json"]);
    place.all_there("next/try");
    assert_eq!(place.hub.head(REPO, "main"), before);

    let pushed = hub.push(&Push { create_pr: true, ..place.what() }).unwrap();
    assert_eq!(pushed.page, place.hub.url() + "/me/model/discussions/1");
    place.all_there("refs/pr/1");
    assert_eq!(place.hub.head(REPO, "main"), before);
}

#[test]
fn a_dataset_is_created_and_pushed_to_as_one() {
    let place = Place::new();
    let what = Push { repo: Repo::dataset("me/sounds@next").unwrap(), private: true, ..place.what() };
    place.builder().build().unwrap().push(&what).unwrap();
    let repo = "datasets/me/sounds";
    assert_eq!(place.hub.is_private(repo), Some(true));
    assert_eq!(place.hub.files(repo, "next")["model.safetensors"], weights());
    assert!(!place.hub.files(repo, "main").contains_key("model.safetensors"));
}

#[test]
fn every_call_carries_the_token_and_our_name_whoever_makes_it() {
    let place = Place::new();
    place.push().unwrap();
    let token = format!("Bearer {TOKEN}");
    for request in place.hub.server().requests() {
        assert_eq!(request.headers["authorization"], token, "{}", request.path);
        assert!(request.headers["user-agent"].starts_with("earmark/"), "{}", request.path);
        assert_eq!(request.headers["accept-encoding"], "identity", "{}", request.path);
    }
}

#[test]
fn nothing_twice_and_no_commit_when_nothing_differs() {
    let place = Place::new();
    place.push().unwrap();
    place.hub.set_page_size(2);
    let pushed = place.push().unwrap();
    assert_eq!((pushed.commit, pushed.unchanged), (None, 4));
    assert_eq!((place.hub.commits(REPO), place.count("PUT", "/upload/")), (2, 1));

    place.write("README.md", b"# another card");
    assert_eq!(place.push().unwrap().sent, ["README.md"]);
    assert_eq!(place.count("PUT", "/upload/"), 1);
    // A file that only changed its place is in the storage already.
    let mut moved = place.what();
    moved.files[3].0 = "weights/model.safetensors".to_owned();
    place.builder().build().unwrap().push(&moved).unwrap();
    assert_eq!(place.count("PUT", "/upload/"), 1);
    assert_eq!(place.hub.files(REPO, "main")["weights/model.safetensors"], weights());
}

#[test]
fn what_was_pushed_is_what_is_fetched() {
    let place = Place::new();
    place.push().unwrap();
    let hub = place.builder().build().unwrap();
    let folder = hub.fetch_all(&Repo::model("me/model").unwrap(), |_| true).unwrap();
    for (name, bytes) in place.sent() {
        assert_eq!(fs::read(folder.folder().join(name)).unwrap(), bytes);
    }
}

#[test]
fn progress_counts_the_bytes_of_large_files() {
    #[derive(Default)]
    struct Recorder(Mutex<(Vec<String>, u64, usize)>);
    impl Progress for Recorder {
        fn started(&self, file: &str, total: Option<u64>) {
            self.0.lock().unwrap().0.push(format!("{file} {total:?}"));
        }
        fn advanced(&self, bytes: u64) {
            self.0.lock().unwrap().1 += bytes;
        }
        fn finished(&self) {
            self.0.lock().unwrap().2 += 1;
        }
    }
    let (place, recorded) = (Place::new(), Arc::new(Recorder::default()));
    let hub = place.builder().progress(Arc::clone(&recorded) as Arc<dyn Progress>).build().unwrap();
    hub.push(&place.what()).unwrap();
    let recorded = recorded.0.lock().unwrap();
    assert_eq!(*recorded, (vec!["model.safetensors Some(300000)".to_owned()], 300_000, 1));
}
