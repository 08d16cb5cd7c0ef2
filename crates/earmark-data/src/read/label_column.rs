//! The column that says the class of a row.

use std::collections::BTreeMap;

use earmark_labels::{LabelId, LabelSet};
use serde_json::Value;

use crate::error::ErrorKind;
use crate::example::{Fields, text};

/// How many classes a clip has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Labelling {
    /// One.
    #[default]
    SingleLabel,
    /// Any number of them: its row has a list, or names joined by `|`.
    MultiLabel,
}

/// The column with the class, and the names of the classes.
#[derive(Debug, Clone)]
pub struct LabelColumn {
    /// The column.
    pub name: String,
    /// The classes.
    pub labels: LabelSet,
    /// Whether rows with other classes are skipped: in a configuration that is only a part of its dataset.
    pub partial: bool,
}

impl LabelColumn {
    /// The class of a row, whose number becomes its name among the fields. `declared` has the names of classes that the row's
    /// file declares.
    pub(crate) fn read(
        &self,
        fields: &mut Fields,
        declared: &BTreeMap<String, Vec<String>>,
        row: usize,
    ) -> Result<Option<LabelId>, ErrorKind> {
        Ok(self.read_as(Labelling::SingleLabel, fields, declared, row)?.and_then(|ids| ids.first().copied()))
    }

    /// All classes of a row, as [`read`](Self::read) reads the one.
    pub(crate) fn read_as(
        &self,
        labelling: Labelling,
        fields: &mut Fields,
        declared: &BTreeMap<String, Vec<String>>,
        row: usize,
    ) -> Result<Option<Vec<LabelId>>, ErrorKind> {
        let Some(value) = fields.get(&self.name) else {
            let columns = fields.keys().cloned().collect();
            return Err(ErrorKind::NoColumn { column: self.name.clone(), columns });
        };
        // Numbers that no file declares are those of the dataset's own list, unless they are names themselves.
        let first = value.as_array().and_then(|list| list.first()).unwrap_or(value);
        let is_number = first.is_number() && self.labels.id(&first.to_string()).is_none();
        let names = declared.get(&self.name).map(Vec::as_slice).or(is_number.then(|| self.labels.names()));
        let unknown = |class| ErrorKind::NoClass { row, column: self.name.clone(), class };
        let classes = classes_of(labelling, fields, &self.name, names).map_err(unknown)?;
        let Some(classes) = classes else { return Ok(None) };
        let mut ids = Vec::with_capacity(classes.len());
        for class in &classes {
            match self.labels.id(class) {
                Some(id) => ids.push(id),
                None if self.partial => return Ok(None),
                None => return Err(unknown(class.clone())),
            }
        }
        fields.insert(self.name.clone(), as_field(labelling, classes));
        Ok(Some(ids))
    }
}

/// Classes as the field of a clip: a name, or a list of them.
pub(crate) fn as_field(labelling: Labelling, classes: Vec<String>) -> Value {
    match labelling {
        Labelling::SingleLabel => classes.into_iter().next().map_or(Value::Null, Value::String),
        Labelling::MultiLabel => classes.into(),
    }
}

/// The classes of a row: the values of its column; of declared classes the names for their numbers. `None` where `datasets` writes
/// no class: null, or the number −1 of a declared class. An empty list is a clip of no class. The error is a number that has no name.
pub(crate) fn classes_of(
    labelling: Labelling,
    fields: &Fields,
    column: &str,
    names: Option<&[String]>,
) -> Result<Option<Vec<String>>, String> {
    let value = fields.get(column).filter(|value| !value.is_null());
    let mut classes: Vec<String> = match (value, labelling) {
        (None, _) => return Ok(None),
        (Some(Value::Array(list)), Labelling::MultiLabel) => {
            list.iter().filter_map(|value| class(value, names).transpose()).collect::<Result<_, _>>()?
        }
        (Some(Value::String(joined)), Labelling::MultiLabel) => {
            joined.split('|').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        (Some(value), _) => match class(value, names)? {
            Some(class) => return Ok(Some(vec![class])),
            None => return Ok(None),
        },
    };
    classes.sort_unstable();
    classes.dedup();
    Ok(Some(classes))
}

/// The name of a class; of a declared one for its number, and none for the number −1.
fn class(value: &Value, names: Option<&[String]>) -> Result<Option<String>, String> {
    match (value, names) {
        (Value::Null, _) => Ok(None),
        (Value::Number(number), Some(_)) if number.as_i64() == Some(-1) => Ok(None),
        (Value::Number(number), Some(names)) => {
            let name = number.as_u64().and_then(|id| names.get(usize::try_from(id).ok()?));
            name.cloned().map(Some).ok_or_else(|| number.to_string())
        }
        (value, _) => Ok(Some(text(value))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn classes(value: Value, names: Option<&[String]>) -> Result<Option<Vec<String>>, String> {
        let fields = Fields::from_iter([("tags".to_owned(), value)]);
        classes_of(Labelling::MultiLabel, &fields, "tags", names)
    }

    fn found(names: &[&str]) -> Result<Option<Vec<String>>, String> {
        Ok(Some(names.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn several_classes_are_a_list_or_names_joined_by_a_bar() {
        assert_eq!(classes(json!("dog| cat |dog|"), None), found(&["cat", "dog"]));
        assert_eq!(classes(json!(["dog", null, "cat"]), None), found(&["cat", "dog"]));
        assert_eq!(classes(json!("dog"), None), found(&["dog"]));
        assert_eq!((classes(json!([]), None), classes(json!(""), None)), (found(&[]), found(&[])));
        assert_eq!(classes(Value::Null, None), Ok(None));
        let names = ["cat", "dog"].map(str::to_owned);
        assert_eq!(classes(json!([1, 0, -1]), Some(&names)), found(&["cat", "dog"]));
        assert_eq!(classes(json!([1, 2]), Some(&names)), Err("2".to_owned()));
    }

    #[test]
    fn a_bar_in_the_name_of_the_only_class_is_part_of_it() {
        let fields = Fields::from_iter([("tags".to_owned(), json!("dog|cat"))]);
        assert_eq!(classes_of(Labelling::SingleLabel, &fields, "tags", None), found(&["dog|cat"]));
    }
}
