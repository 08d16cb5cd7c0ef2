//! The published datasets, on small archives and shards in their real layouts.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use burn_dataset::Dataset as _;
use earmark_audio::DecodeOptions;
use earmark_data::{
    AudioDataset, CATALOG, ErrorKind, Example, LabelledWaveform, Position, Selection, Shard, minds14,
};
use earmark_testkit::datasets::{self, Row};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shelf::Shelf;

fn wav(seconds: f64, rate: u32) -> Vec<u8> {
    let samples: Vec<f32> =
        (0..(seconds * f64::from(rate)) as usize).map(|i| (i as f32 * 0.01).sin() * 0.5).collect();
    datasets::wav(&samples, rate)
}

fn tar_gz(files: &[(String, Vec<u8>)]) -> Arc<Vec<u8>> {
    Arc::new(datasets::tar_gz(files))
}

/// A shard of rows with path, class and further columns; all with one sound. Without `classes` the class is written as text.
fn shard(rows: &[(&str, &str, Value)], label: &str, classes: &[&str]) -> Arc<Vec<u8>> {
    let audio = wav(0.1, 8000);
    let row = |(path, class, more): &(&str, &str, Value)| {
        let mut fields = more.as_object().unwrap().clone();
        let id = classes.iter().position(|known| known == class);
        fields.insert(label.to_owned(), id.map_or_else(|| (*class).into(), Value::from));
        Row { path: (*path).to_owned(), audio: audio.clone(), fields }
    };
    let rows: Vec<Row> = rows.iter().map(row).collect();
    let declared = [(label, classes)];
    Arc::new(datasets::parquet(&rows, if classes.is_empty() { &[] } else { &declared }))
}

/// 654 rows, as en-AU has.
fn minds14() -> Shelf {
    let names: Vec<String> = (0..654).map(|row| format!("en-AU~{row}/response.wav")).collect();
    let rows: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(row, name)| {
            (name.as_str(), minds14::INTENTS[row % 14], json!({"transcription": "hello", "lang_id": 2}))
        })
        .collect();
    let file = "en-AU/train-00000-of-00001.parquet".to_owned();
    Shelf { files: [(file, shard(&rows, "intent_class", &minds14::INTENTS))].into(), ..Shelf::default() }
}

fn selection(name: &str, split: &str) -> Selection {
    Selection::new(name, Some(split), None).unwrap()
}

/// A shelf that keeps whole files in a folder.
fn with_folder(shelf: Shelf) -> (TempDir, Shelf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    (folder, shelf.with_folder(&path))
}

fn open(shelf: &Shelf, selection: &Selection, into: &Path) -> Result<AudioDataset, earmark_data::Error> {
    selection.open(shelf, into, |_, _| ())
}

#[test]
fn every_configuration_and_split_has_files_and_labels() {
    for dataset in CATALOG {
        for config in dataset.configs {
            for split in config.splits {
                for column in config.label_columns {
                    let name = format!("{}:{}", dataset.id, config.name);
                    let selection = Selection::new(&name, Some(split.name), Some(column.name)).unwrap();
                    assert!(
                        !selection.files().is_empty() && selection.labels().len() > 1,
                        "{name} {} {}",
                        split.name,
                        column.name
                    );
                }
            }
        }
        assert!(!dataset.citation.is_empty() && dataset.home.starts_with("https://"));
    }
    let rows = |name: &str, split: &str| selection(name, split).split.clips;
    assert_eq!(rows("minds14:all", "train"), Some(8168));
    assert_eq!(rows("gtzan:fault-filtered", "train"), Some(442));
    assert_eq!(
        (rows("gtzan:fault-filtered", "validation"), rows("gtzan:fault-filtered", "test")),
        (Some(197), Some(290))
    );
    assert_eq!(selection("fleurs:all", "test").files().len(), 204);
    let languages = Selection::new("fleurs", None, Some("lang_id")).unwrap().labels();
    assert_eq!((languages.len(), languages.names()[102].as_str()), (103, "all"));
}

