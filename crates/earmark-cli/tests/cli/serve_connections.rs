//! Connections that say nothing, drip, do not end or are one too many: nobody else waits for them, and they are closed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::served::bytes;
use crate::watched::{Watched, frame, goodbye, next_frame};
use crate::work_dir::wait_until;

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
fn an_answer_of_which_nothing_is_taken_is_given_up() {
    let watched = Watched::start("");
    // More than the buffers of both sides hold.
    let path = watched.served.upload("a.wav", &vec![0; 20 << 20]);
    let unread: Vec<TcpStream> =
        (0..4).map(|_| watched.open(&format!("GET /gradio_api/file={path}"), "")).collect();
    wait_until("the answers begin", || watched.gauge("connections") == 5);
    wait_until("they are given up", || watched.gauge("connections") == 1);
    drop(unread);
    watched.check_unchanged(1, 60.0);
}

#[test]
fn a_thousand_event_streams_that_are_opened_and_dropped_leave_nothing() {
    let watched = Watched::start("");
    let siren = bytes(&watched.work, "siren.wav");
    let mut events = Vec::new();
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
            let result = format!("/gradio_api/call/predict/{}", event["event_id"].as_str().unwrap());
            streams.push(watched.open(&format!("GET {result}"), ""));
            events.push(result);
        }
        assert_eq!(streams.len(), 100);
    }
    // A stream that was dropped before the server saw its head took no call along, whose answer waits for another one.
    events.iter().for_each(|result| _ = watched.served.get(result));
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
fn connections_that_say_nothing_are_closed_and_http_2_is_not_spoken() {
    let watched = Watched::start("");
    let mut silent = TcpStream::connect(&watched.served.address).unwrap();
    let mut http_2 = TcpStream::connect(&watched.served.address).unwrap();
    http_2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut answer = Vec::new();
    let _ = http_2.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
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
