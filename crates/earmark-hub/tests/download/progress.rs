use super::*;

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Progress for Recorder {
    fn started(&self, file: &str, total: Option<u64>) {
        self.0.lock().unwrap().push(format!("{file} {total:?}"));
    }

    fn advanced(&self, bytes: u64) {
        self.0.lock().unwrap().push(bytes.to_string());
    }

    fn finished(&self) {
        self.0.lock().unwrap().push("end".to_owned());
    }
}

#[test]
fn bytes_are_counted_and_a_cached_file_is_silent() {
    let (cache, server) = (Cache::new(), Server::start(|_| large(&[7; 300_000])));
    let recorded = Arc::new(Recorder::default());
    let hub = cache.builder(&server).progress(Arc::clone(&recorded) as Arc<dyn Progress>).build().unwrap();
    hub.fetch(&repo(), "model.safetensors").unwrap();
    hub.fetch(&repo(), "model.safetensors").unwrap();

    let recorded = recorded.0.lock().unwrap();
    assert_eq!(recorded.first().unwrap(), "model.safetensors Some(300000)");
    assert_eq!(recorded.last().unwrap(), "end");
    let bytes: u64 = recorded[1..recorded.len() - 1].iter().map(|n| n.parse::<u64>().unwrap()).sum();
    assert_eq!(bytes, 300_000);
}

#[test]
fn failed_download_finishes_too() {
    let server = Server::start(|request| match &*request.method {
        "HEAD" => small("{}"),
        _ => Response::new(403, ""),
    });
    let cache = Cache::new();
    let recorded = Arc::new(Recorder::default());
    let hub = cache.builder(&server).progress(Arc::clone(&recorded) as Arc<dyn Progress>).build().unwrap();
    hub.fetch(&repo(), "config.json").unwrap_err();
    assert_eq!(*recorded.0.lock().unwrap(), ["config.json Some(2)", "end"]);
}
