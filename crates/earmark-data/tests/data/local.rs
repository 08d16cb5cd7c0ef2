//! Folders and shards of every layout that `datasets` reads; `interop/folders.py` puts the two side by side.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray, new_null_array};
use arrow_schema::{DataType, Field, Fields, Schema};
use earmark_data::{AudioDataset, Error, ErrorKind, Labelling, SkipReason};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::{plant, told};

/// The clips of each split, or of `-`, with their classes.
fn rows(dataset: &AudioDataset) -> Vec<String> {
    let row = |clip: &earmark_data::Clip| {
        format!("{} {} {}", clip.split.as_deref().unwrap_or("-"), clip.name, &dataset.labels[clip.label])
    };
    dataset.clips.iter().map(row).collect()
}

fn open(root: &Path) -> AudioDataset {
    AudioDataset::open(root, None).unwrap_or_else(|error| panic!("{}", told(&error)))
}

#[track_caller]
fn refusal(root: &Path) -> String {
    told(&AudioDataset::open(root, None).expect_err("it should be refused"))
}

/// A folder with sounds and `metadata.csv`.
fn with_table(sounds: &[&str], table: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), sounds);
    fs::write(dir.path().join("metadata.csv"), table).unwrap();
    dir
}

fn audio_fields() -> Fields {
    Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)])
}

/// Sounds `(path, bytes)`.
fn audio(rows: &[(Option<&str>, &str)]) -> ArrayRef {
    let (mut bytes, mut paths) = (BinaryBuilder::new(), StringBuilder::new());
    for (path, sound) in rows {
        bytes.append_value(sound);
        paths.append_option(*path);
    }
    Arc::new(StructArray::new(audio_fields(), vec![Arc::new(bytes.finish()), Arc::new(paths.finish())], None))
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, classes: Option<&[&str]>, compression: Compression) {
    let mut features = json!({"audio": {"_type": "Audio"}});
    if let Some(names) = classes {
        features["label"] = json!({"names": names, "_type": "ClassLabel"});
    }
    let info = json!({"info": {"features": features}}).to_string();
    let fields: Vec<Field> =
        columns.iter().map(|(name, values)| Field::new(*name, values.data_type().clone(), true)).collect();
    let schema =
        Arc::new(Schema::new(fields).with_metadata(HashMap::from([("huggingface".to_owned(), info)])));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, values)| values).collect())
            .unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Rows `(path, label)` whose sounds are their places in the file.
fn shard(path: &Path, rows: &[(Option<&str>, Option<i64>)], classes: Option<&[&str]>) {
    let sounds: Vec<String> =
        (0..rows.len()).map(|row| format!("{}#{row}", path.file_stem().unwrap().display())).collect();
    let sounds: Vec<(Option<&str>, &str)> =
        rows.iter().zip(&sounds).map(|((path, _), sound)| (*path, sound.as_str())).collect();
    let mut labels = Int64Builder::new();
    rows.iter().for_each(|(_, label)| labels.append_option(*label));
    write(
        path,
        vec![("audio", audio(&sounds)), ("label", Arc::new(labels.finish()))],
        classes,
        Compression::SNAPPY,
    );
}

#[test]
fn folders_of_splits_are_splits_and_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    plant(
        dir.path(),
        &[
            "my-train_1/dog/a.wav",
            "my-train_1/rain/b.wav",
            "test/dog/a.wav",
            "dev/rain/c.wav",
            "extra/dog/x.wav",
        ],
    );
    let dataset = open(dir.path());
    assert_eq!(
        dataset.splits.iter().map(|split| &**split).collect::<Vec<_>>(),
        ["train", "validation", "test"]
    );
    assert_eq!(dataset.clips_per_split(), [("train", 2), ("validation", 1), ("test", 1)]);
    assert_eq!(
        rows(&dataset),
        [
            "train my-train_1/dog/a.wav dog",
            "train my-train_1/rain/b.wav rain",
            "validation dev/rain/c.wav rain",
            "test test/dog/a.wav dog"
        ]
    );
    assert!(
        dataset.skipped.len() == 1 && dataset.skipped[0].reason == SkipReason::NoSplit,
        "{:?}",
        dataset.skipped
    );

    let test = dataset.clone().split("test").unwrap();
    assert_eq!((test.clips.len(), test.labels.len()), (1, 2));
    let error = dataset.split("tests").unwrap_err();
    assert!(
        told(&error).contains("no split `tests`; choose one of train, validation, test"),
        "{}",
        told(&error)
    );
}

