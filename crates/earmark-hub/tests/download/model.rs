use super::*;

const INDEX: &str = "model.safetensors.index.json";

fn file_of(request: &Request) -> &str {
    request.path.rsplit('/').next().unwrap()
}

/// A repository with these files, each holding its name; the index lists two shards.
pub(super) fn server(files: &'static [&'static str]) -> Server {
    Server::start(|request| {
        let file = file_of(request);
        match file {
            _ if !files.contains(&file) => no_such_file(),
            INDEX => {
                small(r#"{"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}"#)
                    .header("ETag", "\"index\"")
            }
            "pytorch_model.bin.index.json" => {
                small(r#"{"weight_map": {"a": "1.bin", "b": "2.bin"}}"#).header("ETag", "\"index\"")
            }
            _ => large(file.as_bytes()),
        }
    })
}

/// What `fetch_model` brings, by file name.
fn brought(files: &'static [&'static str]) -> Vec<String> {
    let (cache, server) = (Cache::new(), server(files));
    let folder = cache.hub(&server).fetch_model(&repo()).unwrap().into_folder();
    assert_eq!(folder, cache.path(&format!("snapshots/{COMMIT}")));
    assert_eq!(fs::read_to_string(cache.path("refs/main")).unwrap(), COMMIT);
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn safetensors_are_preferred_and_nothing_else_is_fetched() {
    let all = &[
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
        INDEX,
        "pytorch_model.bin",
        "README.md",
    ];
    assert_eq!(brought(all), ["config.json", "model.safetensors", "preprocessor_config.json"]);
}

#[test]
fn what_the_configuration_asks_for_comes_before_the_weights_and_must_exist() {
    let (cache, server) = (Cache::new(), server(&["config.json", "tokenizer.json", "model.safetensors"]));
    let hub = cache.hub(&server);
    let needed = |file: &'static [&'static str]| {
        let snapshot = hub.fetch_model_with(&repo(), |folder| {
            assert!(folder.join("config.json").is_file());
            file
        });
        snapshot.map(|snapshot| snapshot.folder().join(file[0]))
    };
    let error = needed(&["vocab.json"]).unwrap_err();
    assert!(message(&error).contains("vocab.json"), "{}", message(&error));
    assert!(!server.requests().iter().any(|it| file_of(it).starts_with("model")), "weights for nothing");
    assert!(needed(&["tokenizer.json"]).unwrap().is_file());
    let fetched: Vec<_> = server.requests().into_iter().filter(|it| it.method == "GET").collect();
    let fetched: Vec<_> = fetched.iter().map(file_of).collect();
    assert_eq!(fetched, ["config.json", "tokenizer.json", "model.safetensors"]);
    // All of one commit, whatever the branch does meanwhile.
    let pinned = |it: &Request| it.path.contains(&format!("/{COMMIT}/"));
    assert!(server.requests().iter().filter(|it| file_of(it) != "config.json").all(pinned));
}

#[test]
fn every_shard_of_an_index_is_fetched() {
    let files =
        &["config.json", INDEX, "1.safetensors", "2.safetensors", "3.safetensors", "pytorch_model.bin"];
    assert_eq!(brought(files), ["1.safetensors", "2.safetensors", "config.json", INDEX]);
}

#[test]
fn shards_of_pickles_and_a_processor_config_are_fetched() {
    let files =
        &["config.json", "processor_config.json", "pytorch_model.bin.index.json", "1.bin", "2.bin", "3.bin"];
    assert_eq!(
        brought(files),
        ["1.bin", "2.bin", "config.json", "processor_config.json", "pytorch_model.bin.index.json"]
    );
}

#[test]
fn pickle_will_do_and_a_preprocessor_is_optional() {
    assert_eq!(brought(&["config.json", "pytorch_model.bin"]), ["config.json", "pytorch_model.bin"]);
}

#[test]
fn no_weights_at_all_is_an_error_that_lists_what_would_do() {
    let (cache, server) = (Cache::new(), server(&["config.json"]));
    let error = cache.hub(&server).fetch_model(&repo()).unwrap_err();
    assert!(matches!(&*error.kind, ErrorKind::NoneOf { files, .. } if files.len() == 4), "{error:?}");
    assert!(error.kind.to_string().contains("`pytorch_model.bin`"), "{}", error.kind);
    assert!(!cache.path("refs/main").exists(), "offline, `main` should not stand for half a model");
}

#[test]
fn no_config_is_an_error_that_names_it() {
    let (cache, server) = (Cache::new(), server(&["model.safetensors"]));
    let error = cache.hub(&server).fetch_model(&repo()).unwrap_err();
    assert!(error.to_string().contains("`config.json`"), "{error}");
    assert!(error.kind.to_string().contains("/tree/main"), "{}", error.kind);
}

#[test]
fn branch_that_moves_midway_does_not_mix_two_commits() {
    let server = Server::start(|request| {
        // Whoever still asks for `main` after the config gets the next commit.
        let moved = request.path.contains("/main/") && file_of(request) != "config.json";
        large(file_of(request).as_bytes()).header("X-Repo-Commit", if moved { NEXT_COMMIT } else { COMMIT })
    });
    let cache = Cache::new();
    let folder = cache.hub(&server).fetch_model(&repo()).unwrap().into_folder();
    assert!(folder.ends_with(COMMIT) && folder.join("model.safetensors").exists());
    assert!(!cache.path(&format!("snapshots/{NEXT_COMMIT}")).exists());
}

#[test]
fn second_fetch_asks_about_the_config_alone() {
    let (cache, server) = (Cache::new(), server(&["config.json", "pytorch_model.bin"]));
    let hub = cache.hub(&server);
    let model = hub.fetch_model(&repo()).unwrap();
    assert_eq!(model.commit(), COMMIT);
    let connections = server.connections();
    assert_eq!(hub.fetch_model(&repo()).unwrap(), model);
    assert_eq!(server.connections() - connections, 1, "what the commit lacks is remembered too");
}

#[test]
fn index_that_lists_no_shards_or_leads_elsewhere_is_refused() {
    let cases = [
        "not json",
        "[]",
        "{}",
        r#"{"weight_map": {}}"#,
        r#"{"weight_map": {"a": 1}}"#,
        r#"{"weight_map": {"a": "run.sh"}}"#,
        r#"{"weight_map": {"a": "../../x.safetensors"}}"#,
        r#"{"weight_map": {"a": "/x.safetensors"}}"#,
    ];
    for index in cases {
        let server = Server::start(move |request| match file_of(request) {
            "config.json" => large(b"{}"),
            INDEX => large(index.as_bytes()),
            _ => no_such_file(),
        });
        let error = Cache::new().hub(&server).fetch_model(&repo()).unwrap_err();
        assert!(
            matches!(*error.kind, ErrorKind::Index { .. } | ErrorKind::Name { .. }),
            "{index}: {error:?}"
        );
    }
}

#[test]
fn first_that_exists_is_told_by_its_place() {
    let (cache, server) = (Cache::new(), server(&["b", "c"]));
    let (place, path) = cache.hub(&server).fetch_first(&repo(), &["a", "b", "c"]).unwrap();
    assert_eq!((place, fs::read(path).unwrap()), (1, b"b".to_vec()));
}

#[test]
fn first_that_exists_stops_at_trouble_rather_than_taking_the_next() {
    let server = Server::start(|request| match file_of(request) {
        "a" => Response::new(503, "busy"),
        file => large(file.as_bytes()),
    });
    let error = Cache::new().hub(&server).fetch_first(&repo(), &["a", "b"]).unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Status { status: 503, .. }), "{error:?}");
}
