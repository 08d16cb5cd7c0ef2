//! The evaluations that have a name, model and dataset from a loopback Hub: a model that knows the sounds is right about every clip,
//! and one whose labels are shifted by one about none.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fs;

use earmark_audio::Waveform;
use earmark_data::gtzan::GENRES;
use earmark_data::{Selection, esc50, minds14};
use earmark_testkit::datasets::{self, Planted};
use earmark_testkit::hub::LoopbackHub;
use polars::prelude::*;
use serde_json::Value;

use crate::planted_models::{Files, SmallClassifier, ast, clap, distilhubert, waveform, whisper, xls_r};
use crate::work_dir::{Ran, WorkDir};

/// A tenth of a second of a tone. Those of the classes are spread evenly over what the rate and all models have room for.
fn tone_of(class: usize, classes: usize, clip: usize, rate: u32) -> Vec<f32> {
    let highest = (0.45 * f64::from(rate)).min(7_000.0);
    let hz = 200.0 + (highest - 200.0) * class as f64 / classes as f64;
    // No clip of a class is as loud as another: multiples of an irrational number never repeat.
    let loudness = 0.5 + 0.02 * (clip as f64 * 0.618_033_988_749_895).fract();
    let at = |n: u32| loudness * (TAU * hz * f64::from(n) / f64::from(rate)).sin();
    (0..rate / 10).map(|n| at(n) as f32).collect()
}

/// The tones of so many classes.
fn tones(classes: usize) -> impl Fn(usize, usize, u32) -> Vec<f32> {
    move |class, clip, rate| tone_of(class, classes, clip, rate)
}

/// Clips that are in no dataset.
fn unseen(classes: usize, rate: u32) -> impl Fn(usize, usize) -> Waveform {
    move |class, clip| waveform(tone_of(class, classes, 1_000_000 + clip, rate), rate)
}

/// Where evaluations run, and the Hub.
struct Place {
    work: WorkDir,
    hub: LoopbackHub,
}

impl Place {
    fn new(dataset: &Planted) -> Place {
        let (work, hub) = (WorkDir::online(), LoopbackHub::start());
        dataset.add_to(&hub);
        dataset.write_downloads(&work.path("data/downloads"));
        Place { work, hub }
    }

    fn publish(&self, model: &str, files: &Files) {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        self.hub.add(&format!("models/{model}"), "main", &files);
    }

    /// The report, and of each clip its path, its class, and what was predicted.
    fn eval(&self, what: &str, folder: &str) -> (Value, DataFrame) {
        let mut command = self.work.command(&format!("eval {what} -o {folder}"));
        command.env("HF_ENDPOINT", self.hub.url()).env("EARMARK_DATA", self.work.path("data"));
        Ran::of(&mut command).well();
        let file = fs::File::open(self.work.path(format!("{folder}/predictions.parquet"))).unwrap();
        (self.work.json(&format!("{folder}/report.json")), ParquetReader::new(file).finish().unwrap())
    }
}

fn texts(table: &DataFrame, column: &str) -> Vec<String> {
    table
        .column(column)
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .map(|text| text.unwrap_or_default().to_owned())
        .collect()
}

/// How often each text is there.
fn counts(texts: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    texts.iter().for_each(|text| *counts.entry(text.as_str()).or_default() += 1);
    counts
}

/// The clips of each fold or language.
fn parts(report: &Value) -> BTreeMap<&str, u64> {
    let parts = report["parts"]["parts"].as_array().unwrap();
    parts.iter().map(|part| (part["name"].as_str().unwrap(), part["n"].as_u64().unwrap())).collect()
}