#[test]
fn tables_in_folders_of_splits_have_their_own_rows() {
    let dir = tempfile::tempdir().unwrap();
    for (split, clips) in [("train", 10), ("test", 4)] {
        let mut table = "file_name,label\n".to_owned();
        for clip in 0..clips {
            plant(dir.path(), &[&format!("{split}/{clip}.wav")]);
            table += &format!("{clip}.wav,{}\n", ["rain", "dog"][clip % 2]);
        }
        fs::write(dir.path().join(split).join("metadata.csv"), table).unwrap();
    }
    let dataset = open(dir.path());
    assert_eq!(dataset.clips_per_split(), [("train", 10), ("test", 4)]);
    assert_eq!(dataset.labels.names(), ["dog", "rain"]);
    assert_eq!(
        (rows(&dataset)[0].as_str(), rows(&dataset)[10].as_str()),
        ("train train/0.wav rain", "test test/0.wav rain")
    );
}

#[test]
fn shards_of_splits_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let rows_of = |split: &str| -> Vec<(String, i64)> {
        (0..4).map(|row| (format!("{split}{row}.wav"), row % 2)).collect()
    };
    for split in ["train", "validation", "test", "night"] {
        let rows = rows_of(split);
        let rows: Vec<_> = rows.iter().map(|(path, label)| (Some(path.as_str()), Some(*label))).collect();
        shard(
            &dir.path().join(format!("data/{split}-00000-of-00001.parquet")),
            &rows,
            Some(&["dog", "rain"]),
        );
    }
    let dataset = open(dir.path());
    assert_eq!(dataset.clips_per_split(), [("train", 4), ("validation", 4), ("test", 4), ("night", 4)]);
    let night = dataset.split("night").unwrap();
    assert_eq!(rows(&night)[1], "night night1.wav rain");
    assert_eq!(night.clips[1].bytes().unwrap(), b"night-00000-of-00001#1");
}

#[test]
fn what_has_no_splits_is_all_train() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["dog/a.wav", "rain/b.wav"]);
    assert_eq!(open(dir.path()).split("train").unwrap().clips.len(), 2);
    let error = open(dir.path()).split("test").unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Unknown { what: "split", ref known, .. } if *known == ["train"]),
        "{error:?}"
    );
}

#[test]
fn folders_that_only_look_like_splits_are_classes_or_refused() {
    // ESC-50 has a class of trains.
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["train/a.wav", "rain/b.wav", "dog/c.wav"]);
    let dataset = open(dir.path());
    assert_eq!((dataset.labels.names().len(), dataset.splits.len(), dataset.remarks.len()), (3, 0, 1));
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["train/a.wav", "test/b.wav"]);
    assert!(
        refusal(dir.path())
            .contains("`test`, `train` look like splits, but their clips are in no class folders")
    );
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["dog/mic test.wav", "dog/b.wav", "rain/c.wav"]);
    let dataset = open(dir.path());
    assert_eq!((dataset.clips.len(), dataset.splits.len(), dataset.remarks.len()), (3, 0, 1));
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["train/test/dog/a.wav", "train/rain/b.wav"]);
    assert!(
        refusal(dir.path())
            .contains("`train/test/dog/a.wav` contains the names of two splits, train and test")
    );
}

