//! GTZAN: an archive of a folder for each genre, and the folders themselves.

use std::path::Path;

use super::archive::tar_gz;
use super::files::{Planted, write};
use super::sound::{Sound, wav};

const RATE: u32 = 22_050;
/// Clips of a genre.
const CLIPS: usize = 100;
/// The one that is damaged in the real archive.
const CORRUPT: &str = "jazz/jazz.00054.wav";

/// `marsyas/gtzan`: 1,000 clips with the companions of macOS, of which one is damaged.
pub fn gtzan(genres: &[&str], sound: Sound<'_>) -> Planted {
    let mut files = Vec::new();
    for (name, bytes) in clips(genres, sound) {
        let (genre, file) = name.split_once('/').unwrap();
        files.push((format!("genres/{genre}/._{file}"), b"Mac OS X".to_vec()));
        files.push((format!("genres/{name}"), bytes));
    }
    Planted {
        repo: "datasets/marsyas/gtzan",
        revision: "d2146561ecc7df707d9e6b8318885fe6a39668a2",
        files: vec![("data/genres.tar.gz".to_owned(), tar_gz(&files))],
        downloads: Vec::new(),
    }
}

/// The unpacked archive: `genres/blues/blues.00000.wav` below `root`.
pub fn gtzan_folder(root: &Path, genres: &[&str], sound: Sound<'_>) {
    write(&root.join("genres"), &clips(genres, sound));
}

fn clips(genres: &[&str], sound: Sound<'_>) -> Vec<(String, Vec<u8>)> {
    let names = genres.iter().enumerate().flat_map(|(class, genre)| {
        (0..CLIPS).map(move |clip| (class, clip, format!("{genre}/{genre}.{clip:05}.wav")))
    });
    let file = |(class, clip, name): (usize, usize, String)| {
        let bytes = if name == CORRUPT { b"damaged".to_vec() } else { wav(&sound(class, clip, RATE), RATE) };
        (name, bytes)
    };
    names.map(file).collect()
}
