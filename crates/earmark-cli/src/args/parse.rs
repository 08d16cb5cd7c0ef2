//! Values of flags that several commands read.

use std::time::Duration;

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
        Some(_) => Err("expected more than nothing, and an hour at most".to_owned()),
        None => Err("expected a length of time such as 5s, 500ms or 1m".to_owned()),
    }
}

/// `5`, `0.5`: a number of seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST);
    seconds.ok_or_else(|| "expected a number of seconds, more than 0 and an hour at most".to_owned())
}

/// `16000`: a number of hertz.
pub(crate) fn rate(text: &str) -> Result<SampleRate, String> {
    text.parse().ok().and_then(SampleRate::new).ok_or_else(|| "expected a number of hertz from 1".to_owned())
}
