//! `earmark data` and training on datasets that are more than folders.

use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use earmark_testkit::http::{Response, Server};
use earmark_testkit::hub::LoopbackHub;
use earmark_testkit::{noise, tone};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::work_dir::{Ran, TINY, WorkDir, lines};

/// A folder whose datasets are in `data/`.
struct DataDir(WorkDir);

impl DataDir {
    fn new() -> DataDir {
        DataDir(WorkDir::empty())
    }

    /// Exit code, stdout and stderr.
    fn earmark(&self, args: &str, hub: Option<&Server>) -> (i32, String, String) {
        let mut command = self.command(args);
        command.env("EARMARK_DATA", self.path("data"));
        if let Some(server) = hub {
            command.env("HF_ENDPOINT", server.url()).env_remove("HF_HUB_OFFLINE");
        }
        let Ran { code, out, err } = Ran::of(&mut command);
        (code.unwrap(), out, err)
    }

    fn well(&self, args: &str, hub: Option<&Server>) -> String {
        let (code, out, err) = self.earmark(args, hub);
        assert_eq!(code, 0, "{args}: {err}");
        out
    }
}

impl Deref for DataDir {
    type Target = WorkDir;

    fn deref(&self) -> &WorkDir {
        &self.0
    }
}

/// Files of Hub datasets by their paths, with ranges; how many bytes of bodies were sent.
fn hub(files: Vec<(&'static str, PathBuf)>) -> (Server, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |request| {
        let Some((_, path)) = files.iter().find(|(name, _)| request.path.ends_with(name)) else {
            return Response::new(404, "").header("X-Error-Code", "EntryNotFound");
        };
        let file = File::open(path).unwrap();
        let len = file.metadata().unwrap().len();
        // A client that asks for a commit is told of that one.
        let revision = request.segments().into_iter().skip_while(|part| part != "resolve").nth(1);
        let commit = revision.filter(|revision| revision.len() == 40);
        let commit = commit.unwrap_or_else(|| "0123456789abcdef0123456789abcdef01234567".to_owned());
        let told = |response: Response| {
            response.header("ETag", format!("\"{len}\"")).header("X-Repo-Commit", commit.clone())
        };
        if request.method == "HEAD" {
            return told(Response::new(200, "").header("Content-Length", len.to_string()));
        }
        let range =
            request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (from, to) = match range {
            Some((from, to)) => {
                (from.parse().unwrap(), to.parse::<u64>().map_or(len, |to| (to + 1).min(len)))
            }
            None => (0, len),
        };
        let mut body = vec![0; (to - from) as usize];
        file.read_exact_at(&mut body, from).unwrap();
        count.fetch_add(to - from, Ordering::SeqCst);
        let response = Response::new(if range.is_some() { 206 } else { 200 }, body);
        told(response.header("Content-Range", format!("bytes {from}-{}/{len}", to - 1)))
    });
    (server, sent)
}

/// The first row of ESC-50's shard, with the rest of its 400 MB left where it is; then the row in the middle.
#[test]
fn the_first_row_of_a_large_shard_is_fetched_alone() {
    let place = DataDir::new();
    place.clip("clips/dog/000.wav", noise(500_000, 1));
    for clip in 1..400 {
        fs::hard_link(place.path("clips/dog/000.wav"), place.path(format!("clips/dog/{clip:03}.wav")))
            .unwrap();
    }
    place.clip("clips/hen/400.wav", noise(8000, 2));
    let rows: String =
        (0..400).map(|clip| format!("dog/{clip:03}.wav,dog,{},True\n", clip % 5 + 1)).collect();
    let table = format!("file_name,category,fold,esc10\n{rows}hen/400.wav,hen,1,False\n");
    fs::write(place.path("clips/metadata.csv"), table).unwrap();
    place.well("data export clips -o shards", None);
    let shard = place.path("shards/data/train-00000-of-00001.parquet");
    assert!(fs::metadata(&shard).unwrap().len() > 400_000_000);

    let (server, sent) = hub(vec![("data/train-00000-of-00002-2f1ab7b824ec751f.parquet", shard)]);
    let out = place.well("data head esc50 --stream -n 1 --format jsonl", Some(&server));
    let row: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&row["name"], &row["label"], &row["audio"]["samples"]),
        (&"dog/000.wav".into(), &"dog".into(), &500_000.into())
    );
    let first = sent.swap(0, Ordering::SeqCst);
    assert!(first < 5_000_000, "{first} bytes for the first row");
    println!("{first} bytes for the first of 401 rows");
}

