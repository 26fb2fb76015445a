//! What a proxy gets to see of a request: CONNECT, and requests in absolute form.
//!
//! Invariant: a proxy's credentials stand in these two alone.

use std::borrow::Cow;

use ::http::Method;

use super::Proxy;
use crate::protocol::field::validate_value;
use crate::protocol::{
    BodyLength, HeadToWrite, Origin, RequestError, RequestHead, Role, Version, WriteHead,
};

impl Proxy {
    /// The request for a tunnel to `target` (RFC 9110, 9.3.6), with these field lines, and with these
    /// credentials if it has asked for any.
    pub(crate) fn connect(
        &self,
        target: &Origin,
        fields: &[u8],
        asked: Option<&[u8]>,
    ) -> Result<RequestHead, RequestError> {
        let authority = target.authority_with_port().to_string();
        let mut head = RequestHead::to(Method::CONNECT, target.clone(), authority.into())?;
        head.field("Host", target.authority_with_port().to_string())?;
        self.introduce(&mut head, fields, asked)?;
        head.append_lines(fields);
        if self.http10 {
            head.set_version(Version::Http10);
        }
        Ok(head)
    }

    /// A request as this proxy is to forward it (RFC 9112, 3.2.2), with these field lines of its own, and
    /// with these credentials if it has asked for any.
    pub(crate) fn forward(
        &self,
        head: &RequestHead,
        body: BodyLength,
        fields: &[u8],
        asked: Option<&[u8]>,
    ) -> Vec<u8> {
        let mut head = head.clone();
        // a value of the caller's own has passed already
        if self.introduce(&mut head, fields, asked).is_ok() {
            head.append_lines(fields);
        }
        let mut bytes = vec![0; head.encoded_len(body)];
        head.encode(body, &mut bytes);
        let start = head.method().as_str().len() + 1;
        let target = start..start + head.target().len();
        drop(bytes.splice(target, head.forwarded_target().into_bytes()));
        bytes
    }

    /// The same as `writer` writes it.
    pub(crate) fn forward_by(
        &self,
        writer: &dyn WriteHead,
        head: &RequestHead,
        body: BodyLength,
        asked: Option<&[u8]>,
    ) -> Vec<u8> {
        let name = Role::Proxy.authorization_field();
        let asked = asked.filter(|value| validate_value(name, value).is_ok());
        let own = || self.authorization().map(|value| Cow::Owned(value.into_bytes()));
        let proxy_authorization = asked.map(Cow::Borrowed).or_else(own);
        writer.write(&HeadToWrite { head, body, is_forwarded: true, proxy_authorization })
    }

    /// Says who asks, unless the caller has.
    fn introduce(
        &self,
        head: &mut RequestHead,
        fields: &[u8],
        asked: Option<&[u8]>,
    ) -> Result<(), RequestError> {
        let name = Role::Proxy.authorization_field();
        if head.has_field(name) || say_who_asks(fields) {
            return Ok(());
        }
        match (asked, self.authorization()) {
            // what cannot stand in a field is left out: it has the challenge's words
            (Some(value), _) if validate_value(name, value).is_ok() => head.field(name, value),
            (None, Some(value)) => head.field(name, value),
            (Some(_) | None, _) => Ok(()),
        }
    }
}

/// What proxies of HTTP/1.0 may want to hear, and callers may have them be told.
pub(super) const PROXY_CONNECTION: &str = "Proxy-Connection";

impl RequestHead {
    /// Takes out what is said to proxies alone, where no proxy will read it.
    pub(crate) fn strip_proxy_credentials(&mut self) {
        let authorization = Role::Proxy.authorization_field();
        if self.has_field(authorization) {
            self.retain_fields(|name| !name.eq_ignore_ascii_case(authorization));
        }
    }

    /// The target that a forwarding proxy gets.
    pub(crate) fn forwarded_target(&self) -> String {
        match self.target() {
            // OPTIONS * goes without a path (RFC 9112, 3.2.4)
            "*" => self.origin().to_string(),
            path if path.starts_with('/') => format!("{}{path}", self.origin()),
            // the caller's own words, whole
            own => own.to_owned(),
        }
    }

    /// Adds field lines that were validated.
    fn append_lines(&mut self, lines: &[u8]) {
        for (name, line) in names(lines).zip(lines.split_inclusive(|&byte| byte == b'\n')) {
            let value = &line[name.len() + 1..line.len() - 2];
            let name = std::str::from_utf8(name).expect("names are tokens");
            if name.eq_ignore_ascii_case(PROXY_CONNECTION) {
                self.append_line(line);
                continue;
            }
            self.field(name, value).expect("the line was validated");
        }
    }
}

/// Whether field lines for a proxy have credentials of the caller's own.
pub(super) fn say_who_asks(lines: &[u8]) -> bool {
    let authorization = Role::Proxy.authorization_field().as_bytes();
    names(lines).any(|name| name.eq_ignore_ascii_case(authorization))
}

/// The names of field lines that were validated.
fn names(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split_inclusive(|&byte| byte == b'\n').map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').expect("a field line");
        &line[..colon]
    })
}
