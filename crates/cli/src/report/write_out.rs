//! What is told of each transfer in words of the caller's own (`-w`).
//!
//! Knows curl's variables and escapes. Must not know where the text goes.

use ringdove::Report;
use ringdove::error::{CertificateFault, TlsFaultKind};
use ringdove::protocol::Version;
use url::Url;

use super::record::Failure;

/// A transfer that is over.
pub struct Told<'a> {
    /// Its URL.
    pub url: &'a str,
    /// The same as it was given, maybe without a scheme.
    pub given: &'a str,
    /// The method of its last request.
    pub method: &'a str,
    /// None where there was no transfer.
    pub report: Option<&'a Report>,
    /// Of the last response.
    pub version: Option<Version>,
    /// Of the last response.
    pub content_type: Option<&'a str>,
    /// The Location of a redirect that was not followed.
    pub location: Option<&'a str>,
    /// Bytes of heads received.
    pub head_bytes: u64,
    /// The name of the file that the body went to.
    pub file: Option<&'a str>,
    /// The fields of the last response.
    pub fields: &'a [(String, String)],
    /// Which of the URLs it is, from 0 on.
    pub number: usize,
    /// What Referer says.
    pub referer: Option<&'a str>,
    /// Why it counts as failed, if it does.
    pub failure: Option<&'a Failure>,
}

/// All variables of `json`.
const NAMES: [&str; 34] = [
    "content_type",
    "errormsg",
    "exitcode",
    "filename_effective",
    "http_code",
    "http_version",
    "method",
    "num_connects",
    "num_headers",
    "num_redirects",
    "num_retries",
    "redirect_url",
    "referer",
    "remote_ip",
    "remote_port",
    "response_code",
    "scheme",
    "size_download",
    "size_header",
    "size_request",
    "size_upload",
    "speed_download",
    "speed_upload",
    "ssl_verify_result",
    "time_appconnect",
    "time_connect",
    "time_namelookup",
    "time_pretransfer",
    "time_redirect",
    "time_starttransfer",
    "time_total",
    "url",
    "url_effective",
    "urlnum",
];

/// Variables that are told from the hops of a transfer.
const OF_HOPS: [&str; 8] = [
    "json",
    "method",
    "num_connects",
    "num_redirects",
    "redirect_url",
    "scheme",
    "time_redirect",
    "url_effective",
];

/// Whether `format` may tell of a transfer's hops.
pub(crate) fn tells_hops(format: &str) -> bool {
    OF_HOPS.iter().any(|name| format.contains(&format!("{{{name}}}")))
}

/// What a format says of a transfer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rendered<'f> {
    /// For standard output.
    pub output: String,
    /// For standard error, or what stands in its place.
    pub error: String,
    /// Names in the format that are no variables.
    pub unknown: Vec<&'f str>,
    /// What follows is for standard error.
    turned: bool,
}

impl Rendered<'_> {
    fn push(&mut self, text: &str) {
        let to = if self.turned { &mut self.error } else { &mut self.output };
        to.push_str(text);
    }
}

/// What `format` says of this transfer.
pub fn render<'f>(format: &'f str, told: &Told<'_>) -> Rendered<'f> {
    let mut rendered = Rendered::default();
    let mut rest = format;
    while let Some(at) = rest.find(['%', '\\']) {
        rendered.push(&rest[..at]);
        rest = &rest[at..];
        let named = |begins| rest.strip_prefix(begins).and_then(|rest: &str| rest.split_once('}'));
        if let Some((name, after)) = named("%{") {
            match (name, told.variable(name)) {
                // what follows is for failures
                ("onerror", _) if told.failure.is_none() => return rendered,
                ("onerror", _) => {}
                ("stderr" | "stdout", _) => rendered.turned = name == "stderr",
                (_, Some(value)) => rendered.push(&value),
                (_, None) => rendered.unknown.push(name),
            }
            rest = after;
        } else if let Some((name, after)) = named("%header{") {
            rendered.push(told.field(name));
            rest = after;
        } else {
            rest = rendered.escape(rest);
        }
    }
    rendered.push(rest);
    rendered
}

