//! Times as recorders write them.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use super::time::RecordingTime;

/// Recorders were first built in the one, and the other is far off: numbers outside are no years.
const YEARS: std::ops::RangeInclusive<i16> = 1990..=2100;

/// `2021-05-10T19:00:00.5+02:00`, with a blank or a `T`, with or without a fraction and an offset.
pub(super) fn iso(text: &str) -> Option<RecordingTime> {
    let pieces = Pieces::parse(text.trim()).ok()?;
    let local = sensible(pieces.date().to_datetime(pieces.time()?))?;
    Some(RecordingTime { local, offset: pieces.to_numeric_offset() })
}

/// A date and a time of day by their numbers.
pub(super) fn civil([year, month, day]: [u16; 3], [hour, minute, second]: [u16; 3]) -> Option<DateTime> {
    let small = |number: u16| i8::try_from(number).ok();
    let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    let time = Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    sensible(date.to_datetime(time))
}

fn sensible(time: DateTime) -> Option<DateTime> {
    YEARS.contains(&time.year()).then_some(time)
}

/// An offset from UTC. Those in use end on a quarter of an hour and are 14 hours at most.
pub(super) fn offset(negative: bool, hours: u16, minutes: u16) -> Option<Offset> {
    let all = i32::from(hours) * 60 + i32::from(minutes);
    if minutes >= 60 || !minutes.is_multiple_of(15) || all > 14 * 60 {
        return None;
    }
    Offset::from_seconds(if negative { -60 * all } else { 60 * all }).ok()
}

/// AudioMoth's comment: `Recorded at 19:00:00 10/05/2021 (UTC+2) by AudioMoth 24E144085F256C8A at medium gain …`, as its
/// firmware writes it into ICMT (`AudioMoth-Firmware-Basic`, `setHeaderComment`). Early firmware states no zone.
pub(super) fn audiomoth(comment: &str) -> Option<RecordingTime> {
    let (_, rest) = comment.split_once("Recorded at ")?;
    rest.contains("AudioMoth").then_some(())?;
    let mut words = rest.split_whitespace();
    let clock = words.next()?;
    let (time, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(time, ':')?;
    let [day, month, year] = numbers(words.next()?, '/')?;
    let mut local = civil([year, month, day], [hour, minute, second])?;
    if !fraction.is_empty() {
        let digits =
            fraction.get(..fraction.len().min(9)).filter(|it| it.bytes().all(|b| b.is_ascii_digit()))?;
        let nanos = digits.parse::<i32>().ok()? * 10i32.pow(9 - digits.len() as u32);
        local = local.with().subsec_nanosecond(nanos).build().ok()?;
    }
    let offset = match words.next()?.strip_prefix("(UTC").and_then(|zone| zone.strip_suffix(')')) {
        None => None,
        Some("") => Some(Offset::UTC),
        Some(zone) => {
            let (sign, hours) = zone.split_at_checked(1)?;
            let (hours, minutes) = hours.split_once(':').unwrap_or((hours, "0"));
            let negative = match sign {
                "+" => false,
                "-" => true,
                _ => return None,
            };
            Some(offset(negative, hours.parse().ok()?, minutes.parse().ok()?)?)
        }
    };
    Some(RecordingTime { local, offset })
}

/// Three numbers with something between them.
pub(super) fn numbers(text: &str, between: char) -> Option<[u16; 3]> {
    let mut parts = text.split(between);
    let mut next = || parts.next()?.parse().ok();
    let three = [next()?, next()?, next()?];
    parts.next().is_none().then_some(three)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(time: Option<RecordingTime>) -> Option<String> {
        time.map(|time| time.to_string())
    }

    #[test]
    fn what_recorders_write_is_read_with_its_zone() {
        for (text, want) in [
            ("2017-05-04T21:30:00-05:00", Some("2017-05-04T21:30:00-05:00")),
            ("2017-05-04T21:30:00Z", Some("2017-05-04T21:30:00Z")),
            ("2014-04-02 22:59:14.250", Some("2014-04-02T22:59:14.25")),
            (" 2014-04-02 22:59:14-03:30\r", Some("2014-04-02T22:59:14-03:30")),
            ("2014-04-02", None),
            ("0000-00-00 00:00:00", None),
            ("1601-01-01 00:00:00", None),
        ] {
            assert_eq!(shown(iso(text)).as_deref(), want, "{text}");
        }
        for (zone, want) in [
            ("(UTC) by", Some("2021-05-10T19:00:00Z")),
            ("(UTC+2) by", Some("2021-05-10T19:00:00+02:00")),
            ("(UTC-3:30) by", Some("2021-05-10T19:00:00-03:30")),
            ("by", Some("2021-05-10T19:00:00")),
            ("(UTC+99) by", None),
        ] {
            let comment = format!("Recorded at 19:00:00 10/05/2021 {zone} AudioMoth 24E1 at medium gain");
            assert_eq!(shown(audiomoth(&comment)).as_deref(), want, "{zone}");
        }
        let fine = audiomoth("Recorded at 19:00:00.125 10/05/2021 (UTC) by AudioMoth 24E1");
        assert_eq!(shown(fine).as_deref(), Some("2021-05-10T19:00:00.125Z"));
        for wrong in
            ["", "Recorded at ", "Recorded at 19:00:00", "Recorded at 25:00:00 10/05/2021 (UTC) by AudioMoth"]
        {
            assert_eq!(audiomoth(wrong), None, "{wrong}");
        }
    }
}
