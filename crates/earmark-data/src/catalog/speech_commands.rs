//! Speech Commands: single English words of a second, by many speakers, and noises that stand for silence. CC BY 4.0.
//!
//! | configuration    | classes | train / validation / test      | what                                                              |
//! |------------------|---------|--------------------------------|-------------------------------------------------------------------|
//! | `v0.02`          | 36      | 84 848 / 9 982 / 4 890         | the Hub's archives; `test` is the makers' own test archive        |
//! | `v0.01`          | 31      | 51 093 / 6 799 / 3 081         | the first version of it                                           |
//! | `superb`         | 12      | 51 093 / 6 799 / 3 081         | v0.01 with every auxiliary word as `_unknown_`, in SUPERB's order |
//! | `v0.02-words`    | 35      | 84 843 / 9 981 / 11 005        | the makers' archive and its lists: what AST was scored on         |
//!
//! A clip's speaker is its field `speaker_id`. `_silence_` recordings of `train` and `validation` are longer than a second, and are
//! cut to one of their seconds.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use earmark_labels::{LabelId, LabelSet};
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use crate::catalog::spec::{Checkout, ClassColumn, Config, Selection, Spec, SplitSpec, join};
use crate::clip::Clip;
use crate::dataset::{AudioDataset, SkipReason, Skipped};
use crate::error::ErrorKind;
use crate::example::Fields;
use crate::read::files::{FoundFile, files_below};
use crate::read::layout::{Archive, ArchiveIndex, ClipInfo, Layout, Limits};
use crate::read::remote::RemoteFile;

/// The words that are commands; all others are auxiliary.
const COMMANDS: [&str; 10] = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"];
#[rustfmt::skip]
const AUXILIARY: [&str; 20] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow",
];
const SINCE_V2: [&str; 5] = ["backward", "forward", "follow", "learn", "visual"];
const SILENCE: &str = "_silence_";
const UNKNOWN: &str = "_unknown_";

const V1_WORDS: [&str; 30] = join(&[&COMMANDS, &AUXILIARY]);
const V2_WORDS: [&str; 35] = join(&[&V1_WORDS, &SINCE_V2]);
const V1: [&str; 31] = join(&[&V1_WORDS, &[SILENCE]]);
const V2: [&str; 36] = join(&[&V2_WORDS, &[SILENCE]]);
const SUPERB: [&str; 12] = join(&[&COMMANDS, &[SILENCE, UNKNOWN]]);

const fn splits([train, validation, test]: [usize; 3]) -> [SplitSpec; 3] {
    [SplitSpec::new("train", train), SplitSpec::new("validation", validation), SplitSpec::new("test", test)]
}

/// Speech Commands.
pub static SPEECH_COMMANDS: Spec = Spec {
    id: "speech-commands",
    repo: "google/speech_commands",
    licence: Some("CC-BY-4.0"),
    citation: "P. Warden. Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition. arXiv:1804.03209, 2018.",
    home: "https://huggingface.co/datasets/google/speech_commands",
    configs: &[
        Config {
            name: "v0.02",
            splits: &splits([84_848, 9_982, 4_890]),
            label_columns: &[ClassColumn { name: "label", classes: &V2 }],
        },
        Config {
            name: "v0.01",
            splits: &splits([51_093, 6_799, 3_081]),
            label_columns: &[ClassColumn { name: "label", classes: &V1 }],
        },
        Config {
            name: "superb",
            splits: &splits([51_093, 6_799, 3_081]),
            label_columns: &[ClassColumn { name: "label", classes: &SUPERB }],
        },
        Config {
            name: "v0.02-words",
            splits: &splits([84_843, 9_981, 11_005]),
            label_columns: &[ClassColumn { name: "label", classes: &V2_WORDS }],
        },
    ],
    group_fields: &["speaker_id"],
    layout,
    fields_of_file,
    checkout: Some(Checkout { is_at: is_archive_folder, open: open_archive_folder }),
};

fn layout(selection: &Selection) -> Layout {
    let selection = *selection;
    let split = selection.split.name;
    let (url, folder) = match selection.config.name {
        "v0.02-words" => {
            let url =
                "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz";
            (url.to_owned(), "speech-commands/v0.02-words".to_owned())
        }
        config => {
            let version = if config == "v0.02" { "v0.02" } else { "v0.01" };
            let url = format!(
                "https://s3.amazonaws.com/datasets.huggingface.co/SpeechCommands/{version}/{version}_{split}.tar.gz"
            );
            (url, format!("speech-commands/{version}/{split}"))
        }
    };
    let mut file = RemoteFile::web(url);
    if (selection.config.name, split) == ("v0.02", "test") {
        file.sha256 = Some("af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58");
    }
    // A second is 32 kB; the noises take a minute and a half.
    let limits = Limits { file: 16 << 20, total: 16 << 30 };
    let index = Box::new(move |_: Option<&str>| Ok(Box::new(Words(selection)) as Box<dyn ArchiveIndex>));
    Layout::Archives(vec![Archive { file, table: None, folder, limits, index }])
}

/// The files of an archive: `yes/0a7c2a8d_nohash_0.wav`.
struct Words(Selection);

impl ArchiveIndex for Words {
    fn unpacked_path(&self, path: &str) -> Option<String> {
        let (word, file) = path.split_once('/')?;
        let is_class = V2.contains(&word) || word == UNKNOWN;
        (is_class && !file.contains('/') && !file.starts_with('.') && file.ends_with(".wav"))
            .then(|| path.to_owned())
    }

