use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;

use earmark_error::{Attempt as _, Context as _};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Reading};

/// A class, as the position of its score in a model's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelId(usize);

impl LabelId {
    /// The class at position `index`.
    pub const fn new(index: usize) -> LabelId {
        LabelId(index)
    }

    /// The position of its score in a model's output.
    pub const fn index(self) -> usize {
        self.0
    }
}

impl fmt::Display for LabelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The names of a model's classes, in the order of its outputs.
///
/// Invariant: at least one name, and no name twice, so that a name identifies a class. Only
/// [`with_repeats`](LabelSet::with_repeats) allows a name twice.
///
/// Each class may have a code beside its name ([`with_codes`](LabelSet::with_codes)): `en` for `english`.
///
/// As serde data it is the `id2label` map of a Hugging Face `config.json`: `{"0": "blues", "1": "jazz"}`, keys in any
/// order when read and in id order when written, without codes.
///
/// ```
/// use earmark_labels::{LabelId, LabelSet};
///
/// let labels: LabelSet = serde_json::from_str(r#"{"1": "jazz", "0": "blues"}"#)?;
/// assert_eq!(labels.name(LabelId::new(0)), Some("blues"));
/// assert_eq!(labels.id("jazz"), Some(LabelId::new(1)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct LabelSet {
    names: Vec<String>,
    ids: BTreeMap<String, usize>,
    /// One for each class, or none at all.
    codes: Vec<String>,
}

impl LabelSet {
    /// Takes names in id order.
    ///
    /// # Errors
    /// [`ErrorKind::Empty`] without names, [`ErrorKind::Duplicate`] when a name occurs twice.
    pub fn from_names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<LabelSet, Error> {
        let names = names.into_iter().map(Into::into).collect();
        LabelSet::checked(names).context(Reading("label names"))
    }

    /// Takes names in id order and allows a name twice, as some published models have it; [`LabelSet::id`] then returns the
    /// first.
    ///
    /// # Errors
    /// [`ErrorKind::Empty`] without names.
    pub fn with_repeats<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<LabelSet, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return Err(Reading("label names").failed(ErrorKind::Empty));
        }
        let ids = names.iter().enumerate().rev().map(|(id, name)| (name.clone(), id)).collect();
        Ok(LabelSet { names, ids, codes: Vec::new() })
    }

    /// The same classes, each with a code, in id order.
    ///
    /// # Panics
    /// When there is not one code for each class.
    #[must_use]
    pub fn with_codes<C: Into<String>>(self, codes: impl IntoIterator<Item = C>) -> LabelSet {
        let codes: Vec<String> = codes.into_iter().map(Into::into).collect();
        assert_eq!(codes.len(), self.names.len(), "one code for each class");
        LabelSet { codes, ..self }
    }

    /// Takes the entries of an `id2label` map: keys are the ids as text, in any order.
    ///
    /// # Errors
    /// [`ErrorKind::NotAnId`], [`ErrorKind::RepeatedId`] or [`ErrorKind::Gap`] when the keys are not the numbers from
    /// 0 upwards, and whatever [`LabelSet::from_names`] refuses.
    pub fn from_id2label<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Result<LabelSet, Error>
    where
        K: AsRef<str>,
        V: Into<String>,
    {
        let named = entries.into_iter().map(|(key, name)| (key, name.into()));
        names_in_id_order(named).and_then(LabelSet::checked).context(Reading("`id2label`"))
    }

    fn checked(names: Vec<String>) -> Result<LabelSet, ErrorKind> {
        if names.is_empty() {
            return Err(ErrorKind::Empty);
        }
        let mut ids = BTreeMap::new();
        for (second, name) in names.iter().enumerate() {
            if let Some(first) = ids.insert(name.clone(), second) {
                return Err(ErrorKind::Duplicate { name: name.clone(), first, second });
            }
        }
        Ok(LabelSet { names, ids, codes: Vec::new() })
    }

    /// How many classes there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a label set is never empty")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of a class, or `None` for an id beyond the set. Indexing (`labels[id]`) panics instead.
    pub fn name(&self, id: LabelId) -> Option<&str> {
        self.names.get(id.0).map(String::as_str)
    }

    /// The class with this name, or `None`.
    pub fn id(&self, name: &str) -> Option<LabelId> {
        self.ids.get(name).copied().map(LabelId)
    }

    /// The code of a class, where the classes have codes.
    pub fn code(&self, id: LabelId) -> Option<&str> {
        self.codes.get(id.0).map(String::as_str)
    }

    /// The names in id order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Every class with its name, in id order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (LabelId, &str)> {
        self.names.iter().enumerate().map(|(id, name)| (LabelId(id), name.as_str()))
    }

    /// `config.json`'s `label2id`: names to ids, sorted by name.
    pub fn label2id(&self) -> &BTreeMap<String, usize> {
        &self.ids
    }
}

impl Index<LabelId> for LabelSet {
    type Output = str;

