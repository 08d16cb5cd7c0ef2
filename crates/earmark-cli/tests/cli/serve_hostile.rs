//! What clients send who mean no good: it is refused with a reason, the server goes on, and keeps neither files nor memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use earmark_testkit::noise;
use serde_json::{Value, json};

use crate::served::{Served, bytes, with_model};
use crate::watched::Watched;
use crate::work_dir::wait_until;

/// The files that the fuzzer of earmark-audio begins with.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../earmark-audio/fuzz/corpus");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|format| fs::read_dir(format.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// `file` with damage of one of eight kinds.
fn damaged(file: &[u8], kind: usize, other: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    match kind {
        0 => bytes.truncate(file.len() / 2),
        1 => bytes.truncate(file.len() - 1),
        2 => bytes.truncate(16),
        3 => (0..file.len()).step_by(17).for_each(|at| bytes[at] ^= 0x5a),
        4 => (4..file.len().min(64)).for_each(|at| bytes[at] = 0xff),
        5 => bytes[..12].copy_from_slice(&other[..12]),
        6 => bytes.extend([0; 500_000]),
        // The middle is there twice.
        _ => bytes.extend_from_slice(&file[file.len() / 3..]),
    }
    bytes
}

/// Sends each file with each damage, in all the ways there are; gives how many were sent.
fn send_damaged(served: &Served, files: &[Vec<u8>]) -> usize {
    for kind in 0..8 {
        for (number, file) in files.iter().enumerate() {
            let bytes = damaged(file, kind, &files[(number + 9) % files.len()]);
            let answer = match number % 3 {
                0 => served.post("/api/classify", &bytes),
                1 => served.post("/api/classify?window=0.5", &bytes),
                _ => served.post_form("/api/classify", "file", "a.bin", &bytes),
            };
            match answer.status {
                200 => {}
                422 => assert!(answer.json(422)["error"].as_str().unwrap().len() > 10, "{}", answer.body),
                status => panic!("{status} for file {number}, damage {kind}: {}", answer.body),
            }
        }
    }
    // Half a megabyte of zeros behind each file, by way of calls.
    for (number, file) in files.iter().enumerate() {
        let path = served.upload("a.bin", &damaged(file, 6, &[]));
        let data = json!({ "data": [{ "path": path }], "session_hash": number.to_string() });
        served.post_json("/gradio_api/queue/join", &data).json(200);
        let events = served.get(&format!("/gradio_api/queue/data?session_hash={number}")).events();
        assert_eq!(events.last().unwrap()["msg"], "close_stream");
    }
    8 * files.len()
}

#[test]
fn two_hundred_malformed_files_are_refused_with_a_reason_and_leave_nothing() {
    let mut watched = Watched::start("");
    let files = corpus();
    // The first time buffers of the decoders and of the network grow to what the largest of the files takes.
    assert!(send_damaged(&watched.served, &files) >= 200);
    watched.measure();
    for _ in 0..3 {
        send_damaged(&watched.served, &files);
    }
    // Of 84 MB that were sent. What the allocator keeps goes up and down by 25.
    watched.check_unchanged(0, 50.0);
}

/// FLAC of one channel whose every frame is silence: `frames` times 65,535 samples in about 15 bytes each.
fn silent_flac(frames: u32) -> Vec<u8> {
    let crc = |bytes: &[u8], poly: u32, width: u32| {
        bytes.iter().fold(0u32, |crc, byte| {
            (0..8).fold(crc ^ (u32::from(*byte) << (width - 8)), |crc, _| {
                let shifted = (crc << 1) & ((1 << width) - 1);
                if crc >> (width - 1) & 1 == 1 { shifted ^ poly } else { shifted }
            })
        })
    };
    // STREAMINFO: blocks of 65,535, frames of unknown size, 48 kHz, mono, 16 bits, an unknown number of samples.
    let mut flac = b"fLaC\x80\x00\x00\x22\xff\xff\xff\xff\0\0\0\0\0\0".to_vec();
    flac.extend([0x0b, 0xb8, 0x00, 0xf0, 0, 0, 0, 0]);
    flac.extend([0; 16]);
    for number in 0..frames {
        let mut frame = vec![0xff, 0xf8, 0x7a, 0x08];
        frame.extend(char::from_u32(number).unwrap().to_string().as_bytes());
        frame.extend([0xff, 0xfe]); // 65,535 samples
        frame.push(crc(&frame, 0x07, 8) as u8);
        frame.extend([0x00, 0, 0]); // a constant: 0
        frame.extend((crc(&frame, 0x8005, 16) as u16).to_be_bytes());
        flac.extend(frame);
    }
    flac
}

