//! Values of flags that several commands read.

use std::ffi::OsStr;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use earmark_audio::SampleRate;
use earmark_labels::TopK;

/// The longest length of time that a flag takes, in seconds.
const LONGEST: f64 = 3600.0;

/// `5`, `all`
pub(crate) fn top_k(text: &str) -> Result<TopK, String> {
    match text {
        "all" => Ok(TopK::All),
        _ => match text.parse() {
            Ok(0) | Err(_) => Err("expected a number from 1, or `all`".to_owned()),
            Ok(n) => Ok(TopK::N(n)),
        },
    }
}

/// `5s`, `500ms`, `1m`, `1.5`
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" | "" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a length of time such as 5s, 500ms or 1m".to_owned()),
    };
    let seconds = digits.parse::<f64>().ok().map(|number| number * unit);
    match seconds {
        Some(seconds) if seconds > 0.0 && seconds <= LONGEST => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err("must be above 0 and at most 1h".to_owned()),
        None => Err("expected a length of time such as 5s, 500ms or 1m".to_owned()),
    }
}

/// `5`, `0.5`: a number of seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST);
    seconds.ok_or_else(|| "expected a number of seconds above 0 and at most 3600".to_owned())
}

/// `16000`: a number of hertz.
pub(crate) fn rate(text: &str) -> Result<SampleRate, String> {
    text.parse().ok().and_then(SampleRate::new).ok_or_else(|| "expected a number of hertz from 1".to_owned())
}

/// Values of `parse`, which may be others than the names it has for some: shells complete those, and the error of a wrong value
/// suggests the name that is like it.
#[derive(Clone)]
pub(crate) struct Suggested<P> {
    parse: P,
    names: Vec<&'static str>,
}

impl<P> Suggested<P> {
    pub(crate) fn new<T>(parse: P, names: impl IntoIterator<Item = &'static str>) -> Suggested<P>
    where
        P: Fn(&str) -> Result<T, String>,
    {
        Suggested { parse, names: names.into_iter().collect() }
    }
}

impl<P, T> TypedValueParser for Suggested<P>
where
    P: Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        self.parse.parse_ref(cmd, arg, value).map_err(|mut error| {
            let likeness = |name: &str| strsim::jaro(name, &value.to_string_lossy());
            let near = self.names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            // The measure and the bound of clap.
            if let Some(near) = near.filter(|near| likeness(near) > 0.7) {
                error.insert(ContextKind::SuggestedValue, ContextValue::String((*near).to_owned()));
            }
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names.iter().map(PossibleValue::new)))
    }
}
