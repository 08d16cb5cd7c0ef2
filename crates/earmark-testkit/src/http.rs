//! An HTTP server on the loopback interface: TCP, one thread per connection, answers from a closure.
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, and so on.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As many bytes as `Content-Length` promised, or all chunks.
    pub body: Vec<u8>,
}

impl Request {
    /// Whether it has this method and path.
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    /// The parts between slashes, decoded, without the query.
    pub fn segments(&self) -> Vec<String> {
        let path = self.path.split('?').next().unwrap_or_default();
        path.trim_start_matches('/').split('/').map(decode).collect()
    }

    /// A value of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| decode(&value.replace('+', " ")))
        })
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// 200, and so on.
    pub status: u16,
    /// In this order.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Send this many bytes of the body, then close the connection.
    pub cut_at: Option<usize>,
    /// Send nothing until the server stops.
    pub silent: bool,
    /// After the body, keep the connection until the client ends it.
    pub keep_open: bool,
    /// Send the body a byte at a time, with this pause before each.
    pub drip: Option<Duration>,
}

impl Response {
    /// An answer without headers of its own.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: body.into(),
            cut_at: None,
            silent: false,
            keep_open: false,
            drip: None,
        }
    }

    /// With this header, in place of another of that name.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.retain(|(n, _)| *n != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Response {
        self.headers.retain(|(n, _)| *n != name);
        self
    }

    /// Cut off after so many bytes of the body.
    #[must_use]
    pub fn cut_at(mut self, bytes: usize) -> Response {
        self.cut_at = Some(bytes);
        self
    }
}

/// A fault while the body of a request is read.
#[derive(Debug, Clone, Copy)]
pub enum BodyFault {
    /// Reads so many bytes and closes the connection.
    Disconnect(usize),
    /// Reads a byte at a time, with this pause between.
    Drip(Duration),
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// A server that answers until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<Handler>,
    body_fault: Mutex<Option<BodyFault>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    stopping: AtomicBool,
}

impl Server {
    /// Answers every request with `handler`.
    pub fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
        Server::start_at(0, handler)
    }

    /// As [`start`](Server::start), at this port; 0 is any free one.
    pub fn start_at(port: u16, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            body_fault: Mutex::default(),
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

    /// `http://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Reads the bodies of requests with this fault from now on; `None` reads them normally.
    pub fn set_body_fault(&self, body_fault: Option<BodyFault>) {
        *self.shared.body_fault.lock().unwrap() = body_fault;
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests had this method.
    pub fn count(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.method == method).count()
    }

    /// Stops: further connections are refused.
    pub fn stop(&mut self) {
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
    /// Serves one request per connection. Errors of a client that disconnects are ignored.
    fn serve(&self, mut stream: TcpStream) {
        let Some(request) = self.read_request(&stream) else {
            return;
        };
        self.requests.lock().unwrap().push(request.clone());
        let response = (self.handler)(&request);
        while response.silent && !self.stopping.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
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
        match response.drip {
            None => {
                let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
            }
            Some(pause) => {
                let _ = stream.set_nodelay(true);
                let mut sent = stream.write_all(&[head.as_bytes(), b"\r\n"].concat());
                for byte in body.iter().take_while(|_| !self.stopping.load(Ordering::SeqCst)) {
                    std::thread::sleep(pause);
                    sent = sent.and_then(|()| stream.write_all(std::slice::from_ref(byte)));
                    if sent.is_err() {
                        return;
                    }
                }
            }
        }
        if !response.keep_open {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        // Closing with unread bytes would reset the connection and could take the answer with it.
        let _ = stream.read(&mut [0; 1]);
    }
}

impl Shared {
    fn read_request(&self, stream: &TcpStream) -> Option<Request> {
        let mut reader = BufReader::new(stream);
        let first = read_line(&mut reader)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let mut headers = BTreeMap::new();
        loop {
            let line = read_line(&mut reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        if headers.get("expect").is_some_and(|it| it.eq_ignore_ascii_case("100-continue")) {
            let mut stream = stream;
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
            loop {
                let size =
                    usize::from_str_radix(read_line(&mut reader)?.split(';').next()?.trim(), 16).ok()?;
                let begin = body.len();
                body.resize(begin + size, 0);
                reader.read_exact(&mut body[begin..]).ok()?;
                read_line(&mut reader)?;
                if size == 0 {
                    break;
                }
            }
        } else {
            let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            body.resize(length, 0);
            let body_fault = *self.body_fault.lock().unwrap();
            match body_fault.filter(|_| length > 0) {
                None => reader.read_exact(&mut body).ok()?,
                Some(BodyFault::Disconnect(bytes)) => {
                    reader.read_exact(&mut body[..bytes]).ok()?;
                    // With unread bytes, this resets the connection.
                    return None;
                }
                Some(BodyFault::Drip(pause)) => {
                    for byte in 0..length {
                        // Past the reader, which would take more than a byte from the connection.
                        let mut stream = stream;
                        stream.read_exact(&mut body[byte..=byte]).ok()?;
                        std::thread::sleep(pause);
                        if self.stopping.load(Ordering::SeqCst) {
                            return None;
                        }
                    }
                }
            }
        }
        Some(Request { method, path, headers, body })
    }
}

/// Decodes `%XX`.
fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, more @ ..] = rest {
        let code = (*first == b'%').then(|| more.get(..2)).flatten();
        let byte = code.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    Some(line.trim_end_matches(['\r', '\n']).to_owned())
}
