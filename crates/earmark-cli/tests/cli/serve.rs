//! `earmark serve` over its socket: the page, the interface for programs, Gradio's protocol, and who is refused.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Stdio;

use earmark_testkit::{noise, tone};
use serde_json::{Value, json};

use crate::served::{Served, bytes, with_model};
use crate::work_dir::{Ran, signal, wait_until};

fn file(path: &str) -> Value {
    json!({ "path": path, "meta": { "_type": "gradio.FileData" } })
}

#[test]
fn the_page_is_part_of_the_program_and_may_run_nothing_but_itself() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let page = served.get("/");
    assert_eq!(page.status, 200);
    let nonce =
        page.body.split("csp-nonce\" content=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(page.head.contains(&format!("style-src 'self' 'nonce-{nonce}'")), "{}", page.head);
    assert!(!page.head.contains("unsafe"), "{}", page.head);
    assert!(page.head.contains("x-content-type-options: nosniff"));
    assert!(!served.get("/").body.contains(&nonce), "each page has a nonce of its own");
    for (path, kind) in [
        ("/main.js", "text/javascript"),
        ("/main.css", "text/css"),
        ("/recorder.worklet.js", "text/javascript"),
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.head.contains(kind), "{path}: {}", answer.head);
        assert!(!answer.body.contains("https://cdn"), "{path}");
    }
    served.get("/../Cargo.toml").refuses(404, "nothing at this address");
    served.get("/nothing").refuses(404, "nothing at this address");
    served.get("/api/classify").refuses(405, "method");
}

#[test]
fn the_answer_is_the_object_of_the_command() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let told =
        work.run("classify siren.wav --model model --format jsonl --top-k all").well().rows().remove(0);
    let form = served
        .post_form("/api/classify?top_k=all", "file", "siren.wav", &bytes(&work, "siren.wav"))
        .json(200);
    assert_eq!(form, told);
    let mut raw = served.post("/api/classify?top_k=2", &bytes(&work, "siren.wav")).json(200);
    assert_eq!(raw["predictions"].as_array().unwrap()[..], told["predictions"].as_array().unwrap()[..2]);
    assert_eq!(raw["path"].take(), "upload");
    let windows =
        served.post_form("/api/classify?window=1", "file", "long.wav", &bytes(&work, "long.wav")).json(200);
    let told = work.run("classify long.wav --model model --format jsonl --top-k 3 --window 1s").well().rows();
    assert_eq!(windows, Value::Array(told));
    let region = served.post("/api/classify?start=0.1&end=0.4", &bytes(&work, "siren.wav")).json(200);
    assert_eq!(
        (&region["start"], &region["end"], &region["duration"]),
        (&json!(0.1), &json!(0.4), &json!(0.5))
    );
}

#[test]
fn what_cannot_be_classified_is_refused_with_a_sentence_and_the_server_goes_on() {
    let work = with_model();
    work.clip("short.wav", tone(440.0, 0.001, 16_000));
    let served = Served::start(&work, "--model model --max-size 1 --max-duration 2s");
    let siren = bytes(&work, "siren.wav");
    served.post("/api/classify", b"no sound").refuses(422, "upload");
    served.post("/api/classify", b"").refuses(400, "empty");
    served.post("/api/classify", &bytes(&work, "short.wav")).refuses(422, "short");
    served.post("/api/classify", &bytes(&work, "long.wav")).refuses(422, "2");
    served.post("/api/classify", &vec![0; (1 << 20) + 1]).refuses(413, "too large");
    served.post_form("/api/classify", "other", "a.wav", &siren).refuses(400, "`file`");
    for (query, words) in [
        ("top_k=0", "`top_k`"),
        ("top_k=x", "`top_k`"),
        ("window=0", "`window`"),
        ("window=NaN", "`window`"),
        ("window=0.0001", "window"),
        ("hop=1", "`hop`"),
        ("start=1", "`start`"),
        ("start=0.4&end=0.1", "`start`"),
        ("start=100&end=101", "end of the sound"),
        ("labels=a,b", "labels of its own"),
    ] {
        served.post(&format!("/api/classify?{query}"), &siren).refuses(400, words);
    }
    assert_eq!(served.post("/api/classify?typo=1", &siren).status, 400);
    // A body that never ends, in chunks.
    let mut endless = format!(
        "POST /api/classify HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        served.address
    )
    .into_bytes();
    for _ in 0..40 {
        endless.extend(b"10000\r\n");
        endless.extend([0; 0x10000]);
        endless.extend(b"\r\n");
    }
    assert_eq!(served.raw(&endless).status, 413);
    served.post("/api/classify", &siren).json(200);
}

