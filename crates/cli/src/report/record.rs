//! What is told of one transfer, for machines: a JSON object of one line (`docs/cli.md`).
//!
//! Knows the names of the fields, which stay as they are, and the words for failures.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use ringdove::error::{Cause, Retry, TlsFaultKind};
use ringdove::protocol::Version;
use ringdove::{Error, Exhausted, Hop, Report, TlsSummary};
use serde::{Serialize, Serializer};
use url::Url;

use super::figures::{errno_name, time_text};
use super::tries::AttemptRecord;
use super::tries::RetriedRecord;
use crate::files::refusal::{Refusal, WriteError};

/// Why a transfer is counted as failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// A kind of [`Error`], or `input`, `status`, `range`, `output`, `interrupted`.
    pub kind: &'static str,
    /// A phase of [`Error`], or `input`.
    pub phase: &'static str,
    /// In words, on one line.
    pub message: String,
    /// The same request may be sent again, and another outcome is possible.
    pub retryable: bool,
    /// What a failure of TLS is about.
    #[serde(skip)]
    pub tls: Option<TlsFaultKind>,
}

/// One line.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    pub(crate) url: &'a str,
    pub(crate) line: Option<u64>,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<&'a Failure>,
    pub(crate) body_bytes: u64,
    /// Of the body, where it was decoded.
    pub(crate) decoded_bytes: Option<u64>,
    /// Received, heads, framing and TLS included.
    pub(crate) wire_received: u64,
    pub(crate) wire_sent: u64,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) reused: bool,
    #[serde(serialize_with = "version")]
    pub(crate) http_version: Option<Version>,
    /// Because a kept connection had gone stale.
    pub(crate) resent: u8,
    pub(crate) file: Option<Cow<'a, str>>,
    /// Microseconds.
    pub(crate) times: Times,
    /// Each request, where redirects were followed.
    pub(crate) hops: Vec<HopRecord<'a>>,
    /// Each request that was retried.
    pub(crate) retried: Vec<RetriedRecord>,
    /// Each address that was tried, where there was more than one, or where one failed.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// What the system had no room for.
    pub(crate) exhausted: Option<ExhaustedRecord>,
    /// What of the body was not decoded, in words.
    pub(crate) undecoded: Option<String>,
}

/// That a transfer went back to its queue, since the system had no room for its connection.
#[derive(Debug, Serialize)]
pub(crate) struct ExhaustedRecord {
    /// As in errno(3), such as `EMFILE`.
    errno: String,
    times: u32,
    /// Microseconds.
    waited: u64,
}

/// One request of a transfer that followed redirects.
#[derive(Debug, Serialize)]
pub(crate) struct HopRecord<'a> {
    /// None of one that was not kept.
    url: Option<&'a str>,
    method: &'a str,
    status: Option<u16>,
    wire_received: u64,
    wire_sent: u64,
    remote: Option<SocketAddr>,
    reused: bool,
    resent: u8,
    times: Times,
}

/// Microseconds spent in each wait; zero for one that was not.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Times {
    queue: u64,
    resolve: u64,
    connect: u64,
    proxy: u64,
    tls: u64,
    first_byte: u64,
    total: u64,
}

impl Failure {
    pub(crate) fn of_transfer(error: &Error, idempotent: bool) -> Failure {
        Failure {
            kind: error.kind(),
            phase: error.phase.name(),
            message: error.to_string(),
            retryable: match error.retry() {
                Retry::Safe => true,
                Retry::IfIdempotent => idempotent,
                Retry::No => false,
            },
            tls: match &error.cause {
                Cause::Tls(fault) => Some(fault.kind()),
                _ => None,
            },
        }
    }

    /// The status is one that --fail refuses.
    pub(crate) fn of_status(status: u16) -> Failure {
        let message = format!("status {status}");
        Failure { kind: "status", phase: "receive", message, retryable: false, tls: None }
    }

    pub(crate) fn of_output(error: &WriteError) -> Failure {
        let message = error.to_string();
        Failure { kind: "output", phase: "receive", message, retryable: false, tls: None }
    }

    /// There is no place for what would come.
    pub(crate) fn of_place(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Rest(why) => Failure::of_input(why),
            Refusal::Write(error) => Failure { phase: "input", ..Failure::of_output(&error) },
        }
    }

    /// The response is not the rest of what is there.
    pub(crate) fn of_rest(message: String) -> Failure {
        Failure { kind: "range", phase: "receive", message, retryable: false, tls: None }
    }

    /// What was given is no URL, or none that can be fetched.
    pub(crate) fn of_input(message: String) -> Failure {
        Failure { kind: "input", phase: "input", message, retryable: false, tls: None }
    }

    /// Nothing that an https server shows could be verified.
    pub(crate) fn of_tls(message: String) -> Failure {
        Failure { kind: "tls", phase: "tls", message, retryable: false, tls: None }
    }

    /// `why` is what became of it.
    pub(crate) fn interrupted(why: &str, begun: bool) -> Failure {
        let (phase, message) = match begun {
            true => ("receive", format!("{why} while receiving the response")),
            false => ("queue", format!("{why} before a response")),
        };
        // a request without a response may have been acted upon
        Failure { kind: "interrupted", phase, message, retryable: false, tls: None }
    }
}

