//! The names of the files in a folder of results, one for each input.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::input::path::Input;
use crate::output::messages;

/// The file that lists the inputs that failed.
pub(crate) const FAILURES: &str = "failures.csv";

/// The file of each input, by the input's name: where the input lies below `root`, with `extension` in place of its own. Inputs that
/// would share a file keep their whole names; where that is not enough, they are numbered. No two names differ in case alone.
pub(crate) fn file_names(inputs: &[Input], root: &Path, extension: &str) -> HashMap<String, PathBuf> {
    let places: Vec<PathBuf> = inputs.iter().map(|input| place(input, root)).collect();
    let short = |place: &Path| with_suffix(&place.with_extension(""), extension);
    let mut sharing: HashMap<String, Vec<&Path>> =
        HashMap::from([(FAILURES.to_owned(), vec![Path::new(FAILURES)])]);
    for place in &places {
        sharing.entry(key(&short(place))).or_default().push(place);
    }
    let mut taken = HashSet::from([FAILURES.to_owned()]);
    let mut longer = Vec::new();
    let mut names = HashMap::new();
    for (input, place) in inputs.iter().zip(&places) {
        let mut name = short(place);
        if sharing[&key(&name)].len() > 1 {
            name = with_suffix(place, extension);
            longer.push((input.name(), earmark_fs::text(&name)));
        }
        let mut number = 2;
        while !taken.insert(key(&name)) {
            name = with_suffix(place, &format!("{number}.{extension}"));
            number += 1;
        }
        names.insert(input.name(), name);
    }
    if let [(input, name), rest @ ..] = longer.as_slice() {
        let others =
            if rest.is_empty() { String::new() } else { format!(", and so on for {} others", rest.len()) };
        messages::note(format_args!(
            "several results would have one file name: those of `{input}` are in `{name}`{others}"
        ));
    }
    names
}

/// The deepest folder that all of these are or lie in.
pub(crate) fn common_folder(folders: &[PathBuf]) -> PathBuf {
    let mut folders = folders.iter().map(|folder| normal(folder));
    let Some(mut common) = folders.next() else { return PathBuf::new() };
    for folder in folders {
        let same = common.components().zip(folder.components()).take_while(|(a, b)| a == b);
        common = same.map(|(part, _)| part).collect();
    }
    common
}

/// Where an input lies below `root`: names alone, so that it leads nowhere else.
fn place(input: &Input, root: &Path) -> PathBuf {
    match input {
        Input::File(path) => {
            let path = normal(path);
            let below = path.strip_prefix(root).ok().filter(|below| below.file_name().is_some());
            let below = below.or_else(|| path.file_name().map(Path::new)).unwrap_or(Path::new("sound"));
            below.components().filter(|part| matches!(part, Component::Normal(_))).collect()
        }
        Input::Stdin => PathBuf::from("stdin"),
        Input::Url(url) => {
            let path = url.split(['?', '#']).next().unwrap_or_default();
            let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("sound");
            let safe = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
            let name: String = last.chars().map(safe).collect();
            PathBuf::from(name.trim_start_matches('.'))
        }
    }
}

/// The path from the root of the file system, without `.` and `..`; links are not followed.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match part {
            Component::ParentDir => _ = normal.pop(),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// What two names have in common that are one file on some systems.
fn key(name: &Path) -> String {
    earmark_fs::text(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &str, paths: &[&str], extension: &str) -> Vec<String> {
        let inputs: Vec<Input> = paths.iter().map(|path| Input::new(path.as_ref())).collect();
        let names = file_names(&inputs, &common_folder(&[root.into()]), extension);
        inputs.iter().map(|input| earmark_fs::text(&names[&input.name()]).replace('\\', "/")).collect()
    }

    #[test]
    fn files_lie_as_the_recordings_do() {
        let paths = [
            "rec/a.wav",
            "./rec/b/c.d.flac",
            "rec/b/../e.wav",
            "-",
            "https://example.org/x/Möwe%201.mp3?dl=1",
        ];
        let want = ["a.csv", "b/c.d.csv", "e.csv", "stdin.csv", "Möwe_201.csv"];
        assert_eq!(names("rec", &paths, "csv"), want);
        assert_eq!(names("rec", &["rec/a.wav"], "selections.txt"), ["a.selections.txt"]);
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for path in [
            "../../x.wav",
            "/etc/x.wav",
            "rec/../../../../../../../../x.wav",
            "https://a/../..",
            "https://a/.ssh",
        ] {
            let name = names("rec", &[path], "csv").remove(0);
            let parts: Vec<&str> = name.split('/').collect();
            assert!(parts.iter().all(|part| !part.is_empty() && *part != ".."), "{path}: {name}");
            assert!(Path::new(&name).is_relative(), "{path}: {name}");
        }
    }

    #[test]
    fn inputs_that_would_share_a_file_keep_their_whole_names() {
        let paths = ["r/a.wav", "r/a.flac", "r/A.mp3", "r/b.wav", "r/failures.wav"];
        let want = ["a.wav.csv", "a.flac.csv", "A.mp3.csv", "b.csv", "failures.wav.csv"];
        assert_eq!(names("r", &paths, "csv"), want);
        // Whatever the order, as a resumed job may have more inputs.
        assert_eq!(names("r", &["r/a.flac", "r/a.wav"], "csv"), ["a.flac.csv", "a.wav.csv"]);
        let same = ["https://a/x.wav", "https://b/x.wav", "r/x.wav.mp3"];
        assert_eq!(names("r", &same, "csv"), ["x.wav.csv", "x.wav.2.csv", "x.wav.mp3.2.csv"]);
    }

    #[test]
    fn folders_share_the_deepest_one() {
        let common = |folders: &[&str]| {
            let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
            common_folder(&folders)
        };
        let at = |path: &str| std::path::absolute(path).unwrap();
        assert_eq!(common(&["rec"]), at("rec"));
        assert_eq!(common(&["rec/a", "rec/b/c", "./rec/x/../b"]), at("rec"));
        assert_eq!(common(&["rec", "recordings"]), std::env::current_dir().unwrap());
    }
}