#[test]
fn the_first_clip_of_an_archive_is_fetched_alone() {
    let place = DataDir::new();
    let mut tar = tar::Builder::new(GzEncoder::new(
        File::create(place.path("dev.tar.gz")).unwrap(),
        Compression::fast(),
    ));
    let mut table = String::new();
    for clip in 0..150 {
        place.clip("clip.wav", noise(100_000, clip));
        tar.append_path_with_name(place.path("clip.wav"), format!("dev/{clip}.wav")).unwrap();
        table += &format!("{clip}\t{clip}.wav\tHello.\thello\th | o\t100000\tFEMALE\n");
    }
    tar.into_inner().unwrap().finish().unwrap();
    fs::write(place.path("dev.tsv"), table).unwrap();
    assert!(fs::metadata(place.path("dev.tar.gz")).unwrap().len() > 20_000_000);

    let files = vec![
        ("data/af_za/audio/dev.tar.gz", place.path("dev.tar.gz")),
        ("data/af_za/dev.tsv", place.path("dev.tsv")),
    ];
    let (server, sent) = hub(files);
    let out =
        place.well("data head fleurs:af_za --split validation --stream -n 1 --format jsonl", Some(&server));
    let row: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&row["name"], &row["label"], &row["fields"]["gender"]),
        (&"dev/0.wav".into(), &"Afrikaans".into(), &"female".into())
    );
    let first = sent.swap(0, Ordering::SeqCst);
    assert!(first < 1_000_000, "{first} bytes for the first clip");
    println!("{first} bytes for the first of 150 clips");

    // Without --stream all of it comes, once, and every later command has it.
    let stats = place.well("data stats fleurs:af_za --split validation", Some(&server));
    assert!(stats.contains("150 clips"), "{stats}");
    let all = sent.swap(0, Ordering::SeqCst);
    assert!(all > 20_000_000);
    place.well("data verify fleurs:af_za --split validation", Some(&server));
    assert_eq!(sent.load(Ordering::SeqCst), 0);
    place.well("data verify fleurs:af_za --split validation", None);
}

/// Twelve clips of three classes by two speakers each, and one that is no sound.
fn small() -> DataDir {
    let place = DataDir::new();
    let mut rows = String::new();
    for clip in 0..4u32 {
        let hz = f64::from(clip * 20);
        for (class, samples) in [
            ("bell", tone(1500.0 + hz, 0.2, 16_000)),
            ("rain", noise(3000, clip.into())),
            ("siren", tone(300.0 + hz, 0.25, 16_000)),
        ] {
            place.clip(format!("clips/{class}/{clip}.wav"), samples);
            rows += &format!("{class}/{clip}.wav,{},{}\n", ["anna", "ben"][clip as usize % 2], clip % 4 + 1);
        }
    }
    fs::write(place.path("clips/metadata.csv"), format!("file_name,speaker,fold\n{rows}")).unwrap();
    place
}