#[test]
fn what_there_is_not_is_named_beside_what_there_is() {
    let said = |name: &str, split: Option<&str>, label: Option<&str>| {
        let error = Selection::new(name, split, label).unwrap_err();
        format!("{error}: {}", error.kind)
    };
    assert!(said("mnist", None, None).contains("no dataset `mnist`; choose one of minds14, speech-commands"));
    assert!(said("minds14:en-CA", None, None).contains("no configuration `en-CA`; choose one of all, cs-CZ"));
    assert!(said("esc50", Some("test"), None).contains("no split `test`; choose one of train"));
    assert!(said("fleurs:af_za", None, Some("id")).contains("no label column `id`; choose one of language"));
    for name in ["speech_commands:v0.01", "PolyAI/minds14", "SpeechCommands", "ashraq/esc50"] {
        Selection::new(name, None, None).unwrap();
    }
}

#[test]
fn minds14_is_opened_without_its_sounds_and_heard_row_by_row() {
    let (folder, shelf) = with_folder(minds14());
    let dataset = open(&shelf, &selection("minds14:en-AU", "train"), folder.path()).unwrap();
    assert_eq!((dataset.clips.len(), dataset.labels.len()), (654, 14));
    assert_eq!(dataset.clips[3].name, "en-AU~3/response.wav");
    assert_eq!(dataset.clips[17].label.index(), 3);
    assert_eq!(dataset.clips[17].fields["intent_class"], "atm_limit");
    assert_eq!(dataset.clips[5].fields["transcription"], "hello");
    let heard = dataset.clips[653].decode(&DecodeOptions::default()).unwrap().waveform;
    assert_eq!((heard.rate().hz(), heard.samples().len()), (8000, 800));
    // What burn's loaders ask for.
    let item: LabelledWaveform = dataset.get(653).unwrap();
    assert_eq!((item.waveform, item.label.index()), (heard, 653 % 14));
    assert_eq!(dataset.groups("lang_id").unwrap().len(), 654);
    assert!(matches!(dataset.groups("speaker").unwrap_err().kind, ErrorKind::NoField { .. }));
}

#[test]
fn a_dataset_that_is_not_whole_is_refused() {
    let rows = vec![("a.wav", "abroad", json!({"lang_id": 2})); 3];
    let file = shard(&rows, "intent_class", &minds14::INTENTS);
    let (folder, shelf) = with_folder(Shelf {
        files: [("en-AU/train-00000-of-00001.parquet".to_owned(), file)].into(),
        ..Shelf::default()
    });
    let error = open(&shelf, &selection("minds14:en-AU", "train"), folder.path()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotWhole { clips: 3, wanted: 654, .. }), "{error:?}");
    let error = open(&shelf, &selection("minds14:de-DE", "train"), folder.path()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Fetch { .. }), "{error:?}");
}

#[test]
fn a_stream_goes_on_where_it_stood() {
    let shelf = minds14();
    let stream = || selection("minds14:en-AU", "train").stream(Arc::new(shelf.clone()));
    let all: Vec<Example> = stream().map(Result::unwrap).collect();
    assert_eq!(all.len(), 654);
    assert!(all.iter().all(|example| example.audio.starts_with(b"RIFF")));
    let mut first = stream();
    let some: Vec<Example> = first.by_ref().take(100).map(Result::unwrap).collect();
    let at: Position = serde_json::from_value(serde_json::to_value(first.position()).unwrap()).unwrap();
    let rest: Vec<Example> = stream().resume(at).unwrap().map(Result::unwrap).collect();
    assert_eq!([some, rest].concat(), all);
    assert_eq!(stream().skip(650).count(), 4);

    let drawn = |seed| -> Vec<String> { stream().shuffle(50, seed).map(|it| it.unwrap().name).collect() };
    let (one, again, other) = (drawn(1), drawn(1), drawn(2));
    assert_eq!(one, again);
    assert_ne!(one, other);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(one), sorted(all.iter().map(|it| it.name.clone()).collect()));
    assert_eq!(
        (stream().shard(0, 2).count(), stream().shard(1, 2).count()),
        (654, 0),
        "one file goes to one job"
    );
}

/// Words as the Hub's archives have them, with what else lies about in archives.
fn words(count: usize) -> Vec<(String, Vec<u8>)> {
    let second = wav(1.0, 16_000);
    let mut files =
        vec![("./LICENSE".to_owned(), b"text".to_vec()), ("._yes/x.wav".to_owned(), b"Mac".to_vec())];
    for (word, speakers) in [("yes", count), ("zero", 2), ("visual", 1)] {
        for speaker in 0..speakers {
            files.push((format!("{word}/{speaker:08x}_nohash_1.wav"), second.clone()));
        }
    }
    files.push(("_silence_/doing_the_dishes.wav".to_owned(), wav(3.0, 16_000)));
    files
}

