//! What the page of `earmark serve` asks for beside what programs do: how far a request is, and sounds that browsers cannot play.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;

use earmark_audio::{SampleRate, WavFormat};
use earmark_testkit::{noise, tone};
use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::served::{Served, bytes, with_model};
use crate::work_dir::{WorkDir, wait_until};

const EVENTS: &str = "Accept: text/event-stream\r\nContent-Type: audio/wav\r\n";

/// The events of an answer: a name and the JSON of each.
fn events(body: &str) -> Vec<(String, Value)> {
    let event = |event: &str| {
        let name = event.lines().find_map(|line| line.strip_prefix("event: "))?;
        let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
        Some((name.to_owned(), serde_json::from_str(data).unwrap()))
    };
    body.split("\n\n").filter_map(event).collect()
}

#[test]
fn the_last_event_of_a_stream_is_the_answer_without_one() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let long = bytes(&work, "long.wav");
    for query in ["top_k=2", "window=1", "start=0.5&end=1.5"] {
        let path = format!("/api/classify?{query}");
        let plain = served.post(&path, &long).json(200);
        let answer = served.send("POST", &path, EVENTS, &long);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains("text/event-stream"), "{}", answer.head);
        let events = events(&answer.body);
        assert_eq!(events.first().unwrap(), &("running".to_owned(), json!({ "seconds": 0.0 })));
        assert_eq!(events.last().unwrap(), &("done".to_owned(), plain), "{query}");
    }
    let answer = served.send("POST", "/api/classify", EVENTS, b"no sound");
    let last = events(&answer.body).pop().unwrap();
    assert_eq!(last.0, "error");
    assert_eq!(last.1, served.post("/api/classify", b"no sound").json(422));
    // What is wrong with the request itself has a status, as ever.
    served.send("POST", "/api/classify?top_k=0", EVENTS, &long).refuses(400, "`top_k`");
}