    fn clip(&self, path: &str) -> Result<Option<ClipInfo>, ErrorKind> {
        let Some((word, file)) = self.unpacked_path(path).and(path.split_once('/')) else { return Ok(None) };
        let Selection { config, split, label_column, .. } = self.0;
        if config.name == "v0.02-words" && which_set(file) != split.name {
            return Ok(None);
        }
        let class = match config.name {
            "superb" if word != SILENCE && !COMMANDS.contains(&word) => UNKNOWN,
            _ => word,
        };
        let label = label_column.classes.iter().position(|known| *known == class);
        let label = label.ok_or_else(|| ErrorKind::Unknown {
            what: "word",
            name: word.to_owned(),
            known: label_column.classes.iter().map(|known| (*known).to_owned()).collect(),
        })?;
        let fields = fields_of(word, file, class);
        Ok(Some(ClipInfo { label, fields, one_second: word == SILENCE }))
    }
}

/// `0a7c2a8d_nohash_0`: speaker and utterance. Noises have no speaker.
fn fields_of_file(stem: &str) -> Fields {
    let mut fields = Fields::new();
    if let Some((speaker, utterance)) = stem.split_once("_nohash_") {
        fields.insert("speaker_id".into(), speaker.into());
        fields.insert("utterance_id".into(), utterance.parse::<u64>().map_or(Value::Null, Value::from));
    }
    fields
}

/// The fields of `word/file`.
fn fields_of(word: &str, file: &str, class: &str) -> Fields {
    let mut fields = match word {
        SILENCE => Fields::new(),
        _ => fields_of_file(file.trim_end_matches(".wav")),
    };
    fields.entry("speaker_id").or_insert(Value::Null);
    fields.entry("utterance_id").or_insert(0.into());
    fields.insert("file".into(), format!("{word}/{file}").into());
    fields.insert("label".into(), class.into());
    fields.insert("is_unknown".into(), (word != SILENCE && !COMMANDS.contains(&word)).into());
    fields
}

const VALIDATION_LIST: &str = "validation_list.txt";
const TESTING_LIST: &str = "testing_list.txt";

fn is_archive_folder(root: &Path) -> bool {
    [VALIDATION_LIST, TESTING_LIST].iter().all(|list| root.join(list).is_file())
}

/// The makers' archive, unpacked: its words, with the splits of its lists. Its background noises are no clips.
fn open_archive_folder(root: &Path) -> Result<AudioDataset, ErrorKind> {
    let files = files_below(root)?.files;
    let word_of = |file: &FoundFile| {
        let (word, name) = file.name.split_once('/')?;
        (V2_WORDS.contains(&word) && !name.contains('/')).then(|| (word.to_owned(), name.to_owned()))
    };
    let has = |word: &&str| files.iter().filter_map(word_of).any(|(found, _)| found == **word);
    // The first version lacks five words.
    let words = if SINCE_V2.iter().any(has) { V2_WORDS.as_slice() } else { V1_WORDS.as_slice() };
    let labels = LabelSet::from_names(words.iter().copied()).expect("the words differ");
    let [validation, test] = [VALIDATION_LIST, TESTING_LIST].map(|list| listed(root, list, &files));
    let (validation, test) = (validation?, test?);
    let splits = ["train", "validation", "test"].map(Arc::<str>::from);
    let mut dataset =
        AudioDataset::empty("speech-commands".into(), root.to_path_buf(), labels, SPEECH_COMMANDS.info());
    dataset.classes_from = "the folders".to_owned();
    for found in &files {
        let Some((word, file)) = word_of(found) else {
            let reason = if found.name.ends_with(".wav") { SkipReason::NoClassFolder } else { continue };
            dataset.skipped.push(Skipped::new(&found.path, reason));
            continue;
        };
        let split = match found.name.as_str() {
            name if validation.contains(name) => 1,
            name if test.contains(name) => 2,
            _ => 0,
        };
        let label = LabelId::new(words.iter().position(|known| **known == *word).unwrap_or_default());
        let clip =
            Clip::new(found.name.clone(), &found.path, label).with_fields(fields_of(&word, &file, &word));
        dataset.clips.push(clip.in_split(Some(Arc::clone(&splits[split]))));
    }
    dataset.splits = splits.into();
    Ok(dataset)
}

/// The files of a list, all of which are there.
fn listed(root: &Path, list: &str, files: &[FoundFile]) -> Result<HashSet<String>, ErrorKind> {
    let path = root.join(list);
    let text = earmark_fs::read_to_string(&path, 64 << 20)?;
    let known: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let names: HashSet<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match names.iter().filter(|name| !known.contains(name.as_str())).min() {
        Some(missing) => Err(ErrorKind::BadTable { why: format!("no such file `{missing}`"), path }),
        None => Ok(names),
    }
}

/// Which split of the makers' own a file belongs to: by the hash of its speaker, so that a speaker is in one only, and a new
/// release moves nobody. Their `validation_list.txt` and `testing_list.txt` were made by this rule, a tenth each.
fn which_set(file: &str) -> &'static str {
    /// Their `MAX_NUM_WAVS_PER_CLASS`.
    const MOST: u64 = (1 << 27) - 1;
    let speaker = file.split("_nohash_").next().unwrap_or(file);
    // The rule takes the digest as one number, modulo 2^27: its last 27 bits.
    let digest = Sha1::digest(speaker.as_bytes());
    let last = digest[16..].iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    let percentage = (last % (MOST + 1)) as f64 * (100.0 / MOST as f64);
    match percentage {
        p if p < 10.0 => "validation",
        p if p < 20.0 => "test",
        _ => "train",
    }
}
