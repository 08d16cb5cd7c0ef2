//! Which split a file belongs to, by its folders and its name, as `datasets` 5.2.0 has it (`data_files.py`): the first of three
//! ways that any file matches holds for all of them.

use crate::error::ErrorKind;

/// The splits in order, and what their folders and files may be called.
const KEYWORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// The splits of some files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Splits {
    /// Their names: train, validation, test, then others in order.
    pub(crate) names: Vec<String>,
    /// For each file its split, as a place in `names`; `None` for one that is in no split.
    pub(crate) of: Vec<Option<usize>>,
    /// Whether they were found in the names of folders.
    pub(crate) by_folder: bool,
    /// A file whose path says two splits at once, and these.
    pub(crate) conflict: Option<(String, Vec<String>)>,
}

impl Splits {
    /// How many files are in no split.
    pub(crate) fn outside(&self) -> usize {
        self.of.iter().filter(|split| split.is_none()).count()
    }
}

/// Finds the splits of files with these paths; `None` where nothing says one, and all of them are `train`.
///
/// # Errors
/// [`ErrorKind::Broken`] for a split that cannot be called so.
pub(crate) fn find(paths: &[&str]) -> Result<Option<Splits>, ErrorKind> {
    let shards: Vec<Option<&str>> = paths.iter().map(|path| of_shard(path)).collect();
    if shards.iter().any(Option::is_some) {
        if let Some(odd) = shards.iter().flatten().find(|split| !is_split_name(split)) {
            return Err(ErrorKind::Broken(format!(
                "`{odd}` is not a valid name of a split: use letters, digits, `_` and dots"
            )));
        }
        let mut names: Vec<&str> = shards.iter().flatten().copied().collect();
        let place =
            |name: &str| KEYWORDS.iter().position(|(known, _)| *known == name).unwrap_or(KEYWORDS.len());
        names.sort_by_key(|name| (place(name), *name));
        names.dedup();
        let of = shards.iter().map(|split| names.iter().position(|name| Some(*name) == *split)).collect();
        let names = names.into_iter().map(str::to_owned).collect();
        return Ok(Some(Splits { names, of, by_folder: false, conflict: None }));
    }
    for (by_folder, of_path) in [(true, of_folders as fn(&str) -> Vec<usize>), (false, of_file_name)] {
        let found: Vec<Vec<usize>> = paths.iter().map(|path| of_path(path)).collect();
        let conflict = paths.iter().zip(&found).find(|(_, splits)| splits.len() > 1).map(|(path, splits)| {
            ((*path).to_owned(), splits.iter().map(|&split| KEYWORDS[split].0.to_owned()).collect())
        });
        let mut present: Vec<usize> = found.iter().flatten().copied().collect();
        present.sort_unstable();
        present.dedup();
        if !present.is_empty() {
            let of =
                found.iter().map(|splits| present.iter().position(|split| Some(split) == splits.first()));
            let of = of.collect();
            let names = present.iter().map(|&split| KEYWORDS[split].0.to_owned()).collect();
            return Ok(Some(Splits { names, of, by_folder, conflict }));
        }
    }
    Ok(None)
}

/// Whether a folder's name says a split.
pub(crate) fn says_split(folder: &str) -> bool {
    !of_folder(folder).is_empty()
}

/// `data/night-00000-of-00004-af31.parquet`: `night`.
fn of_shard(path: &str) -> Option<&str> {
    let file = path.strip_prefix("data/").filter(|file| !file.contains('/'))?;
    let is_count = |text: &[u8]| text.len() == 5 && text.iter().all(u8::is_ascii_digit);
    let bytes = file.as_bytes();
    // `-00000-of-00004`, the last that is there.
    let at = (1..bytes.len().saturating_sub(14)).rev().find(|&at| {
        bytes[at] == b'-'
            && is_count(&bytes[at + 1..at + 6])
            && bytes[at + 6..].starts_with(b"-of-")
            && is_count(&bytes[at + 10..at + 15])
    })?;
    (bytes[at + 15..].contains(&b'.')).then(|| &file[..at])
}

