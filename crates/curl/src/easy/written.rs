//! Heads of requests over HTTP/1, as curl writes them.
//!
//! Knows curl's order of lines, and how the program's own are spelled. What is true of the request comes from the engine:
//! where it goes by now, with which credentials and cookies, and what follows on the head.

use std::sync::{Mutex, PoisonError};

use ringdove::protocol::{BodyLength, HeadToWrite, Origin, RequestHead, WriteHead};
use ringdove::{RedirectPolicy, Version};

use super::fields::{Lines, Own, OwnLine};

/// Writes the heads of one transfer.
#[derive(Debug)]
pub(super) struct Writer {
    lines: Lines,
    own: Vec<OwnLine>,
    /// The program's own for proxies.
    proxy: Vec<OwnLine>,
    /// Lines of these names the program wants none of.
    removed: Vec<String>,
    /// Who the program's own credentials and its Host are for.
    origin: Origin,
    trusts_all: bool,
    /// The authority as the program has it, where it is not as the engine has it.
    host: Option<Vec<u8>>,
    /// What the request line says, whoever reads it.
    target: Option<String>,
    /// Referer says where a redirect comes from: the URL before.
    referer: Option<Mutex<Referer>>,
}

/// What was asked for last, and where that came from.
#[derive(Debug, Default)]
struct Referer {
    last: Option<String>,
    says: Option<String>,
}

impl Writer {
    pub(super) fn new(
        (head, host, follows_referer): (&RequestHead, Option<Vec<u8>>, bool),
        target: Option<String>,
        lines: Lines,
        own: &Own,
        proxy: &Own,
        redirects: Option<RedirectPolicy>,
    ) -> Writer {
        let names = [
            "host",
            "authorization",
            "proxy-authorization",
            "proxy-connection",
            "content-length",
            "transfer-encoding",
            "content-type",
            "expect",
            "cookie",
        ];
        let removed = names
            .into_iter()
            .filter(|name| own.has(name) || proxy.has(name))
            .map(str::to_owned)
            .collect();
        Writer {
            lines,
            own: own.sent().cloned().collect(),
            proxy: proxy.sent().cloned().collect(),
            removed,
            origin: head.origin().clone(),
            trusts_all: redirects.is_some_and(|policy| policy.trust_all_origins),
            host,
            target,
            referer: follows_referer.then(Mutex::default),
        }
    }

    /// Whether the program has said something of this field.
    fn says(&self, name: &str) -> bool {
        self.removed.iter().any(|own| own == name)
    }

