//! Groups of clips, and tables that add fields.

use std::fs;

use earmark_data::{AudioDataset, ErrorKind, FieldTable, GroupKind, Selection};

use super::{plant, told};

#[test]
fn clips_are_numbered_by_group_and_those_without_one_stand_alone() {
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path(), &["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]);
    let table = "file_name,label,speaker,fold,note\na.wav,x,ada,1,\nb.wav,y,,1,\nc.wav,x,bo,2,\nd.wav,y,ada,2,\ne.wav,x,,2,\n";
    fs::write(folder.path().join("metadata.csv"), table).unwrap();
    let dataset = AudioDataset::open(folder.path(), None).unwrap();
    let clusters = dataset.clusters("speaker").unwrap();
    assert_eq!((clusters.of, clusters.count, clusters.alone), (vec![0, 1, 2, 0, 3], 4, 2));
    let fields = dataset.group_fields();
    let fields: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.kind)).collect();
    assert_eq!(fields, [("speaker", GroupKind::Speaker), ("fold", GroupKind::Fold)]);
    assert_eq!(dataset.cluster_field().unwrap().name, "speaker");
    // Any column groups clips, if one of them has a value of it.
    assert_eq!(dataset.clusters("label").unwrap().of, [0, 1, 0, 1, 0]);
    for field in ["note", "artist"] {
        assert!(matches!(dataset.clusters(field).unwrap_err().kind, ErrorKind::NoField { .. }), "{field}");
    }
    // The classes themselves are no groups.
    let by_speaker = AudioDataset::open(folder.path(), Some("speaker")).unwrap();
    assert_eq!(by_speaker.group_fields().len(), 1);
}

#[test]
fn a_table_adds_fields_by_file_name_with_or_without_folders_and_extension() {
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path(), &["clips/x/1.wav", "clips/x/2.au", "clips/y/1.wav", "clips/y/3.wav"]);
    let open = || AudioDataset::open(folder.path().join("clips"), None).unwrap();
    let add = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mut dataset = open();
        let missing = FieldTable::read(&path).and_then(|table| dataset.add_fields(&table));
        missing.map(|missing| {
            let artists = dataset.clips.iter().map(|clip| clip.group("artist").unwrap_or_default());
            (artists.collect::<Vec<_>>(), missing)
        })
    };
    let why = |name: &str, text: &str| told(&add(name, text).unwrap_err());
    // `1` is two clips, and so needs its folder.
    let want = |artists: [&str; 4], missing: usize| (artists.map(str::to_owned).to_vec(), missing);
    let csv = "file_name,artist\nx/1.wav,ada\n2.wav,bo\n1.wav,nobody\n3,cy\n4.wav,of no clip\n";
    assert_eq!(add("artists.csv", csv).unwrap(), want(["ada", "bo", "", "cy"], 1));
    let index = "# file ::: artist ::: title\n\n2.wav ::: Bo ::: A ::: B\n3.wav :::  ::: No Name\n";
    assert_eq!(add("index.txt", index).unwrap(), want(["", "Bo", "", ""], 2));
    let json = "{\"file_name\": \"y/1.wav\", \"artist\": \"ada\"}\n";
    assert_eq!(add("artists.jsonl", json).unwrap(), want(["", "", "ada", ""], 3));

    assert!(why("index.txt", "2.wav ::: Bo\n").contains("line 1 is not `FILE ::: ARTIST ::: TITLE`"));
    assert!(why("a.csv", "file_name,artist\n2.wav,a\n2.wav,b\n").contains("two of its rows are of `2.wav`"));
    assert!(why("a.csv", "file,artist\n2.wav,a\n").contains("no column `file_name`"));
    assert!(why("a.csv", "file_name,artist\n9.wav,a\n").contains("none of its 1 rows is of a clip"));
    assert!(why("a.toml", "").contains("ends in .csv, .jsonl, .parquet or .txt"));
    let message = why("a.csv", "file_name,artist\n9.wav,a\n");
    assert_eq!(message.matches("a.csv").count(), 1, "{message}");
}

#[test]
fn a_copy_in_class_folders_has_the_groups_that_its_file_names_say() {
    let folder = tempfile::tempdir().unwrap();
    plant(
        folder.path(),
        &["esc/dog/1-100-A-0.wav", "esc/dog/1-100-B-0.wav", "esc/cow/2-101-A-3.ogg", "esc/cow/mine.wav"],
    );
    let copy = |below: &str, of: &str| {
        let of = Selection::new(of, None, None).unwrap();
        AudioDataset::open(folder.path().join(below), None).unwrap().as_copy_of(&of)
    };
    let esc50 = copy("esc", "esc50");
    assert_eq!((esc50.name.as_str(), esc50.info.home.is_some()), ("esc50:default", true));
    let recordings = esc50.clusters("src_file").unwrap();
    assert_eq!((recordings.of, recordings.alone), (vec![0, 1, 2, 2], 1));
    assert_eq!(esc50.clips[0].group("fold").as_deref(), Some("2"));

    plant(
        folder.path(),
        &["words/no/aa_nohash_0.wav", "words/yes/aa_nohash_1.wav", "words/yes/bb_nohash_0.wav"],
    );
    assert_eq!(copy("words", "speech-commands").groups("speaker_id").unwrap(), ["aa", "aa", "bb"]);
    plant(folder.path(), &["city/siren/7-8-0-0.wav", "city/siren/7-8-0-1.wav", "city/drilling/9-4-0-0.wav"]);
    assert_eq!(copy("city", "urbansound8k").groups("fsID").unwrap(), ["9", "7", "7"]);
}