#[test]
fn nested_folders_are_read_as_datasets_does_or_by_the_folders_that_all_have() {
    for (files, want) in [
        (["dog/a.wav", "dog/s2/b.wav", "rain/c.wav", "rain/d.wav"], ["dog", "dog", "rain", "rain"]),
        (["dog/s1/a.wav", "dog/s1/b.wav", "rain/s1/c.wav", "rain/s1/d.wav"], ["dog", "dog", "rain", "rain"]),
        (["x/dog/a.wav", "x/rain/b.wav", "x/rain/c.wav", "x/sun/d.wav"], ["dog", "rain", "rain", "sun"]),
        (["dog/s1/a.wav", "dog/s2/b.wav", "rain/s1/c.wav", "rain/s2/d.wav"], ["s1", "s2", "s1", "s2"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        plant(dir.path(), &files);
        let dataset = open(dir.path());
        let classes: Vec<&str> = dataset.clips.iter().map(|clip| &dataset.labels[clip.label]).collect();
        assert_eq!(classes, want, "{files:?}");
        assert!(dataset.skipped.is_empty());
        let asks = want[0] == "s1";
        assert_eq!(
            dataset.remarks.iter().any(|remark| remark.contains("`folder1` (2 folders: dog, rain)")),
            asks,
            "{:?}",
            dataset.remarks
        );
        if asks {
            let outer = AudioDataset::open(dir.path(), Some("folder1")).unwrap();
            assert_eq!(outer.labels.names(), ["dog", "rain"]);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["x/dog/a.wav", "x/rain/q/b.wav", "y/dog/c.wav"]);
    assert!(refusal(dir.path()).contains("`folder1` (2 folders: x, y), `folder2` (2 folders: dog, rain)"));
}

#[test]
fn several_rows_of_one_path_are_several_clips_with_names_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let classes: Option<&[&str]> = Some(&["dog", "rain"]);
    let same = |label| (Some("audio.wav"), Some(label));
    shard(
        &dir.path().join("data/train-00000-of-00002.parquet"),
        &[same(0), same(1), (Some("b.wav"), Some(0))],
        classes,
    );
    shard(&dir.path().join("data/train-00001-of-00002.parquet"), &[same(1), (None, Some(0))], classes);
    let dataset = open(dir.path());
    let names: Vec<&str> = dataset.clips.iter().map(|clip| clip.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "data/train-00000-of-00002.parquet#0/audio.wav",
            "data/train-00000-of-00002.parquet#1/audio.wav",
            "b.wav",
            "data/train-00001-of-00002.parquet#0/audio.wav",
            "row-000001",
        ]
    );
    let sounds: BTreeSet<Vec<u8>> = dataset.clips.iter().map(|clip| clip.bytes().unwrap()).collect();
    assert_eq!(sounds.len(), 5);
    assert!(
        told(&dataset.clips[1].decode(&Default::default()).unwrap_err())
            .contains("train-00000-of-00002.parquet#1`")
    );

    let dir = with_table(&["a.wav", "b.wav"], "file_name,label\na.wav,dog\nb.wav,dog\na.wav,rain\n");
    assert_eq!(rows(&open(dir.path())), ["- a.wav#0 dog", "- b.wav dog", "- a.wav#2 rain"]);
}

#[test]
fn rows_without_a_class_are_left_out_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train.parquet");
    shard(
        &path,
        &[
            (Some("a.wav"), Some(0)),
            (Some("b.wav"), Some(-1)),
            (Some("c.wav"), None),
            (Some("d.wav"), Some(1)),
        ],
        Some(&["dog", "rain"]),
    );
    let dataset = open(dir.path());
    assert_eq!(rows(&dataset), ["train a.wav dog", "train d.wav rain"]);
    let places: Vec<(String, SkipReason)> =
        dataset.skipped.into_iter().map(|it| (it.location, it.reason)).collect();
    assert_eq!(places, [1, 2].map(|row| (format!("{}#{row}", path.display()), SkipReason::NoLabel)));
    shard(&path, &[(Some("a.wav"), Some(0)), (Some("b.wav"), Some(7))], Some(&["dog", "rain"]));
    assert!(refusal(dir.path()).contains("row 1 has `7` in `label`, which is not a class of the dataset"));

    // As pandas, `datasets` reads these as nothing.
    let dir = with_table(
        &["a.wav", "b.wav", "c.wav", "d.wav"],
        "file_name,label\r\na.wav,dog\r\nb.wav,rain\r\nc.wav,dog\r\nd.wav,None\r\n",
    );
    let dataset = open(dir.path());
    assert_eq!(dataset.clips.len(), 3);
    assert!(dataset.skipped[0].location.ends_with("metadata.csv line 5"), "{:?}", dataset.skipped);
}