impl Rendered<'_> {
    /// Takes what `%` or a backslash begins that is no variable, and says what follows it.
    fn escape<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some('%'), Some('%')) => self.push("%"),
            (Some('\\'), Some('n')) => self.push("\n"),
            (Some('\\'), Some('t')) => self.push("\t"),
            (Some('\\'), Some('r')) => self.push("\r"),
            (..) => self.push(&text[..text.len() - chars.as_str().len()]),
        }
        chars.as_str()
    }
}

impl Told<'_> {
    /// The first value of a field of the response.
    fn field(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "json" => return Some(self.json()),
            "header_json" => return Some(self.header_json()),
            _ => {}
        }
        let report = self.report;
        let number = |of: fn(&Report) -> u64| report.map_or(0, of).to_string();
        let status = report.and_then(|report| report.status).unwrap_or(0);
        let hops = report.map_or(&[][..], |report| &report.hops);
        let remote = report.and_then(|report| report.remote);
        Some(match name {
            "content_type" => self.content_type.unwrap_or_default().to_owned(),
            "errormsg" => self.failure.map_or(String::new(), |failure| failure.message.clone()),
            "exitcode" => u8::from(self.failure.is_some()).to_string(),
            "filename_effective" => self.file.unwrap_or_default().to_owned(),
            "http_code" | "response_code" => format!("{status:03}"),
            "http_version" => match self.version {
                None => "0".to_owned(),
                Some(Version::Http10) => "1".to_owned(),
                Some(Version::Http11) => "1.1".to_owned(),
                Some(Version::Http2) => "2".to_owned(),
            },
            "method" => hops.last().map_or(self.method, |hop| hop.method.as_str()).to_owned(),
            "num_connects" => self.connects().to_string(),
            "num_headers" => self.fields.len().to_string(),
            "num_redirects" => hops.len().saturating_sub(1).to_string(),
            "num_retries" => number(|report| report.retried.len() as u64),
            "redirect_url" => {
                let url = self.last_url().zip(self.location).map(|(url, to)| url.join(to));
                url.and_then(Result::ok).map_or(String::new(), String::from)
            }
            "remote_ip" => remote.map_or(String::new(), |remote| remote.ip().to_string()),
            "remote_port" => remote.map_or(0, |remote| remote.port()).to_string(),
            "scheme" => self.last_url().map_or(String::new(), |url| url.scheme().to_owned()),
            "referer" => self.referer.unwrap_or_default().to_owned(),
            "size_download" => number(|report| report.body_received),
            "size_header" => self.head_bytes.to_string(),
            "size_request" => number(|report| report.wire_sent),
            "size_upload" => number(|report| report.body_sent),
            "speed_download" => number(|report| speed(report, report.body_received)),
            "speed_upload" => number(|report| speed(report, report.body_sent)),
            "ssl_verify_result" => self.failure.map_or(0, verify_result).to_string(),
            "url" => self.given.to_owned(),
            "urlnum" => self.number.to_string(),
            "url_effective" => self.last_url().map_or(self.url.to_owned(), String::from),
            name => self.time(name.strip_prefix("time_")?)?,
        })
    }

    /// Since the transfer was added, in seconds: curl counts so.
    fn time(&self, name: &str) -> Option<String> {
        let times = self.report.map(|report| report.times).unwrap_or_default();
        let looked_up = times.queue + times.resolve;
        let connected = looked_up + times.connect;
        let ready = connected + times.proxy + times.tls;
        let time = match name {
            "namelookup" => looked_up,
            "connect" => connected,
            "appconnect" if times.tls.is_zero() => times.tls,
            "appconnect" | "pretransfer" => ready,
            "starttransfer" => ready + times.first_byte,
            "redirect" => {
                let hops = self.report.map_or(&[][..], |report| &report.hops);
                hops.iter().rev().skip(1).map(|hop| hop.times.total).sum()
            }
            "total" => times.total,
            _ => return None,
        };
        Some(format!("{}.{:06}", time.as_secs(), time.subsec_micros()))
    }

    fn connects(&self) -> usize {
        match self.report {
            None => 0,
            Some(report) if report.hops.is_empty() => {
                usize::from(report.remote.is_some() && !report.reused)
            }
            Some(report) => report.hops.iter().filter(|hop| !hop.reused).count(),
        }
    }

    fn last_url(&self) -> Option<Url> {
        match self.report.and_then(|report| report.hops.last()) {
            Some(hop) => hop.url.clone(),
            None => Url::parse(self.url).ok(),
        }
    }

    fn json(&self) -> String {
        let pairs = NAMES.iter().filter_map(|&name| {
            let value = self.variable(name)?;
            let bare = name.starts_with("time_")
                || name.starts_with("size_")
                || name.starts_with("num_")
                || name.starts_with("speed_")
                || ["remote_port", "exitcode", "ssl_verify_result", "urlnum"].contains(&name);
            let value = match (name, bare) {
                (_, true) => value,
                ("http_code" | "response_code", _) => value.trim_start_matches('0').to_owned(),
                (
                    "content_type" | "errormsg" | "filename_effective" | "redirect_url" | "referer",
                    _,
                ) if value.is_empty() => "null".to_owned(),
                _ => serde_json::to_string(&value).ok()?,
            };
            let value = if value.is_empty() { "0".to_owned() } else { value };
            Some(format!("\"{name}\":{value}"))
        });
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    }

    /// The fields of the response by name, in curl's shape: a list of values for each.
    fn header_json(&self) -> String {
        let mut names: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, value) in self.fields {
            let name = name.to_ascii_lowercase();
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => names.push((name, vec![value])),
            }
        }
        let lines = names.iter().filter_map(|(name, values)| {
            let (name, values) = (serde_json::to_string(name), serde_json::to_string(values));
            Some(format!("{}:{}", name.ok()?, values.ok()?))
        });
        format!("{{{}\n}}", lines.collect::<Vec<_>>().join(",\n"))
    }
}