/// The classes of a selection, in order.
fn classes(name: &str, column: Option<&str>) -> Vec<String> {
    Selection::new(name, None, column).unwrap().labels().names().to_vec()
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Checks that all clips were scored, and that each got the label `by` classes behind its own.
#[track_caller]
fn check((report, table): &(Value, DataFrame), clips: usize, classes: &[&str], by: usize) {
    let (labels, predicted) = (texts(table, "label"), texts(table, "predicted"));
    let wrong = |row: &usize| {
        let class = classes.iter().position(|class| *class == labels[*row]).unwrap();
        classes[(class + by) % classes.len()] != predicted[*row]
    };
    let paths = texts(table, "path");
    let wrong: Vec<_> =
        (0..labels.len()).filter(wrong).map(|row| (&paths[row], &labels[row], &predicted[row])).collect();
    assert!(wrong.is_empty(), "{} of {clips}, such as {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert_eq!((report["n"].as_u64(), labels.len()), (Some(clips as u64), clips));
    assert_eq!(report["accuracy"], if by == 0 { 1.0 } else { 0.0 });
    assert_eq!(counts(&labels).len(), classes.len(), "every class has clips");
    for part in report["parts"]["parts"].as_array().into_iter().flatten() {
        assert_eq!(part["accuracy"], report["accuracy"], "{part}");
    }
    let mut names = paths;
    names.sort();
    names.dedup();
    assert_eq!(names.len(), clips, "no clip is scored twice");
}

/// A model whose labels are in another order than the dataset's classes is right about every clip; with the label of the next class
/// for each, about none.
#[track_caller]
fn check_classifier(
    place: &Place,
    (evaluation, repo, model): (&str, &str, &SmallClassifier),
    rate: u32,
    clips: usize,
    classes: &[&str],
) -> (Value, DataFrame) {
    let count = classes.len();
    let sound = unseen(count, rate);
    let backwards = move |output: usize, clip| sound(count - 1 - output, clip);
    let labels: Vec<&str> = classes.iter().rev().copied().collect();
    place.publish(repo, &model.plant(&labels, &backwards));
    let right = place.eval(evaluation, "right");
    check(&right, clips, classes, 0);
    let mut shifted = labels;
    shifted.rotate_right(1);
    place.publish(repo, &model.plant(&shifted, &backwards));
    check(&place.eval(evaluation, "shifted"), clips, classes, 1);
    right
}

#[test]
fn minds14_is_right_in_every_language_or_wrong_everywhere() {
    let intents = &minds14::INTENTS;
    let place = Place::new(&datasets::minds14(intents, &tones(14)));
    let repo = "anton-l/xtreme_s_xlsr_300m_minds14";
    check_classifier(&place, ("minds14", repo, &xls_r()), 8_000, 654, intents);

    place.publish(repo, &xls_r().plant(intents, &unseen(14, 8_000)));
    let all = place.eval(&format!("--model {repo} --protocol minds14:all"), "all");
    check(&all, 8_168, intents, 0);
    let languages = parts(&all.0);
    assert_eq!((languages.len(), languages["cs-CZ"], languages["zh-CN"]), (14, 574, 502));
}

#[test]
fn speech_commands_are_right_for_every_speaker_of_the_test_list_or_wrong_everywhere() {
    let words = classes("speech-commands:v0.02-words", None);
    let words = strs(&words);
    let place = Place::new(&datasets::speech_commands_official(&words, &tones(35)));
    let evaluation = ("speech-commands", "MIT/ast-finetuned-speech-commands-v2", &ast());
    let (_, table) = check_classifier(&place, evaluation, 16_000, 11_005, &words);
    assert_eq!(counts(&texts(&table, "speaker_id")).len(), 315);
}

#[test]
fn fleurs_is_right_in_every_language_or_wrong_everywhere() {
    let codes = classes("fleurs:all", Some("lang_id"));
    let names = classes("fleurs:all", None);
    // The last is `all`, which no clip has.
    let (codes, names) = (strs(&codes[..102]), strs(&names[..102]));
    let place = Place::new(&datasets::fleurs(&codes, 3, &tones(102)));
    let evaluation = ("fleurs", "sanchit-gandhi/whisper-medium-fleurs-lang-id", &whisper());
    let (_, table) = check_classifier(&place, evaluation, 16_000, 306, &names);
    assert!(counts(&texts(&table, "label")).values().all(|&clips| clips == 3));
}

#[test]
fn esc50_is_right_in_every_fold_or_wrong_everywhere() {
    let esc10 = classes("esc50:esc10", None);
    let place = Place::new(&datasets::esc50(&esc50::CLASSES, &strs(&esc10), &tones(50)));
    let repo = "laion/clap-htsat-unfused";
    let mut sentences = esc50::CLASSES.map(|class| class.replace('_', " "));
    let sound = unseen(50, 44_100);
    place.publish(repo, &clap(&sentences, &sound));
    let right = place.eval("esc50", "right");
    check(&right, 2_000, &esc50::CLASSES, 0);
    assert_eq!(parts(&right.0), BTreeMap::from(["1", "2", "3", "4", "5"].map(|fold| (fold, 400))));
    let folds = texts(&right.1, "fold");
    for (path, fold) in texts(&right.1, "path").iter().zip(&folds) {
        assert_eq!(path.split('-').next(), Some(fold.as_str()), "{path}");
    }
    // A CLAP model has no labels: its sounds lead to the sentence of the next class.
    sentences.rotate_left(1);
    place.publish(repo, &clap(&sentences, &sound));
    check(&place.eval("esc50", "shifted"), 2_000, &esc50::CLASSES, 1);
}

#[test]
fn gtzan_is_right_about_the_clips_that_the_course_holds_out_or_wrong_everywhere() {
    let place = Place::new(&datasets::gtzan(&GENRES, &tones(10)));
    let evaluation = ("gtzan", "sanchit-gandhi/distilhubert-finetuned-gtzan", &distilhubert());
    let (_, table) = check_classifier(&place, evaluation, 22_050, 100, &GENRES);
    // Of `numpy.random.default_rng(42).permutation(999)`: 977, 933, 859 of the files sorted by path.
    let paths = texts(&table, "path");
    assert_eq!(paths[..3], ["rock/rock.00078.wav", "rock/rock.00034.wav", "reggae/reggae.00060.wav"]);
}