    /// The lines of the program's own that go to this origin with this body.
    fn own<'a>(&'a self, asked: &'a HeadToWrite<'_>) -> impl Iterator<Item = &'a OwnLine> {
        let elsewhere = *asked.head.origin() != self.origin;
        let is = |line: &OwnLine, names: &[&str]| {
            names.iter().any(|name| line.name.eq_ignore_ascii_case(name))
        };
        self.own.iter().filter(move |line| {
            let is_stripped = elsewhere
                && (is(line, &["host"])
                    || !self.trusts_all && is(line, &["authorization", "cookie"]));
            let is_without_body = asked.body == BodyLength::None
                && is(line, &["content-type", "content-length", "transfer-encoding"])
                && elsewhere_or_dropped(asked.head, &line.name);
            let is_merged = self.lines.content_type.is_some() && is(line, &["content-type"]);
            !is_stripped && !is_without_body && !is_merged
        })
    }

    /// What Referer says of its own: nothing in a first request.
    fn referer(&self, head: &RequestHead) -> Option<String> {
        let mut referer = self.referer.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let mut url = head.url();
        url.set_fragment(None);
        let url = String::from(url);
        if referer.last.as_ref().is_some_and(|last| *last != url) {
            referer.says = referer.last.take();
        }
        referer.last = Some(url);
        referer.says.clone()
    }

    /// The target, with the host in the program's own case where a proxy is told it.
    fn target(&self, asked: &HeadToWrite<'_>) -> String {
        let head = asked.head;
        match (&self.target, &self.host) {
            (Some(own), _) => own.clone(),
            (None, Some(host)) if asked.is_forwarded && *head.origin() == self.origin => {
                let host = String::from_utf8_lossy(host);
                format!("{}://{host}{}", head.origin().scheme().name(), head.target())
            }
            _ => asked.target().into_owned(),
        }
    }

    fn write_first(&self, asked: &HeadToWrite<'_>, out: &mut Vec<u8>) {
        let HeadToWrite { head, .. } = asked;
        let referer = self.referer(head);
        let elsewhere = *head.origin() != self.origin;
        match self.own(asked).find(|line| line.name.eq_ignore_ascii_case("host")) {
            Some(own) => line(out, &[&own.written]),
            None if self.says("host") && !elsewhere => {}
            None if self.host.is_some() && !elsewhere => {
                line(out, &[b"Host: ", self.host.as_deref().unwrap_or_default()]);
            }
            None => line(out, &[b"Host: ", head.origin().authority().to_string().as_bytes()]),
        }
        if let Some(value) = &asked.proxy_authorization
            && !self.says("proxy-authorization")
        {
            line(out, &[b"Proxy-Authorization: ", value]);
        }
        if let Some(value) = head.authorization_value() {
            line(out, &[b"Authorization: ", value]);
        }
        let (mut has_proxy_line, mut has_cookies) =
            (!asked.is_forwarded || self.says("proxy-connection"), false);
        let is_before = |name: &str| {
            ["Range", "Content-Range", "User-Agent", "Accept", "Accept-Encoding", "Referer"]
                .contains(&name)
        };
        for (name, value) in &self.lines.first {
            if !is_before(name) && !std::mem::replace(&mut has_proxy_line, true) {
                line(out, &[b"Proxy-Connection: Keep-Alive"]);
            }
            if !is_before(name) && !std::mem::replace(&mut has_cookies, true) {
                write_cookies(head, out);
            }
            if *name == "Referer" && referer.is_some() {
                continue;
            }
            // what the engine has taken out meanwhile is not for this origin
            let is_cookie = *name == "Cookie";
            if is_cookie && head.cookie_value().is_some() || !head.has_field(name) {
                continue;
            }
            line(out, &[name.as_bytes(), b": ", value]);
        }
        if let Some(referer) = &referer {
            line(out, &[b"Referer: ", referer.as_bytes()]);
        }
        if !has_proxy_line {
            line(out, &[b"Proxy-Connection: Keep-Alive"]);
        }
        if !has_cookies {
            write_cookies(head, out);
        }
        for (name, value) in &self.lines.upgrade {
            line(out, &[name.as_bytes(), b": ", value]);
        }
    }

    fn write_framing(&self, asked: &HeadToWrite<'_>, out: &mut Vec<u8>) {
        let has_length =
            self.own(asked).any(|line| line.name.eq_ignore_ascii_case("content-length"));
        match asked.body {
            BodyLength::Known(length) if !has_length && !self.says("content-length") => {
                line(out, &[b"Content-Length: ", length.to_string().as_bytes()]);
            }
            _ => {}
        }
    }
}

/// Whether the engine has taken such a line out, for a request that goes on without its body.
fn elsewhere_or_dropped(head: &RequestHead, name: &str) -> bool {
    !head.has_field(name) && name.eq_ignore_ascii_case("content-type")
}

impl WriteHead for Writer {
    fn write(&self, asked: &HeadToWrite<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let head = asked.head;
        let version: &[u8] = match head.version() {
            Version::Http10 => b"HTTP/1.0",
            _ => b"HTTP/1.1",
        };
        line(
            &mut out,
            &[
                head.method().as_str().as_bytes(),
                b" ",
                self.target(asked).as_bytes(),
                b" ",
                version,
            ],
        );
        self.write_first(asked, &mut out);
        let has_coding =
            self.own(asked).any(|own| own.name.eq_ignore_ascii_case("transfer-encoding"));
        if asked.body == BodyLength::Unknown && !has_coding {
            line(&mut out, &[b"Transfer-Encoding: chunked"]);
        }
        for own in self.own(asked) {
            if !own.name.eq_ignore_ascii_case("host") {
                line(&mut out, &[&own.written]);
            }
        }
        for own in self.proxy.iter().filter(|_| asked.is_forwarded) {
            line(&mut out, &[&own.written]);
        }
        self.write_framing(asked, &mut out);
        if let Some(content_type) = &self.lines.content_type
            && head.has_field("content-type")
        {
            line(&mut out, &[b"Content-Type: ", content_type]);
        }
        if self.lines.expects && head.expects_continue() {
            line(&mut out, &[b"Expect: 100-continue"]);
        }
        line(&mut out, &[]);
        out
    }
}

fn write_cookies(head: &RequestHead, out: &mut Vec<u8>) {
    if let Some(value) = head.cookie_value() {
        line(out, &[b"Cookie: ", value]);
    }
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}