#[test]
fn lines_are_told_as_an_editor_shows_them() {
    for end in ["\n", "\r\n", "\r"] {
        let table = ["file_name,label", "a.wav,dog", "b.wav,rain", "\"b", "c\".wav,x", "z.wav,x"].join(end);
        let dir = with_table(&["a.wav", "b.wav"], &table);
        plant(dir.path(), &[&format!("b{end}c.wav")]);
        assert!(refusal(dir.path()).contains("line 6: "), "{end:?}: {}", refusal(dir.path()));
    }
}

#[test]
fn a_table_may_be_written_in_many_ways() {
    let plain = "file_name,label\nb.wav,dog\na.wav,rain\n";
    for (name, text) in [
        ("metadata.csv", plain.to_owned()),
        ("metadata.csv", format!("\u{feff}{}", plain.replace('\n', "\r\n"))),
        ("metadata.csv", plain.replace(',', ";")),
        ("metadata.csv", plain.replace(',', "\t")),
        ("metadata.csv", plain.replace("file_name", "audio_file_name")),
        ("metadata.csv", plain.replace("b.wav", "./b.wav").replace("a.wav", ".//x/..//a.wav")),
        ("metadata.jsonl", "\u{feff}{\"file_name\": \"b.wav\", \"label\": \"dog\"}\r\n\r\n{\"file_name\": \"a.wav\", \"label\": \"rain\"}".to_owned()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        plant(dir.path(), &["a.wav", "b.wav"]);
        fs::write(dir.path().join(name), &text).unwrap();
        let dataset = open(dir.path());
        assert_eq!(rows(&dataset), ["- b.wav dog", "- a.wav rain"], "{text:?}");
        assert!(dataset.skipped.is_empty(), "{text:?}: {:?}", dataset.skipped);
    }
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["a.wav", "b.wav"]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("file_name", Arc::new(StringArray::from(vec!["b.wav", "a.wav"]))),
        ("label", Arc::new(arrow_array::Int64Array::from(vec![0, 1]))),
    ];
    write(&dir.path().join("metadata.parquet"), columns, Some(&["dog", "rain"]), Compression::SNAPPY);
    assert_eq!(rows(&open(dir.path())), ["- b.wav dog", "- a.wav rain"]);

    let dir = with_table(&["10:30:00.wav", "C:x.wav"], "file_name,label\n10:30:00.wav,dog\nC:x.wav,rain\n");
    let absolute = dir.path().join("C:x.wav");
    assert_eq!(open(dir.path()).clips.len(), 2);
    fs::write(
        dir.path().join("metadata.csv"),
        format!("file_name,label\n10:30:00.wav,dog\n{},rain\n", absolute.display()),
    )
    .unwrap();
    assert_eq!(rows(&open(dir.path())), ["- 10:30:00.wav dog", "- C:x.wav rain"]);
    for out in ["/etc/passwd", "../x.wav", "x/../../x.wav"] {
        fs::write(dir.path().join("metadata.csv"), format!("file_name,label\n{out},dog\n")).unwrap();
        assert!(refusal(dir.path()).contains("line 2: "), "{out}");
        assert!(refusal(dir.path()).contains("is outside the folder of the table"), "{out}");
    }
}

