//! More requests than the server can answer at once: they wait in a bounded line, share forward passes, and are given up where nobody
//! waits for them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use earmark_testkit::{noise, tone};
use serde_json::Value;

use crate::served::{Served, bytes};
use crate::watched::Watched;
use crate::work_dir::{WorkDir, wait_until};

/// Minutes of noise in very many windows: longer work than any test waits for.
fn endless(watched: &Watched) -> Vec<u8> {
    watched.work.clip("noise.wav", noise(16_000 * 240, 5));
    bytes(&watched.work, "noise.wav")
}

/// Sends a request and leaves its answer unread.
fn send(watched: &Watched, query: &str, body: &[u8]) -> TcpStream {
    let headers = format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
    let mut stream = watched.open(&format!("POST /api/classify{query}"), &headers);
    stream.write_all(body).unwrap();
    stream
}

const SLOW: &str = "?window=3&hop=0.004";

#[test]
fn a_full_line_is_refused_and_those_who_leave_make_room() {
    let watched = Watched::start("");
    let (endless, siren) = (endless(&watched), bytes(&watched.work, "siren.wav"));
    let running = thread::available_parallelism().map_or(2, usize::from).max(2);
    let slow: Vec<TcpStream> = (0..running).map(|_| send(&watched, SLOW, &endless)).collect();
    // This request and those that run.
    wait_until("they run", || {
        watched.gauge("requests_running") == running + 1
            && watched.gauge("body_bytes") == running * endless.len()
    });
    wait_until("none waits", || watched.gauge("queue_waiting") == 0);
    let mut waiting: Vec<TcpStream> = (0..128).map(|_| send(&watched, "", &siren)).collect();
    wait_until("the line is full", || watched.gauge("queue_waiting") == 128);
    let refused = watched.served.post("/api/classify", &siren);
    refused.refuses(503, "128 requests are waiting");
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    // Half of those who wait leave, and their places are free.
    waiting.truncate(64);
    wait_until("they left the line", || watched.gauge("queue_waiting") == 64);
    // Work of clients that left ends: the others are answered, long before it would be done.
    drop(slow);
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    watched.check_unchanged(0, 60.0);
}

#[test]
fn a_request_that_takes_too_long_is_refused_and_its_work_ends() {
    let watched = Watched::start("--timeout 300ms");
    let endless = endless(&watched);
    for _ in 0..4 {
        let refused = watched.served.post(&format!("/api/classify{SLOW}"), &endless);
        refused.refuses(503, "300ms");
        assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    }
    // If it went on, no more than the first two would have been begun, and the sounds would be held.
    wait_until("the work ends", || watched.gauge("body_bytes") == 0);
    wait_until("others are answered", || {
        watched.served.post("/api/classify", &bytes(&watched.work, "siren.wav")).status == 200
    });
    watched.check_unchanged(0, 60.0);
}

/// What each request is answered, one after the other and then all at once.
fn alone_and_together(served: &Served, requests: &[(String, Vec<u8>)]) {
    let ask = |(path, body): &(String, Vec<u8>)| served.post(path, body).json(200);
    let alone: Vec<Value> = requests.iter().map(ask).collect();
    for _ in 0..3 {
        let together: Vec<Value> = thread::scope(|scope| {
            let asked: Vec<_> = requests.iter().map(|request| scope.spawn(move || ask(request))).collect();
            asked.into_iter().map(|answer| answer.join().unwrap()).collect()
        });
        assert_eq!(together, alone);
    }
}

#[test]
fn clips_of_all_lengths_have_the_scores_together_that_they_have_alone() {
    for model in ["speech/group", "speech/wav2vec2"] {
        let work = WorkDir::empty();
        work.copy_model(model, "model");
        let served = Served::start(&work, "--model model");
        let mut requests = Vec::new();
        for number in 0..24u32 {
            // Some are of one length, and share a pass without padding.
            let seconds = [0.2, 0.21, 0.25, 0.4, 0.4, 1.0][number as usize % 6];
            let name = format!("{number}.wav");
            work.clip(&name, tone(200.0 + 50.0 * f64::from(number), seconds, 16_000));
            let path =
                ["/api/classify?top_k=all", "/api/classify?window=0.15&top_k=all"][number as usize % 2];
            requests.push((path.to_owned(), bytes(&work, &name)));
        }
        alone_and_together(&served, &requests);
    }
}

#[test]
fn requests_with_labels_of_their_own_are_scored_against_those_alone() {
    let work = WorkDir::empty();
    work.copy_clap("unfused");
    let served = Served::start(&work, "--model unfused");
    let mut requests = Vec::new();
    for number in 0..12u32 {
        let name = format!("{number}.wav");
        work.clip(&name, tone(200.0 + 50.0 * f64::from(number), 0.5, 16_000));
        let labels = ["dog,rain", "rain,dog", "siren", "dog,rain,siren"][number as usize % 4];
        requests.push((format!("/api/classify?labels={labels}"), bytes(&work, &name)));
    }
    alone_and_together(&served, &requests);
}
