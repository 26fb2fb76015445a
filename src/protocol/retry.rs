//! What a response says about asking again.
//!
//! Knows which statuses pass, and Retry-After (RFC 9110, 10.2.3). Must not know who asks again, how
//! often, or what time it is: a date is told from the response's own Date, so that it is the server's
//! clock that both are by, and only without that from the date that the caller knows.

use std::time::{Duration, SystemTime};

use super::date::Date;
use super::head::ResponseHead;

/// Whether a response of this status may be another one a little later: the statuses that curl's
/// `--retry` takes for transient.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Whether a server that answers with this status says that it has not acted upon the request: with 408
/// it has not had all of it (RFC 9110, 15.5.9).
pub(crate) fn is_unheard(status: u16) -> bool {
    status == 408
}

/// How long the server asks to be left alone for; of several Retry-After fields, by the longest. `None`
/// where it does not say, or says it by a date and neither it nor the caller says which is `today`.
pub(crate) fn retry_after(head: &ResponseHead<'_>, today: Option<Date>) -> Option<Duration> {
    let values = head.fields().filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    values.filter_map(|(_, value)| wait(head, value.trim_ascii(), today)).max()
}

fn wait(head: &ResponseHead<'_>, value: &[u8], today: Option<Date>) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let own = head.fields().find(|(name, _)| name.eq_ignore_ascii_case("date"));
    let own = own.and_then(|(_, date)| {
        httpdate::parse_http_date(std::str::from_utf8(&date).ok()?.trim_ascii()).ok()
    });
    let date = own.or_else(|| {
        let since_1970 = Duration::from_secs(u64::try_from(today?.unix()).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since_1970)
    })?;
    Some(until.duration_since(date).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use crate::limits::HttpLimits;
    use crate::protocol::{BodyLength, Event, Exchange, RequestHead};

    use super::*;

    fn wait_of(fields: &str) -> Option<Duration> {
        wait_on(None, fields)
    }

    fn wait_on(today: Option<Date>, fields: &str) -> Option<Duration> {
        let url = "http://a/".parse().unwrap();
        let head = RequestHead::new(http::Method::GET, &url).unwrap();
        let mut exchange = Exchange::new(&head, BodyLength::None, &HttpLimits::DEFAULT);
        let response = format!("HTTP/1.1 503 X\r\n{fields}\r\n");
        match exchange.read(response.as_bytes()).unwrap().event {
            Event::Head(head) => retry_after(&head, today),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_forms_of_retry_after() {
        const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        let table = [
            ("", None),
            ("Retry-After: 0\r\n", Some(0)),
            ("retry-after:  120 \r\n", Some(120)),
            ("Retry-After: 5\r\nRetry-After: 7\r\nRetry-After: 6\r\n", Some(7)),
            ("Retry-After: 99999999999999999999999\r\n", Some(u64::MAX)),
            ("Retry-After: -1\r\n", None),
            ("Retry-After: 1.5\r\n", None),
            ("Retry-After: soon\r\n", None),
            ("Retry-After:\r\n", None),
            ("Retry-After: \u{e9}\r\n", None),
            ("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n", None),
        ];
        for (fields, seconds) in table {
            assert_eq!(wait_of(fields), seconds.map(Duration::from_secs), "{fields}");
        }
        let dated = [
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            // the obsolete forms, too
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
            ("Sun, 99 Nov 1994 08:40:37 GMT", None),
        ];
        for (date, seconds) in dated {
            let got = wait_of(&format!("{DATE}Retry-After: {date}\r\n"));
            assert_eq!(got, seconds.map(Duration::from_secs), "{date}");
        }
        let undated = "Date: x\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
        assert_eq!(wait_of(undated), None);
        // 08:50:07
        let today = Some(Date::from_unix(784_111_807));
        assert_eq!(wait_on(today, undated), Some(Duration::from_secs(30)));
        let dated = format!("{DATE}{}", undated.trim_start_matches("Date: x\r\n"));
        assert_eq!(
            wait_on(today, &dated),
            Some(Duration::from_secs(60)),
            "the server's own counts"
        );
    }

    #[test]
    fn transient_statuses() {
        let transient: Vec<_> = (100..600).filter(|status| is_transient(*status)).collect();
        assert_eq!(transient, [408, 429, 500, 502, 503, 504]);
        assert!((100..600).filter(|status| is_unheard(*status)).all(is_transient));
    }
}
