//! Values of Arrow columns as JSON.

use arrow_array::Array;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_schema::DataType;
use serde_json::Value;

/// The longest list that is read; of a longer one only the number of elements.
const MOST_ELEMENTS: usize = 256;

/// One value of a column. Of a type other than numbers, text, booleans and lists of these the name alone: `<Date32>`.
pub(super) fn scalar(column: &dyn Array, row: usize) -> Value {
    if row >= column.len() || column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).into(),
        DataType::Utf8View => column.as_string_view().value(row).into(),
        DataType::List(element) | DataType::LargeList(element) if is_listed(element.data_type()) => {
            let list = match column.as_list_opt::<i32>() {
                Some(lists) => lists.value(row),
                None => column.as_list::<i64>().value(row),
            };
            match list.len() {
                elements if elements > MOST_ELEMENTS => Value::String(format!("<{elements} elements>")),
                elements => (0..elements).map(|at| scalar(list.as_ref(), at)).collect(),
            }
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            scalar(dictionary.values().as_ref(), dictionary.normalized_keys()[row])
        }
        other => Value::String(format!("<{other}>")),
    }
}

/// Whether lists of this are read: names and numbers of classes.
fn is_listed(element: &DataType) -> bool {
    matches!(element, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) || element.is_integer()
}
