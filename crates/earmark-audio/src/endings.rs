use std::ffi::OsStr;
use std::path::Path;

/// How the names of sound files end, without the dot, in lower case and in order. What a file holds is recognised by
/// its content: these say only which files of a folder are worth opening.
pub const ENDINGS: &[&str] = &[
    "3g2", "3gp", "3gpp", "aac", "adts", "aif", "aifc", "aiff", "au", "bw64", "bwf", "caf", "flac", "m4a",
    "m4b", "m4r", "m4v", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpga", "oga", "ogg", "opus", "qt",
    "rf64", "snd", "w64", "wav", "wave", "wavex", "weba", "webm",
];

/// Whether a file is named as sound files are, by one of [`ENDINGS`] in any case.
pub fn is_sound(path: &Path) -> bool {
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| OsStr::new(known) == ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endings_are_in_order_and_lower_case() {
        assert!(ENDINGS.is_sorted());
        assert!(
            ENDINGS.iter().all(|ending| ending.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        );
    }

    #[test]
    fn a_sound_is_known_by_its_ending_in_any_case() {
        for name in ["a.wav", "a.b.WAV", "memo.CAF", "clip.3gp", "take.MOV", "dir.d/x.opus"] {
            assert!(is_sound(Path::new(name)), "{name}");
        }
        for name in ["wav", ".wav", "a.txt", "a.wav.part", "flac/readme"] {
            assert!(!is_sound(Path::new(name)), "{name}");
        }
    }
}
