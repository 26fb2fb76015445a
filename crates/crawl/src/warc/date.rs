//! Dates as WARC files have them: UTC, by the Gregorian calendar (W3C's profile of ISO 8601).

use std::time::{Duration, SystemTime};

/// `2026-12-01T04:05:06.789Z`: to the millisecond, which WARC 1.1 allows.
pub(super) fn date(time: SystemTime) -> String {
    let (since, [year, month, day, hour, minute, second]) = parts(time);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// `20261201040506`, as names of files have it.
pub(super) fn digits(time: SystemTime) -> String {
    let (_, [year, month, day, hour, minute, second]) = parts(time);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// Whether this is such a date, to whatever fraction of a second.
pub(super) fn is_date(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00";
    let fits =
        |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    let Some((whole, rest)) = text.split_at_checked(shape.len()) else { return false };
    let Some(fraction) = rest.strip_suffix('Z') else { return false };
    let digits = fraction.strip_prefix('.').unwrap_or(fraction);
    whole.bytes().zip(shape.bytes()).all(fits)
        && (fraction.is_empty() || fraction.starts_with('.') && !digits.is_empty())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Since 1970, and year to second.
fn parts(time: SystemTime) -> (Duration, [u64; 6]) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // days of years that begin in March, from the year 0 on, in cycles of 400 years
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + cycle * 400 + next;
    (since, [year, month, day, seconds / 3_600, seconds / 60 % 60, seconds % 60])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_704_067_200_000, "2024-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, expected) in table {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(date(time), expected);
            assert!(is_date(expected));
        }
        assert_eq!(
            digits(SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_251_199)),
            "20240229235959"
        );
        for good in ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.1Z"] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01 00:00:00Z",
            "\u{e9}024-01-01T00:00:00Z",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
