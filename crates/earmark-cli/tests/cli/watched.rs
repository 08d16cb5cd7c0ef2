//! A server that is watched while clients mean no good, and requests that are written byte by byte.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use crate::served::{Served, bytes, with_model};
use crate::work_dir::{WorkDir, wait_until};

/// A server that is watched: after a test it must hold what it held before, and nothing in its temporary folder.
pub(crate) struct Watched {
    pub(crate) served: Served,
    pub(crate) work: WorkDir,
    siren: Vec<u8>,
    megabytes: f64,
    files: usize,
}

impl Watched {
    pub(crate) fn start(args: &str) -> Watched {
        let work = with_model();
        fs::create_dir(work.path("tmp")).unwrap();
        let mut command = work.command(&format!("serve --port 0 --no-open --model model {args}"));
        command.env("TMPDIR", work.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let served = Served::of(command.spawn().unwrap());
        let siren = bytes(&work, "siren.wav");
        let mut watched = Watched { served, work, siren, megabytes: 0.0, files: 0 };
        watched.answers_well();
        watched.wait_until_idle(0);
        watched.measure();
        watched
    }

    /// What the server holds from now on is compared with what it holds now.
    pub(crate) fn measure(&mut self) {
        (self.megabytes, self.files) = (self.resident_mb(), self.open_files());
    }

    /// A good request is answered.
    #[track_caller]
    pub(crate) fn answers_well(&self) {
        let answer = self.served.post("/api/classify", &self.siren).json(200);
        assert!(answer["predictions"][0]["label"].is_string(), "{answer}");
    }

    /// A gauge of `/metrics`.
    pub(crate) fn gauge(&self, name: &str) -> usize {
        let metrics = self.served.get("/metrics").body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(&format!("earmark_{name} ")));
        value.unwrap_or_else(|| panic!("no `{name}` in {metrics}")).parse().unwrap()
    }

    /// Waits until all that was begun is over; the request for `/metrics` itself counts.
    #[track_caller]
    pub(crate) fn wait_until_idle(&self, uploads: usize) {
        let wanted = [
            ("queue_waiting", 0),
            ("connections", 1),
            ("requests_running", 1),
            ("calls", 0),
            ("uploads", uploads),
            ("microphones", 0),
            ("heartbeats", 0),
            ("body_bytes", 0),
        ];
        for (name, value) in wanted {
            wait_until(name, || self.gauge(name) == value);
        }
    }

    /// Checks that the server is as it was before, but for so many megabytes.
    #[track_caller]
    pub(crate) fn check_unchanged(mut self, uploads: usize, megabytes: f64) {
        self.answers_well();
        self.wait_until_idle(uploads);
        wait_until("its files are closed", || self.open_files() <= self.files);
        let grown = self.resident_mb() - self.megabytes;
        assert!(grown < megabytes, "it holds {grown:.0} MB more than before");
        assert_eq!(self.work.list("tmp"), [""; 0]);
        let _ = self.served.child.kill();
        let mut text = String::new();
        self.served.child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
        assert!(!text.contains("panicked"), "{text}");
    }

    /// Resident set, where the system has `/proc`.
    fn resident_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.served.child.id()));
        let status = status.unwrap_or_default();
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kilobytes.map_or(0.0, |number| number.parse::<f64>().unwrap() / 1000.0)
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.served.child.id())).map_or(0, Iterator::count)
    }
}

impl Watched {
    /// Opens a connection and sends the head of a request, which ends with the lines of `headers`.
    pub(crate) fn open(&self, line: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.served.address).unwrap();
        let head = format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.served.address);
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// Opens a WebSocket for a microphone; gives the connection behind the answer's head, and its status.
    pub(crate) fn microphone(&self) -> (TcpStream, String) {
        let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let mut stream = self.open("GET /api/live?window=0.1", headers);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let status = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
        (stream, status)
    }
}

/// A masked frame; the mask is zero.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x80 | opcode, 0x80 | 126, length[0], length[1], 0, 0, 0, 0], payload].concat()
}

/// The opcode and the payload of the next frame; `None` where the connection ends.
pub(crate) fn next_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let (mut head, mut long) = ([0; 2], [0; 2]);
    stream.read_exact(&mut head).ok()?;
    let mut length = usize::from(head[1]);
    if length == 126 {
        stream.read_exact(&mut long).ok()?;
        length = u16::from_be_bytes(long).into();
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some((head[0] & 0x0f, payload))
}

/// The code and the reason of the frame that closes a WebSocket, behind whatever comes before.
pub(crate) fn goodbye(stream: &mut TcpStream) -> Option<(u16, String)> {
    loop {
        if let (8, payload) = next_frame(stream)? {
            let code = u16::from_be_bytes(payload.get(..2)?.try_into().ok()?);
            return Some((code, String::from_utf8_lossy(&payload[2..]).into_owned()));
        }
    }
}