#[test]
fn speech_commands_have_words_speakers_and_a_second_of_silence() {
    let file = ("v0.02_validation.tar.gz".to_owned(), tar_gz(&words(3)));
    let old = ("v0.01_validation.tar.gz".to_owned(), tar_gz(&words(3)));
    let (folder, shelf) = with_folder(Shelf { files: [file, old].into(), ..Shelf::default() });
    let examples: Vec<Example> = selection("speech-commands", "validation")
        .stream(Arc::new(shelf.clone()))
        .map(Result::unwrap)
        .collect();
    let labels = selection("speech-commands", "validation").labels();
    let words: Vec<&str> = examples.iter().map(|it| labels.name(it.label.unwrap()).unwrap()).collect();
    assert_eq!(words, ["yes", "yes", "yes", "zero", "zero", "visual", "_silence_"]);
    assert_eq!(examples[2].fields["speaker_id"], "00000002");
    assert_eq!(
        (&examples[2].fields["utterance_id"], &examples[2].fields["is_unknown"]),
        (&1.into(), &false.into())
    );
    assert_eq!(
        (&examples[3].fields["is_unknown"], &examples[6].fields["speaker_id"]),
        (&true.into(), &Value::Null)
    );

    // Its twelve classes, of the first version: there is no such word.
    let superb: Vec<_> =
        selection("speech-commands:superb", "validation").stream(Arc::new(shelf.clone())).collect();
    let labels = selection("speech-commands:superb", "validation").labels();
    let words: Vec<&str> =
        superb.iter().map(|it| labels.name(it.as_ref().unwrap().label.unwrap()).unwrap()).collect();
    assert_eq!(words, ["yes", "yes", "yes", "_unknown_", "_unknown_", "_unknown_", "_silence_"]);

    // Seven clips are not 9 982: nothing lands, and a part that an earlier version left behind stays as it was.
    let unpacked = folder.path().join("speech-commands/v0.02/validation");
    for _ in 0..2 {
        let error = open(&shelf, &selection("speech-commands", "validation"), folder.path()).unwrap_err();
        let ErrorKind::NotWhole { clips: 7, wanted: 9982, file } = &error.kind else { panic!("{error:?}") };
        assert!(file.ends_with("v0.02_validation.tar.gz"), "{}", file.display());
        let mut left = std::fs::read_dir(folder.path().join("speech-commands/v0.02")).unwrap();
        assert!(left.all(|entry| entry.unwrap().path() == unpacked), "nothing unfinished is left");
        std::fs::create_dir_all(unpacked.join("yes")).unwrap();
        std::fs::write(unpacked.join("yes/00000009_nohash_1.wav"), "left").unwrap();
    }
    assert!(unpacked.join("yes/00000009_nohash_1.wav").exists());
}

#[test]
fn the_makers_split_goes_by_the_speaker() {
    let shelf = Shelf {
        files: [("speech_commands_v0.02.tar.gz".to_owned(), tar_gz(&words(300)))].into(),
        ..Shelf::default()
    };
    let speakers = |split: &str| -> Vec<String> {
        let stream = selection("speech-commands:v0.02-words", split).stream(Arc::new(shelf.clone()));
        let speaker = |example: Example| example.fields["speaker_id"].as_str().unwrap().to_owned();
        stream.filter_map(|it| it.ok().filter(|it| it.fields["label"] == "yes")).map(speaker).collect()
    };
    let [train, validation, test] = ["train", "validation", "test"].map(speakers);
    assert_eq!(train.len() + validation.len() + test.len(), 300);
    assert!(validation.len() > 15 && validation.len() < 45 && test.len() > 15 && test.len() < 45);
    // By Python's hashlib: sha1(speaker) % 2**27 * 100 / (2**27 - 1).
    assert_eq!(&validation[..3], PYTHON_VALIDATION);
    assert_eq!(&test[..3], PYTHON_TEST);
}

const PYTHON_VALIDATION: [&str; 3] = ["00000000", "00000007", "0000000b"];
const PYTHON_TEST: [&str; 3] = ["00000002", "00000018", "00000026"];