fn is_split_name(name: &str) -> bool {
    name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

fn of_folders(path: &str) -> Vec<usize> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    let mut found: Vec<usize> = folders.split('/').flat_map(of_folder).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn of_folder(folder: &str) -> Vec<usize> {
    of_keywords(|keyword| {
        occurrences(folder, keyword)
            .any(|(before, after)| before.is_none_or(is_between) && after.is_none_or(is_between))
    })
}

fn of_file_name(path: &str) -> Vec<usize> {
    let file = path.rsplit('/').next().unwrap_or(path);
    of_keywords(|keyword| {
        occurrences(file, keyword)
            .any(|(before, after)| before.is_none_or(is_between) && after.is_some_and(is_between))
    })
}

fn of_keywords(is_there: impl Fn(&str) -> bool) -> Vec<usize> {
    let splits = KEYWORDS.iter().enumerate();
    splits
        .filter(|(_, (_, keywords))| keywords.iter().any(|keyword| is_there(keyword)))
        .map(|(split, _)| split)
        .collect()
}

/// The bytes before and after each place where `text` has `word`.
fn occurrences<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (Option<u8>, Option<u8>)> + 'a {
    let bytes = text.as_bytes();
    let neighbours = move |(at, _): (usize, &str)| {
        (at.checked_sub(1).map(|at| bytes[at]), bytes.get(at + word.len()).copied())
    };
    text.match_indices(word).map(neighbours)
}

/// What may stand around a keyword.
fn is_between(byte: u8) -> bool {
    matches!(byte, b'-' | b'.' | b'_' | b' ' | b'0'..=b'9')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn split(paths: &[&str]) -> Vec<String> {
        let splits =
            find(paths).unwrap().unwrap_or(Splits { of: vec![None; paths.len()], ..Splits::default() });
        splits
            .of
            .iter()
            .map(|split| split.map_or(String::new(), |split| splits.names[split].clone()))
            .collect()
    }

    #[test]
    fn folders_say_splits_as_in_datasets() {
        for (folder, want) in [
            ("train", "train"),
            ("training", "train"),
            ("train_1", "train"),
            ("my-train", "train"),
            ("my train 2", "train"),
            ("val", "validation"),
            ("valid", "validation"),
            ("dev", "validation"),
            ("validation.old", "validation"),
            ("test", "test"),
            ("eval", "test"),
            ("2-evaluation", "test"),
            ("testing", "test"),
            ("trains", ""),
            ("Train", ""),
            ("strain", ""),
            ("tester", ""),
            ("rain", ""),
            ("devil", ""),
            ("train(1)", ""),
        ] {
            assert_eq!(split(&[&format!("a/{folder}/dog/x.wav")]), [want], "{folder}");
            assert_eq!(says_split(folder), !want.is_empty(), "{folder}");
        }
    }

    #[test]
    fn file_names_say_splits_where_no_folder_does() {
        for (file, want) in [
            ("train.parquet", "train"),
            ("train-00000-of-00001.parquet", "train"),
            ("clip_train_1.wav", "train"),
            ("1train1.wav", "train"),
            ("x-test.wav", "test"),
            ("dev.wav", "validation"),
            ("mic test.wav", "test"),
            ("train", ""),
            ("latest.wav", ""),
            ("testx.wav", ""),
            ("xtrain.wav", ""),
        ] {
            assert_eq!(split(&[&format!("dog/{file}")]), [want], "{file}");
        }
        assert_eq!(split(&["train/test.wav", "test.wav"]), ["train", ""]);
    }

    #[test]
    fn shards_in_data_say_any_split() {
        let paths = [
            "data/test-00000-of-00001.parquet",
            "data/night.2-00000-of-00002-a1b2.parquet",
            "data/train-00001-of-00002.parquet",
            "train/x.parquet",
            "data/more/night-00000-of-00001.parquet",
            "data/plain.parquet",
        ];
        assert_eq!(split(&paths), ["test", "night.2", "train", "", "", ""]);
        assert_eq!(find(&paths).unwrap().unwrap().names, ["train", "test", "night.2"]);
        assert!(matches!(find(&["data/a b-00000-of-00001.parquet"]), Err(ErrorKind::Broken(_))));
    }

    #[test]
    fn a_file_in_two_splits_is_named() {
        let splits = find(&["train/x.wav", "train/test/y.wav"]).unwrap().unwrap();
        assert_eq!(
            splits.conflict,
            Some(("train/test/y.wav".to_owned(), vec!["train".to_owned(), "test".to_owned()]))
        );
    }
}
