use std::fmt;

use toml::Value;

/// What a setting may hold.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Values {
    /// `true` or `false`.
    Switch,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// A finite number from the first to the second.
    Number(f64, f64),
    /// A share above 0 and below 1, or a whole number from 1.
    ShareOrCount,
    /// Two finite numbers, the first not above the second.
    Range,
    /// AdamW's β₁ and β₂, each from 0 to below 1.
    Betas,
    /// One of these names.
    Names(fn() -> Vec<&'static str>),
    /// Text that is written like this.
    Form(&'static str),
    /// Several of what is written like this, joined by commas; empty where nothing is chosen.
    List(&'static str),
    /// Any text; empty where nothing is chosen.
    Text,
    /// Text that the run finds out by itself, such as a commit.
    Resolved,
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Values::Switch => f.write_str("true or false"),
            Values::Whole(least, most) => write!(f, "a whole number from {least} to {most}"),
            Values::Number(least, most) if most.is_infinite() => write!(f, "{least} or more"),
            Values::Number(least, most) => write!(f, "{least} to {most}"),
            Values::ShareOrCount => f.write_str("a share above 0 and below 1, or a whole number of clips"),
            Values::Range => f.write_str("two numbers, the smaller one first, such as 5,20"),
            Values::Betas => f.write_str("two numbers from 0 to below 1, such as 0.9,0.999"),
            Values::Names(names) => write!(f, "one of {}", names().join(", ")),
            Values::Form(form) | Values::List(form) => f.write_str(form),
            Values::Text | Values::Resolved => f.write_str("text"),
        }
    }
}

impl Values {
    /// Whether a value, written as text, is one of these.
    pub(crate) fn contain(&self, text: &str) -> bool {
        match self {
            Values::Whole(least, most) => text.parse().is_ok_and(|n| (least..=most).contains(&&n)),
            Values::Number(least, most) => {
                text.parse().is_ok_and(|x: f64| x.is_finite() && (least..=most).contains(&&x))
            }
            Values::ShareOrCount => {
                text.parse().is_ok_and(|x: f64| x.is_finite() && x > 0.0 && (x < 1.0 || x.fract() == 0.0))
            }
            Values::Range => {
                match text.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>().as_deref() {
                    Ok(&[least, most]) => least.is_finite() && most.is_finite() && least <= most,
                    _ => false,
                }
            }
            Values::Betas => text.split(',').all(|x| x.parse().is_ok_and(|x: f64| (0.0..1.0).contains(&x))),
            Values::Names(names) => names().contains(&text),
            // Their types accept nothing else.
            Values::Switch | Values::Form(_) | Values::List(_) | Values::Text | Values::Resolved => true,
        }
    }

    /// A value, written as text, as TOML has it.
    pub(crate) fn to_toml(self, text: &str) -> Value {
        let number = |text: &str| text.parse().map(Value::Float).ok();
        let value = match self {
            Values::Switch => text.parse().map(Value::Boolean).ok(),
            Values::Whole(..) => text.parse().map(Value::Integer).ok(),
            Values::Number(..) | Values::ShareOrCount => number(text),
            Values::Betas | Values::Range => {
                text.split(',').map(number).collect::<Option<_>>().map(Value::Array)
            }
            Values::Names(_) | Values::Form(_) | Values::List(_) | Values::Text | Values::Resolved => None,
        };
        value.unwrap_or_else(|| Value::String(text.to_owned()))
    }

    /// The text of a TOML value; `None` where its type is another.
    pub(crate) fn text_of(self, value: &Value) -> Option<String> {
        match (self, value) {
            (Values::Switch, Value::Boolean(_))
            | (Values::Whole(..) | Values::Number(..) | Values::ShareOrCount, Value::Integer(_))
            | (Values::Number(..) | Values::ShareOrCount, Value::Float(_))
            // A share is a form of `val_from_train`.
            | (Values::Form(_), Value::Float(_)) => Some(value.to_string()),
            (Values::Betas | Values::Range, Value::Array(numbers)) => {
                Some(numbers.iter().map(Value::to_string).collect::<Vec<_>>().join(","))
            }
            (
                Values::Names(_) | Values::Form(_) | Values::List(_) | Values::Text | Values::Resolved,
                Value::String(text),
            ) => Some(text.clone()),
            (Values::List(_), Value::Array(parts)) => {
                Some(parts.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(","))
            }
            _ => None,
        }
    }
}
