//! Dates as they are typed, in the ways of curl_getdate(3).
//!
//! Knows the words. What has no time of day is of midnight, what has no zone of UTC. Must not know what
//! date it is: there is no "yesterday".

use ringdove::protocol::Date;

/// What of a date has been read.
#[derive(Default)]
struct Parts {
    day: Option<u32>,
    month: Option<&'static str>,
    year: Option<u32>,
    time: Option<[u32; 3]>,
    /// Seconds to be taken from the time to have UTC.
    zone: Option<i64>,
    has_weekday: bool,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Names that are not used in two senses (RFC 5322, 4.3), and the hours that they are behind UTC.
const ZONES: [(&str, i64); 12] = [
    ("GMT", 0),
    ("UTC", 0),
    ("UT", 0),
    ("Z", 0),
    ("EDT", 4),
    ("EST", 5),
    ("CDT", 5),
    ("CST", 6),
    ("MDT", 6),
    ("MST", 7),
    ("PDT", 7),
    ("PST", 8),
];

/// Reads a date: day, month by name, year, and, if it has one, time of day and zone, in any order; or
/// `YYYYMMDD`.
pub fn parse(text: &str) -> Option<Date> {
    let mut parts = Parts::default();
    let mut before = None;
    let mut rest = text;
    while let Some(start) = rest.find(|char: char| char.is_ascii_alphanumeric()) {
        before = rest[..start].chars().next_back().or(before.filter(|_| start == 0));
        rest = &rest[start..];
        let is_word = rest.starts_with(|char: char| char.is_ascii_alphabetic());
        let end = rest.find(|char: char| match is_word {
            true => !char.is_ascii_alphabetic(),
            false => !(char.is_ascii_digit() || char == ':'),
        });
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        if is_word {
            parts.word(token)?
        } else {
            parts.number(token, before)?
        }
        (before, rest) = (token.chars().next_back(), after);
    }
    parts.date()
}

impl Parts {
    fn word(&mut self, word: &str) -> Option<()> {
        let is = |name: &str| {
            let short = name.get(..3).unwrap_or(name);
            word.eq_ignore_ascii_case(short) || word.eq_ignore_ascii_case(name)
        };
        if !self.has_weekday && WEEKDAYS.iter().any(|day| is(day)) {
            self.has_weekday = true;
        } else if self.month.is_none()
            && let Some(month) = word.get(..3).and_then(month)
        {
            self.month = Some(month);
        } else {
            let zone = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            set(&mut self.zone, zone?.1 * 3600)?;
        }
        Some(())
    }

    fn number(&mut self, digits: &str, before: Option<char>) -> Option<()> {
        if digits.contains(':') {
            let mut time = [0; 3];
            let mut given = digits.split(':');
            for part in &mut time {
                *part = given.next().map_or(Some(0), |part| part.parse().ok())?;
            }
            return given.next().is_none().then(|| set(&mut self.time, time))?;
        }
        let number: u32 = digits.parse().ok()?;
        match (digits.len(), before) {
            (4, Some(sign @ ('+' | '-'))) if number <= 1400 => {
                let ahead = i64::from(number / 100 * 60 + number % 100) * 60;
                set(&mut self.zone, if sign == '+' { -ahead } else { ahead })
            }
            (8, _) if self.day.is_none() && self.month.is_none() && self.year.is_none() => {
                self.month = usize::try_from(number / 100 % 100)
                    .ok()?
                    .checked_sub(1)
                    .and_then(|at| MONTHS.get(at).copied());
                (self.year, self.day) = (Some(number / 10_000), Some(number % 100));
                self.month.map(drop)
            }
            (1 | 2, _) if self.day.is_none() && (1..=31).contains(&number) => {
                set(&mut self.day, number)
            }
            (2, _) => set(&mut self.year, if number > 70 { 1900 + number } else { 2000 + number }),
            (4, _) => set(&mut self.year, number),
            _ => None,
        }
    }

    fn date(self) -> Option<Date> {
        let Parts { day, month, year, time, zone, has_weekday: _ } = self;
        let [hour, minute, second] = time.unwrap_or_default();
        let (day, month, year) = (day?, month?, year?);
        let text = format!("{day} {month} {year:04} {hour}:{minute}:{second}");
        let date = Date::parse(text.as_bytes())?;
        Some(Date::from_unix(date.unix() + zone.unwrap_or_default()))
    }
}

fn month(word: &str) -> Option<&'static str> {
    MONTHS.into_iter().find(|month| month.eq_ignore_ascii_case(word))
}

/// Fails if it is set already.
fn set<T>(part: &mut Option<T>, value: T) -> Option<()> {
    part.is_none().then(|| *part = Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_curl_getdate() {
        // its manual's, all of them the same moment
        let same = [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Nov  6 08:49:37 1994",
            "06 Nov 1994 08:49:37 UTC",
            "06-Nov-94 08:49:37",
            "1994 Nov 6 08:49:37",
            "GMT 08:49:37 06-Nov-94 Sunday",
            "94 6 Nov 08:49:37",
            "Sun, 06 Nov 1994 08:49:37",
            "06 Nov 1994 08:49:37 +0000",
            "06 Nov 1994 09:49:37 +0100",
            "06 Nov 1994 03:49:37 -0500",
            "06 Nov 1994 03:49:37 est",
            "19941106 08:49:37",
        ];
        for text in same {
            assert_eq!(parse(text).map(Date::unix), Some(784_111_777), "{text}");
        }
        let table = [
            ("1994 Nov 6", 784_080_000),
            ("Sun, 06 November 1994", 784_080_000),
            ("19941106", 784_080_000),
            ("06-Nov-94 08:49", 784_111_740),
            ("20040911 +0200", 1_094_853_600),
            ("1 Jan 1970", 0),
            ("31 Dec 69", 3_155_673_600),
        ];
        for (text, want) in table {
            assert_eq!(parse(text).map(Date::unix), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "now",
            "yesterday",
            "1994",
            "Nov 1994",
            "6 Nov",
            "06 Nov 1994 BST",
            "06 Nov 1994 08:49:37:00",
            "06 Nov 1994 25:00:00",
            "06 Nov Dec 1994",
            "32 Jan 2000",
            "19941306",
            "6 11 1994",
            "99999999999",
            "\u{e4} 6 Nov 1994 12",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
