//! `earmark serve` for programs: its OpenAPI document, its metrics, its refusals, and the calls of Gradio's protocol.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::served::{Answer, Served, bytes, with_model};

const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// `address` as the document writes it.
fn documented<'a>(document: &'a Value, method: &str, address: &str) -> &'a Value {
    let operation = &document["paths"][address][method];
    assert!(operation.is_object(), "{method} {address} is not documented");
    operation
}

#[test]
fn the_openapi_document_is_the_one_that_is_committed_and_each_address_in_it_exists() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let document = served.get("/openapi.json").json(200);
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).unwrap());
    for (address, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let answer = served.send(&method.to_uppercase(), &address.replace("{number}", "0"), "", b"");
            let status = answer.status.to_string();
            assert!(
                answer.status != 405
                    && documented(&document, method, address)["responses"][&status].is_object(),
                "{method} {address}: {status} {}",
                answer.body
            );
        }
    }
    assert!(document["security"].is_null());
    drop(served);
    let scheme = |args: &str, header: &str| {
        let served = Served::start(&work, &format!("--model model {args}"));
        let document = served.send("GET", "/openapi.json", header, b"").json(200);
        assert_eq!(document["security"], json!([{ "access": [] }]));
        assert_eq!(documented(&document, "get", "/healthz")["security"], json!([{}]));
        document["components"]["securitySchemes"]["access"].clone()
    };
    let bearer = scheme("--token s3cret", "Authorization: Bearer s3cret\r\n");
    assert_eq!(bearer, json!({ "type": "http", "scheme": "bearer" }));
    // me:pass
    let basic = scheme("--auth me:pass", "Authorization: Basic bWU6cGFzcw==\r\n");
    assert_eq!(basic, json!({ "type": "http", "scheme": "basic" }));
}

#[test]
fn whatever_is_refused_is_refused_with_a_sentence_in_json() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let siren = bytes(&work, "siren.wav");
    let typed = |kind: &str, body: &[u8]| {
        served.send("POST", "/api/classify", &format!("Content-Type: {kind}\r\n"), body)
    };
    // What is no number, no UTF-8, there twice, or unknown.
    for (query, words) in [
        ("window=abc", "window"),
        ("window=", "window"),
        ("window=inf", "`window`"),
        ("top_k=%2B1", "`top_k`"),
        ("top_k=01", "`top_k`"),
        ("top_k=", "`top_k`"),
        ("top_k=1&top_k=2", "duplicate field `top_k`"),
        ("topk=1", "unknown field `topk`"),
        ("labels=%ff", "UTF-8"),
        ("labels=a", "labels of its own"),
    ] {
        served.post(&format!("/api/classify?{query}"), &siren).refuses(400, words);
    }
    typed("multipart/form-data", &siren).refuses(400, "boundary");
    typed("multipart/mixed; boundary=EDGE", &siren).refuses(415, "`multipart/mixed`");
    typed("application/json", b"{}").refuses(415, "`application/json`");
    typed("multipart/form-data; boundary=EDGE", b"--EDGE\r\n").refuses(400, "cannot read the form");
    let gzip = served.send("POST", "/api/classify", "Content-Encoding: gzip\r\n", GZIP);
    gzip.refuses(415, "`Content-Encoding`");
    assert!(gzip.head.contains("accept-encoding: identity"), "{}", gzip.head);
    served.send("POST", "/api/classify", "Content-Encoding: identity\r\n", &siren).json(200);
    // Addresses and methods.
    for (method, address, allowed) in [
        ("GET", "/api/classify", "post"),
        ("OPTIONS", "/api/classify", "post"),
        ("POST", "/api/model", "get,head"),
        ("DELETE", "/healthz", "get,head"),
    ] {
        let answer = served.send(method, address, "", b"");
        answer.refuses(405, "method");
        assert!(answer.head.contains(&format!("allow: {allowed}")), "{address}: {}", answer.head);
    }
    for address in
        ["/api/classify/", "/api/", "/v1/classify", "/api/examples/abc", "/api/examples/-1", "/api/clips/%ff"]
    {
        served.get(address).refuses(404, "nothing at this address");
    }
    served.get("/api/examples/99").refuses(404, "no such example");
    served.get("/api/live?window=1").refuses(400, "WebSocket");
    let head = served.send("HEAD", "/api/model", "", b"");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // Gradio's addresses.
    served.post_json("/gradio_api/queue/join", &json!({ "data": [] })).refuses(422, "`session_hash`");
    let long = json!({ "data": [], "session_hash": "s".repeat(200) });
    served.post_json("/gradio_api/queue/join", &long).refuses(400, "`session_hash`");
    let other = json!({ "data": [], "session_hash": "s", "fn_index": 1 });
    served.post_json("/gradio_api/queue/join", &other).refuses(400, "`fn_index`");
    served.post("/gradio_api/queue/join", b"{}").refuses(415, "application/json");
    served
        .send("POST", "/gradio_api/cancel", "Content-Type: application/json\r\n", b"{")
        .refuses(400, "JSON");
    served.get("/gradio_api/queue/data").refuses(400, "session_hash");
    served.post("/gradio_api/upload", &siren).refuses(400, "multipart/form-data");
    served.post_json("/gradio_api/call/v2/predict", &json!({ "clip": 1 })).refuses(400, "`clip`");
    served.get("/gradio_api/call/predict/none").refuses(404, "no such call");
    served.get("/nothing").refuses(404, "nothing at this address");
}

