use super::*;

#[test]
fn cached_file_is_found_and_no_socket_opened() {
    let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
    let path = cache.hub(&server).fetch(&repo(), "config.json").unwrap();
    let connections = server.connections();
    assert_eq!(cache.offline(&server).fetch(&repo(), "config.json").unwrap(), path);
    assert_eq!(server.connections(), connections);
}

#[test]
fn missing_file_is_an_error_that_names_the_cache_and_no_socket_opened() {
    let (cache, server) = (Cache::new(), Server::start(|_| small("{}")));
    let hub = cache.offline(&server);
    let error = hub.fetch(&repo(), "config.json").unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Offline { .. }), "{error:?}");
    assert!(error.kind.to_string().contains(cache.0.path().to_str().unwrap()), "{}", error.kind);
    assert!(error.kind.to_string().contains("a local folder"), "{}", error.kind);
    assert!(hub.fetch_model(&repo()).is_err());
    assert_eq!(server.connections(), 0);
    assert_eq!(cache.files(), [""; 0]);
}

#[test]
fn whole_model_comes_from_the_cache() {
    let (cache, server) = (Cache::new(), model::server(&["config.json", "pytorch_model.bin"]));
    let folder = cache.hub(&server).fetch_model(&repo()).unwrap().into_folder();
    let connections = server.connections();
    assert_eq!(cache.offline(&server).fetch_model(&repo()).unwrap().folder(), folder);
    assert_eq!(server.connections(), connections);
}
