//! The files of a folder, by what they may be.

use std::path::Path;

use earmark_audio::has_audio_extension;

use super::metadata_file;
use crate::dataset::{SkipReason, Skipped};
use crate::error::ErrorKind;
use crate::read::files::{FoundFile, files_below};

/// Endings of sound files that cannot be decoded.
#[rustfmt::skip]
const UNSUPPORTED: &[&str] = &[
    "ac3", "amr", "ape", "asf", "avi", "avr", "dff", "dsf", "dts", "eac3", "f4v", "flv", "gsm", "htk", "mpc", "mpg", "mxf", "nist", "nut",
    "ogm", "paf", "pcm", "pvf", "ra", "raw", "rm", "sd2", "sds", "spx", "sph", "svx", "tak", "tta", "voc", "wma", "wmv", "wv", "wve", "xi",
];
const ARCHIVES: &[&str] = &["7z", "bz2", "gz", "rar", "tar", "tgz", "xz", "zip", "zst"];

/// The files of a folder by what they may be.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) sounds: Vec<FoundFile>,
    /// Files that are called `metadata.csv` and so on.
    pub(super) tables: Vec<FoundFile>,
    pub(super) parquet: Vec<FoundFile>,
    pub(super) skipped: Vec<Skipped>,
}

impl Contents {
    pub(super) fn list(root: &Path) -> Result<Contents, ErrorKind> {
        let below = files_below(root)?;
        let mut contents = Contents::default();
        for found in below.files {
            let file = found.name.rsplit('/').next().unwrap_or_default();
            let ends = |endings: &[&str]| {
                let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
                ending.is_some_and(|ending| endings.contains(&ending.as_str()))
            };
            if metadata_file::NAMES.contains(&file) {
                contents.tables.push(found);
            } else if ends(&["parquet"]) {
                contents.parquet.push(found);
            } else if has_audio_extension(&found.path) {
                contents.sounds.push(found);
            } else if ends(UNSUPPORTED) {
                contents.skip(&found.path, SkipReason::Unsupported);
            } else if ends(ARCHIVES) {
                contents.skip(&found.path, SkipReason::Archive);
            } else if found.name.contains('/') {
                contents.skip(&found.path, SkipReason::NotASound);
            }
            // What else lies beside the folders is a README, a licence, a script.
        }
        below.odd.iter().for_each(|path| contents.skip(path, SkipReason::NotAFile));
        below.empty.iter().for_each(|path| contents.skip(path, SkipReason::EmptyFolder));
        Ok(contents)
    }

    pub(super) fn skip(&mut self, path: &Path, reason: SkipReason) {
        self.skipped.push(Skipped::new(path, reason));
    }
}
