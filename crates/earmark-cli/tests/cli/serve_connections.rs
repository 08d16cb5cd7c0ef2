//! Connections that say nothing, drip, do not end or are one too many: nobody else waits for them, and they are closed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::serve_hostile::Watched;
use crate::served::bytes;
use crate::work_dir::wait_until;

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
fn next_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
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

#[test]
fn clients_that_drip_keep_nobody_waiting_and_are_closed() {
    let watched = Watched::start("");
    let address = &watched.served.address;
    let mut heads: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    heads.iter_mut().for_each(|stream| stream.write_all(b"GET /api/mo").unwrap());
    let announced = "Content-Length: 60000000\r\n";
    let bodies: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = watched.open("POST /api/classify", announced);
            stream.write_all(&[0; 1000]).unwrap();
            stream
        })
        .collect();
    wait_until("the bodies arrive", || watched.gauge("body_bytes") == 100_000);
    // What is announced takes no room: 6 GB would be ten times as much as there is.
    watched.answers_well();
    drop(bodies);
    wait_until("who has left holds nothing", || watched.gauge("body_bytes") == 0);
    // Each byte is a sign of life, and does not help.
    heads.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    wait_until("the heads that drip are closed", || {
        std::thread::sleep(Duration::from_millis(200));
        heads.retain_mut(|stream| {
            let is_open = match stream.read(&mut [0; 200]) {
                Ok(bytes) => bytes > 0,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            is_open && stream.write_all(b"x").is_ok()
        });
        heads.is_empty()
    });
    watched.check_unchanged(0, 25.0);
}

#[test]
fn a_thousand_event_streams_that_are_opened_and_dropped_leave_nothing() {
    let watched = Watched::start("");
    let siren = bytes(&watched.work, "siren.wav");
    for round in 0..10 {
        let mut streams = Vec::new();
        for number in 0..40 {
            streams.push(watched.open(&format!("GET /gradio_api/heartbeat/{round}-{number}"), ""));
            streams
                .push(watched.open(&format!("GET /gradio_api/queue/data?session_hash={round}-{number}"), ""));
        }
        for number in 0..10 {
            let path = watched.served.upload("siren.wav", &siren);
            let session = format!("{round}-{number}");
            let join = json!({ "data": [{ "path": path }], "session_hash": session });
            watched.served.post_json("/gradio_api/queue/join", &join).json(200);
            streams.push(watched.open(&format!("GET /gradio_api/queue/data?session_hash={session}"), ""));
            let path = watched.served.upload("siren.wav", &siren);
            let call = json!({ "data": [{ "path": path }] });
            let event = watched.served.post_json("/gradio_api/call/predict", &call).json(200);
            let event = event["event_id"].as_str().unwrap();
            streams.push(watched.open(&format!("GET /gradio_api/call/predict/{event}"), ""));
        }
        assert_eq!(streams.len(), 100);
    }
    // A stream that was dropped before the server saw its head took no call along.
    for session in (0..10).flat_map(|round| (0..10).map(move |number| format!("{round}-{number}"))) {
        watched.served.get(&format!("/gradio_api/queue/data?session_hash={session}"));
    }
    watched.check_unchanged(0, 30.0);
}

#[test]
fn listeners_for_signs_of_life_do_not_take_all_connections() {
    let watched = Watched::start("");
    let open = |number: usize| watched.open(&format!("GET /gradio_api/heartbeat/{number}"), "");
    let streams: Vec<TcpStream> = (0..128).map(open).collect();
    wait_until("all listen", || watched.gauge("heartbeats") == 128);
    let one_more = watched.served.get("/gradio_api/heartbeat/x");
    one_more.refuses(503, "signs of life");
    assert!(one_more.head.contains("retry-after: "), "{}", one_more.head);
    drop(streams);
    watched.check_unchanged(0, 25.0);
}

#[test]
fn a_connection_too_many_is_told_to_try_later_and_the_next_one_is_served() {
    let watched = Watched::start("");
    let address = &watched.served.address;
    let silent: Vec<TcpStream> = (0..512).map(|_| TcpStream::connect(address).unwrap()).collect();
    let refused = watched.served.get("/healthz");
    refused.refuses(503, "too many connections");
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    drop(silent);
    wait_until("there is room again", || watched.served.get("/healthz").status == 200);
    watched.check_unchanged(0, 25.0);
}

#[test]
fn microphones_that_send_nothing_or_garbage_are_told_why_they_are_closed() {
    let watched = Watched::start("");
    let silent: Vec<TcpStream> = (0..16)
        .map(|_| {
            let (stream, status) = watched.microphone();
            assert_eq!(status, "101");
            stream
        })
        .collect();
    assert_eq!(watched.gauge("microphones"), 16);
    let (_, status) = watched.microphone();
    assert_eq!(status, "503");
    watched.answers_well();
    drop(silent);
    wait_until("they are closed", || watched.gauge("microphones") == 0);

    let huge = [0x82, 0x80 | 127, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    for (bytes, code, words) in [
        (frame(2, &[0; 7]), 1003, "float32"),
        (frame(1, b"text"), 1003, "float32"),
        (huge.to_vec(), 1002, "1 MiB"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002, "frame"),
        (frame(5, b"an opcode that is none"), 1002, "frame"),
        (frame(1, b"\xff\xfe"), 1002, "frame"),
    ] {
        let (mut stream, _) = watched.microphone();
        stream.write_all(&bytes).unwrap();
        let (told, reason) =
            goodbye(&mut stream).unwrap_or_else(|| panic!("{words}: closed without a reason"));
        assert!(told == code && reason.contains(words), "{told}: {reason}");
    }
    // A window of samples that are no numbers is refused, and the next one classified.
    let (mut stream, _) = watched.microphone();
    stream.write_all(&frame(2, &f32::NAN.to_le_bytes().repeat(2000))).unwrap();
    let (_, answer) = next_frame(&mut stream).unwrap();
    assert!(String::from_utf8(answer).unwrap().contains("\"error\""));
    stream.write_all(&frame(2, &0.1f32.to_le_bytes().repeat(2000))).unwrap();
    let (_, answer) = next_frame(&mut stream).unwrap();
    assert!(String::from_utf8(answer).unwrap().contains("\"predictions\""));
    // One that sends and never reads.
    let mut deaf: Vec<TcpStream> = (0..8).map(|_| watched.microphone().0).collect();
    for stream in &mut deaf {
        for _ in 0..50 {
            stream.write_all(&frame(2, &0.1f32.to_le_bytes().repeat(8000))).unwrap();
            stream.write_all(&frame(9, b"ping")).unwrap();
        }
    }
    drop((stream, deaf));
    watched.check_unchanged(0, 40.0);
}
