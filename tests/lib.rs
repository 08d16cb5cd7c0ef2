//! What the code in `docs/rust.md` opens. That code is run as the doc tests of this crate (`build.rs`); the other tests lie beside
//! this file.
#![forbid(unsafe_code)]
#![cfg_attr(doctest, doc = include_str!(concat!(env!("OUT_DIR"), "/rust.md")))]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// A folder with the files that the guide names, which is the working directory from now on. It is removed when it is dropped.
///
/// The models are the tiny ones of `golden`, so the guide's code runs in a moment and its labels say nothing.
#[derive(Debug)]
pub struct GuideFolder(PathBuf);

/// Of a CLAP model as small as the golden one.
const CLAP_EXTRACTOR: &str = r#"{"feature_extractor_type": "ClapFeatureExtractor", "feature_size": 8, "hop_length": 1600,
    "max_length_s": 1, "truncation": "rand_trunc", "frequency_min": 50}"#;

impl GuideFolder {
    /// Makes the folder and goes there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn enter() -> io::Result<GuideFolder> {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let folder = env::temp_dir().join(format!("earmark-guide-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let guard = GuideFolder(folder);
        let folder = &guard.0;
        copy(&golden.join("train/init"), &folder.join("model"))?;
        copy(&golden.join("clap/unfused"), &folder.join("clap"))?;
        fs::write(folder.join("clap/preprocessor_config.json"), CLAP_EXTRACTOR)?;
        copy(&golden.join("train/data"), &folder.join("clips"))?;
        fs::copy(golden.join("train/data/chirp/chirp.00.wav"), folder.join("siren.wav"))?;
        fs::write(folder.join("night.wav"), repeated(&fs::read(golden.join("train/data/hum/hum.00.wav"))?))?;
        env::set_current_dir(folder)?;
        Ok(guard)
    }
}

impl Drop for GuideFolder {
    fn drop(&mut self) {
        // Where it is in use, as on Windows, it stays for the system to remove.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A WAV of half a second, 44 bytes of header before its samples, as one of twenty seconds.
fn repeated(wav: &[u8]) -> Vec<u8> {
    let (header, samples) = wav.split_at(44);
    let samples = samples.repeat(40);
    let mut long = header.to_vec();
    long[4..8].copy_from_slice(&(36 + samples.len() as u32).to_le_bytes());
    long[40..44].copy_from_slice(&(samples.len() as u32).to_le_bytes());
    long.extend(samples);
    long
}
