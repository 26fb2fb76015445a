//! Dates of the calendar, as cookies and policies expire by them.
//!
//! Knows seconds since 1970 and the dates that servers write (RFC 6265, 5.1.1 takes them all). Must not
//! know any clock: what date it is, is an argument.

use std::time::Duration;

/// A date: seconds since 1970-01-01 00:00 UTC, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Date(i64);

impl Date {
    /// The last that has a year of four digits.
    pub const LAST: Date = Date(253_402_300_799);

    /// From seconds since 1970.
    pub const fn from_unix(seconds: i64) -> Date {
        Date(seconds)
    }

    /// Seconds since 1970.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// So much later, in whole seconds.
    pub fn after(self, by: Duration) -> Date {
        Date(self.0.saturating_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Year, month and day of the month, from 1 on.
    pub(super) fn day(self) -> (i64, i64, i64) {
        // in the Gregorian calendar, with years that begin in March and eras of 400 of them
        let days = self.0.div_euclid(86_400) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (year, month) = match month {
            0..10 => (year, month + 3),
            _ => (year + 1, month - 9),
        };
        (year + era * 400, month, day)
    }

    /// Hour, minute and second.
    pub(super) fn time(self) -> (i64, i64, i64) {
        let second = self.0.rem_euclid(86_400);
        (second / 3600, second / 60 % 60, second % 60)
    }

    /// Reads a date as a cookie's (RFC 6265bis, 5.1.1): time, day, month and year in any order, among
    /// whatever else.
    pub fn parse(text: &[u8]) -> Option<Date> {
        let is_delimiter = |byte: &u8| matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e);
        let (mut time, mut day, mut month, mut year) = (None, None, None, None);
        for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
            if time.is_none()
                && let Some(found) = time_of_day(token)
            {
                time = Some(found);
            } else if day.is_none()
                && let Some(found) = leading_number(token, 1, 2)
            {
                day = Some(found);
            } else if month.is_none()
                && let Some(found) = month_of(token)
            {
                month = Some(found);
            } else if year.is_none()
                && let Some(found) = leading_number(token, 2, 4)
            {
                year = Some(found);
            }
        }
        let (day, month, (hour, minute, second)) = (day?, month?, time?);
        let year = match year? {
            short @ 70..=99 => short + 1900,
            short @ 0..=69 => short + 2000,
            year => year,
        };
        let is_date = (1..=days_in(year, month)).contains(&day) && year >= 1601;
        let is_time = hour <= 23 && minute <= 59 && second <= 59;
        (is_date && is_time).then(|| {
            Date(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
        })
    }
}

/// `hh:mm:ss`, and whatever follows that is no digit.
fn time_of_day(token: &[u8]) -> Option<(i64, i64, i64)> {
    let mut parts = token.splitn(3, |&byte| byte == b':');
    let mut exact = || {
        let part = parts.next()?;
        part.iter().all(u8::is_ascii_digit).then(|| leading_number(part, 1, 2)).flatten()
    };
    let (hour, minute) = (exact()?, exact()?);
    Some((hour, minute, leading_number(parts.next()?, 1, 2)?))
}

/// A number of so many digits, and whatever follows that is no digit.
fn leading_number(token: &[u8], least: usize, most: usize) -> Option<i64> {
    let digits = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = |digits: &[u8]| digits.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
    (least..=most).contains(&digits).then(|| number(&token[..digits]))
}

fn month_of(token: &[u8]) -> Option<i64> {
    const MONTHS: &[u8] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let begin = token.get(..3)?;
    let at = MONTHS.chunks(3).position(|month| month.eq_ignore_ascii_case(begin))?;
    Some(at as i64 + 1)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// In the Gregorian calendar, with years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_cookies() {
        let table = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("1994 nov 6 8:49:37", Some(784_111_777)),
            ("6 November 1994 08:49:37 +0500", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 01-Jan-70 00:00:01 GMT", Some(1)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Mon, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("01 Jan 69 00:00:00", Some(3_124_224_000)),
            ("01 Jan 1601 00:00:00", Some(-11_644_473_600)),
            ("01 Jan 1600 00:00:00", None),
            ("29 Feb 1900 00:00:00", None),
            ("31 Apr 2020 00:00:00", None),
            ("00 Jan 2020 00:00:00", None),
            ("01 Jan 2020 24:00:00", None),
            ("01 Jan 2020 00:60:00", None),
            ("01 Jan 2020 00:00", None),
            ("01 Jan 20200 00:00:00", None),
            ("01 Foo 2020 00:00:00", None),
            ("", None),
            ("99999999999999999999", None),
        ];
        for (text, want) in table {
            assert_eq!(Date::parse(text.as_bytes()).map(Date::unix), want, "{text}");
        }
        assert_eq!(
            Date::parse(b"\xff 01 Jan \xfe 2020 00:00:00"),
            Date::parse(b"1 jan 2020 0:0:0")
        );
    }
}