#[test]
fn fleurs_joins_its_table_and_its_archive() {
    let table = |code: u32| {
        (0..3)
            .map(|i| {
                format!(
                    "{i}\t{code}{i}.wav\tA \"raw\" sentence.\ta raw sentence\ta | r\t16000\t{}\n",
                    ["MALE", "FEMALE", "OTHER"][i]
                )
            })
            .collect::<String>()
    };
    let archive = |code: u32| {
        let files: Vec<_> = (0..4).map(|i| (format!("dev/{code}{i}.wav"), wav(0.5, 16_000))).collect();
        tar_gz(&files)
    };
    let mut files = HashMap::new();
    for (code, number) in [("af_za", 7), ("cmn_hans_cn", 8)] {
        files.insert(format!("data/{code}/dev.tsv"), Arc::new(table(number).into_bytes()));
        files.insert(format!("data/{code}/audio/dev.tar.gz"), archive(number));
    }
    let (folder, shelf) = with_folder(Shelf { files, ..Shelf::default() });
    let dataset = open(&shelf, &selection("fleurs:cmn_hans_cn", "validation"), folder.path()).unwrap();
    // A file that the table does not know is none of the split's.
    assert_eq!(dataset.clips.len(), 3);
    let clip = &dataset.clips[1];
    assert_eq!(dataset.labels.name(clip.label), Some("Mandarin Chinese"));
    assert_eq!((&clip.fields["gender"], &clip.fields["id"]), (&"female".into(), &1.into()));
    assert_eq!(clip.fields["raw_transcription"], "A \"raw\" sentence.");
    assert_eq!(clip.fields["lang_group_id"], "chinese_japanase_korean_cjk");

    let by_gender = Selection::new("fleurs:af_za", Some("validation"), Some("gender")).unwrap();
    let classes: Vec<usize> =
        by_gender.stream(Arc::new(shelf)).map(|it| it.unwrap().label.unwrap().index()).collect();
    assert_eq!(classes, [0, 1, 2]);
}

#[test]
fn esc50_is_read_from_shards_with_its_folds_and_its_esc10() {
    let names: Vec<String> = (0..20).map(|row| format!("{}-{row}-A-0.wav", row % 5 + 1)).collect();
    let row = |row: usize| {
        let class = ["dog", "hen"][row % 2];
        (
            names[row].as_str(),
            class,
            json!({"fold": row % 5 + 1, "esc10": class == "dog", "filename": names[row]}),
        )
    };
    let rows: Vec<_> = (0..10).map(row).collect();
    let more: Vec<_> = (10..20).map(row).collect();
    let files = [
        ("data/train-00000-of-00002-2f1ab7b824ec751f.parquet".to_owned(), shard(&rows, "category", &[])),
        ("data/train-00001-of-00002-27425e5c1846b494.parquet".to_owned(), shard(&more, "category", &[])),
    ];
    let shelf = Shelf { files: files.into(), ..Shelf::default() };
    let stream = |name: &str| selection(name, "train").stream(Arc::new(shelf.clone()));
    let all: Vec<Example> = stream("esc50").map(Result::unwrap).collect();
    assert_eq!(all.len(), 20);
    assert_eq!((all[1].label.unwrap().index(), &all[1].fields["fold"]), (6, &2.into()));
    let ten: Vec<Example> = stream("esc50:esc10").map(Result::unwrap).collect();
    assert_eq!(ten.len(), 10);
    assert!(ten.iter().all(|it| it.label.unwrap().index() == 0));
    let mut half = stream("esc50:esc10");
    let first: Vec<Example> = half.by_ref().take(7).map(Result::unwrap).collect();
    let rest: Vec<Example> =
        stream("esc50:esc10").resume(half.position()).unwrap().map(Result::unwrap).collect();
    assert_eq!([first, rest].concat(), ten);
}

