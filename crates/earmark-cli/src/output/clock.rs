//! Times and lengths of time as people write them.

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

/// `1:02:03`, in whole seconds.
pub(crate) fn whole_seconds(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

/// `1:02:03`, for how long something takes.
pub(crate) fn duration(time: Duration) -> String {
    whole_seconds(time.as_secs_f64())
}

/// `0.4 s`, `10:00`: how long something plays or takes.
pub(crate) fn length(seconds: f64) -> String {
    if seconds < 59.95 { format!("{seconds:.1} s") } else { whole_seconds(seconds) }
}

/// `43 × real time`
pub(crate) fn times_real_time(rate: f64) -> String {
    let digits = if rate < 9.95 { 1 } else { 0 };
    format!("{rate:.digits$} × real time")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(
            [0.4, 62.5, 3723.5].map(whole_seconds),
            ["0:00".to_owned(), "1:03".to_owned(), "1:02:04".to_owned()]
        );
    }

    #[test]
    fn lengths_have_a_tenth_below_a_minute_and_rates_below_ten() {
        assert_eq!(
            [0.04, 59.9, 59.96, 600.0].map(length),
            ["0.0 s", "59.9 s", "1:00", "10:00"].map(str::to_owned)
        );
        assert_eq!(
            [0.42, 9.96, 43.2].map(times_real_time),
            ["0.4", "10", "43"].map(|it| format!("{it} × real time"))
        );
    }
}
