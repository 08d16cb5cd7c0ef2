//! YAML as Python writes and reads it: keys in their order, lists no deeper than their key.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::artifacts::card::{float, scalar};

/// A value. That a file may hold the same value in many ways is not kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    /// In the order of the file.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn read(text: &str) -> Result<Yaml, String> {
        let read = serde_saphyr::from_str(text);
        // The lines below the first show the text.
        read.map_err(|error| {
            error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
    }

    pub(crate) fn text(text: impl Into<String>) -> Yaml {
        Yaml::Text(text.into())
    }

    pub(crate) fn map<const N: usize>(entries: [(&str, Yaml); N]) -> Yaml {
        Yaml::Map(entries.map(|(key, value)| (key.to_owned(), value)).to_vec())
    }

    /// The value of a key, where this is a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Yaml> {
        let Yaml::Map(entries) = self else { return None };
        entries.iter().find(|(it, _)| it == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Yaml> {
        let Yaml::Map(entries) = self else { return None };
        entries.iter_mut().find(|(it, _)| it == key).map(|(_, value)| value)
    }

    /// The items, where this is a list.
    pub(crate) fn list_mut(&mut self) -> Option<&mut Vec<Yaml>> {
        if let Yaml::List(items) = self { Some(items) } else { None }
    }

    /// In lines, each behind so many spaces.
    pub(crate) fn lines(&self, indent: usize) -> String {
        let space = " ".repeat(indent);
        match self {
            Yaml::Map(entries) if !entries.is_empty() => {
                let entry = |(key, value): &(String, Yaml)| {
                    let key = scalar(key);
                    match value {
                        Yaml::Map(inner) if !inner.is_empty() => {
                            format!("{space}{key}:\n{}", value.lines(indent + 2))
                        }
                        Yaml::List(inner) if !inner.is_empty() => {
                            format!("{space}{key}:\n{}", value.lines(indent))
                        }
                        _ => format!("{space}{key}: {}", value.lines(0)),
                    }
                };
                entries.iter().map(entry).collect()
            }
            Yaml::List(items) if !items.is_empty() => {
                let item = |item: &Yaml| format!("{space}- {}", item.lines(indent + 2).trim_start());
                items.iter().map(item).collect()
            }
            Yaml::Null => format!("{space}null\n"),
            Yaml::Bool(value) => format!("{space}{value}\n"),
            Yaml::Integer(value) => format!("{space}{value}\n"),
            Yaml::Float(value) => format!("{space}{}\n", float(*value)),
            Yaml::Text(value) => format!("{space}{}\n", scalar(value)),
            Yaml::List(_) => format!("{space}[]\n"),
            Yaml::Map(_) => format!("{space}{{}}\n"),
        }
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(Yaml::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Yaml::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_written_as_python_writes_it() {
        // `yaml.dump(..., sort_keys=False)` of PyYAML.
        let text = "\
model-index:
- name: m
  results:
  - task:
      type: audio-classification
    metrics:
    - value: 0.5
      verified: false
      args: {}
    - value: 3
  other: null
list:
- - a
  - b
- []
\"no\": \"1.0\"
";
        let read = Yaml::read(text).unwrap();
        assert_eq!(read.lines(0), text);
        assert_eq!(read.get("no"), Some(&Yaml::text("1.0")));
        assert_eq!(Yaml::read(&read.lines(0)).unwrap(), read);
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        let bomb: String = (1..12).fold("a0: &a0 [x, x]\n".to_owned(), |text, i| {
            text + &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "))
        });
        for text in [bomb, "[".repeat(100_000), "a: 1\na: 2".to_owned(), "a: .nan".to_owned()] {
            let error = Yaml::read(&text).unwrap_err();
            assert!(error.contains("line ") && !error.contains('\n'), "{error}");
        }
    }
}
