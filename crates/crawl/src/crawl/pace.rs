//! How long a host is left alone after an answer, or after none.
//!
//! Knows statuses, Retry-After (RFC 9110, 10.2.3) and how often in a row. Must not know the clock.

use std::time::{Duration, SystemTime};

use crate::limits;

/// How a host has answered lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// In a row.
    failures: u32,
    /// Answers 429 and 503, in a row.
    busy: u32,
}

impl Pace {
    /// An answer came after `took`, and asks for nothing. A host that is slow is asked less often.
    pub(super) fn answered(&mut self, took: Duration) -> Duration {
        *self = Pace::default();
        if took > limits::SLOW { took.min(limits::SLOW_WAIT) } else { Duration::ZERO }
    }

    /// An answer said that this was too much: for as long as it says, or else `wait`, twice as long each further time.
    pub(super) fn busy(&mut self, told: Option<Duration>, wait: Duration) -> Duration {
        self.failures = 0;
        self.busy += 1;
        told.unwrap_or_else(|| doubled(wait, self.busy)).min(limits::BUSY_WAIT)
    }

    /// There was no answer. Returns how long it is left alone; `None` if this is enough for this run.
    pub(super) fn failed(&mut self, wait: Duration) -> Option<Duration> {
        self.failures += 1;
        (self.failures < limits::HOST_FAILURES)
            .then(|| doubled(wait, self.failures).min(limits::BUSY_WAIT))
    }
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
        let mut pace = Pace::default();
        assert_eq!(pace.answered(second / 10), Duration::ZERO);
        assert_eq!(pace.answered(second * 7), second * 7);
        assert_eq!(pace.answered(second * 7000), limits::SLOW_WAIT);
        assert_eq!(pace.busy(Some(second * 3), second * 60), second * 3);
        assert_eq!(pace.busy(None, second * 60), second * 120);
        assert_eq!(pace.busy(Some(Duration::MAX), second), limits::BUSY_WAIT);
        pace.answered(second);
        assert_eq!(pace.busy(None, second), second);
        assert_eq!(pace.failed(second), Some(second));
        assert_eq!(pace.failed(second), Some(second * 2));
        let last = (0..limits::HOST_FAILURES).map(|_| pace.failed(second)).last();
        assert_eq!(last, Some(None));
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