#[test]
fn two_hundred_damaged_files_leave_the_server_up() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let good = bytes(&work, "siren.wav");
    let random = noise(200 * 4, 11);
    for (number, draws) in random.chunks_exact(4).enumerate() {
        let mut damaged = good.clone();
        for (place, draw) in draws.iter().enumerate() {
            // The header is where damage means something.
            let at = ((draw.abs() * 1e6) as usize) % if place < 3 { 44 } else { good.len() };
            damaged[at] ^= (1 + number) as u8;
        }
        damaged.truncate(if number % 3 == 0 { good.len() - number * 37 } else { good.len() });
        let answer = served.post("/api/classify", &damaged);
        assert!([200, 422].contains(&answer.status), "{number}: {} {}", answer.status, answer.body);
    }
    served.post("/api/classify", &good).json(200);
}

#[test]
fn a_gradio_client_gets_what_a_gradio_label_returns() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let told = work.run("classify siren.wav --model model --format jsonl").well().rows().remove(0);
    let config = served.get("/config").json(200);
    assert_eq!((&config["protocol"], &config["api_prefix"]), (&json!("sse_v3"), &json!("/gradio_api")));
    assert_eq!(config["dependencies"][0]["api_name"], "predict");
    let info = served.get("/gradio_api/info?serialize=False").json(200);
    let sound = &info["named_endpoints"]["/predict"]["parameters"][0];
    assert_eq!(sound["type"]["properties"]["meta"]["properties"]["_type"]["const"], "gradio.FileData");

    let path = served.upload("siren.wav", &bytes(&work, "siren.wav"));
    let join = json!({ "data": [file(&path)], "fn_index": 0, "session_hash": "s1" });
    let event = served.post_json("/gradio_api/queue/join", &join).json(200)["event_id"].clone();
    let events = served.get("/gradio_api/queue/data?session_hash=s1").events();
    let kinds: Vec<&str> = events.iter().map(|event| event["msg"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["estimation", "process_starts", "process_completed", "close_stream"]);
    assert_eq!((&events[2]["event_id"], &events[2]["success"]), (&event, &json!(true)));
    let label = &events[2]["output"]["data"][0];
    assert_eq!(label["label"], told["predictions"][0]["label"]);
    let f32s = |list: &Value, key: &str| -> Vec<f32> {
        list.as_array().unwrap().iter().map(|it| it[key].as_f64().unwrap() as f32).collect()
    };
    assert_eq!(f32s(&label["confidences"], "confidence"), f32s(&told["predictions"], "score"));

    let path = served.upload("siren.wav", &bytes(&work, "siren.wav"));
    let event = served.post_json("/gradio_api/call/predict", &json!({ "data": [file(&path)] })).json(200);
    let result = served.get(&format!("/gradio_api/call/predict/{}", event["event_id"].as_str().unwrap()));
    assert!(result.body.starts_with("event: complete\n"), "{}", result.body);
    assert_eq!(&result.events()[0][0], label);
}

#[test]
fn gradio_calls_reach_no_file_and_no_address() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let call = |path: &str| {
        let event = served.post_json("/gradio_api/call/predict", &json!({ "data": [file(path)] })).json(200);
        let event = event["event_id"].as_str().unwrap().to_owned();
        served.get(&format!("/gradio_api/call/predict/{event}")).body
    };
    let refused = |path: &str, words: &str| {
        let stream = call(path);
        assert!(stream.starts_with("event: error\n") && stream.contains(words), "{path}: {stream}");
    };
    refused("http://127.0.0.1:1/a.wav", "fetches no address");
    refused("file:///etc/passwd", "fetches no address");
    refused("", "fetches no address");
    for path in ["/etc/passwd", "../siren.wav", "siren.wav"] {
        refused(path, "no such upload");
    }
    for path in ["/etc/passwd", "../siren.wav", "siren.wav", ""] {
        assert_eq!(served.get(&format!("/gradio_api/file={path}")).status, 404, "{path}");
    }
    let path = served.upload("../../evil.html", b"<script>alert(1)</script>");
    assert!(path.ends_with("/evil.html") && !path.contains(".."), "{path}");
    let back = served.get(&format!("/gradio_api/file={path}"));
    assert_eq!((back.status, back.body.as_str()), (200, "<script>alert(1)</script>"));
    assert!(
        back.head.contains("application/octet-stream") && back.head.contains("attachment"),
        "{}",
        back.head
    );
    served.post_json("/gradio_api/call/other", &json!({ "data": [] })).refuses(404, "`predict`");
    // Its client makes an exception of all that stands in the output.
    let path = served.upload("a.wav", b"no sound");
    served
        .post_json("/gradio_api/queue/join", &json!({ "data": [file(&path)], "session_hash": "s2" }))
        .json(200);
    let events = served.get("/gradio_api/queue/data?session_hash=s2").events();
    assert_eq!(events[2]["success"], false);
    assert_eq!(events[2]["output"].as_object().unwrap().keys().collect::<Vec<_>>(), ["error", "visible"]);
    // An upload is gone once its question is answered.
    let path = served.upload("siren.wav", &bytes(&work, "siren.wav"));
    assert!(call(&path).starts_with("event: complete\n"));
    refused(&path, "no such upload");
    // Streams that are opened and dropped.
    for number in 0..100 {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        let request =
            format!("GET /gradio_api/heartbeat/{number} HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
        stream.write_all(request.as_bytes()).unwrap();
    }
    served.get("/healthz").json(200);
}