#[test]
fn sounds_are_taken_as_clients_send_them() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    let siren = bytes(&work, "siren.wav");
    let expected = served.post("/api/classify", &siren).json(200)["predictions"].clone();
    // `curl --data-binary` calls everything a form.
    for kind in
        ["Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: audio/x-unheard-of\r\n", ""]
    {
        assert_eq!(
            served.send("POST", "/api/classify", kind, &siren).json(200)["predictions"],
            expected,
            "{kind}"
        );
    }
    let form = |head: &str, name: &[u8]| {
        let mut body = b"--EDGE\r\nContent-Disposition: form-data; name=\"file\"; filename=\"".to_vec();
        body.extend(name);
        body.extend(b"\"\r\n\r\n");
        body.extend(&siren);
        body.extend(b"\r\n--EDGE--\r\n");
        served.send("POST", "/api/classify?top_k=all", head, &body).json(200)
    };
    let kind = "Content-Type: Multipart/Form-Data; Boundary=\"EDGE\"\r\n";
    for name in ["a b.wav", "Gebrüll.wav", "100%.wav", "../../up.wav"] {
        let answer = form(kind, name.as_bytes());
        assert_eq!((&answer["path"], &answer["predictions"]), (&json!(name), &expected));
    }
    // A name that is not UTF-8 is none.
    assert_eq!(form(kind, b"\xff.wav")["path"], "upload");
    // More than the model has is all of them.
    let all = served.post("/api/classify?top_k=99999999999999999999999", &siren).json(200);
    assert_eq!(all["predictions"].as_array().unwrap().len(), 3);
}

/// The numbers of a metric, by what stands before them.
fn metrics(served: &Served) -> BTreeMap<String, f64> {
    let answer = served.get("/metrics");
    assert!(
        answer.head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{}",
        answer.head
    );
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    let samples = answer.body.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap()
        })
        .collect()
}

#[test]
fn metrics_count_responses_sounds_and_batches() {
    let work = with_model();
    let served = Served::start(&work, "--model model");
    served.post("/api/classify", &bytes(&work, "siren.wav")).json(200);
    served.post("/api/classify?window=1", &bytes(&work, "long.wav")).json(200);
    served.post("/api/classify", b"no sound").json(422);
    let metrics = metrics(&served);
    for (name, value) in [
        ("earmark_responses_total{status=\"200\"}", 2.0),
        ("earmark_responses_total{status=\"422\"}", 1.0),
        ("earmark_classify_duration_seconds_count", 2.0),
        ("earmark_queue_waiting", 0.0),
        ("earmark_batch_size_sum", 4.0),
        ("earmark_audio_seconds_total", 3.5),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name}: {metrics:?}");
    }
    assert!(metrics["earmark_forward_duration_seconds_sum"] > 0.0);
    assert_eq!(metrics["earmark_forward_duration_seconds_count"], metrics["earmark_batch_size_count"]);
}

mod gradio {
    use super::*;

    fn file(served: &Served, bytes: &[u8]) -> Value {
        json!({ "path": served.upload("a.wav", bytes), "meta": { "_type": "gradio.FileData" } })
    }

    fn join(served: &Served, session: &str, data: &Value) -> Value {
        let join = json!({ "data": data, "fn_index": 0, "session_hash": session });
        served.post_json("/gradio_api/queue/join", &join).json(200)["event_id"].clone()
    }

    fn stream(served: &Served, session: &str) -> Vec<Value> {
        let answer = served.get(&format!("/gradio_api/queue/data?session_hash={session}"));
        assert!(answer.head.contains("text/event-stream"), "{}", answer.head);
        answer.events()
    }