#[test]
fn a_request_that_waits_is_told_how_many_are_before_it() {
    let work = with_model();
    work.clip("hours.wav", noise(16_000 * 60, 3));
    let served = Served::start(&work, "--model model");
    let hours = bytes(&work, "hours.wav");
    let send = |query: &str, sound: &[u8]| {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        let (host, length) = (&served.address, sound.len());
        let head = format!("POST /api/classify?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        write!(stream, "{head}{EVENTS}Content-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(sound).unwrap();
        stream
    };
    let waiting = || {
        let metrics = served.get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("earmark_queue_waiting "));
        line.unwrap().parse::<usize>().unwrap()
    };
    // As many as run at the same time, and two more: 60,000 windows each.
    let running = std::thread::available_parallelism().unwrap().get().max(2);
    let busy: Vec<TcpStream> =
        (0..running + 2).map(|_| send("window=0.1&hop=0.001&top_k=1", &hours)).collect();
    wait_until("two requests wait", || waiting() == 2);
    let last = send("top_k=1", &bytes(&work, "siren.wav"));
    let mut lines = BufReader::new(last).lines().map(Result::unwrap);
    let told = lines.by_ref().find(|line| line.starts_with("event: ")).unwrap();
    assert_eq!((told.as_str(), lines.next().unwrap().as_str()), ("event: waiting", r#"data: {"before":2}"#));
    // Who leaves makes room.
    drop(busy);
    assert!(lines.any(|line| line == "event: done"));
    wait_until("nobody waits", || waiting() == 0);
}

/// Makes a model that loud sounds overflow, and silence does not.
fn overflowing(work: &WorkDir) {
    let file = work.path("model/model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let at = {
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = tensors.names();
        names.sort_unstable();
        let name = names.iter().find(|name| name.ends_with("conv_layers.1.conv.weight")).unwrap();
        let data = tensors.tensor(name).unwrap().data();
        let from = data.as_ptr() as usize - bytes.as_ptr() as usize;
        from..from + data.len()
    };
    bytes[at].chunks_exact_mut(4).for_each(|weight| weight.copy_from_slice(&3e38f32.to_le_bytes()));
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_window_that_fails_leaves_the_others_their_labels_as_in_the_command() {
    let work = with_model();
    overflowing(&work);
    let mut samples = vec![0.0; 48_000];
    samples[16_000..32_000].copy_from_slice(&tone(440.0, 1.0, 16_000));
    work.clip("some.wav", samples);
    work.clip("all.wav", tone(440.0, 2.0, 16_000));
    let served = Served::start(&work, "--model model");
    let ask =
        |name: &str| served.post_form("/api/classify?window=1&top_k=3", "file", name, &bytes(&work, name));
    let rows = ask("some.wav").json(200);
    let ran = work.run("classify some.wav --model model --format jsonl --top-k 3 --window 1s");
    let told = ran.says(3, &["1 of 3 windows fail"]).rows();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows.as_array().unwrap()[..2], told[..2]);
    let (ours, theirs) = (rows[2]["error"].as_str().unwrap(), told[2]["error"].as_str().unwrap());
    assert_eq!(rows[2]["path"], told[2]["path"]);
    assert_eq!(ours.split(" at ").next(), theirs.split(" at ").next());
    ask("all.wav").refuses(422, "cannot use `all.wav`");
}

#[test]
fn a_sound_that_browsers_cannot_play_comes_back_as_a_wav() {
    let work = with_model();
    let served = Served::start(&work, "--model model --max-size 1");
    let golden = |name: &str| {
        fs::read(format!("{}/../earmark-audio/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    for name in ["s16.caf", "s24.aiff", "f64.au", "ima.wav"] {
        let sound = golden(name);
        let answer = served.post_form("/api/decode", "file", name, &sound);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert!(answer.head.contains("content-type: audio/wav"), "{}", answer.head);
        let decode = |bytes: &[u8]| earmark_audio::decode_bytes(bytes, &Default::default()).unwrap().waveform;
        let (ours, whole) = (decode(&answer.bytes), decode(&sound));
        assert_eq!((ours.rate(), ours.samples().len()), (whole.rate(), whole.samples().len()), "{name}");
        let near = |(a, b): (&f32, &f32)| (a - b.clamp(-1.0, 1.0)).abs() <= 1.0 / 32768.0;
        assert!(ours.samples().iter().zip(whole.samples()).all(near), "{name}");
    }
    served.post("/api/decode", b"no sound").refuses(422, "cannot decode");
    served.post("/api/decode", b"").refuses(400, "empty");
    // Ten seconds at 48 kHz are 960 kB of samples, and eleven are more than the largest request.
    work.clip_at("ten.wav", 48_000, tone(440.0, 10.0, 48_000), WavFormat::Pcm16);
    assert_eq!(served.post("/api/decode", &bytes(&work, "ten.wav")).status, 200);
    let eleven = earmark_audio::Waveform::new(tone(440.0, 11.0, 48_000), SampleRate::HZ_48000).unwrap();
    let eleven = earmark_audio::wav_bytes(&eleven, WavFormat::Pcm16).unwrap();
    served.post("/api/decode", &eleven).refuses(413, "too large");
    // The file is small, but what it decodes to is bounded by its length in time.
    work.clip_at("slow.wav", 8_000, tone(440.0, 11.0, 8_000), WavFormat::Pcm16);
    served.post("/api/decode", &bytes(&work, "slow.wav")).refuses(422, "longer than the limit");
}

/// A frame of a WebSocket, masked by nothing.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82, 0x80 | 127];
    frame.extend((bytes.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(bytes);
    frame
}

/// The text of the next frame of the server.
fn text(stream: &mut impl Read) -> Value {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81, "a whole text");
    let length = match head[1] {
        126 => {
            let mut long = [0; 2];
            stream.read_exact(&mut long).unwrap();
            u16::from_be_bytes(long).into()
        }
        short => usize::from(short),
    };
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_microphone_of_any_rate_has_the_labels_of_its_recording() {
    let work = with_model();
    let samples = noise(72_000, 9);
    work.clip_at("sound.wav", 48_000, samples.clone(), WavFormat::Float32);
    let served = Served::start(&work, "--model model");
    let connect = |rate: u32| {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        let host = &served.address;
        write!(
            stream,
            "GET /api/live?window=1&hop=1&rate={rate} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        (String::from_utf8(head).unwrap(), stream)
    };
    let (head, mut stream) = connect(48_000);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    for block in samples.chunks(4800) {
        let block: Vec<u8> = block.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        stream.write_all(&frame(&block)).unwrap();
    }
    let row = text(&mut stream);
    let region = format!("/api/classify?start={}&end={}", row["start"], row["end"]);
    let there = served.post(&region, &bytes(&work, "sound.wav")).json(200);
    assert_eq!(row["predictions"], there["predictions"], "{region}");
    // A sample that is not a number is refused with a sentence, and the microphone stays open.
    stream.write_all(&frame(&f32::NAN.to_le_bytes())).unwrap();
    assert!(text(&mut stream)["error"].as_str().unwrap().contains("NaN"));
    for rate in [0, 7_999, 192_001] {
        assert!(connect(rate).0.starts_with("HTTP/1.1 400"), "{rate}");
    }
}