#[test]
fn rows_without_a_path_are_named_by_their_file_names_or_else_by_their_places() {
    let names: Vec<String> = (0..2000).map(|row| format!("{}-{row}-A-0.wav", row % 5 + 1)).collect();
    let opened = |columns: &dyn Fn(usize) -> Value| -> Vec<String> {
        let rows: Vec<_> = (0..2000).map(|row| ("", "dog", columns(row))).collect();
        let file = |name: &str, rows| (format!("data/train-{name}.parquet"), shard(rows, "category", &[]));
        let (folder, shelf) = with_folder(Shelf {
            files: [
                file("00000-of-00002-2f1ab7b824ec751f", &rows[..1000]),
                file("00001-of-00002-27425e5c1846b494", &rows[1000..]),
            ]
            .into(),
            ..Shelf::default()
        });
        let dataset = open(&shelf, &selection("esc50", "train"), folder.path()).unwrap();
        dataset.clips.into_iter().map(|clip| clip.name).collect()
    };
    assert_eq!(opened(&|row| json!({"fold": 1, "filename": names[row]})), names);
    let numbered = opened(&|_| json!({"fold": 1}));
    assert_eq!(numbered[1001], "data/train-00001-of-00002-27425e5c1846b494.parquet#1/row-000001");
    assert_eq!(numbered.into_iter().collect::<BTreeSet<_>>().len(), 2000);
}

#[test]
fn urbansound8k_is_read_from_shards_with_its_folds_and_recordings() {
    let row = |clip: usize| {
        let (class, name) = (["siren", "dog_bark"][clip % 2], format!("{clip}-8-0-0.wav"));
        let more = json!({"slice_file_name": name, "fsID": 100 + clip / 2, "salience": 1, "fold": clip % 10 + 1, "classID": 8});
        (name, class, more)
    };
    let clips: Vec<_> = (0..32).map(row).collect();
    let rows: Vec<_> =
        clips.iter().map(|(name, class, more)| (name.as_str(), *class, more.clone())).collect();
    let file = |at: usize| {
        let rows = &rows[2 * at..2 * at + 2];
        (format!("default/train/{at:04}.parquet"), shard(rows, "class", &[]))
    };
    let (folder, shelf) = with_folder(Shelf { files: (0..16).map(file).collect(), ..Shelf::default() });
    let chosen = selection("urbansound8k", "train");
    let all: Vec<Example> = chosen.stream(Arc::new(shelf.clone())).map(Result::unwrap).collect();
    assert_eq!((all.len(), chosen.labels().len()), (32, 10));
    assert_eq!((all[0].label.unwrap().index(), all[1].label.unwrap().index()), (8, 3));
    assert_eq!((&all[12].fields["fold"], &all[12].fields["fsID"]), (&3.into(), &106.into()));
    assert!(chosen.dataset.group_fields.iter().all(|field| all[0].fields.contains_key(*field)));
    let error = open(&shelf, &chosen, folder.path()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotWhole { clips: 32, wanted: 8732, .. }), "{error:?}");
}

#[test]
fn gtzan_streams_from_its_archive_and_has_a_split_without_faults() {
    let mut files = vec![("genres/blues/._blues.00000.wav".to_owned(), b"Mac OS X".to_vec())];
    for (genre, number) in [("blues", 0), ("blues", 12), ("blues", 29), ("jazz", 54), ("rock", 3)] {
        files.push((format!("genres/{genre}/{genre}.{number:05}.wav"), wav(0.2, 22_050)));
    }
    let shelf =
        Shelf { files: [("data/genres.tar.gz".to_owned(), tar_gz(&files))].into(), ..Shelf::default() };
    let names = |name: &str, split: &str| -> Vec<String> {
        selection(name, split)
            .stream(Arc::new(shelf.clone()))
            .map(|it| it.unwrap().fields["file"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("gtzan", "train").len(), 4, "the corrupt clip is left out");
    assert_eq!(names("gtzan:fault-filtered", "train"), ["blues/blues.00029.wav", "rock/rock.00003.wav"]);
    assert_eq!(names("gtzan:fault-filtered", "test"), ["blues/blues.00012.wav"]);
    assert!(names("gtzan:fault-filtered", "validation").contains(&"blues/blues.00000.wav".to_owned()));
}

#[test]
fn the_first_clip_of_a_large_file_is_read_alone() {
    // Clips that do not shrink: 40 MB of them.
    let noise = |seed: u32, bytes: usize| -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..bytes).map(|_| next()).collect()
    };
    let files: Vec<_> = (0..100).map(|i| (format!("yes/{i:08x}_nohash_0.wav"), noise(i, 400_000))).collect();
    let archive = tar_gz(&files);
    assert!(archive.len() > 39_000_000);
    let shelf = Shelf { files: [("v0.02_train.tar.gz".to_owned(), archive)].into(), ..Shelf::default() };
    let first =
        selection("speech-commands", "train").stream(Arc::new(shelf.clone())).next().unwrap().unwrap();
    assert_eq!(first.audio, files[0].1);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let read = shelf.read.load(Ordering::SeqCst);
    assert!(read < 2_000_000, "{read} bytes were read for one clip of 400 kB");
}