#[test]
fn small_files_that_promise_or_hold_hours_are_refused_in_bounded_memory() {
    let watched = Watched::start("--max-duration 10min");
    let served = &watched.served;
    // 20 s are classified, so those of hours are no broken files.
    let answer = served.post("/api/classify", &silent_flac(14)).json(200);
    assert!((answer["duration"].as_f64().unwrap() - 19.1).abs() < 0.1, "{answer}");
    let hours = silent_flac(10_000);
    assert!(hours.len() < 200_000);
    for _ in 0..2 {
        served.post("/api/classify", &hours).refuses(422, "300 s");
        served.post("/api/classify?start=0&end=500", &hours).refuses(422, "300 s");
        served.post("/api/classify?start=1&end=2", &hours).refuses(422, "600s");
        served.post("/api/classify?window=20", &hours).refuses(422, "600s");
    }
    served.post("/api/classify?window=3600", &hours).refuses(400, "`window`");
    let mut wav = bytes(&watched.work, "siren.wav");
    wav[4..8].fill(0xff);
    wav[40..44].fill(0xff);
    assert!([200, 422].contains(&served.post("/api/classify", &wav).status));
    wav.truncate(44);
    served.post("/api/classify", &wav).refuses(422, "upload");
    for bytes in [
        &b"PK\x03\x04\x14\0\0\0\x08\0"[..],
        b"RF64\xff\xff\xff\xffWAVEds64\xff\xff\xff\xff",
        b"OggS\0\x02",
        b"\x1f\x8b\x08",
    ] {
        served.post("/api/classify", &[bytes, &[0xff; 4000]].concat()).refuses(422, "upload");
    }
    // Samples of five minutes are 19 MB; those of an hour at 48 kHz would be 691.
    watched.check_unchanged(0, 100.0);
}

#[test]
fn rows_without_end_are_refused() {
    let watched = Watched::start("");
    watched.work.clip("noise.wav", noise(16_000 * 10, 3));
    let long = bytes(&watched.work, "noise.wav");
    watched.served.post("/api/classify?window=0.05&hop=0.0001", &long).refuses(422, "`hop`");
    watched.check_unchanged(0, 150.0);
}

