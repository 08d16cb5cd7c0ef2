use std::ffi::OsStr;
use std::path::Path;

/// The extensions of the supported formats, in lower case, without the dot, sorted. They only select the files of a folder: the
/// format of a file is recognised by its content.
pub const EXTENSIONS: &[&str] = &[
    "3g2", "3gp", "3gpp", "aac", "adts", "aif", "aifc", "aiff", "au", "bw64", "bwf", "caf", "flac", "m4a",
    "m4b", "m4r", "m4v", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpga", "oga", "ogg", "opus", "qt",
    "rf64", "snd", "w64", "wav", "wave", "wavex", "weba", "webm",
];

/// Whether a path has one of the [`EXTENSIONS`], in upper or lower case.
pub fn has_audio_extension(path: &Path) -> bool {
    let extension = path.extension().map(OsStr::to_ascii_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| OsStr::new(known) == extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extensions_are_sorted_and_lower_case() {
        assert!(EXTENSIONS.is_sorted());
        assert!(EXTENSIONS.iter().all(|it| it.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())));
    }

    #[test]
    fn a_sound_is_known_by_its_extension_in_any_case() {
        for name in ["a.wav", "a.b.WAV", "memo.CAF", "clip.3gp", "take.MOV", "dir.d/x.opus"] {
            assert!(has_audio_extension(Path::new(name)), "{name}");
        }
        for name in ["wav", ".wav", "a.txt", "a.wav.part", "flac/readme"] {
            assert!(!has_audio_extension(Path::new(name)), "{name}");
        }
    }
}