#[test]
fn what_is_written_as_parquet_or_as_folders_is_opened_again() {
    let (folder, shelf) = with_folder(minds14());
    let dataset = open(&shelf, &selection("minds14:en-AU", "train"), folder.path()).unwrap();
    let parquet = folder.path().join("as-parquet");
    let mut told = 0;
    dataset.write_parquet(&parquet, "train", |done| told = done).unwrap();
    assert_eq!(told, 654);
    let again = AudioDataset::open(&parquet, None).unwrap();
    assert_eq!(again.labels, dataset.labels);
    for (clip, before) in again.clips.iter().zip(&dataset.clips) {
        assert_eq!((&clip.name, clip.label), (&before.name, before.label));
        assert_eq!(clip.fields["transcription"], before.fields["transcription"]);
    }
    assert_eq!(again.clips[600].bytes().unwrap(), dataset.clips[600].bytes().unwrap());
    assert!(matches!(
        dataset.write_parquet(&parquet, "train", |_| ()).unwrap_err().kind,
        ErrorKind::Occupied
    ));

    let folders = folder.path().join("as-folders");
    dataset.write_folders(&folders, |_| ()).unwrap();
    let again = AudioDataset::open(&folders, None).unwrap();
    assert_eq!((again.clips.len(), &again.labels), (654, &dataset.labels));
}

#[test]
fn a_folder_with_metadata_has_its_classes_and_fields() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("clips")).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(folder.path().join(format!("clips/{name}.wav")), wav(0.1, 8000)).unwrap();
    }
    let table = |text: &str| {
        std::fs::write(folder.path().join("metadata.csv"), text).unwrap();
        AudioDataset::open(folder.path(), None)
    };
    let why = |text: &str| format!("{}", table(text).unwrap_err().kind);
    let dataset =
        table("file_name,label,speaker\nclips/b.wav,rain,anna\nclips/a.wav,\"wind, strong\",ben\n").unwrap();
    assert_eq!(dataset.labels.names(), ["rain", "wind, strong"]);
    assert_eq!(dataset.groups("speaker").unwrap(), ["anna", "ben"], "in the order of the rows");
    assert!(dataset.skipped[0].location.ends_with("clips/c.wav"), "{:?}", dataset.skipped);
    assert!(why("file_name,label\n../../etc/passwd,a\n").contains("line 2: `../../etc/passwd` is outside"));
    assert!(why("file_name,label\nclips/z.wav,a\n").contains("no such file"));
    assert!(
        why("file_name,label\nclips/a.wav,\n").contains("none of its 1 rows has a class in column `label`")
    );
    assert!(why("file_name,x,y\nclips/a.wav,1,2\n").contains("`x` (1 number: 1), `y` (1 number: 2)"));
    assert!(why("file_name,label\n").contains("no rows"));

    std::fs::remove_file(folder.path().join("metadata.csv")).unwrap();
    let lines =
        "{\"file_name\": \"clips/c.wav\", \"class\": 3}\n\n{\"file_name\": \"clips/a.wav\", \"class\": 1}\n";
    std::fs::write(folder.path().join("metadata.jsonl"), lines).unwrap();
    let dataset = AudioDataset::open(folder.path(), Some("class")).unwrap();
    assert_eq!((dataset.labels.names().join(" "), dataset.clips[0].label.index()), ("1 3".to_owned(), 1));
}