    #[test]
    fn a_stream_tells_of_every_call_of_its_session_what_gradio_tells() {
        let work = with_model();
        let served = Served::start(&work, "--model model");
        let siren = bytes(&work, "siren.wav");
        let good = join(&served, "s", &json!([file(&served, &siren)]));
        let bad = join(&served, "s", &json!([file(&served, b"no sound")]));
        let lost = join(&served, "s", &json!([{ "path": "nowhere/a.wav" }]));
        join(&served, "other", &json!([file(&served, &siren)]));
        let events = stream(&served, "s");
        let of = |event: &Value| events.iter().filter(|it| it["event_id"] == *event).collect::<Vec<_>>();
        for event in [&good, &bad, &lost] {
            let kinds: Vec<&Value> = of(event).iter().map(|it| &it["msg"]).collect();
            assert_eq!(kinds, ["estimation", "process_starts", "process_completed"], "{events:?}");
        }
        assert_eq!(events.len(), 10, "{events:?}");
        assert_eq!(events.last().unwrap(), &json!({ "msg": "close_stream", "event_id": null }));
        let done = of(&good)[2];
        assert_eq!((&done["success"], &done["title"]), (&json!(true), &Value::Null));
        assert_eq!(done["output"]["data"][0]["confidences"].as_array().unwrap().len(), 3);
        assert!(done["output"]["average_duration"].as_f64().unwrap() > 0.0);
        for (event, words) in [(bad, "not a supported audio format"), (lost, "no such upload")] {
            let done = of(&event)[2];
            assert_eq!((&done["success"], &done["title"]), (&json!(false), &json!("Error")));
            assert!(done["output"]["error"].as_str().unwrap().contains(words), "{done}");
        }
        // The session has ended, and the next one of that name is told how long a call takes.
        assert_eq!(stream(&served, "s")[0]["session_not_found"], true);
        let next = join(&served, "s", &json!([file(&served, &siren)]));
        let events = stream(&served, "s");
        assert_eq!((&events[0]["event_id"], &events[0]["rank"]), (&next, &json!(0)));
        assert!(events[0]["rank_eta"].as_f64().unwrap() > 0.0, "{events:?}");
    }

    #[test]
    fn a_call_that_is_cancelled_ends_and_the_others_of_its_session_do_not() {
        let work = with_model();
        let served = Served::start(&work, "--model model");
        // Whether it is answered before it is cancelled is a race; that its stream tells of one end is not.
        let first = join(&served, "s", &json!([file(&served, &bytes(&work, "long.wav"))]));
        let second = join(&served, "s", &json!([file(&served, &bytes(&work, "long.wav"))]));
        let cancel = json!({ "event_id": first, "session_hash": "s", "fn_index": 0 });
        for address in ["/gradio_api/cancel", "/gradio_api/reset"] {
            assert_eq!(served.post_json(address, &cancel).json(200), json!({ "success": true }));
        }
        let events = stream(&served, "s");
        let done = |event: &Value| {
            let of = |it: &&Value| it["event_id"] == *event && it["msg"] == "process_completed";
            let done: Vec<&Value> = events.iter().filter(of).collect();
            assert_eq!(done.len(), 1, "{events:?}");
            done[0].clone()
        };
        assert_eq!((&done(&first)["success"], &done(&second)["success"]), (&json!(true), &json!(true)));
        assert!(done(&second)["output"]["data"][0]["label"].is_string());
    }

    #[test]
    fn a_shell_calls_by_position_by_name_and_at_once_with_or_without_a_slash() {
        let work = with_model();
        let served = Served::start(&work, "--model model");
        let siren = bytes(&work, "siren.wav");
        let call = |address: &str, body: &Value| -> Answer {
            let event = served.post_json(address, body).json(200)["event_id"].clone();
            served.get(&format!("{}/{}", address.trim_end_matches('/'), event.as_str().unwrap()))
        };
        let expected = served
            .post_json("/gradio_api/run/predict", &json!({ "data": [file(&served, &siren)] }))
            .json(200);
        let expected = &expected["data"];
        assert!(expected[0]["label"].is_string());
        for address in ["/gradio_api/call/predict", "/gradio_api/call/predict/"] {
            let answer = call(address, &json!({ "data": [file(&served, &siren)] }));
            assert!(answer.body.starts_with("event: complete\n"), "{}", answer.body);
            assert_eq!(&answer.events()[0], expected);
        }
        let named = call("/gradio_api/call/v2/predict", &json!({ "sound": file(&served, &siren) }));
        assert_eq!(&named.events()[0], expected);
        let failed = call("/gradio_api/call/predict", &json!({ "data": [null] }));
        assert!(failed.body.starts_with("event: error\n"), "{}", failed.body);
        assert!(failed.events()[0]["error"].as_str().unwrap().contains("first input"));
        let labels = json!({ "data": [file(&served, &siren), "a,b"] });
        served.post_json("/gradio_api/run/predict", &labels).refuses(400, "labels of its own");
        assert_eq!(served.get("/config/").json(200), served.get("/config").json(200));
    }
}