#[test]
fn bodies_that_are_too_long_never_end_or_lie_are_refused() {
    let watched = Watched::start("--max-size 1");
    let served = &watched.served;
    let raw = |head: &str, body: &[u8]| {
        let mut request = format!("{head}\r\nHost: {}\r\nConnection: close\r\n", served.address).into_bytes();
        request.extend(body);
        served.raw(&request)
    };
    let mut endless =
        b"Transfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=EDGE\r\n\r\n".to_vec();
    for _ in 0..40 {
        endless.extend(b"10000\r\n");
        endless.extend([b'-'; 0x10000]);
        endless.extend(b"\r\n");
    }
    for path in ["/api/classify", "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/cancel"] {
        let post = format!("POST {path} HTTP/1.1");
        // What is announced is refused before it is sent.
        raw(&post, b"Content-Length: 1099511627776\r\n\r\n").refuses(413, "too large");
        raw(&post, &endless).refuses(413, "too large");
        assert_eq!(raw(&post, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n").status, 400, "{path}");
        assert_eq!(raw(&post, b"Content-Length: -1\r\n\r\n").status, 400, "{path}");
        assert_eq!(raw(&post, b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n").status, 400, "{path}");
        let deep = "[".repeat(60_000);
        let answer = served.send("POST", path, "Content-Type: application/json\r\n", deep.as_bytes());
        assert!([400, 415, 422].contains(&answer.status), "{path}: {}", answer.status);
    }
    // As JSON it would be many times as much in memory.
    let values = format!("{{\"data\":[{}0],\"session_hash\":\"s\"}}", "0,".repeat(400_000));
    let answer = served.send(
        "POST",
        "/gradio_api/queue/join",
        "Content-Type: application/json\r\n",
        values.as_bytes(),
    );
    assert_eq!(answer.status, 413);
    // What follows on a shorter length is no request.
    let mut twice = b"Content-Length: 3\r\n\r\nabcGARBAGE\r\n\r\n".to_vec();
    twice.extend([b'x'; 1000]);
    assert_eq!(raw("POST /api/classify HTTP/1.1", &twice).status, 422);
    // A form whose fields do not end, and one that has no edge.
    let fields = "--EDGE\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n".repeat(10_000);
    let kind = "Content-Type: multipart/form-data; boundary=EDGE\r\n";
    for path in ["/api/classify", "/gradio_api/upload"] {
        served.send("POST", path, kind, fields.as_bytes()).refuses(400, "no field");
        assert_eq!(served.send("POST", path, kind, &[b'a'; 900_000]).status, 400);
        assert_eq!(served.send("POST", path, "Content-Type: multipart/form-data\r\n", b"").status, 400);
    }
    watched.check_unchanged(0, 40.0);
}

#[test]
fn names_lead_to_no_file_and_are_bounded() {
    let watched = Watched::start("");
    let served = &watched.served;
    let siren = bytes(&watched.work, "siren.wav");
    let before = watched.work.list(".");
    for name in
        ["../../../etc/passwd", "..\\..\\evil.wav", "/etc/passwd", "C:\\evil.wav", "%2e%2e%2fetc", "..", "."]
    {
        let path = served.upload(name, &siren);
        let (token, kept) = path.split_once('/').unwrap();
        assert!(token.len() == 32 && !kept.contains(['/', '\\']), "{path}");
        assert!(served.get(&format!("/gradio_api/file={token}")).bytes == siren, "{name}");
        served.post_json("/gradio_api/call/predict", &json!({ "data": [{ "path": path }] })).json(200);
        served.post_form("/api/classify", "file", name, &siren).json(200);
    }
    for path in [
        "../../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "%00",
        "%ff%fe",
        "http://127.0.0.1:1/",
        "....//....//etc/passwd",
        "",
    ] {
        let status = served.get(&format!("/gradio_api/file={path}")).status;
        assert!([400, 404].contains(&status), "{path}: {status}");
        let status = served.get(&format!("/{path}")).status;
        assert!([200, 400, 404].contains(&status), "{path}: {status}");
    }
    let long = "x".repeat(300_000);
    served.post_form("/api/classify", "file", &long, &siren).refuses(400, "name");
    served.post_form("/gradio_api/upload", "files", &long, &siren).refuses(400, "name");
    // Bytes that are no text: in a name, a field, a query, a header, a path.
    let mut form =
        b"--EDGE\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xff\xfe.wav\"\r\n\r\n"
            .to_vec();
    form.extend(&siren);
    form.extend(b"\r\n--EDGE--\r\n");
    let kind = "Content-Type: multipart/form-data; boundary=EDGE\r\n";
    assert!([200, 400].contains(&served.send("POST", "/api/classify", kind, &form).status));
    for head in [&b"GET /\xff\xfe HTTP/1.1"[..], b"GET /api/model?x=\xff HTTP/1.1", b"G\xcaT / HTTP/1.1"] {
        let answer = served.raw(
            &[head, format!("\r\nHost: {}\r\nConnection: close\r\n\r\n", served.address).as_bytes()].concat(),
        );
        assert!([200, 400, 404].contains(&answer.status), "{}", answer.status);
    }
    let answer = served.send(
        "POST",
        "/gradio_api/call/predict",
        "Content-Type: application/json\r\n",
        b"{\"data\":[\"\xff\"]}",
    );
    assert!([400, 422].contains(&answer.status), "{}", answer.status);
    assert_eq!(watched.work.list("."), before);
    wait_until("calls are answered", || watched.gauge("uploads") == 0);
    // Answers of calls that nobody collects stay for a while; a client collects or cancels them by their ids.
    assert_eq!(watched.gauge("calls"), 7);
}

#[test]
fn a_thousand_uploads_that_nobody_asks_about_are_kept_in_memory_and_counted() {
    let watched = Watched::start("");
    let part = |number: usize| {
        let head = format!(
            "--EDGE\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{number}.wav\"\r\n\r\n"
        );
        [head.as_bytes(), &[b'x'; 20_000], b"\r\n"].concat()
    };
    let form = [(0..16).flat_map(part).collect(), b"--EDGE--\r\n".to_vec()].concat();
    let kind = "Content-Type: multipart/form-data; boundary=EDGE\r\n";
    for _ in 0..63 {
        let paths = watched.served.send("POST", "/gradio_api/upload", kind, &form).json(200);
        assert_eq!(paths.as_array().map(Vec::len), Some(16));
    }
    // 20 MB, once: not once more for the forms that they came in.
    watched.check_unchanged(1008, 35.0);
}

#[test]
fn heads_that_are_malformed_are_refused_and_odd_ones_answered() {
    let watched = Watched::start("--allow-host demo.example");
    let served = &watched.served;
    let head = |lines: &str| served.raw(format!("{lines}\r\n\r\n").as_bytes()).status;
    let host = format!("Host: {}\r\nConnection: close", served.address);
    let many = "X-A: b\r\n".repeat(3000);
    assert_eq!(head(&format!("GET /healthz HTTP/1.1\r\n{many}{host}")), 431);
    assert_eq!(head(&format!("GET /healthz HTTP/1.1\r\nX-A: {}\r\n{host}", "b".repeat(1 << 20))), 431);
    assert!([400, 414, 431].contains(&head(&format!("GET /{} HTTP/1.1\r\n{host}", "a".repeat(1 << 20)))));
    assert_eq!(head(&format!("GET /healthz HTTP/1.0\r\n{host}")), 200);
    assert_eq!(head("GET /healthz HTTP/1.0"), 403);
    assert_eq!(head("GET /healthz HTTP/1.1\r\nConnection: close"), 403);
    assert_eq!(head(&format!("GET http://evil.example/healthz HTTP/1.1\r\n{host}")), 403);
    assert_eq!(head(&format!("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n{host}")), 403);
    for tricked in [
        "evil.example",
        "localhost.evil.example",
        "localhost:80:80",
        "localhost@evil.example",
        "a b",
        "\u{ff}",
        "",
    ] {
        assert_eq!(
            head(&format!("GET /healthz HTTP/1.1\r\nHost: {tricked}\r\nConnection: close")),
            403,
            "{tricked}"
        );
    }
    for origin in
        ["http://evil.example", "null", "http://localhost:1", "http://\u{ff}", "file://", "localhost"]
    {
        assert_eq!(head(&format!("GET /healthz HTTP/1.1\r\n{host}\r\nOrigin: {origin}")), 403, "{origin}");
    }
    assert_eq!(
        head(
            "GET /healthz HTTP/1.1\r\nHost: demo.example\r\nOrigin: https://demo.example\r\nConnection: close"
        ),
        200
    );
    assert_eq!(head(&format!("POST /api/classify HTTP/1.1\r\nTransfer-Encoding: gzip\r\n{host}")), 400);
    for junk in
        ["\x16\x03\x01\x02\0\x01\0\x01", "PRI * HTTP/2.0\r\n\r\nSM", "hello", "GET /healthz HTTP/9.9", " "]
    {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        stream.write_all(format!("{junk}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{junk}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    // Fifty requests at once, on one connection.
    let mut many = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).repeat(49);
    many.push_str(&format!("GET /api/model HTTP/1.1\r\n{host}\r\n\r\n"));
    let mut stream = TcpStream::connect(&served.address).unwrap();
    stream.write_all(many.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 50);
    assert!(answers.ends_with('}') && answers.contains("\"sampling_rate\":16000"));
    watched.check_unchanged(0, 25.0);
}

#[test]
fn guesses_of_a_token_are_refused_before_anything_else_is_looked_at() {
    let work = with_model();
    let served = Served::start(&work, "--model model --token s3cret");
    for number in 0..500 {
        let authorization = format!("Authorization: Bearer s3cre{number}\r\n");
        served.send("POST", "/api/classify", &authorization, b"").refuses(401, "token");
    }
    let head = format!(
        "POST /api/classify HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 60000000\r\n\r\n",
        served.address
    );
    assert_eq!(served.raw(head.as_bytes()).status, 401);
    let right = served
        .send("POST", "/api/classify", "Authorization: Bearer s3cret\r\n", &bytes(&work, "siren.wav"))
        .json(200);
    assert!(matches!(right["predictions"], Value::Array(_)));
}