#[test]
fn a_column_is_the_class_only_where_that_is_no_guess() {
    let names = ["a.wav", "b.wav", "c.wav", "d.wav"];
    let table = |columns: &str, cells: [&str; 4]| {
        let rows: String = names.iter().zip(cells).map(|(name, cells)| format!("{name},{cells}\n")).collect();
        with_table(&names, &format!("file_name,{columns}\n{rows}"))
    };
    for (columns, cells, from) in [
        ("species", ["crow", "wren", "crow", "wren"], "`species`"),
        ("species,duration", ["crow,1.5", "wren,2.5", "crow,1", "wren,3"], "`species`"),
        ("category,target", ["crow,0", "wren,1", "crow,0", "wren,1"], "`category`"),
        ("species,label", ["crow,x", "wren,x", "crow,y", "wren,y"], "`label`"),
        ("label,transcription", ["0,good day to you", "1,bye", "0,thanks", "1,see you soon"], "`label`"),
    ] {
        let dataset = open(table(columns, cells).path());
        assert!(dataset.classes_from.contains(from), "{columns}: {}", dataset.classes_from);
    }
    for (columns, cells, asked) in [
        ("duration", ["0", "1", "2", "3"], "`duration` (4 numbers: 0, 1, 2, …)"),
        ("fold", ["1", "2", "1", "2"], "`fold` (2 numbers: 1, 2)"),
        ("transcription", ["hello", "bye", "hello", "bye"], "`transcription` (2 values: hello, bye)"),
        (
            "said",
            ["good day", "good night", "bye", "see you"],
            "`said` (4 values: good day, good night, bye, …)",
        ),
        ("speaker_id", ["x", "y", "x", "y"], "`speaker_id`"),
        (
            "species,language",
            ["crow,en", "wren,de", "crow,de", "wren,en"],
            "`language` (2 values: en, de), `species` (2 values: crow, wren)",
        ),
        ("label,class", ["a,x", "b,x", "a,y", "b,y"], "`class` (2 values: x, y), `label` (2 values: a, b)"),
        ("label", ["0.5", "0.7", "0.1", "0.5"], "`label` (3 numbers"),
    ] {
        let why = refusal(table(columns, cells).path());
        assert!(
            why.contains("choose the column that holds the class") && why.contains(asked),
            "{columns}: {why}"
        );
    }
    // Folders, where no column is; both, where they say the same; a question where they do not.
    let in_folders = ["dog/a.wav", "rain/b.wav", "dog/c.wav", "rain/d.wav"];
    let table = |column: &str, cells: [&str; 4]| {
        let rows: String =
            in_folders.iter().zip(cells).map(|(name, cell)| format!("./{name},{cell}\n")).collect();
        with_table(&in_folders, &format!("file_name,{column}\n{rows}"))
    };
    assert_eq!(open(table("duration", ["0", "1", "2", "3"]).path()).labels.names(), ["dog", "rain"]);
    assert_eq!(open(table("kind", ["d", "r", "d", "r"]).path()).labels.names(), ["d", "r"]);
    assert!(refusal(table("kind", ["d", "d", "r", "r"]).path()).contains("`folder1` (2 folders: dog, rain)"));
}

#[test]
fn several_classes_a_clip_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["a.wav", "b.wav"]);
    let lines = "{\"file_name\": \"a.wav\", \"labels\": [\"dog\", \"rain\"]}\n{\"file_name\": \"b.wav\", \"labels\": []}\n";
    fs::write(dir.path().join("metadata.jsonl"), lines).unwrap();
    assert!(refusal(dir.path()).contains("column `labels` holds lists: a clip may have several classes"));

    let mut lists = ListBuilder::new(StringBuilder::new());
    for _ in 0..2 {
        lists.values().append_value("dog");
        lists.append(true);
    }
    let dir = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("audio", audio(&[(Some("a"), "x"), (Some("b"), "y")])), ("label", Arc::new(lists.finish()))];
    write(&dir.path().join("train.parquet"), columns, None, Compression::SNAPPY);
    assert!(refusal(dir.path()).contains("column `label` holds lists"));
}

/// The names of the classes of each clip.
fn classes(dataset: &AudioDataset) -> Vec<Vec<&str>> {
    let of = |clip: &earmark_data::Clip| clip.classes().iter().map(|&id| &dataset.labels[id]).collect();
    dataset.clips.iter().map(of).collect()
}

