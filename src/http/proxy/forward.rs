//! What a proxy gets to see of a request: CONNECT, and requests in absolute form.
//!
//! Invariant: a proxy's credentials stand in these two alone.

use ::http::Method;
use url::Url;

use super::Proxy;
use crate::http::{BodyLength, Origin, RequestError, RequestHead};

const AUTHORIZATION: &str = "Proxy-Authorization";

impl Proxy {
    /// The request for a tunnel to `target` (RFC 9110, 9.3.6), with these field lines.
    pub(crate) fn connect(
        &self,
        target: &Origin,
        fields: &[u8],
    ) -> Result<RequestHead, RequestError> {
        let url = Url::parse(&target.to_string()).expect("an origin is a URL");
        let mut head = RequestHead::new(Method::CONNECT, &url)?;
        head.field("Host", target.authority_with_port().to_string())?;
        self.introduce(&mut head)?;
        head.append_lines(fields);
        Ok(head)
    }

    /// A request as this proxy is to forward it (RFC 9112, 3.2.2), with these field lines of its own.
    pub(crate) fn forward(&self, head: &RequestHead, body: BodyLength, fields: &[u8]) -> Vec<u8> {
        let mut head = head.clone();
        // a value of the caller's own has passed already
        if self.introduce(&mut head).is_ok() {
            head.append_lines(fields);
        }
        let mut bytes = vec![0; head.encoded_len(body)];
        head.encode(body, &mut bytes);
        let target = head.method().as_str().len() + 1;
        let origin = head.origin().to_string().into_bytes();
        match head.target() {
            // OPTIONS * goes without a path (RFC 9112, 3.2.4)
            "*" => drop(bytes.splice(target..=target, origin)),
            path if path.starts_with('/') => drop(bytes.splice(target..target, origin)),
            // the caller's own words, whole
            _ => {}
        }
        bytes
    }

    /// Says who asks, unless the caller has.
    fn introduce(&self, head: &mut RequestHead) -> Result<(), RequestError> {
        match self.authorization() {
            Some(value) if !head.has_field(AUTHORIZATION) => head.field(AUTHORIZATION, value),
            _ => Ok(()),
        }
    }
}

impl RequestHead {
    /// Takes out what is said to proxies alone, where no proxy will read it.
    pub(crate) fn strip_proxy_credentials(&mut self) {
        if self.has_field(AUTHORIZATION) {
            self.retain_fields(|name| !name.eq_ignore_ascii_case(AUTHORIZATION));
        }
    }

    /// Adds field lines that were validated.
    fn append_lines(&mut self, lines: &[u8]) {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let colon = line.iter().position(|&byte| byte == b':').expect("a field line");
            let (name, value) = (&line[..colon], &line[colon + 1..line.len() - 2]);
            let name = std::str::from_utf8(name).expect("names are tokens");
            self.field(name, value).expect("the line was validated");
        }
    }
}
