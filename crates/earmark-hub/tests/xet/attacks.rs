//! What a Hub that was taken over may not make of Xet.

use super::*;

/// A Hub that names this address as its Xet storage.
fn naming(place: &Place, address: &str) {
    let answer = format!("{{\"accessToken\": \"x\", \"exp\": 4000000000, \"casUrl\": \"{address}\"}}");
    place.hub.set_fault(move |it| it.path.contains("/xet-").then(|| Response::new(200, answer.clone())));
}

fn addresses(place: &Place) -> Vec<String> {
    let folder = place.folder.path().join("stolen");
    // hf-xet 1.8.0 takes the first two for a storage in a folder and one in memory.
    let bad = ["memory://", "file:///etc", "ftp://127.0.0.1/", "http://", "not an address"];
    let mut all: Vec<String> = bad.map(str::to_owned).into();
    all.push(format!("local://{}", folder.display()));
    all
}

#[test]
fn a_file_is_sent_to_no_other_storage_than_by_https_or_at_the_hubs_own_host() {
    let place = Place::new();
    for address in addresses(&place).into_iter().chain(["http://evil.example/".to_owned()]) {
        naming(&place, &address);
        match place.push() {
            // No address at all is no Xet storage.
            Ok(_) => assert_eq!(place.hub.storage().count("PUT"), 1, "{address}"),
            Err(error) => {
                let ErrorKind::UploadAddress { file, .. } = &*error.kind else {
                    panic!("{address}: {error:?}")
                };
                assert_eq!(file, "model.safetensors");
                assert!(!place.hub.files(REPO, "main").contains_key("model.safetensors"));
            }
        }
        assert!(!place.folder.path().join("stolen").exists(), "{address}");
    }
}

#[test]
fn a_storage_in_a_folder_that_the_server_names_is_not_read_or_made() {
    let place = Place::filled();
    for address in addresses(&place) {
        naming(&place, &address);
        let path = place.fetch(&place.builder().build().unwrap()).unwrap();
        assert_eq!(fs::read(path).unwrap(), weights(), "{address}");
        assert!(!place.folder.path().join("stolen").exists(), "{address}");
        fs::remove_dir_all(place.folder.path().join("hub")).unwrap();
    }
    assert_eq!(place.hub.xet().connections(), 0);
}

#[test]
fn a_hash_that_is_none_is_not_asked_for() {
    let place = Place::filled();
    for hash in ["../../etc", "xyz", ""] {
        place.hub.set_fault(move |it| {
            let head = it.method == "HEAD" && it.path.contains("/resolve/");
            head.then(|| {
                Response::new(302, "")
                    .header("X-Linked-ETag", format!("\"{}\"", sha256(&weights())))
                    .header("X-Linked-Size", weights().len().to_string())
                    .header("X-Repo-Commit", "a".repeat(40))
                    .header("X-Xet-Hash", hash)
            })
        });
        let path = place.fetch(&place.builder().build().unwrap()).unwrap();
        assert_eq!(fs::read(path).unwrap(), weights());
        fs::remove_dir_all(place.folder.path().join("hub")).unwrap();
    }
    assert_eq!(place.hub.xet().connections(), 0);
}