#[test]
fn several_classes_a_clip_are_lists_in_tables_and_shards_or_names_joined_by_a_bar() {
    let open = |root: &Path, label| AudioDataset::open_as(root, label, Labelling::MultiLabel);
    let wanted = [vec!["dog", "rain"], vec!["rain"]];
    let joined = with_table(&["a.wav", "b.wav"], "file_name,label,other\na.wav,rain|dog,x\nb.wav,rain,y\n");
    let dataset = open(joined.path(), None).unwrap();
    assert_eq!(
        (dataset.labels.names(), dataset.is_multi_label()),
        (&["dog", "rain"].map(str::to_owned)[..], true)
    );
    assert_eq!(classes(&dataset), wanted);
    assert_eq!(dataset.clips[0].fields["label"], json!(["dog", "rain"]));
    // Never guessed: as one class a clip, the bar is a part of its name.
    let single = AudioDataset::open(joined.path(), None).unwrap();
    assert_eq!(
        (single.labels.names(), single.is_multi_label()),
        (&["rain", "rain|dog"].map(str::to_owned)[..], false)
    );

    let lines = "{\"file_name\": \"a.wav\", \"tags\": [\"rain\", \"dog\"]}\n{\"file_name\": \"b.wav\", \"tags\": [\"rain\"]}\n\
                 {\"file_name\": \"c.wav\", \"tags\": []}\n{\"file_name\": \"d.wav\", \"tags\": null}\n";
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["a.wav", "b.wav", "c.wav", "d.wav"]);
    fs::write(dir.path().join("metadata.jsonl"), lines).unwrap();
    let dataset = open(dir.path(), None).unwrap();
    assert_eq!(classes(&dataset), [vec!["dog", "rain"], vec!["rain"], vec![]]);
    assert_eq!(dataset.skipped.len(), 1, "the row without a list");
    fs::write(dir.path().join("metadata.jsonl"), lines.replace("[]", "\"rain\"")).unwrap();
    assert!(told(&open(dir.path(), None).unwrap_err()).contains("`tags` holds lists in some rows"));

    let mut lists = ListBuilder::new(StringBuilder::new());
    for names in wanted {
        names.into_iter().for_each(|name| lists.values().append_value(name));
        lists.append(true);
    }
    let dir = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("audio", audio(&[(Some("a"), "x"), (Some("b"), "y")])), ("label", Arc::new(lists.finish()))];
    write(&dir.path().join("train.parquet"), columns, None, Compression::SNAPPY);
    assert_eq!(classes(&open(dir.path(), Some("label")).unwrap()), [vec!["dog", "rain"], vec!["rain"]]);

    let folders = tempfile::tempdir().unwrap();
    plant(folders.path(), &["dog/a.wav", "rain/b.wav"]);
    assert!(told(&open(folders.path(), None).unwrap_err()).contains("its folders give each clip one class"));
}

#[test]
fn one_class_is_refused_in_every_layout() {
    let dir = with_table(&["a.wav", "b.wav"], "file_name,label\na.wav,dog\nb.wav,dog\n");
    assert!(refusal(dir.path()).contains("`dog` is its only class"));
    let dir = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("audio", audio(&[(Some("a"), "x"), (Some("b"), "y")])),
        ("label", Arc::new(StringArray::from(vec!["dog", "dog"]))),
    ];
    write(&dir.path().join("train.parquet"), columns, None, Compression::SNAPPY);
    assert!(refusal(dir.path()).contains("`dog` is its only class"));
}

#[test]
fn undeclared_numbers_are_names_and_no_places_in_a_list() {
    let dir = tempfile::tempdir().unwrap();
    let rows_ = [(Some("a.wav"), Some(10)), (Some("b.wav"), Some(2)), (Some("c.wav"), Some(10))];
    shard(&dir.path().join("train.parquet"), &rows_, None);
    assert_eq!(rows(&open(dir.path())), ["train a.wav 10", "train b.wav 2", "train c.wav 10"]);
}

#[test]
fn sounds_and_shards_of_sounds_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path(), &["dog/a.wav", "rain/b.wav"]);
    let table: Vec<(&str, ArrayRef)> = vec![("name", Arc::new(StringArray::from(vec!["x"])))];
    write(&dir.path().join("clips.parquet"), table, None, Compression::SNAPPY);
    let dataset = open(dir.path());
    assert!(
        dataset.clips.len() == 2 && dataset.skipped[0].reason == SkipReason::NoClips,
        "a table without sounds is not in the way"
    );
    shard(&dir.path().join("x/train.parquet"), &[(Some("a.wav"), Some(0))], Some(&["dog", "rain"]));
    assert!(
        refusal(dir.path())
            .contains("contains both sound files (`dog/a.wav`) and Parquet with audio (`x/train.parquet`)")
    );
}