    fn index(&self, id: LabelId) -> &str {
        &self.names[id.0]
    }
}

impl TryFrom<BTreeMap<String, String>> for LabelSet {
    type Error = Error;

    fn try_from(id2label: BTreeMap<String, String>) -> Result<LabelSet, Error> {
        LabelSet::from_id2label(id2label)
    }
}

impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (id, name) in self.iter() {
            map.serialize_entry(&id.to_string(), name)?;
        }
        map.end()
    }
}

fn names_in_id_order<K: AsRef<str>>(
    entries: impl Iterator<Item = (K, String)>,
) -> Result<Vec<String>, ErrorKind> {
    let mut by_id = BTreeMap::new();
    for (key, name) in entries {
        let key = key.as_ref();
        let id: usize = key.trim().parse().map_err(|_| ErrorKind::NotAnId { key: key.to_owned() })?;
        if by_id.insert(id, name).is_some() {
            return Err(ErrorKind::RepeatedId { id });
        }
    }
    match by_id.keys().enumerate().find(|&(expected, &id)| expected != id) {
        Some((missing, _)) => Err(ErrorKind::Gap { missing, count: by_id.len() }),
        None => Ok(by_id.into_values().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<LabelSet, Error>) -> ErrorKind {
        result.expect_err("it should be refused").kind
    }

    #[test]
    fn names_and_ids_identify_each_other() {
        let labels = LabelSet::from_names(["rock", "blues", "jazz"]).unwrap();
        assert_eq!(labels.len(), 3);
        for (id, name) in labels.iter() {
            assert_eq!(labels.id(name), Some(id));
            assert_eq!(labels.name(id), Some(name));
            assert_eq!(&labels[id], name);
        }
        assert_eq!(labels.id("metal"), None);
        assert_eq!(labels.name(LabelId::new(3)), None);
    }

    #[test]
    fn a_config_may_list_its_labels_in_any_order() {
        // As text, "10" sorts before "2": the order of the file means nothing.
        let entries = (0..12).rev().map(|i| (i.to_string(), format!("class {i}")));
        let labels = LabelSet::from_id2label(entries).unwrap();
        assert_eq!(&labels[LabelId::new(2)], "class 2");
        assert_eq!(&labels[LabelId::new(11)], "class 11");
    }

    #[test]
    fn a_label_set_is_written_as_id2label_in_id_order() {
        let labels = LabelSet::from_names((0..11).map(|i| format!("c{i}"))).unwrap();
        let json = serde_json::to_string(&labels).unwrap();
        assert!(json.starts_with(r#"{"0":"c0","1":"c1","2":"c2""#), "{json}");
        assert_eq!(serde_json::from_str::<LabelSet>(&json).unwrap(), labels);
        assert_eq!(labels.label2id()["c10"], 10);
    }

    #[test]
    fn a_gap_in_id2label_is_refused() {
        let gap = LabelSet::from_id2label([("0", "a"), ("2", "c")]);
        assert_eq!(kind(gap), ErrorKind::Gap { missing: 1, count: 2 });
        let from_one = LabelSet::from_id2label([("1", "a"), ("2", "c")]);
        assert_eq!(kind(from_one), ErrorKind::Gap { missing: 0, count: 2 });
        let huge = LabelSet::from_id2label([("18446744073709551615", "a")]);
        assert_eq!(kind(huge), ErrorKind::Gap { missing: 0, count: 1 });
    }

    #[test]
    fn keys_that_are_not_ids_are_refused() {
        for key in ["-1", "1.0", "one", "", "18446744073709551616"] {
            let refused = LabelSet::from_id2label([("0", "a"), (key, "b")]);
            assert_eq!(kind(refused), ErrorKind::NotAnId { key: key.into() });
        }
        let twice = LabelSet::from_id2label([("0", "a"), ("00", "b")]);
        assert_eq!(kind(twice), ErrorKind::RepeatedId { id: 0 });
    }

    #[test]
    fn one_name_for_two_classes_is_refused() {
        let duplicate = ErrorKind::Duplicate { name: "a".into(), first: 0, second: 2 };
        assert_eq!(kind(LabelSet::from_names(["a", "b", "a"])), duplicate);
        assert_eq!(kind(LabelSet::from_names::<String>([])), ErrorKind::Empty);
    }

    #[test]
    fn a_model_may_have_one_name_for_two_classes() {
        let labels = LabelSet::with_repeats(["a", "b", "a"]).unwrap();
        assert_eq!(labels.names(), ["a", "b", "a"]);
        assert_eq!(labels.id("a"), Some(LabelId::new(0)));
        assert_eq!(kind(LabelSet::with_repeats::<String>([])), ErrorKind::Empty);
    }

    #[test]
    fn a_refused_map_says_why_through_serde() {
        let error = serde_json::from_str::<LabelSet>(r#"{"0": "a", "x": "b"}"#).unwrap_err();
        assert!(error.to_string().contains("id2label"), "{error}");
    }
}
