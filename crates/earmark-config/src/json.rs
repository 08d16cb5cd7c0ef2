//! JSON as a model's folder has it: bounded, and read as Python reads it.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The largest file that [`read`] accepts, in bytes. Old Whisper extractors contain their filter banks, half a megabyte.
pub const MOST_BYTES: u64 = 16 << 20;

/// A JSON object.
pub type Object = Map<String, Value>;

/// A configuration with a value of the wrong type.
#[derive(Debug, thiserror::Error)]
#[error("invalid `{key}`")]
#[non_exhaustive]
pub struct KeyError {
    /// The path of the key, such as `text_config.hidden_size`; `.` for the whole file.
    pub key: String,
    /// The value found, and what was expected.
    #[source]
    pub source: serde_json::Error,
}

/// Reads the bytes of a JSON file.
///
/// # Errors
/// As [`earmark_fs::read`]: when it is missing, not a regular file, a Git LFS pointer, or larger than [`MOST_BYTES`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    earmark_fs::read(path, MOST_BYTES)
}

/// Parses an object.
///
/// # Errors
/// When it is not JSON, or not an object.
pub fn object(text: &[u8]) -> Result<Object, serde_json::Error> {
    serde_json::from_slice(text).map_err(brief)
}

/// Deserialises `keys`. A missing key takes its value from `C`'s default, if `C` is `#[serde(default)]`.
///
/// # Errors
/// [`KeyError`] with the first key whose value is invalid.
pub fn config<C: Default + Serialize + DeserializeOwned>(keys: Object) -> Result<C, KeyError> {
    let mut value = Value::Object(keys);
    let default =
        serde_json::to_value(C::default()).expect("a config has only values that JSON can represent");
    as_python_reads(&mut value, &default);
    serde_path_to_error::deserialize(&value).map_err(|error| match error.path().to_string() {
        key if key != "." => KeyError { key, source: brief(error.into_inner()) },
        key => culprit::<C>(&value, &default).unwrap_or(KeyError { key, source: brief(error.into_inner()) }),
    })
}

/// serde repeats what it found, whose length is up to the file.
fn brief(error: serde_json::Error) -> serde_json::Error {
    let text = error.to_string();
    match text.len() {
        ..=400 => error,
        _ => serde::de::Error::custom(shown(&text)),
    }
}

/// The first key that alone, among defaults, cannot be read: serde loses the path in structs that flatten.
fn culprit<C: DeserializeOwned>(value: &Value, default: &Value) -> Option<KeyError> {
    let alone = |(key, value): (&String, &Value)| {
        let mut keys = default.as_object()?.clone();
        keys.insert(key.clone(), value.clone());
        let source = serde_json::from_value::<C>(Value::Object(keys)).err()?;
        Some(KeyError { key: key.clone(), source: brief(source) })
    };
    value.as_object()?.iter().filter(|(key, _)| default.get(key).is_some()).find_map(alone)
}

fn as_python_reads(value: &mut Value, default: &Value) {
    match (&mut *value, default) {
        (Value::Object(keys), Value::Object(defaults)) => {
            keys.retain(|key, value| !(value.is_null() && defaults.get(key).is_some_and(Value::is_object)));
            for (key, value) in keys {
                if let Some(default) = defaults.get(key) {
                    as_python_reads(value, default);
                }
            }
        }
        (Value::Array(values), Value::Array(defaults)) => {
            if let Some(default) = defaults.first() {
                values.iter_mut().for_each(|value| as_python_reads(value, default));
            }
        }
        (Value::Null, Value::Bool(_)) => *value = false.into(),
        (Value::Number(number), Value::Bool(_)) => *value = (number.as_f64() != Some(0.0)).into(),
        (Value::Number(number), Value::Number(default)) if !default.is_f64() && number.is_f64() => {
            if let Some(whole) = whole(number.as_f64().unwrap_or(f64::NAN)) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// The first 100 characters of a text from a file, for an error message.
pub fn shown(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `number` as an integer; `None` if it has a fraction, or is too large to be exact.
pub fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Config {
        rate: usize,
        scale: f64,
        flag: bool,
        sizes: Vec<usize>,
        inner: Inner,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Inner {
        width: usize,
        #[serde(flatten)]
        other: Object,
    }

    impl Default for Inner {
        fn default() -> Self {
            Inner { width: 7, other: Object::new() }
        }
    }

    impl Default for Config {
        fn default() -> Self {
            Config { rate: 1, scale: 0.5, flag: true, sizes: vec![1], inner: Inner::default() }
        }
    }

    fn read_config(text: &str) -> Result<Config, KeyError> {
        config(object(text.as_bytes()).unwrap())
    }

    #[test]
    fn whole_floats_and_null_flags_are_read_as_python_reads_them() {
        let text =
            r#"{"rate": 16000.0, "scale": 2, "flag": null, "sizes": [3.0, 4], "inner": null, "other": null}"#;
        let want =
            Config { rate: 16000, scale: 2.0, flag: false, sizes: vec![3, 4], inner: Inner::default() };
        assert_eq!(read_config(text).unwrap(), want);
        assert_eq!(read_config(r#"{"inner": {"width": 9.0}}"#).unwrap().inner.width, 9);
        for (flag, want) in [("0", false), ("1", true), ("0.0", false), ("2.5", true)] {
            assert_eq!(read_config(&format!(r#"{{"flag": {flag}}}"#)).unwrap().flag, want, "{flag}");
        }
        assert_eq!(read_config("{}").unwrap(), Config::default());
    }

    #[test]
    fn what_python_would_stumble_over_names_its_key() {
        for (text, key) in [
            (r#"{"rate": 1.5}"#, "rate"),
            (r#"{"rate": -1.0}"#, "rate"),
            (r#"{"rate": 1e300}"#, "rate"),
            (r#"{"rate": "16000"}"#, "rate"),
            (r#"{"rate": null}"#, "rate"),
            (r#"{"flag": "false"}"#, "flag"),
            (r#"{"sizes": [1, 2.5]}"#, "sizes[1]"),
            (r#"{"inner": {"width": []}}"#, "inner.width"),
        ] {
            assert_eq!(read_config(text).unwrap_err().key, key, "{text}");
        }
    }

    #[test]
    fn the_key_is_found_in_a_struct_that_keeps_what_it_does_not_know() {
        let read = |text: &str| config::<Inner>(object(text.as_bytes()).unwrap());
        assert_eq!(read(r#"{"a": 1, "width": "wide", "z": null}"#).unwrap_err().key, "width");
        assert_eq!(read(r#"{"a": 1, "width": 3.0}"#).unwrap().other["a"], 1);
    }

    #[test]
    fn an_error_repeats_no_more_of_a_file_than_a_person_reads() {
        let long = "é".repeat(1_000_000);
        let errors = [
            read_config(&format!(r#"{{"rate": "{long}"}}"#)).unwrap_err().source.to_string(),
            object(format!(r#""{long}""#).as_bytes()).unwrap_err().to_string(),
        ];
        assert!(errors.iter().all(|error| error.len() < 1000 && error.contains("éé")), "{errors:?}");
        assert_eq!((shown("short"), shown(&long).chars().count()), ("short".to_owned(), 101));
    }

    #[test]
    fn a_file_too_large_or_nested_too_deep_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("16777216 bytes"));
        assert!(object(format!("{{\"a\": {}", "[".repeat(1 << 20)).as_bytes()).is_err());
    }
}