#[test]
fn what_is_written_with_splits_is_opened_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    plant(&from, &["train/dog/a.wav", "train/rain/b.wav", "test/dog/a.wav"]);
    let dataset = open(&from);
    let (parquet, folders) = (dir.path().join("parquet"), dir.path().join("folders"));
    dataset.write_parquet(&parquet, "unused", |_| ()).unwrap();
    dataset.write_folders(&folders, |_| ()).unwrap();
    for (root, want) in [(&parquet, "train train/rain/b.wav rain"), (&folders, "train train/rain/b.wav rain")]
    {
        let again = open(root);
        assert_eq!(again.clips_per_split(), [("train", 2), ("test", 1)]);
        assert!(rows(&again).contains(&want.to_owned()), "{:?}", rows(&again));
    }
}

#[track_caller]
fn limit(root: &Path) -> (String, String) {
    match AudioDataset::open(root, None) {
        Err(Error { kind: ErrorKind::Limit { what, limit }, .. }) => (what, limit),
        Err(other) => panic!("{}", told(&other)),
        Ok(dataset) => panic!("{} clips", dataset.clips.len()),
    }
}

#[test]
fn twenty_million_null_rows_in_a_small_file_are_refused_before_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train.parquet");
    let nulls = new_null_array(&DataType::Struct(audio_fields()), 1 << 20);
    let schema = Arc::new(Schema::new(vec![
        Field::new("audio", nulls.data_type().clone(), true),
        Field::new("label", DataType::Utf8, true),
    ]));
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), Arc::clone(&schema), None).unwrap();
    let labels = new_null_array(&DataType::Utf8, 1 << 20);
    for _ in 0..20 {
        writer
            .write(
                &RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&nulls), Arc::clone(&labels)])
                    .unwrap(),
            )
            .unwrap();
    }
    writer.close().unwrap();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 200_000, "{size}");
    let (what, _) = limit(dir.path());
    assert_eq!(what, format!("it claims 20971520 rows of 2 columns in a file of {size} bytes"));
}

#[test]
fn a_value_that_a_small_file_makes_huge_is_refused() {
    for (length, compression, words) in [
        (200 << 20, Compression::ZSTD(ZstdLevel::default()), "its column `label` unpacks"),
        (2 << 20, Compression::ZSTD(ZstdLevel::default()), "row 0 has 2097152 bytes in `label`"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let huge = "a".repeat(length);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("audio", audio(&[(Some("a"), "x"), (Some("b"), "y")])),
            ("label", Arc::new(StringArray::from(vec![huge.as_str(), "b"]))),
        ];
        let path = dir.path().join("train.parquet");
        write(&path, columns, None, compression);
        assert!(fs::metadata(&path).unwrap().len() < 100_000);
        assert!(limit(dir.path()).0.contains(words), "{}", limit(dir.path()).0);
    }
    // A text that is stored once and said by every row.
    let dir = tempfile::tempdir().unwrap();
    let rows = 2000;
    let text = "b".repeat(1 << 20);
    let sounds: Vec<(Option<&str>, &str)> = vec![(Some("a"), "x"); rows];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("audio", audio(&sounds)),
        (
            "label",
            Arc::new(arrow_array::DictionaryArray::<arrow_array::types::Int32Type>::from_iter(
                (0..rows).map(|_| Some(text.as_str())),
            )),
        ),
    ];
    write(&dir.path().join("train.parquet"), columns, None, Compression::ZSTD(ZstdLevel::default()));
    assert!(limit(dir.path()).0.contains("bytes besides their audio"), "{}", limit(dir.path()).0);
}

#[test]
fn cells_and_tables_have_limits() {
    let dir = with_table(&["a.wav"], &format!("file_name,label\na.wav,{}\n", "x".repeat((1 << 20) + 1)));
    assert_eq!(limit(dir.path()).0, "line 2 has a cell of 1048577 bytes");
    let file = File::create(dir.path().join("metadata.csv")).unwrap();
    file.set_len(1 << 30).unwrap(); // A hole.
    assert!(
        refusal(dir.path()).contains("larger than the limit of 268435456 bytes"),
        "{}",
        refusal(dir.path())
    );
    fs::write(dir.path().join("metadata.csv"), b"file_name,label\na.wav,\xff\n").unwrap();
    assert!(refusal(dir.path()).contains("line 2 is not UTF-8"), "{}", refusal(dir.path()));
}