#[test]
fn a_dataset_is_counted_checked_and_written_out() {
    let place = small();
    let stats = place.well("data stats clips -o clips.parquet", None);
    for word in ["bell", "33.3 %", "12 clips", "16000 Hz × 12", "0.20"] {
        assert!(stats.contains(word), "no `{word}` in {stats}");
    }
    assert!(place.path("clips.parquet").exists());
    fs::write(place.path("clips/rain/broken.wav"), "RIFF?").unwrap();
    let (code, out, err) = place.earmark("data verify clips", None);
    assert!(
        code == 0
            && out.contains("12 clips")
            && err.contains("broken.wav` is left out: no row of the metadata lists it"),
        "{out}{err}"
    );
    let table = fs::read_to_string(place.path("clips/metadata.csv")).unwrap();
    fs::write(place.path("clips/metadata.csv"), format!("{table}rain/broken.wav,anna,1\n")).unwrap();
    let (code, out, err) = place.earmark("data verify clips", None);
    assert_eq!(code, 3);
    assert!(
        out.contains("13 clips: 12 intact, 0 damaged, 1 cannot be decoded")
            && err.contains("rain/broken.wav"),
        "{out}{err}"
    );
    fs::write(place.path("clips/metadata.csv"), table).unwrap();
    fs::remove_file(place.path("clips/rain/broken.wav")).unwrap();

    place.well("data export clips -o parquet", None);
    place.well("data export clips -o folders --format folders", None);
    assert_eq!(place.well("data stats parquet", None), place.well("data stats folders", None));
    let (code, _, err) = place.earmark("data export clips -o folders --format folders", None);
    assert!(code == 1 && err.contains("already exists"), "{err}");
}

/// Parquet on the Hub by its id alone, as a stream, as a whole and to learn from.
#[test]
fn parquet_on_the_hub_is_a_dataset() {
    let place = small();
    place.well("data export clips -o shards", None);
    let shard = fs::read(place.path("shards/data/train-00000-of-00001.parquet")).unwrap();
    let hub = LoopbackHub::start();
    let files: [(&str, &[u8]); 3] = [
        ("README.md", b"card"),
        ("night/train-00000-of-00001.parquet", &shard),
        ("day/train-00000-of-00001.parquet", &shard),
    ];
    hub.add("datasets/me/sounds", "main", &files);
    hub.add("datasets/me/none", "main", &[("README.md", b"card")]);
    let server = hub.server();
    let head = place.well("data head me/sounds:night --stream -n 3 --format jsonl", Some(server));
    assert_eq!(head.lines().count(), 3);
    assert!(head.contains("\"speaker\":\"anna\""), "{head}");
    assert!(place.well("data stats me/sounds:day", Some(server)).contains("12 clips"));
    let said = |args: &str| place.earmark(args, Some(server)).2;
    assert!(said("data head me/sounds").contains("more than one configuration"));
    assert!(
        said("data head me/sounds:night --split test")
            .contains("no Parquet files for the split `test` of `night`")
    );
    assert!(said("data head me/none").contains("me/none"));

    place.write("tiny.json", TINY);
    let train =
        "train --dataset me/sounds:night --from-scratch tiny.json --test-size 0.25 --epochs 1 --output run";
    place.well(train, Some(server));
    // What it learned from is in the cache.
    assert!(place.well("eval run", None).contains("on 3 held-out clips"));
}

