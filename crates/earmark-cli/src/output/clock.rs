//! Times as people write them.

/// `1:02:03.5`
pub(crate) fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    match hours {
        0 => format!("{minutes}:{:02}.{}", rest / 10, rest % 10),
        _ => format!("{hours}:{minutes:02}:{:02}.{}", rest / 10, rest % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn times_have_hours_only_where_there_are_some() {
        assert_eq!(
            (clock(0.0), clock(62.25), clock(3723.5)),
            ("0:00.0".into(), "1:02.3".into(), "1:02:03.5".into())
        );
    }
}
