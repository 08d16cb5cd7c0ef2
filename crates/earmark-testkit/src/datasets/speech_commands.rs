//! Speech Commands v0.02: the Hub's archive of the test split, and the makers' own archive with its lists.

use std::path::Path;

use sha1::{Digest as _, Sha1};

use super::archive::tar_gz;
use super::files::{Planted, write};
use super::sound::{Sound, wav};

const RATE: u32 = 16_000;
/// Clips of the Hub's test split, and of the makers' testing list.
const HF_TEST: usize = 4_890;
const OFFICIAL_TEST: usize = 11_005;

/// The test archive that the Hub's dataset downloads: 4,890 clips. `classes` are 36, the last of them `_silence_`.
pub fn speech_commands_hf_test(classes: &[&str], sound: Sound<'_>) -> Planted {
    let mut files = vec![("./LICENSE".to_owned(), b"text".to_vec())];
    for clip in 0..HF_TEST {
        let (class, speaker) = (clip % classes.len(), clip / classes.len());
        let name = match classes[class] {
            "_silence_" => format!("_silence_/noise_{speaker}.wav"),
            word => format!("{word}/{speaker:08x}_nohash_0.wav"),
        };
        files.push((name, wav(&sound(class, speaker, RATE), RATE)));
    }
    Planted { downloads: vec![("v0.02_test.tar.gz".to_owned(), tar_gz(&files))], ..Planted::default() }
}

/// The makers' archive with all 11,005 words of the test list and a few of the others. `words` are 35.
pub fn speech_commands_official(words: &[&str], sound: Sound<'_>) -> Planted {
    let files: Vec<_> = clips(words, OFFICIAL_TEST, sound)
        .into_iter()
        .map(|(name, bytes)| (format!("./{name}"), bytes))
        .collect();
    Planted {
        downloads: vec![("speech_commands_v0.02.tar.gz".to_owned(), tar_gz(&files))],
        ..Planted::default()
    }
}

/// The makers' archive unpacked below `root`, with `test` words of the test list.
pub fn speech_commands_folder(root: &Path, words: &[&str], test: usize, sound: Sound<'_>) {
    write(root, &clips(words, test, sound));
}

/// Two speakers of each other list say every word as well.
fn clips(words: &[&str], test: usize, sound: Sound<'_>) -> Vec<(String, Vec<u8>)> {
    let noise = wav(&sound(0, 0, RATE), RATE);
    let mut files = vec![
        ("README.md".to_owned(), b"text".to_vec()),
        ("_background_noise_/running_tap.wav".to_owned(), noise),
    ];
    let (mut lists, mut speakers) = ([const { String::new() }; 3], [0; 3]);
    let most = [2, 2, test.div_ceil(words.len())];
    let mut left = test;
    for number in 0.. {
        let speaker = format!("{number:08x}");
        let list = list_of(&speaker);
        if speakers == most {
            break;
        }
        if speakers[list] == most[list] {
            continue;
        }
        for (class, word) in words.iter().enumerate().take(if list == 2 { left } else { words.len() }) {
            let name = format!("{word}/{speaker}_nohash_0.wav");
            lists[list] += &format!("{name}\n");
            files.push((name, wav(&sound(class, number, RATE), RATE)));
            left -= usize::from(list == 2);
        }
        speakers[list] += 1;
    }
    let [_, validation, testing] = lists;
    files.push(("validation_list.txt".to_owned(), validation.into_bytes()));
    files.push(("testing_list.txt".to_owned(), testing.into_bytes()));
    files
}

/// The makers' rule, as their README writes it: 0 for training, 1 for the validation list, 2 for the test list.
fn list_of(speaker: &str) -> usize {
    const MOST: u64 = (1 << 27) - 1;
    let digest = Sha1::digest(speaker);
    let number = digest.iter().fold(0u64, |number, byte| (number << 8 | u64::from(*byte)) % (MOST + 1));
    match number as f64 * (100.0 / MOST as f64) {
        percentage if percentage < 10.0 => 1,
        percentage if percentage < 20.0 => 2,
        _ => 0,
    }
}
