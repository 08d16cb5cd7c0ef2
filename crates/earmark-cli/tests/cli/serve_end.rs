//! How the server ends: what runs is answered, what would go on for ever is told so, and a second signal ends it at once.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use earmark_testkit::noise;

use crate::served::bytes;
use crate::watched::{Watched, goodbye};
use crate::work_dir::{signal, wait_until};

impl Watched {
    fn end(&mut self) -> Option<i32> {
        let child = &mut self.served.child;
        wait_until("the server ends", || child.try_wait().unwrap().is_some());
        child.wait().unwrap().code()
    }
}

#[test]
fn connections_that_only_wait_do_not_delay_the_end() {
    let mut watched = Watched::start("");
    let silent = TcpStream::connect(&watched.served.address).unwrap();
    let mut begun = TcpStream::connect(&watched.served.address).unwrap();
    begun.write_all(b"GET /he").unwrap();
    let mut idle = watched.open("GET /healthz", "");
    idle.read_exact(&mut [0; 15]).unwrap();
    let mut heartbeat = watched.open("GET /gradio_api/heartbeat/x", "");
    let (mut microphone, _) = watched.microphone();
    wait_until("it listens", || watched.gauge("heartbeats") == 1);
    let began = Instant::now();
    signal(&watched.served.child, "TERM");
    assert_eq!(watched.end(), Some(0));
    // Running requests would have ten seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let (code, reason) = goodbye(&mut microphone).unwrap();
    assert!(code == 1001 && reason.contains("stopped"), "{code}: {reason}");
    let mut text = String::new();
    heartbeat.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("0\r\n\r\n"), "the stream has an end: {text}");
    drop((silent, begun, idle));
}

#[test]
fn requests_that_run_are_answered_before_the_end() {
    let mut watched = Watched::start("");
    watched.work.clip("noise.wav", noise(16_000 * 4, 5));
    let body = bytes(&watched.work, "noise.wav");
    let headers = format!("Content-Length: {}\r\n", body.len());
    let mut streams: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = watched.open("POST /api/classify?window=0.5&hop=0.01", &headers);
            stream.write_all(&body).unwrap();
            stream
        })
        .collect();
    wait_until("all arrived", || {
        watched.gauge("body_bytes") == 4 * body.len() || watched.gauge("requests_running") == 1
    });
    signal(&watched.served.child, "TERM");
    for stream in &mut streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert_eq!(watched.end(), Some(0));
    assert_eq!(watched.work.list("tmp"), [""; 0]);
}

#[test]
fn requests_that_take_too_long_are_told_and_a_second_signal_ends_at_once() {
    let slow = |watched: &Watched| {
        watched.work.clip("noise.wav", noise(16_000 * 240, 5));
        let body = bytes(&watched.work, "noise.wav");
        let mut stream = watched
            .open("POST /api/classify?window=3&hop=0.004", &format!("Content-Length: {}\r\n", body.len()));
        stream.write_all(&body).unwrap();
        wait_until("it runs", || watched.gauge("body_bytes") == body.len());
        stream
    };
    let mut patient = Watched::start("");
    let mut told = slow(&patient);
    signal(&patient.served.child, "INT");
    let mut twice = Watched::start("");
    let _unread = slow(&twice);
    signal(&twice.served.child, "INT");
    let refuses = |watched: &Watched| TcpStream::connect(&watched.served.address).is_err();
    wait_until("it takes no connection", || refuses(&twice));
    signal(&twice.served.child, "TERM");
    assert_eq!(twice.end(), Some(143));
    let mut answer = String::new();
    told.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("stopped"), "{answer}");
    assert_eq!(patient.end(), Some(0));
}