/// Cut anywhere, or with a byte changed anywhere, a shard is an error or other rows, and never a panic.
#[test]
fn a_damaged_shard_is_an_error() {
    let rows: Vec<_> = (0..20).map(|_| ("a.wav", "abroad", json!({"lang_id": 2}))).collect();
    let whole = shard(&rows, "intent_class", &minds14::INTENTS);
    let read = |bytes: Vec<u8>| -> Result<usize, earmark_data::Error> {
        let shard = Shard::over(Arc::new(bytes), "damaged")?;
        let mut rows = 0;
        for example in shard.examples(None, 0)? {
            example?;
            rows += 1;
        }
        Ok(rows)
    };
    assert_eq!(read(whole.to_vec()).unwrap(), 20);
    for cut in (0..whole.len()).step_by(97) {
        assert!(read(whole[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    for at in (0..whole.len()).step_by(61) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0xff;
        let _ = read(bytes);
    }
}

/// A length that runs past its page would have the reader ask for more memory than there is, and the process end.
#[test]
fn a_value_that_runs_past_its_page_is_an_error() {
    use parquet::basic::{Compression, Encoding};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    let sound = arrow_array::BinaryArray::from_iter_values((0..4_u8).map(|i| [0xa0 + i; 9]));
    let whole: arrow_array::RecordBatch =
        arrow_array::RecordBatch::try_from_iter([("audio", Arc::new(sound) as arrow_array::ArrayRef)])
            .unwrap();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for encoding in [None, Some(Encoding::PLAIN)] {
            let properties = WriterProperties::builder()
                .set_writer_version(version)
                .set_compression(Compression::UNCOMPRESSED);
            let properties = match encoding {
                None => properties,
                Some(plain) => properties.set_dictionary_enabled(false).set_encoding(plain),
            };
            let mut file = Vec::new();
            let mut writer =
                parquet::arrow::ArrowWriter::try_new(&mut file, whole.schema(), Some(properties.build()))
                    .unwrap();
            writer.write(&whole).unwrap();
            writer.close().unwrap();
            let read = |bytes: &[u8]| -> Vec<bool> {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("table.parquet");
                std::fs::write(&path, bytes).unwrap();
                // The first two are skipped, which is where the reader does not look.
                let rows = Shard::open(&path).unwrap().examples(None, 2).unwrap();
                rows.map(|example| example.is_ok()).collect()
            };
            assert!(read(&file).iter().all(|ok| *ok));
            let value = file.windows(9).position(|bytes| bytes == [0xa1; 9]).unwrap();
            for length in [10_u32, 1000, u32::MAX] {
                let mut bytes = file.clone();
                bytes[value - 4..value].copy_from_slice(&length.to_le_bytes());
                assert!(read(&bytes).contains(&false), "{version:?} {encoding:?} {length}");
            }
        }
    }
}

/// Cut anywhere, an archive is an error and the next run is not spoiled by it; damaged anywhere, it is no panic.
#[test]
fn a_damaged_archive_is_an_error_and_spoils_nothing() {
    let table: String = (0..3).map(|i| format!("{i}\t{i}.wav\tA\ta\ta\t16000\tMALE\n")).collect();
    let files: Vec<_> = (0..3).map(|i| (format!("dev/{i}.wav"), wav(0.05, 16_000))).collect();
    let whole = tar_gz(&files);
    let (folder, shelf) = with_folder(Shelf::default());
    let open_with = |archive: Vec<u8>, into: &Path| {
        let mut shelf = shelf.clone();
        shelf.files.insert("data/af_za/dev.tsv".to_owned(), Arc::new(table.clone().into_bytes()));
        shelf.files.insert("data/af_za/audio/dev.tar.gz".to_owned(), Arc::new(archive));
        let selection = selection("fleurs:af_za", "validation");
        let streamed = selection.stream(Arc::new(shelf.clone())).filter(Result::is_ok).count();
        (streamed, open(&shelf, &selection, into).map(|dataset| dataset.clips.len()))
    };
    let into = folder.path().join("data");
    // The last eight bytes are the checksum and the length, behind all that is unpacked.
    for cut in (0..whole.len() - 8).step_by(whole.len() / 60) {
        let (_, opened) = open_with(whole[..cut].to_vec(), &into);
        assert!(opened.is_err(), "cut at {cut} of {}", whole.len());
    }
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x55;
        let damaged = tempfile::tempdir().unwrap();
        let (streamed, opened) = open_with(bytes, damaged.path());
        assert!(streamed <= 3 && opened.unwrap_or(0) <= 3);
    }
    let (streamed, opened) = open_with(whole.to_vec(), &into);
    assert_eq!((streamed, opened.unwrap()), (3, 3));
}
