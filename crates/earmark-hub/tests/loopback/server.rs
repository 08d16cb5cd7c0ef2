//! A Hub on the loopback interface: real TCP, one thread per connection, answers from a closure.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a client sent, without a body: the Hub client sends none.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

/// What to send back.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Send this many bytes of the body and hang up.
    pub(crate) cut_at: Option<usize>,
    /// Say nothing until the server stops.
    pub(crate) silent: bool,
}

impl Response {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response { status, headers: Vec::new(), body: body.into(), cut_at: None, silent: false }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.retain(|(n, _)| *n != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Response {
        self.headers.retain(|(n, _)| *n != name);
        self
    }

    pub(crate) fn cut_at(mut self, bytes: usize) -> Response {
        self.cut_at = Some(bytes);
        self
    }
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<Handler>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    stopping: AtomicBool,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.stopping.load(Ordering::SeqCst) {
                        return; // Drops the listener: the next connection is refused.
                    }
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.serve(stream.unwrap()));
                }
            }
        });
        Server { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Requests of this method, all paths.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.method == method).count()
    }

    /// Refuses connections from now on.
    pub(crate) fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(accepting) = self.accepting.take() {
            drop(TcpStream::connect(self.address)); // Wakes `accept`.
            accepting.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// One request per connection. What the client does meanwhile, hanging up included, is its own affair.
    fn serve(&self, mut stream: TcpStream) {
        let Some(request) = read_request(&stream) else {
            return;
        };
        self.requests.lock().unwrap().push(request.clone());
        let response = (self.handler)(&request);
        while response.silent && !self.stopping.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }

        let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", response.status);
        if !response.headers.iter().any(|(name, _)| matches!(*name, "Content-Length" | "Transfer-Encoding")) {
            head += &format!("Content-Length: {}\r\n", response.body.len());
        }
        for (name, value) in &response.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let body = match (request.method.as_str(), response.cut_at) {
            ("HEAD", _) => &[][..],
            (_, Some(bytes)) => &response.body[..bytes],
            (_, None) => &response.body[..],
        };
        let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // Closing with unread bytes would reset the connection and could take the answer with it.
        let _ = stream.read(&mut [0; 1]);
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())))
        .collect();
    Some(Request { method, path, headers })
}