impl<'a> Record<'a> {
    /// What is told where there was no transfer.
    pub(crate) fn without_transfer(url: &'a str, line: Option<u64>) -> Record<'a> {
        Record {
            url,
            line,
            status: None,
            error: None,
            body_bytes: 0,
            decoded_bytes: None,
            wire_received: 0,
            wire_sent: 0,
            remote: None,
            reused: false,
            http_version: None,
            resent: 0,
            file: None,
            times: Times::default(),
            hops: Vec::new(),
            retried: Vec::new(),
            attempts: Vec::new(),
            exhausted: None,
            undecoded: None,
        }
    }

    /// What is told of a transfer.
    pub(crate) fn of_report(url: &'a str, line: Option<u64>, report: &'a Report) -> Record<'a> {
        let Report { times, wire_sent, wire_received, body_received, .. } = *report;
        Record {
            status: report.status,
            body_bytes: body_received,
            decoded_bytes: report.body_decoded,
            wire_received,
            wire_sent,
            remote: report.remote,
            reused: report.reused,
            resent: report.resent,
            times: times.into(),
            hops: report.hops.iter().map(HopRecord::of).collect(),
            retried: report.retried.iter().map(RetriedRecord::of).collect(),
            attempts: AttemptRecord::of(report),
            exhausted: report.exhausted.as_deref().map(ExhaustedRecord::of),
            undecoded: report.undecoded.as_ref().map(ToString::to_string),
            ..Record::without_transfer(url, line)
        }
    }

    /// In words, for a transfer that is done.
    pub(crate) fn told(&self, report: &Report) -> String {
        let status = self.status.unwrap_or_default();
        let version = self.http_version.map_or("", version_name);
        let remote = self.remote.map_or("nowhere".to_owned(), |remote| remote.to_string());
        let connection = if self.reused { "a kept connection" } else { "a new connection" };
        let tls = match report.tls {
            None => String::new(),
            Some(TlsSummary { version, resumed: false }) => format!(" over {version}"),
            Some(TlsSummary { version, resumed: true }) => format!(" over {version}, resumed,"),
        };
        let (bytes, total) = (self.body_bytes, time_text(self.times.total));
        let redirects = match report.requests {
            0 | 1 => String::new(),
            2 => ", after 1 redirect".to_owned(),
            hops => format!(", after {} redirects", hops - 1),
        };
        let retries = match self.retried.len() {
            0 => String::new(),
            1 => ", after 1 retry".to_owned(),
            retries => format!(", after {retries} retries"),
        };
        format!(
            "{status} by HTTP/{version}{tls} from {remote} on {connection}, {bytes} bytes in {total}\
             {redirects}{retries}"
        )
    }

    /// The line, with its end.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("strings and numbers");
        line.push(b'\n');
        line
    }
}

impl ExhaustedRecord {
    fn of(exhausted: &Exhausted) -> ExhaustedRecord {
        ExhaustedRecord {
            errno: errno_name(exhausted.errno),
            times: exhausted.times,
            waited: exhausted.waited.as_micros() as u64,
        }
    }
}

impl<'a> HopRecord<'a> {
    fn of(hop: &'a Hop) -> HopRecord<'a> {
        HopRecord {
            url: hop.url.as_ref().map(Url::as_str),
            method: hop.method.as_str(),
            status: hop.status,
            wire_received: hop.wire_received,
            wire_sent: hop.wire_sent,
            remote: hop.remote,
            reused: hop.reused,
            resent: hop.resent,
            times: hop.times.into(),
        }
    }
}

impl From<ringdove::Times> for Times {
    fn from(times: ringdove::Times) -> Times {
        let micros = |time: Duration| time.as_micros() as u64;
        Times {
            queue: micros(times.queue),
            resolve: micros(times.resolve),
            connect: micros(times.connect),
            proxy: micros(times.proxy),
            tls: micros(times.tls),
            first_byte: micros(times.first_byte),
            total: micros(times.total),
        }
    }
}

fn version<S: Serializer>(version: &Option<Version>, serializer: S) -> Result<S::Ok, S::Error> {
    version.map(version_name).serialize(serializer)
}

/// As in the status line, after the slash.
fn version_name(version: Version) -> &'static str {
    match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and their order are a promise.
    #[test]
    fn fields_have_the_names_that_are_documented() {
        let failure = Failure::of_status(404);
        let line = Record {
            error: Some(&failure),
            status: Some(404),
            http_version: Some(Version::Http11),
            remote: Some(([127, 0, 0, 1], 80).into()),
            ..Record::without_transfer("http://a/", Some(3))
        }
        .to_line();
        let want = concat!(
            r#"{"url":"http://a/","line":3,"status":404,"#,
            r#""error":{"kind":"status","phase":"receive","message":"status 404","retryable":false},"#,
            r#""body_bytes":0,"decoded_bytes":null,"wire_received":0,"wire_sent":0,"remote":"127.0.0.1:80","reused":false,"#,
            r#""http_version":"1.1","resent":0,"file":null,"#,
            r#""times":{"queue":0,"resolve":0,"connect":0,"proxy":0,"tls":0,"first_byte":0,"total":0},"hops":[],"retried":[],"attempts":[],"exhausted":null,"undecoded":null}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(line).unwrap(), want);
    }
}