fn test_part(place: &DataDir, run: &str) -> Vec<String> {
    let split: Value =
        serde_json::from_slice(&fs::read(place.path(run).join("split.json")).unwrap()).unwrap();
    let mut names: Vec<String> =
        split["test"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_run_may_keep_speakers_folds_and_classes_together() {
    let place = small();
    place.write("tiny.json", TINY);
    let train = |how: &str, run: &str| {
        place.earmark(
            &format!("train --data clips --from-scratch tiny.json --split-by {how} --test-size 0.25 --output {run} --dry-run"),
            None,
        )
    };
    assert_eq!(train("fold:fold=3", "fold").0, 0);
    assert_eq!(test_part(&place, "fold"), ["bell/2.wav", "rain/2.wav", "siren/2.wav"]);
    assert_eq!(train("group:speaker", "group").0, 0);
    let speakers: Vec<u32> = test_part(&place, "group")
        .iter()
        .map(|name| name[name.len() - 5..name.len() - 4].parse::<u32>().unwrap() % 2)
        .collect();
    assert!(speakers.len() == 6 && speakers.iter().all(|it| *it == speakers[0]), "{speakers:?}");
    assert_eq!(train("stratified", "stratified").0, 0);
    let classes: Vec<String> = test_part(&place, "stratified")
        .iter()
        .map(|name| name.split('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(classes, ["bell", "rain", "siren"]);
    let recipe = fs::read_to_string(place.path("fold/recipe.toml")).unwrap();
    assert!(recipe.contains("split_by = \"fold:fold=3\""), "{recipe}");
    for (how, word) in [("group:artist", "artist"), ("fold:fold=9", "9"), ("published", "without a split")] {
        let (code, _, err) = train(how, "no");
        assert!(code == 1 && err.contains(word), "{how}: {err}");
    }
    assert_eq!(train("by-hand", "no").0, 2);
}

/// A table of artists becomes a column of an export, by which a training splits.
#[test]
fn a_table_adds_a_field_to_split_by() {
    let place = small();
    place.write("tiny.json", TINY);
    let rows: String = (0..4).map(|clip| format!("bell/{clip}.wav,{}\n", ["ada", "bo"][clip % 2])).collect();
    let more = "rain/0.wav,ada\nrain/1.wav,bo\nsiren/0.wav,ada\nsiren/1.wav,bo\n";
    place.write("artists.csv", format!("file_name,artist\n{rows}{more}"));
    let (code, _, err) = place.earmark("data export clips -o shards --fields artists.csv", None);
    assert!(code == 0 && err.contains("4 clips without a row in `artists.csv`"), "{err}");
    let head = place.well("data head shards -n 20 --format jsonl", None);
    let artists: Vec<Value> = lines(&head).into_iter().map(|row| row["fields"]["artist"].clone()).collect();
    assert_eq!(artists.iter().filter(|artist| **artist == "ada").count(), 4, "{head}");
    assert_eq!(artists.iter().filter(|artist| artist.is_null()).count(), 4, "{head}");
    // Every clip of the training needs one.
    let train = "train --data shards --from-scratch tiny.json --split-by group:artist --output run --dry-run";
    let (code, _, err) = place.earmark(train, None);
    assert!(code == 1 && err.contains("has no `artist`"), "{err}");
    let rest = "rain/2.wav,ada\nrain/3.wav,bo\nsiren/2.wav,ada\nsiren/3.wav,bo\n";
    place.write("artists.csv", format!("file_name,artist\n{rows}{more}{rest}"));
    place.well("data export clips -o all --fields artists.csv", None);
    place.well(&train.replace("shards", "all"), None);
    let names = test_part(&place, "run");
    let numbers: Vec<&str> = names.iter().map(|name| name.split(['/', '.']).nth(1).unwrap()).collect();
    assert!(numbers == ["0", "2"].repeat(3) || numbers == ["1", "3"].repeat(3), "{numbers:?}");

    let (code, _, err) = place.earmark("data export clips -o no --fields artists.csv --format folders", None);
    assert!(code == 2 && err.contains("--fields"), "{err}");
}

/// Trained on shards, resumed and scored: the rows are found again.
#[test]
fn a_run_learns_from_parquet() {
    let place = small();
    place.write("tiny.json", TINY);
    place.well("data export clips -o shards", None);
    place.well("train --data shards --from-scratch tiny.json --test-size 0.25 --epochs 2 --batch-size 4 --output run", None);
    let out = place.well("eval run -o scores", None);
    assert!(out.contains("on 3 held-out clips"), "{out}");
    assert!(Path::new(&place.path("scores/predictions.parquet")).exists());
    let out = place.well("eval --model run/model --data shards --split all", None);
    assert!(out.contains("on 12 clips"), "{out}");
}

/// Nine clips of three classes to learn from, and three to test on.
fn in_splits() -> DataDir {
    let place = DataDir::new();
    for (split, clips) in [("train", 3), ("test", 1)] {
        for clip in 0..clips {
            let hz = f64::from(clip) * 20.0;
            place.clip(format!("clips/{split}/bell/{clip}.wav"), tone(1500.0 + hz, 0.2, 16_000));
            place.clip(format!("clips/{split}/rain/{clip}.wav"), noise(3000, clip as u64));
            place.clip(format!("clips/{split}/siren/{clip}.wav"), tone(300.0 + hz, 0.25, 16_000));
        }
    }
    place.write("tiny.json", TINY);
    place
}

#[test]
fn a_split_is_honoured_or_refused_everywhere() {
    let place = in_splits();
    let info = place.well("data info clips", None);
    assert!(info.contains("train 9, test 3") && info.contains("12\n"), "{info}");
    assert!(place.well("data info clips --split test", None).contains("test 3\n"));
    let names = place.well("data head clips --split test -n 20 --format jsonl", None);
    assert_eq!(names.lines().filter(|line| line.contains("\"name\":\"test/")).count(), 3, "{names}");
    assert!(place.well("data stats clips --split train", None).contains("9 clips"));
    assert!(place.well("data verify clips --split test", None).contains("3 clips: 3 intact"));
    place.well("data export clips --split test -o one", None);
    place.well("data export clips -o all", None);
    assert!(place.well("data info one", None).contains("test 3\n"));
    assert!(place.well("data info all", None).contains("train 9, test 3\n"));
    place.well("train --data clips --from-scratch tiny.json --epochs 1 --output run", None);
    for command in [
        "data info clips",
        "data head clips",
        "data stats clips",
        "data verify clips",
        "data export clips -o no",
        "train --data clips --from-scratch tiny.json --output no",
        "eval --model run/model --data clips",
    ] {
        let (code, _, err) = place.earmark(&format!("{command} --split nonsense"), None);
        assert!(
            code == 1 && err.contains("no split `nonsense`; choose one of train, test"),
            "{command}: {code} {err}"
        );
        assert!(!place.path("no").exists());
    }
    for (split, clips) in [("test", 3), ("train", 9), ("all", 12)] {
        let out = place.well(&format!("eval --model run/model --data clips --split {split}"), None);
        assert!(out.contains(&format!("on {clips} clips")), "{split}: {out}");
    }
}

#[test]
fn a_dataset_with_splits_is_trained_on_one_and_tested_on_another() {
    let place = in_splits();
    let train = "train --data clips --from-scratch tiny.json --test-size 0.25 --epochs 1 --dry-run --output";
    let (code, _, err) = place.earmark(&format!("{train} run"), None);
    assert!(code == 0 && err.contains("9 train, 3 held-out"), "{err}");
    assert_eq!(test_part(&place, "run"), ["test/bell/0.wav", "test/rain/0.wav", "test/siren/0.wav"]);
    assert_eq!(place.earmark(&format!("{train} alone --split train"), None).0, 0);
    assert!(test_part(&place, "alone").iter().all(|name| name.starts_with("train/")));
    assert_eq!(place.earmark(&format!("{train} pool --split all"), None).0, 0);
    assert_eq!(test_part(&place, "pool").len(), 3);

    // With a validation part, that is what epochs are judged by, and the test part is said to be left.
    fs::create_dir(place.path("clips/dev")).unwrap();
    fs::rename(place.path("clips/train/bell"), place.path("bell")).unwrap();
    place.clip("clips/dev/rain/9.wav", noise(3000, 99));
    fs::rename(place.path("bell"), place.path("clips/train/bell")).unwrap();
    let (code, _, err) = place.earmark(&format!("{train} judged"), None);
    assert!(code == 0 && err.contains("not used: the split `test`, 3 clips"), "{err}");
    assert_eq!(test_part(&place, "judged"), ["dev/rain/9.wav"]);
}

#[test]
fn rows_of_one_file_are_held_out_and_scored_as_themselves() {
    let place = small();
    place.write("tiny.json", TINY);
    let mut table = "file_name,label\n".to_owned();
    for row in 0..24 {
        table +=
            &format!("{}/{}.wav,{}\n", ["bell", "rain", "siren"][row % 3], row % 2, ["dog", "hen"][row % 2]);
    }
    fs::write(place.path("clips/metadata.csv"), table).unwrap();
    let trained = place
        .well("train --data clips --from-scratch tiny.json --test-size 0.25 --epochs 1 --output run", None);
    let scored = place.well("eval run -o scores", None);
    let held_out = test_part(&place, "run");
    assert!(held_out.len() == 6 && held_out.iter().all(|name| name.contains(".wav#")), "{held_out:?}");
    let report =
        |path: &str| -> Value { serde_json::from_slice(&fs::read(place.path(path)).unwrap()).unwrap() };
    assert_eq!(
        report("run/report.json")["confusion"],
        report("scores/report.json")["confusion"],
        "{trained}{scored}"
    );
}

#[test]
fn what_the_class_is_is_asked_with_the_columns_there_are() {
    let place = small();
    let table = "file_name,species,language\nbell/0.wav,crow,en\nbell/1.wav,wren,de\nbell/2.wav,crow,de\nbell/3.wav,wren,en\n";
    fs::write(place.path("clips/metadata.csv"), table).unwrap();
    let (code, _, err) = place.earmark("data info clips", None);
    assert_eq!(code, 1);
    for word in ["--label-column", "`language` (2 values: en, de)", "`species` (2 values: crow, wren)"] {
        assert!(err.contains(word), "no `{word}` in {err}");
    }
    let info = place.well("data info clips --label-column language", None);
    assert!(info.contains("2 of the column `language`: de, en"), "{info}");
}

/// A WAV file of float samples, as they are.
fn float_wav(samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x03\0\x01\0\x80\x3e\0\0\0\xfa\0\0\x04\0\x20\0data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn verify_names_clips_of_nan_of_absurd_samples_and_of_nothing() {
    let place = small();
    fs::remove_file(place.path("clips/metadata.csv")).unwrap();
    let mut samples = vec![0.25f32; 4000];
    fs::write(place.path("clips/bell/fine.wav"), float_wav(&samples)).unwrap();
    samples[2500] = 1e30;
    fs::write(place.path("clips/bell/absurd.wav"), float_wav(&samples)).unwrap();
    samples[2500] = f32::NAN;
    fs::write(place.path("clips/bell/nan.wav"), float_wav(&samples)).unwrap();
    samples[2500] = f32::NEG_INFINITY;
    fs::write(place.path("clips/bell/infinite.wav"), float_wav(&samples)).unwrap();
    fs::write(place.path("clips/bell/empty.wav"), float_wav(&[])).unwrap();
    let (code, out, err) = place.earmark("data verify clips", None);
    assert_eq!(code, 3);
    assert!(out.contains("17 clips: 13 intact"), "{out}{err}");
    for clip in ["absurd", "nan", "infinite", "empty"] {
        assert!(err.contains(&format!("`bell/{clip}.wav`")), "{clip}: {err}");
    }
    assert!(err.contains("sample 2500"), "{err}");
}

#[test]
fn stats_writes_what_the_ending_says_or_refuses_first() {
    let place = small();
    place.well("data stats clips -o clips.csv", None);
    let table = fs::read_to_string(place.path("clips.csv")).unwrap();
    let header = "name,label,duration,rate,channels,samples_sha256,error";
    assert!(table.starts_with(&format!("{header}\nbell/0.wav,bell,0.2,16000,1,")), "{table}");
    assert_eq!(table.lines().count(), 13);
    place.well("data stats clips -o clips.parquet", None);
    assert_eq!(&fs::read(place.path("clips.parquet")).unwrap()[..4], b"PAR1");
    let (code, _, err) = place.earmark("data stats clips -o clips.xlsx", None);
    assert!(code == 2 && err.contains(".parquet or .csv") && !place.path("clips.xlsx").exists(), "{err}");
}

#[test]
fn an_export_reports_the_clips_that_do_not_decode_and_writes_them_as_they_are() {
    let place = small();
    fs::remove_file(place.path("clips/metadata.csv")).unwrap();
    fs::write(place.path("clips/bell/broken.wav"), "RIFF?").unwrap();
    for (format, written) in
        [("folders", "bell/broken.wav"), ("parquet", "data/train-00000-of-00001.parquet")]
    {
        let (code, _, err) = place.earmark(&format!("data export clips -o {format} --format {format}"), None);
        assert_eq!(code, 3, "{err}");
        assert!(err.contains("error: `bell/broken.wav`") && err.contains("wrote 13 clips to"), "{err}");
        assert!(place.path(format).join(written).exists());
    }
    fs::remove_file(place.path("clips/bell/broken.wav")).unwrap();
    let (code, _, err) = place.earmark("data export clips -o whole", None);
    assert!(code == 0 && !err.contains("broken") && !err.contains("error"), "{err}");
    let (code, _, err) = place.earmark("data export clips -o whole", None);
    assert_eq!(code, 1, "{err}");
}

#[test]
fn what_is_missing_is_said_with_what_there_is() {
    let place = small();
    let train = "train --data clips --from-scratch sample --output run";
    for (args, words) in [
        (format!("{train} --label-column kind"), ["`kind`", "fold, speaker"]),
        (format!("{train} --split-by group:artist"), ["`artist`", "fold, speaker"]),
        (format!("{train} --split-by fold:round=1"), ["`round`", "fold, speaker"]),
        ("train --epochs 1".to_owned(), ["GTZAN is not in the data folder", "earmark train --sample"]),
        (
            "data stats minds14:en-AU".to_owned(),
            ["`minds14:en-AU` is not on this machine", "could not be downloaded"],
        ),
    ] {
        let (code, _, err) = place.earmark(&args, None);
        assert!(code == 1 && words.iter().all(|word| err.contains(word)), "{args}: {err}");
    }
}

#[test]
fn the_sample_is_described_without_being_made() {
    let place = DataDir::new();
    let info = place.well("data info sample", None);
    assert!(info.contains("400 of 3 s") && info.contains("blues"), "{info}");
    assert!(!place.path("data").exists());
}

/// GTZAN's archive with the first of its clips.
fn genres(path: &Path, clips: usize) {
    let mut tar = tar::Builder::new(GzEncoder::new(File::create(path).unwrap(), Compression::fast()));
    let names = earmark_data::gtzan::GENRES
        .iter()
        .flat_map(|genre| (0..100).map(move |clip| format!("genres/{genre}/{genre}.{clip:05}.wav")));
    for name in names.filter(|name| !name.contains("jazz.00054")).take(clips) {
        let mut header = tar::Header::new_ustar();
        header.set_size(4);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, b"RIFF".as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

#[test]
fn a_cut_archive_lands_nothing_and_its_cure_is_one() {
    let place = DataDir::new();
    let archive = place.path("genres.tar.gz");
    genres(&archive, 500);
    let (cut, _) = hub(vec![("data/genres.tar.gz", archive.clone())]);
    for _ in 0..2 {
        let (code, _, err) = place.earmark("data stats gtzan", Some(&cut));
        assert!(code == 1 && err.contains("has 500 clips, but 999 were published: delete `"), "{err}");
        assert!(!place.path("data/gtzan").exists());
        let left = fs::read_dir(place.path("data")).map(|left| left.count()).unwrap_or(0);
        assert_eq!(left, 0, "nothing is left behind");
    }
    // What an earlier version left is replaced, once the archive is whole.
    for clip in 0..100 {
        let path = place.path(format!("data/gtzan/blues/blues.{clip:05}.wav"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "RIFF").unwrap();
    }
    let err = place.earmark("data stats gtzan", Some(&cut)).2;
    let file = err.split("delete `").nth(1).unwrap().split('`').next().unwrap();
    fs::remove_file(file).unwrap();
    genres(&archive, 999);
    let (whole, _) = hub(vec![("data/genres.tar.gz", archive)]);
    let (code, out, err) = place.earmark("data stats gtzan", Some(&whole));
    assert!(code == 3 && out.contains("999 clips"), "{out}{err}");
}
