//! Speech Commands: single English words of a second, by many speakers, and noises that stand for silence. CC BY 4.0.
//!
//! | configuration    | classes | train / validation / test      | what                                                              |
//! |------------------|---------|--------------------------------|-------------------------------------------------------------------|
//! | `v0.02`          | 36      | 84 848 / 9 982 / 4 890         | the Hub's archives; `test` is the makers' own test archive        |
//! | `v0.01`          | 31      | 51 093 / 6 799 / 3 081         | the first version of it                                           |
//! | `superb`         | 12      | 51 093 / 6 799 / 3 081         | v0.01 with every auxiliary word as `_unknown_`, in SUPERB's order |
//! | `v0.02-words`    | 35      | 84 843 / 9 981 / 11 005        | the makers' archive and its lists: what AST was scored on         |
//!
//! A clip's speaker is its field `speaker_id`. `_silence_` recordings of `train` and `validation` are longer than a second, and
//! a second somewhere in them is what is heard.

use earmark_labels::LabelSet;
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use crate::catalog::published::{Archive, Described, Layout, Reader, RemoteFile, Selection};
use crate::dataset::About;
use crate::error::ErrorKind;
use crate::example::Fields;

pub(crate) const CONFIGS: &[&str] = &["v0.02", "v0.01", "superb", "v0.02-words"];

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

pub(crate) fn about() -> About {
    About {
        licence: Some("CC-BY-4.0".into()),
        citation: Some("P. Warden. Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition. arXiv:1804.03209, 2018.".into()),
        home: Some("https://huggingface.co/datasets/google/speech_commands".into()),
    }
}

fn words(config: &str) -> Vec<&'static str> {
    let silence = [SILENCE].into_iter();
    let old = COMMANDS.into_iter().chain(AUXILIARY);
    match config {
        "superb" => COMMANDS.into_iter().chain([SILENCE, UNKNOWN]).collect(),
        "v0.01" => old.chain(silence).collect(),
        "v0.02" => old.chain(SINCE_V2).chain(silence).collect(),
        _ => old.chain(SINCE_V2).collect(),
    }
}

pub(crate) fn labels(selection: &Selection) -> LabelSet {
    LabelSet::from_names(words(&selection.config)).expect("the words differ")
}

pub(crate) fn rows(config: &str, split: &str) -> Option<usize> {
    let [train, validation, test] = match config {
        "v0.02" => [84_848, 9_982, 4_890],
        "v0.02-words" => [84_843, 9_981, 11_005],
        _ => [51_093, 6_799, 3_081],
    };
    match split {
        "train" => Some(train),
        "validation" => Some(validation),
        "test" => Some(test),
        _ => None,
    }
}

pub(crate) fn layout(selection: &Selection) -> Layout {
    let split = &selection.split;
    let (url, folder) = match selection.config.as_str() {
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
    if (selection.config.as_str(), split.as_str()) == ("v0.02", "test") {
        file.sha256 = Some("af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58");
    }
    // A second is 32 kB; the noises take a minute and a half.
    let limits = (16 << 20, 16 << 30);
    Layout::Archives(vec![Archive { file, table: None, folder, reader, limits }])
}

fn reader(selection: &Selection, _: &Archive, _: Option<&str>) -> Result<Box<dyn Reader>, ErrorKind> {
    let selection = selection.clone();
    let labels = labels(&selection);
    Ok(Box::new(Words { selection, labels }))
}

struct Words {
    selection: Selection,
    labels: LabelSet,
}

impl Reader for Words {
    fn keep(&self, path: &str) -> Option<String> {
        let (word, file) = path.split_once('/')?;
        let known = COMMANDS.contains(&word)
            || AUXILIARY.contains(&word)
            || SINCE_V2.contains(&word)
            || word == SILENCE
            || word == UNKNOWN;
        (known && !file.contains('/') && !file.starts_with('.') && file.ends_with(".wav"))
            .then(|| path.to_owned())
    }

    fn clip(&self, path: &str) -> Result<Option<Described>, ErrorKind> {
        let Some((word, file)) = self.keep(path).and(path.split_once('/')) else { return Ok(None) };
        let by_hash = self.selection.config == "v0.02-words";
        if by_hash && which_set(file) != self.selection.split {
            return Ok(None);
        }
        let class = match self.selection.config.as_str() {
            "superb" if word != SILENCE && !COMMANDS.contains(&word) => UNKNOWN,
            _ => word,
        };
        let label = self.labels.id(class).map(|id| id.index()).ok_or_else(|| ErrorKind::Unknown {
            what: "word",
            name: word.to_owned(),
            known: self.labels.names().to_vec(),
        })?;
        let mut fields = Fields::new();
        fields.insert("file".into(), path.into());
        fields.insert("label".into(), class.into());
        fields.insert("is_unknown".into(), (word != SILENCE && !COMMANDS.contains(&word)).into());
        // `0a7c2a8d_nohash_0.wav`; noises have no speaker.
        let (speaker, utterance) = match file.trim_end_matches(".wav").split_once("_nohash_") {
            Some((speaker, utterance)) if word != SILENCE => {
                (speaker.into(), utterance.parse::<u64>().map_or(Value::Null, Value::from))
            }
            _ => (Value::Null, 0.into()),
        };
        fields.insert("speaker_id".into(), speaker);
        fields.insert("utterance_id".into(), utterance);
        Ok(Some(Described { label, fields, second: word == SILENCE }))
    }
}

/// Which split of the makers' own a file belongs to: by the hash of its speaker, so that a speaker is in one only, and a new
/// release moves nobody. Their `validation_list.txt` and `testing_list.txt` were made by this rule, a tenth each.
fn which_set(file: &str) -> &'static str {
    /// Their `MAX_NUM_WAVS_PER_CLASS`.
    const MOST: u64 = (1 << 27) - 1;
    let speaker = file.split("_nohash_").next().unwrap_or(file);
    // The digest as one number, of which only the remainder by 2^27 is asked: its last 27 bits.
    let digest = Sha1::digest(speaker.as_bytes());
    let last = digest[16..].iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    let percentage = (last % (MOST + 1)) as f64 * (100.0 / MOST as f64);
    match percentage {
        p if p < 10.0 => "validation",
        p if p < 20.0 => "test",
        _ => "train",
    }
}
