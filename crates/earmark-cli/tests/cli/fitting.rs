//! What a training takes: memory, clips that are decoded when a step needs them, and a server that watches.

use std::sync::{Arc, Mutex};

use earmark_testkit::http::{Response, Server};

use crate::work_dir::{WorkDir, lines};

const SHORT: &str = "train --data data --from-scratch tiny.json --epochs 2 --batch-size 4 --test-size 3 --lr 1e-3 \
                     --logging-steps 1";

#[test]
fn gradient_checkpointing_learns_the_same() {
    let place = WorkDir::with_clips();
    place.run(&format!("{SHORT} --output kept")).well();
    place.run(&format!("{SHORT} --gradient-checkpointing --output again")).well();
    let [kept, again] = ["kept", "again"].map(|run| lines(&place.read(&format!("{run}/metrics.jsonl"))));
    assert_eq!(kept.len(), again.len());
    for (kept, again) in kept.iter().zip(&again) {
        for (key, value) in kept.as_object().unwrap() {
            let [kept, again] = [value, &again[key]].map(|it| it.as_f64().unwrap());
            assert!((kept - again).abs() <= 1e-5 * kept.abs().max(1.0), "{key}: {kept} {again}");
        }
    }
    assert!(place.read("again/recipe.toml").contains("gradient_checkpointing = true"));
}

#[test]
fn a_batch_size_that_is_found_is_written_down() {
    let place = WorkDir::with_clips();
    let command = SHORT.replace("--batch-size 4", "--batch-size auto --memory-limit 64");
    place.run(&format!("{command} --output run")).says(0, &["batch    8: a step takes up to", "of 64.0 GiB"]);
    assert!(place.read("run/recipe.toml").contains("batch_size = 8\n"));
    place.run("train --resume run --batch-size auto").says(2, &["--batch-size auto is for one new run"]);
    place
        .run(&format!("{command} --seeds 2 --output two"))
        .says(2, &["--batch-size auto is for one new run"]);

    let tiny = command.replace("64", "0.001");
    place.run(&format!("{tiny} --output none")).says(1, &["`batch_size` cannot even be 1"]);
    place.run(&format!("{command} --check lazily --output none")).says(1, &["`check` is lazily"]);
    place
        .run(&format!("{SHORT} --memory-limit 4 --output none"))
        .says(2, &["--memory-limit is for --batch-size auto"]);
    assert!(!place.path("none").exists());
}

#[test]
fn clips_that_are_decoded_when_a_step_needs_them_make_the_same_steps() {
    let place = WorkDir::with_clips();
    place.run(&format!("{SHORT} --output all")).well();
    place.run(&format!("{SHORT} --check lazily --output lazily")).well();
    for file in ["metrics.jsonl", "predictions.csv", "model/model.safetensors"] {
        let [all, lazily] =
            ["all", "lazily"].map(|run| std::fs::read(place.path(format!("{run}/{file}"))).ok());
        assert_eq!(all, lazily, "{file}");
    }
    let split = place.json("lazily/split.json");
    assert!(split["test_sha256"].is_array() && split.get("train_sha256").is_none(), "{split}");
    place
        .run(&format!("{SHORT} --check lazily --sampling group_by_length --output other"))
        .says(1, &["`check` is lazily, but `sampling` is group_by_length"]);
}

#[test]
fn a_bad_clip_that_a_step_comes_to_ends_the_run_by_name_or_is_left_out_once() {
    let place = WorkDir::with_clips();
    // Of thirteen clips three are held out; which, is the seed's.
    place.write("data/rain/broken.wav", "no sound at all");
    let named = ["broken.wav"];
    let lazily = format!("{SHORT} --check lazily");
    place.run(&format!("{lazily} --output stopped")).says(1, &named);
    let skipped = place.run(&format!("{lazily} --skip-bad --output skipped"));
    skipped.says(0, &named);
    assert_eq!(skipped.err.matches("left out 1 in all").count(), 1, "{}", skipped.err);
    let steps = lines(&place.read("skipped/metrics.jsonl"));
    assert_eq!(
        steps.iter().filter(|line| line.get("loss").is_some()).count(),
        2 * 3,
        "ten clips, four a step"
    );
    // A step of that clip alone.
    let alone = place.run(&format!("{lazily} --skip-bad --output alone").replace("size 4", "size 1"));
    alone.says(0, &named);
    assert!(place.path("alone/model/model.safetensors").is_file());
}

#[test]
fn clips_of_a_step_have_nearly_one_length_and_all_are_trained() {
    let place = WorkDir::with_clips();
    place.run(&format!("{SHORT} --sampling group_by_length --output run")).well();
    assert!(place.read("run/recipe.toml").contains("sampling = \"group_by_length\""));
    assert!(place.read("run/model/README.md").contains("train_sampling_strategy: group_by_length"));
}

#[test]
fn every_line_of_the_log_reaches_the_server_and_one_that_fails_stops_nothing() {
    let place = WorkDir::with_clips();
    let (got, first) = (Arc::new(Mutex::new(Vec::new())), Mutex::new(true));
    let kept = Arc::clone(&got);
    let server = Server::start(move |request| {
        // What fails is sent again.
        if std::mem::take(&mut *first.lock().unwrap()) {
            return Response::new(503, "");
        }
        assert!(request.is("POST", "/metrics?run=1"));
        assert_eq!(request.headers["content-type"], "application/x-ndjson");
        kept.lock().unwrap().extend_from_slice(&request.body);
        Response::new(204, "")
    });
    let url = format!("{}/metrics?run=1", server.url());
    let ran = place.run(&format!("{SHORT} --output run --report-to {url}"));
    ran.says(0, &["it answered 503"]);
    assert!(!ran.err.contains("not all lines"), "{}", ran.err);
    assert_eq!(String::from_utf8(got.lock().unwrap().clone()).unwrap(), place.read("run/metrics.jsonl"));

    drop(server);
    // Nobody listens at the port of a server that is gone; the password of an address is in no message.
    let gone = url.replace("http://", "http://me:secret@");
    let ran = place.run(&format!("{SHORT} --output gone --report-to {gone}"));
    ran.says(0, &["cannot report metrics to http://127.0.0.1", "not all lines of metrics.jsonl"]);
    assert_eq!(ran.err.matches("cannot report").count(), 1, "{}", ran.err);
    assert!(!ran.err.contains("secret"), "{}", ran.err);
    place.run(&format!("{SHORT} --report-to ftp://host/")).says(2, &["expected http or https"]);
}
