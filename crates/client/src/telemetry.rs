//! What is told of calls to whoever watches: a span for each, and metrics, each behind its feature.
//!
//! Knows what a call has come to, and the names by which that is told: the page [`watching`](crate::watching) lists them. Must not
//! know who listens. Invariants: a call is told of once when it begins and once when it ends; one that nobody waits for any more
//! has ended as cancelled; no user information, query or fragment of a URL is told.

use http::Method;
use ringdove::engine::Outcome;
use ringdove::{Url, Version};

/// One call, while it runs.
pub(crate) struct Told {
    #[cfg(feature = "tracing")]
    span: std::sync::Mutex<Option<tracing::Span>>,
    #[cfg(feature = "metrics")]
    counted: std::sync::Mutex<Option<counted::Counted>>,
}

impl Told {
    /// A call begins, within whatever span its caller is in.
    pub(crate) fn begin(method: &Method, url: &Url) -> Told {
        let _ = (method, url);
        Told {
            #[cfg(feature = "tracing")]
            span: std::sync::Mutex::new(Some(traced::begin(method, url))),
            #[cfg(feature = "metrics")]
            counted: std::sync::Mutex::new(Some(counted::Counted::begin(method))),
        }
    }

    /// The transfer is over.
    pub(crate) fn end(&self, outcome: &Outcome) {
        self.tell(End::of(outcome));
    }

    /// The call has ended without one, for this reason.
    pub(crate) fn end_without(&self, why: &'static str) {
        self.tell(End { outcome: why, ..End::default() });
    }

    fn tell(&self, end: End<'_>) {
        let _ = end;
        #[cfg(feature = "tracing")]
        if let Some(span) = take(&self.span) {
            traced::end(&span, &end);
        }
        #[cfg(feature = "metrics")]
        if let Some(counted) = take(&self.counted) {
            counted.end(&end);
        }
    }
}

impl Drop for Told {
    /// Nobody has waited for its end.
    fn drop(&mut self) {
        self.end_without("cancelled");
    }
}

#[cfg(any(feature = "tracing", feature = "metrics"))]
fn take<T>(one: &std::sync::Mutex<Option<T>>) -> Option<T> {
    one.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
}

/// How a call has ended.
#[derive(Default)]
#[cfg_attr(not(any(feature = "tracing", feature = "metrics")), expect(dead_code))]
struct End<'a> {
    /// In a word.
    outcome: &'static str,
    status: Option<u16>,
    version: Option<Version>,
    report: Option<&'a ringdove::Report>,
}

impl End<'_> {
    fn of(outcome: &Outcome) -> End<'_> {
        let report = Some(&outcome.report);
        match &outcome.result {
            Ok(response) => {
                let outcome = match response.status / 100 {
                    1 => "1xx",
                    2 => "2xx",
                    3 => "3xx",
                    4 => "4xx",
                    _ => "5xx",
                };
                let (status, version) = (Some(response.status), Some(response.version));
                End { outcome, status, version, report }
            }
            Err(error) => {
                let status = outcome.report.status;
                End { outcome: error.kind(), status, version: None, report }
            }
        }
    }
}

#[cfg(feature = "tracing")]
mod traced {
    use http::Method;
    use ringdove::{Url, Version};
    use tracing::Span;
    use tracing::field::Empty;

    use super::End;

    pub(super) fn begin(method: &Method, url: &Url) -> Span {
        tracing::info_span!(
            target: "ringdove_client",
            "call",
            http.request.method = method.as_str(),
            url.scheme = url.scheme(),
            server.address = url.host_str(),
            server.port = url.port_or_known_default(),
            url.path = url.path(),
            outcome = Empty,
            http.response.status_code = Empty,
            network.protocol.version = Empty,
            network.peer.address = Empty,
            reused = Empty,
            requests = Empty,
            retried = Empty,
            sent = Empty,
            received = Empty,
            queue_us = Empty,
            resolve_us = Empty,
            connect_us = Empty,
            tls_us = Empty,
            first_byte_us = Empty,
            total_us = Empty,
        )
    }

    pub(super) fn end(span: &Span, end: &End<'_>) {
        span.record("outcome", end.outcome);
        if let Some(status) = end.status {
            span.record("http.response.status_code", status);
        }
        if let Some(version) = end.version {
            let version = match version {
                Version::Http10 => "1.0",
                Version::Http11 => "1.1",
                Version::Http2 => "2",
            };
            span.record("network.protocol.version", version);
        }
        let Some(report) = end.report else { return };
        if let Some(remote) = report.remote {
            span.record("network.peer.address", tracing::field::display(remote));
        }
        span.record("reused", report.reused);
        span.record("requests", report.requests.max(1));
        span.record("retried", report.retried.len() + usize::from(report.resent));
        span.record("sent", report.wire_sent);
        span.record("received", report.wire_received);
        let times = &report.times;
        for (name, time) in [
            ("queue_us", times.queue),
            ("resolve_us", times.resolve),
            ("connect_us", times.connect),
            ("tls_us", times.tls),
            ("first_byte_us", times.first_byte),
            ("total_us", times.total),
        ] {
            span.record(name, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

#[cfg(feature = "metrics")]
mod counted {
    use http::Method;
    use metrics::{counter, gauge, histogram};

    use super::End;

    pub(super) struct Counted {
        /// Of the standard ones, so that callers cannot make any number of series.
        method: &'static str,
    }

    impl Counted {
        pub(super) fn begin(method: &Method) -> Counted {
            gauge!("ringdove_client_calls_running").increment(1);
            Counted { method: name_of(method) }
        }

        pub(super) fn end(self, end: &End<'_>) {
            gauge!("ringdove_client_calls_running").decrement(1);
            let (method, outcome) = (self.method, end.outcome);
            counter!("ringdove_client_calls_total", "method" => method, "outcome" => outcome)
                .increment(1);
            let Some(report) = end.report else { return };
            counter!("ringdove_client_sent_bytes_total").increment(report.wire_sent);
            counter!("ringdove_client_received_bytes_total").increment(report.wire_received);
            let retried = report.retried.len() as u64 + u64::from(report.resent);
            counter!("ringdove_client_retries_total").increment(retried);
            let reused = if report.reused { "true" } else { "false" };
            counter!("ringdove_client_connections_used_total", "reused" => reused).increment(1);
            let times = &report.times;
            histogram!("ringdove_client_call_seconds", "outcome" => outcome).record(times.total);
            for (phase, time) in [
                ("queue", times.queue),
                ("resolve", times.resolve),
                ("connect", times.connect),
                ("tls", times.tls),
                ("first_byte", times.first_byte),
            ] {
                histogram!("ringdove_client_phase_seconds", "phase" => phase).record(time);
            }
        }
    }

    fn name_of(method: &Method) -> &'static str {
        const KNOWN: [&str; 9] =
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
        KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
    }
}
