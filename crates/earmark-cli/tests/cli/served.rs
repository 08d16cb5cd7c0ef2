//! A server that runs, and requests over its socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;

use earmark_testkit::{noise, tone};
use serde_json::Value;

use crate::work_dir::{WorkDir, lines};

/// A server that runs; dropping it kills it.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// The body as it came, of answers that are not text.
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// Checks that it is refused, and that the sentence has the words.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, words: &str) {
        let error = self.json(status)["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(words), "no `{words}` in: {error}");
    }

    /// The JSON of each event of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        lines(&data.collect::<Vec<_>>().join("\n"))
    }
}

impl Served {
    pub(crate) fn start(work: &WorkDir, args: &str) -> Served {
        Served::of(work.start(&format!("serve --port 0 --no-open {args}")))
    }

    /// Waits until a server that was started tells its address.
    pub(crate) fn of(mut child: Child) -> Served {
        let mut address = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().strip_prefix("http://").unwrap_or_else(|| {
            let mut text = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
            panic!("no address: {text}")
        });
        let address = address.to_owned();
        Served { child, address }
    }

    /// Sends a request as it is written, and reads until the server closes the connection.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // A refusal may come, and the connection end, before all is sent.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunk(body) } else { body.to_owned() };
        let edge = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        Answer { status, head: head.to_lowercase(), body, bytes: bytes[edge..].to_vec() }
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let host =
            if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        self.raw(&request)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, "Content-Type: audio/wav\r\n", body)
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "Content-Type: application/json\r\n", body.to_string().as_bytes())
    }

    /// Sends a form with one file.
    pub(crate) fn post_form(&self, path: &str, field: &str, name: &str, bytes: &[u8]) -> Answer {
        let disposition = format!("Content-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"");
        let mut body = format!("--EDGE\r\n{disposition}\r\n\r\n").into_bytes();
        body.extend(bytes);
        body.extend(b"\r\n--EDGE--\r\n");
        self.send("POST", path, "Content-Type: multipart/form-data; boundary=EDGE\r\n", &body)
    }

    /// Uploads a file as Gradio's clients do; gives its path.
    pub(crate) fn upload(&self, name: &str, bytes: &[u8]) -> String {
        let paths = self.post_form("/gradio_api/upload", "files", name, bytes).json(200);
        paths[0].as_str().unwrap().to_owned()
    }
}

/// The bytes of a chunked body.
pub(crate) fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// With a model of three labels, and `siren.wav`.
pub(crate) fn with_model() -> WorkDir {
    let work = WorkDir::empty();
    work.copy_model("speech/group", "model");
    work.clip("siren.wav", tone(440.0, 0.5, 16_000));
    work.clip("long.wav", noise(16_000 * 3, 7));
    work
}

pub(crate) fn bytes(work: &WorkDir, name: &str) -> Vec<u8> {
    std::fs::read(work.path(name)).unwrap()
}
