//! `earmark data stats`: clips with the same samples, and the published datasets in miniature behind a loopback Hub.

use earmark_data::gtzan::GENRES;
use earmark_data::{Selection, esc50, minds14};
use earmark_testkit::datasets::{self, Planted, class_tone};
use earmark_testkit::hub::LoopbackHub;
use earmark_testkit::noise;
use serde_json::{Value, json};

use crate::work_dir::{Ran, WorkDir};

/// A FLAC file, one of the decoder's goldens.
fn flac() -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../earmark-audio/tests/golden");
    std::fs::read(folder.join("s16.flac")).unwrap()
}

#[test]
fn stats_list_clips_with_the_same_samples_in_any_container() {
    let work = WorkDir::empty();
    work.write("sound.flac", flac());
    // The same samples as 32-bit floats.
    work.run("decode sound.flac -o sound.wav --channels keep").well();
    for (name, bytes) in [
        ("clips/train/bell/0.wav", std::fs::read(work.path("sound.wav")).unwrap()),
        ("clips/train/rain/1.wav", datasets::wav(&noise(3000, 1), 16_000)),
        ("clips/train/rain/2.wav", datasets::wav(&noise(3000, 2), 16_000)),
        ("clips/train/rain/3.wav", datasets::wav(&noise(3000, 2), 16_000)),
        ("clips/test/bell/4.wav", datasets::wav(&noise(3000, 4), 16_000)),
        ("clips/test/rain/5.flac", flac()),
    ] {
        work.write(name, bytes);
    }
    let ran = work.run("data stats clips -o clips.csv");
    let text = &ran.well().out;
    for line in [
        "equal 2 groups of clips with the same samples, 1 across splits, 1 with different labels; 4 unique clips",
        "1 train/bell/0.wav bell train across splits, labels differ",
        "1 test/rain/5.flac rain test across splits, labels differ",
        "2 train/rain/2.wav rain train",
        "2 train/rain/3.wav rain train",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.lines().any(|it| words(it) == line), "no `{line}` in\n{text}");
    }
    let table = work.read("clips.csv");
    assert!(table.starts_with("name,label,duration,rate,channels,samples_sha256,error\n"), "{table}");
    let hashes: Vec<&str> = table.lines().skip(1).map(|line| line.split(',').nth(5).unwrap()).collect();
    assert_eq!((hashes[0], hashes[0].len()), (hashes[5], 64));

    let counts: Value = serde_json::from_str(&work.run("data stats clips --format json").well().out).unwrap();
    assert_eq!(
        (&counts["clips"], &counts["unique_clips"], &counts["rates"]),
        (&json!(6), &json!(4), &json!({"16000": 6}))
    );
    assert_eq!(
        counts["duplicates"][0],
        json!({
            "samples_sha256": hashes[0], "labels_differ": true, "across_splits": true,
            "clips": [
                {"name": "train/bell/0.wav", "label": "bell", "split": "train"},
                {"name": "test/rain/5.flac", "label": "rain", "split": "test"},
            ],
        })
    );
    assert_eq!(counts["duplicates"].as_array().unwrap().len(), 2);
    assert_eq!(counts["classes"][0]["clips"], 2);

    let none = work.run("data stats clips --split test");
    assert!(none.well().out.contains("no two clips have the same samples"), "{}", none.out);
}

/// Of many groups people see the first, and scripts all.
#[test]
fn many_groups_of_equal_clips_are_cut_short_for_people() {
    let work = WorkDir::empty();
    for clip in 0..23 {
        let bytes = datasets::wav(&noise(200, clip), 16_000);
        work.write(format!("clips/bell/{clip:02}.wav"), &bytes);
        work.write(format!("clips/rain/{clip:02}.wav"), bytes);
    }
    let text = work.run("data stats clips");
    assert!(text.well().out.contains("\nand 3 more groups: --format json lists all\n"), "{}", text.out);
    let counts: Value = serde_json::from_str(&work.run("data stats clips --format json").well().out).unwrap();
    assert_eq!(counts["duplicates"].as_array().unwrap().len(), 23);
}

/// Each of the five, fetched from a Hub, with the numbers of clips that were published.
#[test]
fn the_five_published_datasets_are_counted_behind_a_loopback_hub() {
    let classes = |name: &str, column| Selection::new(name, None, column).unwrap().labels().names().to_vec();
    let strs = |names: &'static [String]| names.iter().map(String::as_str).collect::<Vec<_>>();
    let leak = |names: Vec<String>| strs(names.leak());
    let esc10 = leak(classes("esc50:esc10", None));
    let words = leak(classes("speech-commands:v0.02", None));
    let codes = leak(classes("fleurs:all", Some("lang_id")));
    let planted: [(&str, Planted, usize); 5] = [
        ("gtzan", datasets::gtzan(&GENRES, &class_tone), 999),
        ("esc50", datasets::esc50(&esc50::CLASSES, &esc10, &class_tone), 2000),
        ("minds14:en-AU", datasets::minds14(&minds14::INTENTS, &class_tone), 654),
        ("fleurs:af_za --split test", datasets::fleurs(&codes[..1], 3, &class_tone), 3),
        ("speech-commands --split test", datasets::speech_commands_hf_test(&words, &class_tone), 4890),
    ];
    let hub = LoopbackHub::start();
    let work = WorkDir::online();
    for (dataset, planted, clips) in planted {
        planted.add_to(&hub);
        planted.write_downloads(&work.path("data/downloads"));
        let mut command = work.command(&format!("data stats {dataset} --format json"));
        command.env("HF_ENDPOINT", hub.url()).env("EARMARK_DATA", work.path("data"));
        let ran = Ran::of(&mut command);
        let counts: Value = serde_json::from_str(&ran.well().out).unwrap();
        assert_eq!((&counts["clips"], &counts["unique_clips"]), (&json!(clips), &json!(clips)), "{dataset}");
    }

    // All splits at once: of the fault-filtered split, whose archive is there by now.
    let mut command = work.command("data stats gtzan:fault-filtered --split all --offline");
    command.env("EARMARK_DATA", work.path("data"));
    let ran = Ran::of(&mut command);
    assert!(ran.well().out.contains("929 clips") && ran.out.contains("no two clips"), "{}", ran.out);
    let info = work.run("data info gtzan:fault-filtered --split all");
    assert!(info.well().out.contains("442 in train, 197 in validation, 290 in test"), "{}", info.out);
}

#[test]
fn protocols_are_listed_with_their_clips() {
    let list = WorkDir::empty().run("data protocols");
    let words = |line: &str| line.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    let found = |name: &str| list.well().out.lines().map(words).find(|words| words[0] == name).unwrap();
    assert_eq!(found("gtzan:course")[1..], ["100", "the"]);
    assert_eq!(found("speech-commands:official-test")[1], "11005");
    assert_eq!(found("fleurs:all")[1], "–");
}