#[test]
fn only_who_may_ask_is_answered() {
    let work = with_model();
    let served = Served::start(&work, "--model model --token s3cret");
    served.get("/healthz").json(200);
    served.get("/api/model").refuses(401, "token");
    assert_eq!(served.send("GET", "/api/model", "Authorization: Bearer wrong\r\n", b"").status, 401);
    served.send("GET", "/api/model", "Authorization: Bearer s3cret\r\n", b"").json(200);
    drop(served);

    let served = Served::start(&work, "--model model --allow-host demo.example");
    served.send("GET", "/api/model", "Host: evil.example\r\n", b"").refuses(403, "not known by that name");
    served.send("GET", "/api/model", "Host: demo.example\r\n", b"").json(200);
    served.send("GET", "/api/model", "Origin: http://evil.example\r\n", b"").refuses(403, "other sites");
    let own = format!("Origin: http://{}\r\n", served.address);
    assert!(!served.send("GET", "/api/model", &own, b"").head.contains("access-control"));
    drop(served);

    // As in a Space of Hugging Face.
    let mut command = work.command("serve --model model --port 0 --no-open");
    command.env("SPACE_HOST", "me-sounds.hf.space").stdout(Stdio::piped()).stderr(Stdio::piped());
    let served = Served::of(command.spawn().unwrap());
    served.send("GET", "/api/model", "Host: me-sounds.hf.space\r\n", b"").json(200);
    drop(served);
    work.run("serve --model model --auth nocolon").says(2, &["--auth"]);
    work.run("serve --model model --labels a,b").says(2, &["--labels"]);
    work.run("serve --model model --port 99999").says(2, &["--port"]);
}

#[test]
fn the_page_is_told_of_the_model_the_examples_and_the_dataset() {
    let work = with_model();
    work.write_data();
    let served = Served::start(&work, "--model model --dataset data --examples data/bell");
    let model = served.get("/api/model").json(200);
    assert_eq!(
        (&model["name"], &model["sampling_rate"], &model["clips"]),
        (&json!("model"), &json!(16_000), &json!(true))
    );
    assert_eq!(model["labels"], json!(["bell", "rain", "siren"]));
    assert_eq!(model["examples"], json!(["0.wav", "1.wav", "2.wav", "3.wav"]));
    let clips = served.get("/api/clips").json(200);
    assert_eq!(clips.as_array().unwrap().len(), 12);
    assert_eq!((&clips[0]["name"], &clips[0]["label"]), (&json!("bell/0.wav"), &json!("bell")));
    assert!(served.get("/api/clips/0").body.starts_with("RIFF"));
    served.get("/api/clips/12").refuses(404, "no such clip");
    assert!(served.get("/api/examples/3").body.starts_with("RIFF"));
    served.get("/api/examples/4").refuses(404, "no such example");
    let metrics = served.get("/metrics").body;
    assert!(metrics.contains("earmark_responses_total{status=\"404\"} 2"), "{metrics}");
}

#[test]
fn it_ends_when_it_is_asked_to_and_has_left_nothing() {
    let work = with_model();
    let mut served = Served::start(&work, "--model model");
    served.post("/api/classify", &bytes(&work, "siren.wav")).json(200);
    let before = work.list(".");
    signal(&served.child, "TERM");
    wait_until("the server ends", || served.child.try_wait().unwrap().is_some());
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert_eq!(work.list("."), before);
    let taken = Served::start(&work, "--model model");
    let port = taken.address.rsplit(':').next().unwrap();
    let second = Ran::of(&mut work.command(&format!("serve --model model --no-open --port {port}")));
    second.says(1, &["cannot listen on"]);
}
