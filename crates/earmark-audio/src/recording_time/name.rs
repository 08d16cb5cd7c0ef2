//! Times in file names.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

use super::text::{civil, offset};
use super::time::RecordingTime;

/// The one time in a name; the same time twice is one.
pub(super) fn read(name: &str) -> Option<RecordingTime> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name).as_bytes();
    let mut found = None;
    let mut at = 0;
    while at < name.len() {
        let begins = at == 0 || !name[at - 1].is_ascii_digit();
        let mut rest = Rest(&name[at..]);
        match if begins { rest.time() } else { None } {
            Some(time) if found.is_some_and(|found| found != time) => return None,
            Some(time) => {
                found = Some(time);
                at = name.len() - rest.0.len();
            }
            None => at += 1,
        }
    }
    found.or_else(|| hexadecimal(name))
}

/// The names of AudioMoths before firmware 1.3: seconds since 1970 in eight hexadecimal digits. Only such as have a letter among
/// them, and lie in the years when these were sold: `20190510.WAV` is a date.
fn hexadecimal(name: &[u8]) -> Option<RecordingTime> {
    let (digits, rest) = name.split_at_checked(8)?;
    let is_hex = digits.iter().all(|b| b.is_ascii_digit() || matches!(b, b'A'..=b'F'));
    if !is_hex || digits.iter().all(u8::is_ascii_digit) || !rest.eq_ignore_ascii_case(b".wav") {
        return None;
    }
    let seconds = i64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let local = Offset::UTC.to_datetime(Timestamp::from_second(seconds).ok()?);
    let first = Date::new(2017, 1, 1).ok()?;
    let sold = first..first.checked_add(4.years()).ok()?;
    sold.contains(&local.date()).then_some(RecordingTime { local, offset: Some(Offset::UTC) })
}

/// What is left of a name.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// A time at the beginning, which is taken off.
    fn time(&mut self) -> Option<RecordingTime> {
        let mut rest = *self;
        let (date, spelled) = rest.three(4, b"-_.")?;
        let between = rest.skip(2, b"_-Tt $");
        let (time, _) = rest.three(2, if between { b"-_.:" } else { b"" })?;
        // A longer number is none of these.
        if (!between && spelled) || rest.0.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let local = civil(date, time)?;
        let offset = rest.offset();
        *self = rest;
        Some(RecordingTime { local, offset })
    }

    /// Three numbers, the second and third of two digits: all together, or with the same one of `between` in both places, which
    /// is said.
    fn three(&mut self, first: usize, between: &[u8]) -> Option<([u16; 3], bool)> {
        let a = self.number(first)?;
        let sign = self.0.first().copied().filter(|sign| between.contains(sign));
        let mut number = || {
            if sign.is_some() {
                (self.0.first().copied() == sign).then_some(())?;
                self.0 = &self.0[1..];
            }
            self.number(2)
        };
        Some(([a, number()?, number()?], sign.is_some()))
    }

    fn number(&mut self, digits: usize) -> Option<u16> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        number.iter().all(u8::is_ascii_digit).then_some(())?;
        self.0 = rest;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    /// Takes off at most `most` of `signs`; whether there was one.
    fn skip(&mut self, most: usize, signs: &[u8]) -> bool {
        let some = self.0.iter().take(most).take_while(|sign| signs.contains(sign)).count();
        self.0 = &self.0[some..];
        some > 0
    }

    /// `Z`, `+0200`, `_-0330`, `+02:00`. Other numbers are none: a counter may follow the time.
    fn offset(&mut self) -> Option<Offset> {
        let mut rest = *self;
        rest.skip(1, b"_");
        let (sign, after) = rest.0.split_first()?;
        rest.0 = after;
        let offset = match sign {
            b'Z' => Offset::UTC,
            b'+' | b'-' => {
                let hours = rest.number(2)?;
                rest.skip(1, b":");
                offset(*sign == b'-', hours, rest.number(2)?)?
            }
            _ => return None,
        };
        // It ends here, or is part of something longer.
        if rest.0.first().is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        *self = rest;
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_the_name_of_a_recorders_file_is_read() {
        for (name, want) in [
            ("20210510_190000.WAV", "2021-05-10T19:00:00"),
            ("20210510_190000T.WAV", "2021-05-10T19:00:00"),
            ("20210510_190000Z.wav", "2021-05-10T19:00:00Z"),
            ("SITE-A3_20210510_190000.wav", "2021-05-10T19:00:00"),
            ("SITE_20210510_190000+0200.flac", "2021-05-10T19:00:00+02:00"),
            ("SwiftOne_20220719_000000_-0400.wav", "2022-07-19T00:00:00-04:00"),
            ("SBT-6-76-18_0+1_0_20160621_080000.wav", "2016-06-21T08:00:00"),
            ("20210510T190000+1000_REC.flac", "2021-05-10T19:00:00+10:00"),
            ("OWL_123456_2022-07-19_T00-00-00.WAV", "2022-07-19T00:00:00"),
            ("a/2021-05-10 19.00.00.wav", "2021-05-10T19:00:00"),
            ("R_20210510190000.wav", "2021-05-10T19:00:00"),
            // A counter behind it, as SM2BAT and others write.
            ("S_20210510_190000_001.wav", "2021-05-10T19:00:00"),
            ("S_20210510_190000-0001.wav", "2021-05-10T19:00:00"),
            ("20210510_190000_20210510_190000.wav", "2021-05-10T19:00:00"),
            ("5CA3B1F0.WAV", "2019-04-02T19:03:12Z"),
        ] {
            assert_eq!(read(name).map(|time| time.to_string()).as_deref(), Some(want), "{name}");
        }
    }

    #[test]
    fn what_may_be_no_time_is_none() {
        for name in [
            "",
            "clip.wav",
            "20210510.wav",
            "20211310_190000.wav",
            "20210510_250000.wav",
            "120210510_190000.wav",
            "20210510_1900001.wav",
            "00010510_190000.wav",
            // From one time to another.
            "20210510_190000_20210510_200000.wav",
            "20190510.WAV",
            "DEADBEEF.WAV",
            "5CA3B1F0.flac",
            "5ca3b1f0.wav",
            "1-100032-A-0.wav",
        ] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
