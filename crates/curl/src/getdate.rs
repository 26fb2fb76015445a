//! Dates in the many ways in which they are written: curl_getdate(3).
#![allow(unsafe_code, reason = "text comes in as a pointer")]

use std::ffi::c_char;

use crate::edge::{guard, text};

/// curl_getdate(3): seconds since 1970; -1 for what is no date. The second argument was never used.
#[unsafe(no_mangle)]
extern "C" fn curl_getdate(date: *const c_char, _unused: *const i64) -> i64 {
    guard(-1, || {
        // SAFETY: the caller promises a text with a NUL.
        let Some(date) = (unsafe { text::bytes(date) }) else { return -1 };
        // 1969-12-31T23:59:59 and what cannot be read are the same to curl's callers
        std::str::from_utf8(date).ok().and_then(parse).unwrap_or(-1)
    })
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Zones by name, and minutes west of Greenwich.
const ZONES: [(&str, i32); 22] = [
    ("gmt", 0),
    ("ut", 0),
    ("utc", 0),
    ("z", 0),
    ("wet", 0),
    ("bst", -60),
    ("wat", 60),
    ("ast", 240),
    ("adt", 180),
    ("est", 300),
    ("edt", 240),
    ("cst", 360),
    ("cdt", 300),
    ("mst", 420),
    ("mdt", 360),
    ("pst", 480),
    ("pdt", 420),
    ("cet", -60),
    ("cest", -120),
    ("met", -60),
    ("mest", -120),
    ("eet", -120),
];

/// What was read so far; each at most once.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    time: Option<(u32, u32, u32)>,
    /// Seconds to be added for Greenwich.
    zone: Option<i64>,
    weekday: bool,
}

/// The date, in any order of its parts: a month by name, a day and a year, a time, a zone, a day of the week; or
/// YYYYMMDD.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let mut read = Read::default();
    let mut rest = text.trim_start_matches(|char: char| !is_part(char));
    while let Some(first) = rest.chars().next() {
        let before = &text[..text.len() - rest.len()];
        let length = if first.is_ascii_alphabetic() {
            read.word(rest)?
        } else {
            read.number(rest, before.chars().next_back())?
        };
        rest = rest[length..].trim_start_matches(|char: char| !is_part(char));
    }
    read.seconds()
}

fn is_part(char: char) -> bool {
    char.is_ascii_alphanumeric()
}

impl Read {
    /// Takes a word; says how long it is.
    fn word(&mut self, rest: &str) -> Option<usize> {
        let length = rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(rest.len());
        let word = rest[..length].to_ascii_lowercase();
        let month = MONTHS.iter().position(|name| word == *name);
        let day = DAYS.iter().any(|name| word == *name || word == name[..3]);
        let zone = ZONES.iter().find(|(name, _)| word == *name);
        match (month, zone) {
            (Some(month), _) if self.month.is_none() => self.month = Some(month as u32),
            (None, Some((_, west))) if self.zone.is_none() => {
                self.zone = Some(i64::from(west * 60))
            }
            // "T" between a date and a time
            (None, None) if word == "t" && self.day.is_some() => {}
            (None, None) if day && !self.weekday => self.weekday = true,
            _ => return None,
        }
        Some(length)
    }

    /// Takes a number, or a time of several; says how long it is. `before`: what stands before it.
    fn number(&mut self, rest: &str, before: Option<char>) -> Option<usize> {
        if self.time.is_none()
            && let Some((time, length)) = time(rest)
        {
            self.time = Some(time);
            return Some(length);
        }
        let length = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..length].parse().ok()?;
        let signed = before.filter(|char| matches!(char, '+' | '-'));
        match (length, signed) {
            (4, Some(sign)) if self.zone.is_none() && number <= 1400 => {
                let seconds = (number / 100 * 60 + number % 100) * 60;
                self.zone = Some(if sign == '+' { -seconds } else { seconds });
            }
            (8, _) if self.year.is_none() && self.month.is_none() && self.day.is_none() => {
                self.year = Some(number / 10000);
                self.month = u32::try_from(number % 10000 / 100).ok()?.checked_sub(1);
                self.day = u32::try_from(number % 100).ok();
            }
            _ if self.day.is_none() && (1..=31).contains(&number) => self.day = Some(number as u32),
            _ if self.year.is_none() => {
                let century = if number > 70 { 1900 } else { 2000 };
                self.year = Some(if number < 100 { number + century } else { number });
            }
            // a year came first: 2004-09-12
            _ if self.month.is_none() && self.day.is_some() => return None,
            _ => return None,
        }
        Some(length)
    }

    fn seconds(&self) -> Option<i64> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let (hour, minute, second) = self.time.unwrap_or_default();
        if month > 11 || day > 31 || year < 1583 || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_from_epoch(year, i64::from(month) + 1, i64::from(day));
        let time = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Some(days * 86400 + time + self.zone.unwrap_or_default())
    }
}

/// A time at the beginning of a text, `HH:MM` or `HH:MM:SS`, and how long it is.
fn time(text: &str) -> Option<((u32, u32, u32), usize)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == ':')).unwrap_or(text.len());
    let parts: Vec<_> = text[..end].split(':').collect();
    let number = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse().ok()).flatten();
    match parts[..] {
        [hour, minute] => Some(((number(hour)?, number(minute)?, 0), end)),
        [hour, minute, second] => Some(((number(hour)?, number(minute)?, number(second)?), end)),
        _ => None,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, the month from 1 on.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    // years begin in March, so that the odd day is the last
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_curls_documentation() {
        let table = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Nov  6 08:49:37 1994", Some(784_111_777)),
            ("06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("1994 Nov 6 08:49:37", Some(784_111_777)),
            ("GMT 08:49:37 06-Nov-94 Sunday", Some(784_111_777)),
            ("94 6 Nov 08:49:37", Some(784_111_777)),
            ("1994 Nov 6", Some(784_080_000)),
            ("06-Nov-94", Some(784_080_000)),
            ("Sun Nov 6 94", Some(784_080_000)),
            ("Sun, Nov 6 1994", Some(784_080_000)),
            ("19941106", Some(784_080_000)),
            ("20040911 +0200", Some(1_094_853_600)),
            ("Thu, 01-Jan-1970 00:59:58 GMT", Some(3598)),
            ("Sat, 15 Apr 2017 21:01:22 -0800", Some(1_492_318_882)),
            ("Sat, 15 Apr 2017 21:01:22 PDT", Some(1_492_315_282)),
            ("", None),
            ("yesterday", None),
        ];
        for (text, want) in table {
            assert_eq!(parse(text), want, "{text}");
        }
    }
}
