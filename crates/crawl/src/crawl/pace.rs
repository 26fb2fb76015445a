//! How long a host is left alone after an answer, or after none.
//!
//! Knows Retry-After (RFC 9110, 10.2.3), and of a host's record how often in a row. Must not know the clock.

use std::time::{Duration, SystemTime};

use crate::frontier::HostRecord;
use crate::limits;

/// An answer took so long, whatever was waited for before it was asked for, and asks for nothing. A host that is slow is asked less often.
pub(super) fn answered(host: &mut HostRecord, took: Duration) -> Duration {
    (host.failures, host.busy) = (0, 0);
    if took > limits::SLOW { took.min(limits::SLOW_WAIT) } else { Duration::ZERO }
}

/// An answer said that this was too much: for as long as it says, or else `wait`, twice as long each further time.
pub(super) fn busy(host: &mut HostRecord, told: Option<Duration>, wait: Duration) -> Duration {
    (host.failures, host.busy) = (0, host.busy.saturating_add(1));
    told.unwrap_or_else(|| doubled(wait, host.busy)).min(limits::BUSY_WAIT)
}

/// There was no answer of one of its origins, for so many times in a row. Returns how long it is left alone; `None` if this is enough of that origin for
/// this run.
pub(super) fn failed(host: &mut HostRecord, times: u32, wait: Duration) -> Option<Duration> {
    host.failures = host.failures.saturating_add(1);
    (times < limits::ORIGIN_FAILURES).then(|| doubled(wait, times).min(limits::BUSY_WAIT))
}

/// It could not be asked because of others of its domain or address. Returns how long it sleeps.
pub(super) fn held_up(host: &mut HostRecord, wait: Duration) -> Duration {
    host.held_up = host.held_up.saturating_add(1);
    doubled(wait, host.held_up.into()).min(limits::HELD_UP_LONGEST)
}

fn doubled(wait: Duration, times: u32) -> Duration {
    wait.saturating_mul(1 << (times - 1).min(20))
}

/// How long a Retry-After asks for, of an answer of `date`, its own clock.
pub(super) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until: SystemTime = httpdate::parse_http_date(value).ok()?;
    let date = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(date).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let second = Duration::from_secs(1);
        let host = &mut HostRecord::default();
        assert_eq!(answered(host, second / 10), Duration::ZERO);
        assert_eq!(answered(host, second * 7), second * 7);
        assert_eq!(answered(host, second * 7000), limits::SLOW_WAIT);
        assert_eq!(busy(host, Some(second * 3), second * 60), second * 3);
        assert_eq!(busy(host, None, second * 60), second * 120);
        assert_eq!(busy(host, Some(Duration::MAX), second), limits::BUSY_WAIT);
        answered(host, second);
        assert_eq!(busy(host, None, second), second);
        assert_eq!(failed(host, 1, second), Some(second));
        assert_eq!(failed(host, 2, second), Some(second * 2));
        assert_eq!(failed(host, limits::ORIGIN_FAILURES, second), None);
        assert_eq!(failed(host, 1, second), Some(second));
        assert_eq!((held_up(host, second), held_up(host, second)), (second, second * 2));
        let last = (0..300).map(|_| held_up(host, second)).last();
        assert_eq!(last, Some(limits::HELD_UP_LONGEST));
    }

    #[test]
    fn both_forms_of_retry_after() {
        const DATE: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let table = [
            ("120", DATE, Some(120)),
            (" 0 ", None, Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", DATE, Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", DATE, Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", None, None),
            ("soon", DATE, None),
            ("", DATE, None),
        ];
        for (value, date, expected) in table {
            let wait = retry_after(value, date).map(|wait| wait.as_secs());
            assert_eq!(wait, expected, "{value}");
        }
    }
}
