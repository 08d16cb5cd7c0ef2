//! The built-in sample: ten synthesised genres that look like GTZAN, for runs without a download.
//!
//! Tree, names and format are GTZAN's (`blues/blues.00000.wav`, 22 050 Hz, mono, 16 bit). The genres differ in rhythm,
//! timbre and harmony; key, tempo, playing, level, noise and the place in the music where a clip starts are drawn anew
//! for every clip, so that no single number gives a genre away. A score on it says nothing of music.

mod genres;
mod synth;

use std::fs;
use std::path::Path;

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_error::Context as _;
use rayon::prelude::*;
use serde::Serialize;

use crate::catalog::gtzan::GENRES;
use crate::dataset::{AudioDataset, DatasetInfo};
use crate::error::{Error, ErrorKind, Task};
use crate::read::folder::open_class_folders;
use crate::write::folder;

/// Raised when the same options come to sound different.
const VERSION: u32 = 1;
/// Says what a folder was made with. Only a folder that has it, and in which it says [`MAKER`], is ours to replace.
const MANIFEST: &str = "sample.json";
const MAKER: &str = "earmark's built-in sample";

/// The options of the built-in sample. The same options give the same bytes on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SampleOptions {
    /// Clips of each of the ten genres, 1 to 100 000.
    pub clips_per_genre: usize,
    /// Length of a clip in seconds, 0.1 to 600.
    pub seconds: f64,
    /// The seed of all clips.
    pub seed: u64,
}

impl Default for SampleOptions {
    /// 400 clips of 3 s: twenty minutes of sound, 53 MB.
    fn default() -> Self {
        SampleOptions { clips_per_genre: 40, seconds: 3.0, seed: 42 }
    }
}

#[derive(Serialize)]
struct Manifest {
    maker: &'static str,
    version: u32,
    #[serde(flatten)]
    options: SampleOptions,
}

/// Writes the sample into the folder `dir`, which is then there whole or not at all, and lists it.
///
/// A sample with the same options that is already there is only listed, one with other options is replaced.
///
/// ```
/// use earmark_data::sample::{self, SampleOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("sample");
/// let dataset = sample::write(&dir, &SampleOptions { clips_per_genre: 1, seconds: 0.5, seed: 7 })?;
/// assert_eq!(dataset.clips.len(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When an option is out of range, `dir` exists and is not such a sample, or it cannot be written.
pub fn write(dir: impl AsRef<Path>, options: &SampleOptions) -> Result<AudioDataset, Error> {
    let dir = dir.as_ref();
    written(dir, options).with_context(|| Task::Write(dir.to_path_buf()))
}

/// One clip of the sample without writing it: number `number` of a genre, as [`write()`] rounds to 16 bits.
///
/// `None` for a name that is no genre's, and where an option is out of range.
pub fn clip(genre: &str, number: usize, options: &SampleOptions) -> Option<Waveform> {
    check(options).ok()?;
    let genre = GENRES.iter().position(|name| *name == genre)?;
    Some(play(genre, number, options))
}

fn written(dir: &Path, options: &SampleOptions) -> Result<AudioDataset, ErrorKind> {
    check(options)?;
    let manifest = Manifest { maker: MAKER, version: VERSION, options: *options };
    let manifest = serde_json::to_vec_pretty(&manifest).expect("numbers and text make JSON");
    let found = earmark_fs::read(dir.join(MANIFEST), 1 << 16).unwrap_or_default();
    if !folder::is_vacant(dir) && !is_ours(&found) {
        return Err(ErrorKind::Occupied);
    }
    let clips = GENRES.len() * options.clips_per_genre;
    let listed = || open_class_folders(dir).ok().filter(|dataset| dataset.clips.len() == clips);
    let mut dataset = match (found == manifest).then(listed).flatten() {
        Some(dataset) => dataset,
        None => {
            folder::replace(dir, |folder| fill(folder, options, &manifest))?;
            open_class_folders(dir)?
        }
    };
    dataset.name = "sample".into();
    dataset.info = DatasetInfo { licence: Some("CC0-1.0".into()), ..DatasetInfo::default() };
    Ok(dataset)
}

fn is_ours(manifest: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(manifest).is_ok_and(|manifest| manifest["maker"] == MAKER)
}

fn check(options: &SampleOptions) -> Result<(), ErrorKind> {
    let limits = [
        ("clips_per_genre", options.clips_per_genre as f64, 1.0, 1e5),
        ("seconds", options.seconds, 0.1, 600.0),
    ];
    for (option, value, least, most) in limits {
        if !(least..=most).contains(&value) {
            return Err(ErrorKind::OutOfRange { option, value, least, most });
        }
    }
    Ok(())
}

fn fill(folder: &Path, options: &SampleOptions, manifest: &[u8]) -> Result<(), ErrorKind> {
    for genre in GENRES {
        fs::create_dir(folder.join(genre))?;
    }
    let clips = GENRES.len() * options.clips_per_genre;
    (0..clips).into_par_iter().try_for_each(|clip| {
        let (genre, number) = (clip / options.clips_per_genre, clip % options.clips_per_genre);
        let name = GENRES[genre];
        let path = folder.join(name).join(format!("{name}.{number:05}.wav"));
        write_wav(path, &play(genre, number, options), WavFormat::Pcm16)
    })?;
    fs::write(folder.join(MANIFEST), manifest)?;
    Ok(())
}

fn play(genre: usize, number: usize, options: &SampleOptions) -> Waveform {
    let samples = genres::play(genre, options.seconds, clip_seed(options.seed, genre, number));
    let rate = SampleRate::new(synth::RATE).expect("the rate is not zero");
    Waveform::new(samples, rate).expect("a clip has samples, all in [-1, 1]")
}

/// A seed for each clip, so that clip 7 is the same whether 8 or 800 are written and whichever thread plays it.
fn clip_seed(seed: u64, genre: usize, number: usize) -> u64 {
    // SplitMix64's mixing (Steele, Lea and Flood, 2014) keeps neighbouring seeds and clips apart.
    let mut mixed = seed ^ ((genre as u64) << 32 | number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
