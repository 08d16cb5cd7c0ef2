//! Names of folders and files that every file system takes, of labels and recordings that may be called anything.

use std::collections::{BTreeMap, HashSet};

use crate::output::escape::is_hidden;

/// The longest name that a label or a recording gives, in bytes. Windows takes 260 characters for a whole path.
const MOST: usize = 64;

/// Names of devices on Windows, where no file and no folder can be called so, whatever its ending.
#[rustfmt::skip]
const DEVICES: &[&str] = &[
    "con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt0", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Text as a name: without separators, what Windows forbids, control characters, a dot in front and blanks or dots behind.
pub(crate) fn safe(text: &str) -> String {
    let odd = |c: char| is_hidden(c) || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let mut name: String = text.trim().chars().map(|c| if odd(c) { '_' } else { c }).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    while name.len() > MOST {
        name.pop();
    }
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    if name.is_empty() || DEVICES.contains(&stem.as_str()) {
        name.insert(0, '_');
    }
    name
}

/// Gives out names of which no two are the same in upper or lower case, as on Windows and macOS.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// Takes a name away beforehand.
    pub(crate) fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_lowercase());
    }

    /// `name` with `ending`, or the first of `name-2`, `name-3` and so on that is left.
    pub(crate) fn take(&mut self, name: &str, ending: &str) -> String {
        let mut whole = format!("{name}{ending}");
        let mut number = 2;
        while !self.0.insert(whole.to_lowercase()) {
            whole = format!("{name}-{number}{ending}");
            number += 1;
        }
        whole
    }
}

/// A folder for each label. One that needs no change keeps its name, whatever others become.
pub(crate) fn folders(labels: &[String], reserved: &[&str]) -> Vec<String> {
    let mut names = Names::default();
    reserved.iter().for_each(|name| names.reserve(name));
    let mut folders = BTreeMap::new();
    let mut order: Vec<&String> = labels.iter().collect();
    order.sort_by_key(|label| (safe(label) != **label, *label));
    for label in order {
        folders.entry(label).or_insert_with(|| names.take(&safe(label), ""));
    }
    labels.iter().map(|label| folders[label].clone()).collect()
}

/// Seconds with one to three decimals: `12.0`, `0.125`.
pub(crate) fn seconds(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_every_system_takes() {
        for (text, want) in [
            ("Dog", "Dog"),
            ("Boat, Water vehicle", "Boat, Water vehicle"),
            ("Ruf der Möwe", "Ruf der Möwe"),
            ("../x", "_._x"),
            ("..", "_"),
            (".hidden", "_hidden"),
            ("", "_"),
            ("   ", "_"),
            ("a/b\\c:d", "a_b_c_d"),
            ("a.", "a"),
            ("con", "_con"),
            ("CON.txt", "_CON.txt"),
            ("LPT1 ", "_LPT1"),
            ("console", "console"),
            ("a\nb\u{202e}c\0", "a_b_c_"),
            ("a<b>c|d?e*f\"", "a_b_c_d_e_f_"),
        ] {
            assert_eq!(safe(text), want, "{text:?}");
        }
        let long = safe(&"é".repeat(300));
        assert_eq!(long, "é".repeat(MOST / 2));
        assert_eq!(safe(&format!("{}.x", "a".repeat(MOST - 1))), "a".repeat(MOST - 1));
    }

    #[test]
    fn labels_that_would_share_a_folder_have_one_each() {
        let labels = ["a?b", "a_b", "A_B", "a*b", "clips.csv", "a?b"].map(str::to_owned);
        assert_eq!(
            folders(&labels, &["clips.csv"]),
            ["a_b-4", "a_b-2", "A_B", "a_b-3", "clips.csv-2", "a_b-4"].map(str::to_owned)
        );
    }

    #[test]
    fn times_are_as_short_as_they_can_be() {
        let all = [0.0, 12.0, 0.5, 1.25, 0.1234, 3600.0].map(seconds);
        assert_eq!(all, ["0.0", "12.0", "0.5", "1.25", "0.123", "3600.0"]);
    }
}
