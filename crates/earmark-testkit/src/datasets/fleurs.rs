//! FLEURS: for each language an archive and a table for each split.

use super::archive::tar_gz;
use super::files::Planted;
use super::sound::{Sound, wav};

const RATE: u32 = 16_000;

/// The test split of `google/fleurs` with `clips` sentences of each language, which encode the language. `codes` are the languages
/// in the order of `lang_id`.
pub fn fleurs(codes: &[&str], clips: usize, sound: Sound<'_>) -> Planted {
    let mut files = Vec::new();
    for (class, code) in codes.iter().enumerate() {
        let (mut table, mut sounds) = (String::new(), Vec::new());
        for clip in 0..clips {
            let file = format!("{}.wav", 10_000 * (class + 1) + clip);
            let samples = sound(class, clip, RATE);
            let gender = ["MALE", "FEMALE"][clip % 2];
            table += &format!("{clip}\t{file}\tHello.\thello\th e l l o |\t{}\t{gender}\n", samples.len());
            sounds.push((format!("test/{file}"), wav(&samples, RATE)));
        }
        files.push((format!("data/{code}/test.tsv"), table.into_bytes()));
        files.push((format!("data/{code}/audio/test.tar.gz"), tar_gz(&sounds)));
    }
    Planted {
        repo: "datasets/google/fleurs",
        revision: "70bb2e84b976b7e960aa89f1c648e09c59f894dd",
        files,
        downloads: Vec::new(),
    }
}
