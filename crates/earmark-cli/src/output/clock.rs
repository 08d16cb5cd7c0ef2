//! Times as people write them.

use std::time::Duration;

/// `1:02:03.5`
pub(crate) fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    match hours {
        0 => format!("{minutes}:{:02}.{}", rest / 10, rest % 10),
        _ => format!("{hours}:{minutes:02}:{:02}.{}", rest / 10, rest % 10),
    }
}

/// `1:02:03`, for how long something takes.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{clock, duration};

    #[test]
    fn times_have_hours_only_where_there_are_some() {
        assert_eq!(
            (clock(0.0), clock(62.25), clock(3723.5)),
            ("0:00.0".into(), "1:02.3".into(), "1:02:03.5".into())
        );
        assert_eq!(
            [0.4, 59.6, 3723.0].map(|it| duration(Duration::from_secs_f64(it))),
            ["0:00", "1:00", "1:02:03"]
        );
    }
}
