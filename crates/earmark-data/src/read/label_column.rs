//! The column that says the class of a row.

use std::collections::BTreeMap;

use earmark_labels::{LabelId, LabelSet};
use serde_json::Value;

use crate::error::ErrorKind;
use crate::example::{Fields, text};

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
        let Some(value) = fields.get(&self.name) else {
            let columns = fields.keys().cloned().collect();
            return Err(ErrorKind::NoColumn { column: self.name.clone(), columns });
        };
        // Numbers that no file declares are those of the dataset's own list, unless they are names themselves.
        let is_number = value.is_number() && self.labels.id(&value.to_string()).is_none();
        let names = declared.get(&self.name).map(Vec::as_slice).or(is_number.then(|| self.labels.names()));
        let unknown = |class| ErrorKind::NoClass { row, column: self.name.clone(), class };
        let Some(class) = class_of(fields, &self.name, names).map_err(unknown)? else { return Ok(None) };
        let id = self.labels.id(&class);
        if id.is_none() && !self.partial {
            return Err(unknown(class));
        }
        fields.insert(self.name.clone(), Value::String(class));
        Ok(id)
    }
}

/// The class of a row: the value of its column; of a declared class the name for its number. `None` where `datasets` writes no
/// class: null, or the number −1 of a declared class. The error is a number that has no name.
pub(crate) fn class_of(
    fields: &Fields,
    column: &str,
    names: Option<&[String]>,
) -> Result<Option<String>, String> {
    match fields.get(column) {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Number(number)) => match names {
            Some(_) if number.as_i64() == Some(-1) => Ok(None),
            Some(names) => {
                let name = number.as_u64().and_then(|id| names.get(usize::try_from(id).ok()?));
                name.cloned().map(Some).ok_or_else(|| number.to_string())
            }
            None => Ok(Some(text(value))),
        },
        Some(value) => Ok(Some(text(value))),
    }
}