/// Bytes in a second.
fn speed(report: &Report, bytes: u64) -> u64 {
    let micros = report.times.total.as_micros().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// OpenSSL's number for why a server's certificate is refused, which is what curl tells; the closest where
/// rustls makes no difference, 0 where it is not about a certificate.
fn verify_result(failure: &Failure) -> u8 {
    let Some(TlsFaultKind::Certificate(fault)) = failure.tls else {
        return u8::from(failure.tls == Some(TlsFaultKind::Pin));
    };
    match fault {
        CertificateFault::Expired => 10,
        CertificateFault::NotValidYet => 9,
        CertificateFault::Name => 62,
        CertificateFault::UnknownIssuer => 20,
        CertificateFault::Signature => 7,
        CertificateFault::KeySize => 66,
        CertificateFault::IssuersKeySize => 67,
        CertificateFault::Missing => 0,
        // an error without a number of its own
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let failure = Failure::of_status(404);
        let fields = [("A", "1"), ("b", "\""), ("a", "2")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let told = Told {
            url: "http://h",
            given: "h",
            method: "GET",
            report: None,
            version: None,
            content_type: Some("a/b"),
            location: Some("c?d"),
            head_bytes: 7,
            file: None,
            fields: &fields,
            number: 3,
            referer: Some("r"),
            failure: Some(&failure),
        };
        let table = [
            ("", ""),
            ("a%%b\\n\\t\\r\\q%q%", "a%b\n\t\r\\q%q%"),
            ("%{http_code} %{content_type}", "000 a/b"),
            ("%{url} %{url_effective} %{scheme}", "h http://h/ http"),
            ("%{exitcode} %{errormsg}", "1 status 404"),
            ("%{redirect_url}", "http://h/c?d"),
            ("%{size_header}%{time_total}", "70.000000"),
            ("%{urlnum} %{referer} %{num_headers} %{size_upload}", "3 r 3 0"),
            ("%{header_json}", "{\"a\":[\"1\",\"2\"],\n\"b\":[\"\\\"\"]\n}"),
            ("%header{A}|%header{B}|%header{c}|%header{", "1|\"||%header{"),
            ("%%header{A}%header", "%header{A}%header"),
            ("a%{onerror}b", "ab"),
            ("%{unended", "%{unended"),
            ("\\", "\\"),
        ];
        for (format, want) in table {
            let want = Rendered { output: want.to_owned(), ..Rendered::default() };
            assert_eq!(render(format, &told), want, "{format}");
        }
        let Rendered { output, error, unknown, .. } =
            render("a%{none}%{stderr}b%{http_code}%{stdout}c%{stderr}\\n", &told);
        assert_eq!((&*output, &*error, unknown), ("ac", "b000\n", vec!["none"]));
        let json: serde_json::Value = serde_json::from_str(&told.json()).expect("JSON");
        assert_eq!((&json["http_code"], &json["size_header"]), (&0.into(), &7.into()));
    }
}
