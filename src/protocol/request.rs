//! A request's head, from what the caller asks to its bytes on the wire.
//!
//! Knows methods, targets and field lines (RFC 9110, 7 and 9; RFC 9112, 3 and 5). Must not know
//! where the bytes go. Invariants: everything in a [`RequestHead`] was validated on its way in, so
//! no CR, LF or NUL can leave; the fields that frame the message or name the connection are
//! written here alone; what a queued request keeps is its target and its own field lines.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

use ::http::Method;
use url::{Position, Url};

use super::fault::{RequestError, excerpt};
use super::field::{trim, validate_name, validate_value};
use super::h1::body::BodyLength;
use super::h1::framing::RequestKind;
use super::h1::reuse::{CloseReason, CloseReasons};
use super::host::{Origin, is_reg_name_byte};
use super::trailers::validate_trailer_name;
use super::version::Version;
use crate::limits;

/// A request without its body. At most 112 bytes, and its strings.
///
/// Made by [`new`](Self::new); [`field`](Self::field), [`set_version`](Self::set_version) and
/// [`set_target_asterisk`](Self::set_target_asterisk) add to it; [`check`](Self::check) says
/// whether a body can go with it; [`encoded_len`](Self::encoded_len) and [`encode`](Self::encode)
/// give its bytes, any number of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    method: Method,
    origin: Origin,
    target: Box<str>,
    /// Validated field lines, each with its CRLF.
    fields: Vec<u8>,
    rare: Option<Box<Rare>>,
    version: Version,
    close: bool,
    keep_alive: bool,
    /// It says `Expect: 100-continue`.
    expects_continue: bool,
    /// It says which trailer fields will come.
    announces_trailers: bool,
}

/// What few requests have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rare {
    /// What Host says instead of the origin's authority.
    host: Option<Box<str>>,
    /// The URL's fragment: never sent, but inherited by what the request is redirected to.
    fragment: Option<Box<str>>,
    /// The value of an Authorization field that is not the caller's own.
    authorization: Option<Hidden>,
    /// The caller's own cookies, where those of a jar go along.
    own_cookies: Option<Hidden>,
    /// The value of a Cookie field that is not the caller's own, or not alone.
    cookies: Option<Hidden>,
}

/// What is not to be seen in messages.
#[derive(Clone, PartialEq, Eq)]
struct Hidden(Box<[u8]>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl RequestHead {
    /// A request of `method` for `url`, over HTTP/1.1.
    ///
    /// The target is the URL's path and query. Its user information is left behind and not to be
    /// found in anything made from here, its fragment in [`url`](Self::url) alone. CONNECT gets the
    /// authority form: `host:port` of the URL.
    pub fn new(method: Method, url: &Url) -> Result<RequestHead, RequestError> {
        let origin = Origin::from_url(url)?;
        let target = match method {
            Method::CONNECT => origin.authority_with_port().to_string().into(),
            _ => url[Position::BeforePath..Position::AfterQuery].into(),
        };
        let mut head = RequestHead::to(method, origin, target)?;
        if let Some(fragment) = url.fragment() {
            head.rare.get_or_insert_default().fragment = Some(fragment.into());
        }
        Ok(head)
    }

    /// The same without a URL, for hosts that URLs have no place for: `target` is what the request line says.
    #[inline(always)]
    pub fn to(
        method: Method,
        origin: Origin,
        target: Box<str>,
    ) -> Result<RequestHead, RequestError> {
        // looked at to the end, so that many bytes are looked at at once
        let good = target.bytes().fold(true, |good, byte| good & byte.is_ascii_graphic());
        if target.is_empty() || !good {
            return Err(RequestError::BadTarget(excerpt(target.as_bytes())));
        }
        Ok(RequestHead {
            method,
            origin,
            target,
            fields: Vec::new(),
            rare: None,
            version: Version::Http11,
            close: false,
            keep_alive: false,
            expects_continue: false,
            announces_trailers: false,
        })
    }

    /// Adds a field line, after those added before. White space around the value is dropped.
    ///
    /// Host may be given once and stands for the origin's authority; Connection may say `close`
    /// and `keep-alive`. Refused are fields that describe the framing or the connection:
    /// Content-Length, Transfer-Encoding, TE, Trailer, Upgrade, Keep-Alive and Proxy-Connection.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), RequestError> {
        let value = trim(value.as_ref());
        validate_name(name)?;
        validate_value(name, value)?;
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(RequestError::ReservedField(name.into()));
        }
        if name.eq_ignore_ascii_case("host") {
            return self.set_host(value);
        }
        if name.eq_ignore_ascii_case("connection") {
            self.note_connection(value)?;
        }
        if name.eq_ignore_ascii_case("expect") {
            self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
        }
        // exact, since a million of these may be waiting
        self.fields.reserve_exact(name.len() + 2 + value.len() + 2);
        self.fields.extend_from_slice(name.as_bytes());
        self.fields.extend_from_slice(b": ");
        self.fields.extend_from_slice(value);
        self.fields.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// The network interface that the URL's IPv6 address is on: see [`Host::scope`](super::Host::scope).
    pub fn set_scope(&mut self, scope: u32) {
        if scope != self.origin.host().scope() {
            self.origin = self.origin.clone().with_scope(scope);
        }
    }

    /// The version that the request line names.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Asks about the server as a whole: the target `*`, for OPTIONS alone (RFC 9112, 3.2.4).
    pub fn set_target_asterisk(&mut self) -> Result<(), RequestError> {
        if self.method != Method::OPTIONS {
            return Err(RequestError::AsteriskTarget(self.method.clone()));
        }
        self.target = "*".into();
        Ok(())
    }

    /// Asks for `target`, whatever the URL's path and query were: printable ASCII characters, without
    /// a `#`.
    pub fn set_target(&mut self, target: &str) -> Result<(), RequestError> {
        let is_good = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if target.is_empty() || !target.bytes().all(is_good) {
            return Err(RequestError::BadTarget(excerpt(target.as_bytes())));
        }
        self.target = target.into();
        Ok(())
    }

    /// Announces the fields that may come after the body (RFC 9110, 6.6.2). They come of its source, by
    /// [`SourceRead::EndWith`](super::SourceRead::EndWith), and the body has to be one of unknown length.
    pub fn announce_trailers(&mut self, names: &[&str]) -> Result<(), RequestError> {
        for name in names {
            validate_trailer_name(name)?;
        }
        self.fields.extend_from_slice(format!("Trailer: {}\r\n", names.join(", ")).as_bytes());
        self.announces_trailers = true;
        Ok(())
    }

    /// Offers to speak another protocol on the connection from the response on (RFC 9110, 7.8): `websocket`, for one, or several
    /// by a list. The body is to be one of [`BodyLength::Raw`].
    pub fn offer(&mut self, protocol: &str) -> Result<(), RequestError> {
        let value = trim(protocol.as_bytes());
        validate_value("Upgrade", value)?;
        self.fields.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        self.fields.extend_from_slice(value);
        self.fields.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Whether a body of this length can go with this head: one of unknown length cannot over
    /// HTTP/1.0, none at all with TRACE and CONNECT, and bytes that are none of HTTP with an
    /// [`offer`](Self::offer) or CONNECT alone. To be asked once, before [`encode`].
    ///
    /// [`encode`]: Self::encode
    pub fn check(&self, body: BodyLength) -> Result<(), RequestError> {
        if self.announces_trailers && body != BodyLength::Unknown {
            return Err(RequestError::TrailersOfKnownLength);
        }
        if body == BodyLength::None {
            return Ok(());
        }
        if body == BodyLength::Raw {
            let may_switch = self.method == Method::CONNECT || self.has_field("upgrade");
            return may_switch.then_some(()).ok_or(RequestError::NothingOffered);
        }
        if self.method == Method::TRACE || self.method == Method::CONNECT {
            return Err(RequestError::BodyNotAllowed(self.method.clone()));
        }
        if body == BodyLength::Unknown && self.version == Version::Http10 {
            return Err(RequestError::UnknownLengthInHttp10);
        }
        Ok(())
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Where the request goes. A Host field of the caller's does not change it.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The request target, as in the request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The URL that is asked for, without user information and with the fragment. Targets
    /// that do not begin with a slash (those of CONNECT and `OPTIONS *`) have none: of these, the origin
    /// alone. A host that URLs have no place for stands in one of the scheme `other+http`.
    pub fn url(&self) -> Url {
        let mut text = self.origin.to_string();
        if self.target.starts_with('/') {
            text.push_str(&self.target);
        }
        let mut url = Url::parse(&text).unwrap_or_else(|_| {
            Url::parse(&format!("other+{text}"))
                .expect("a registered name is a host of any other scheme")
        });
        url.set_fragment(self.fragment());
        url
    }

    /// The version, as in the request line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The field lines that were added, each with its CRLF, without Host.
    pub fn fields(&self) -> &[u8] {
        &self.fields
    }

    /// Whether the body is to wait for 100 (Continue): `Expect: 100-continue` was added (RFC 9110,
    /// 10.1.1). To HTTP/1.0 it means nothing.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue && self.version >= Version::Http11
    }

    /// Whether sending the request twice intends what sending it once does (RFC 9110, 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    /// The length in bytes of what [`encode`](Self::encode) writes.
    pub fn encoded_len(&self, body: BodyLength) -> usize {
        let mut counted = Counter(0);
        // a counter has no end to run into
        let _ = self.write_to(&mut counted, body);
        counted.0
    }

    /// Writes the head to the beginning of `out` and returns its length; `None` if it does not fit
    /// or [`check`](Self::check) refuses the body.
    ///
    /// In order: the request line, Host, the field lines, then Content-Length or
    /// Transfer-Encoding. A POST, PUT or PATCH without a body says `Content-Length: 0` (RFC 9110,
    /// 8.6).
    pub fn encode(&self, body: BodyLength, out: &mut [u8]) -> Option<usize> {
        self.check(body).ok()?;
        let mut cursor = Cursor { out, at: 0 };
        self.write_to(&mut cursor, body).ok()?;
        Some(cursor.at)
    }

    /// What the request itself says against another exchange on its connection.
    pub(super) fn close_reasons(&self) -> CloseReasons {
        let mut reasons = CloseReasons::NONE;
        if self.close {
            reasons.insert(CloseReason::WeSaidClose);
        }
        if self.version == Version::Http10 && !self.keep_alive {
            reasons.insert(CloseReason::Http10WithoutKeepAlive);
        }
        reasons
    }

    /// The same request by `method` for `url`, with all fields.
    pub(super) fn redirected(
        &self,
        method: Method,
        url: &Url,
    ) -> Result<RequestHead, RequestError> {
        let mut head = RequestHead::new(method, url)?;
        // to the same address on the same interface: a server cannot name it
        if head.origin.host().ip() == self.origin.host().ip() {
            head.set_scope(self.origin.host().scope());
        }
        head.fields.clone_from(&self.fields);
        head.version = self.version;
        head.expects_continue = self.expects_continue;
        head.announces_trailers = self.announces_trailers;
        (head.close, head.keep_alive) = (self.close, self.keep_alive);
        if let Some(host) = self.host() {
            head.rare.get_or_insert_default().host = Some(host.into());
        }
        if let Some(own) = self.rare.as_ref().and_then(|rare| rare.own_cookies.clone()) {
            head.rare.get_or_insert_default().own_cookies = Some(own);
            head.set_cookies(None);
        }
        Ok(head)
    }

    /// Goes to the same host over TLS.
    pub(crate) fn secure(&mut self) {
        self.origin = self.origin.secured();
    }

    /// Takes out the field lines whose names are not to be kept.
    pub(super) fn retain_fields(&mut self, keep: impl Fn(&str) -> bool) {
        let mut kept = Vec::with_capacity(self.fields.len());
        for line in self.fields.split_inclusive(|&byte| byte == b'\n') {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            if std::str::from_utf8(name).is_ok_and(&keep) {
                kept.extend_from_slice(line);
            }
        }
        self.fields = kept;
        self.expects_continue &= keep("expect");
        self.announces_trailers &= keep("trailer");
    }

    /// Adds a field line that was validated, with its CRLF.
    pub(super) fn append_line(&mut self, line: &[u8]) {
        self.fields.extend_from_slice(line);
    }

    /// Takes out Expect.
    pub(crate) fn drop_expect(&mut self) {
        self.retain_fields(|name| !name.eq_ignore_ascii_case("expect"));
    }

    /// Whether the caller has added a field line of this name.
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.split(|&byte| byte == b'\n').any(|line| {
            line.get(name.len()) == Some(&b':')
                && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
        })
    }

    /// What Cookie says this time, before what the caller's own Cookie fields say, which it takes the
    /// place of (RFC 6265bis, 5.8.1: one field).
    pub(crate) fn set_cookies(&mut self, kept: Option<Vec<u8>>) {
        if self.has_field("cookie") {
            let own = self.take_fields("cookie");
            self.rare.get_or_insert_default().own_cookies = Some(Hidden(own.into()));
        }
        let Some(rare) = &mut self.rare else {
            if kept.is_some() {
                self.rare.get_or_insert_default().cookies = kept.map(|kept| Hidden(kept.into()));
            }
            return;
        };
        let own = rare.own_cookies.as_ref().map(|own| &own.0[..]);
        let both: Vec<_> = kept.as_deref().into_iter().chain(own).collect();
        let joined = both.join(&b"; "[..]);
        rare.cookies = (!joined.is_empty()).then(|| Hidden(joined.into()));
    }

    /// Forgets the cookies that were the caller's own, and those beside them.
    pub(super) fn forget_cookies(&mut self) {
        if let Some(rare) = &mut self.rare {
            (rare.own_cookies, rare.cookies) = (None, None);
        }
    }

    /// What Authorization says this time, beside the caller's fields. What cannot stand in a field is
    /// left out.
    pub(crate) fn set_authorization(&mut self, value: Option<Vec<u8>>) {
        let value = value.filter(|value| validate_value("Authorization", value).is_ok());
        if value.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().authorization =
                value.map(|value| Hidden(value.into()));
        }
    }

    /// Takes out the field lines of this name. Returns their values, joined as those of cookies are.
    fn take_fields(&mut self, name: &str) -> Vec<u8> {
        let mut values = Vec::new();
        for line in self.fields.split(|&byte| byte == b'\n') {
            if let Some((field, value)) = line.split_at_checked(name.len())
                && field.eq_ignore_ascii_case(name.as_bytes())
                && let Some(value) = value.strip_prefix(b":")
            {
                values.push(trim(value.strip_suffix(b"\r").unwrap_or(value)));
            }
        }
        let joined = values.join(&b"; "[..]);
        self.retain_fields(|field| !field.eq_ignore_ascii_case(name));
        joined
    }

    /// Has Host say the origin's authority.
    pub(super) fn reset_host(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.host = None;
        }
    }

    /// Whether both are the same on the wire.
    pub(crate) fn is_same_request(&self, other: &RequestHead) -> bool {
        self.target == other.target
            && self.method == other.method
            && self.origin == other.origin
            && self.fields == other.fields
            && self.host() == other.host()
            && self.cookies() == other.cookies()
            && self.version == other.version
    }

    /// Stands for what is sent, with or without a body: [`is_same_request`](Self::is_same_request), for as good as sure.
    pub(crate) fn hash_of_request(&self, has_body: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        let RequestHead { method, origin, target, fields, version, .. } = self;
        (method, origin, target, fields, *version as u8).hash(&mut hasher);
        (self.host(), self.cookies().map(|cookies| &cookies.0), has_body).hash(&mut hasher);
        hasher.finish()
    }

    /// The URL as it is shown to people: the beginning of one that is long.
    pub(crate) fn shown_url(&self) -> Box<str> {
        let mut text = self.origin.to_string();
        if self.target.starts_with('/') {
            text.push_str(&self.target[..self.target.len().min(limits::SHOWN_URL)]);
        }
        if let Some(fragment) = self.fragment().filter(|_| text.len() < limits::SHOWN_URL) {
            text.extend(["#", fragment]);
        }
        // all of it is ASCII
        if text.len() > limits::SHOWN_URL {
            text.truncate(limits::SHOWN_URL);
            text.push('…');
        }
        text.into()
    }

    pub(super) fn fragment(&self) -> Option<&str> {
        self.rare.as_ref()?.fragment.as_deref()
    }

    fn cookies(&self) -> Option<&Hidden> {
        self.rare.as_ref()?.cookies.as_ref()
    }

    /// What Authorization says this time, where it is not the caller's own field that says it. To be kept out of messages.
    pub fn authorization_value(&self) -> Option<&[u8]> {
        Some(&self.rare.as_ref()?.authorization.as_ref()?.0)
    }

    /// What Cookie says this time, where a jar has a part in it. To be kept out of messages.
    pub fn cookie_value(&self) -> Option<&[u8]> {
        Some(&self.cookies()?.0)
    }

    /// What Host says instead of the origin's authority.
    pub(super) fn host(&self) -> Option<&str> {
        self.rare.as_ref()?.host.as_deref()
    }

    /// Who a Host field of the caller's names, at the same port.
    pub(crate) fn named_origin(&self) -> Option<Origin> {
        let text = self.host()?;
        let url = Url::parse(&format!("{}://{text}", self.origin.scheme().name())).ok()?;
        let named = Origin::from_url(&url).ok()?;
        Some(Origin::new(named.host().clone(), self.origin.port(), self.origin.scheme()))
    }

    /// Appends what Host says.
    pub(super) fn append_authority(&self, out: &mut Vec<u8>) {
        // what grows has no end to run into
        let _ = self.write_host(&mut Grown(out));
    }

    /// What stands beside the field lines that were added, and is not to be seen.
    pub(super) fn secret_fields(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.rare.iter().flat_map(|rare| rare.fields())
    }

    /// What Content-Length says of a body of this length: zero where a method expects one and there is none (RFC 9110, 8.6).
    pub(super) fn content_length(&self, body: BodyLength) -> Option<u64> {
        match body {
            BodyLength::Known(length) => Some(length),
            BodyLength::None | BodyLength::Raw if self.anticipates_body() => Some(0),
            BodyLength::None | BodyLength::Unknown | BodyLength::Raw => None,
        }
    }

    pub(super) fn kind(&self) -> RequestKind {
        match self.method {
            Method::HEAD => RequestKind::Head,
            Method::CONNECT => RequestKind::Connect,
            _ => RequestKind::Other,
        }
    }

    fn set_host(&mut self, value: &[u8]) -> Result<(), RequestError> {
        if self.host().is_some() {
            return Err(RequestError::SecondHost(excerpt(value)));
        }
        match std::str::from_utf8(value) {
            Ok(text) if is_authority(text) => {
                self.rare.get_or_insert_default().host = Some(text.into());
            }
            _ => return Err(RequestError::BadHostField(excerpt(value))),
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) -> Result<(), RequestError> {
        let (mut close, mut keep_alive) = (self.close, self.keep_alive);
        for option in value.split(|&b| b == b',').map(trim) {
            if option.eq_ignore_ascii_case(b"close") {
                close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                keep_alive = true;
            } else {
                return Err(RequestError::BadConnectionOption(excerpt(option)));
            }
        }
        (self.close, self.keep_alive) = (close, keep_alive);
        Ok(())
    }

    fn write_to(&self, out: &mut impl Sink, body: BodyLength) -> fmt::Result {
        out.put(self.method.as_str().as_bytes())?;
        out.put(b" ")?;
        out.put(self.target.as_bytes())?;
        out.put(match self.version {
            // what may go by HTTP/2 goes by HTTP/1.1 where that is not spoken
            Version::Http11 | Version::Http2 => b" HTTP/1.1\r\nHost: ",
            Version::Http10 => b" HTTP/1.0\r\nHost: ",
        })?;
        self.write_host(out)?;
        out.put(b"\r\n")?;
        out.put(&self.fields)?;
        if let Some(rare) = &self.rare {
            rare.write_to(out)?;
        }
        match self.content_length(body) {
            Some(length) => write!(out, "Content-Length: {length}\r\n")?,
            None if body == BodyLength::Unknown => out.put(b"Transfer-Encoding: chunked\r\n")?,
            None => {}
        }
        out.put(b"\r\n")
    }

    /// Past the formatting machinery for names and IPv4: each request comes along here.
    fn write_host(&self, out: &mut impl Sink) -> fmt::Result {
        if let Some(host) = self.host() {
            return out.put(host.as_bytes());
        }
        let origin = &self.origin;
        match (origin.host().written(), origin.host().ip()) {
            (Some(name), _) => out.put(name.as_bytes())?,
            (None, Some(IpAddr::V4(ip))) => {
                for (i, octet) in ip.octets().into_iter().enumerate() {
                    out.put(if i > 0 { b"." } else { b"" })?;
                    out.put(itoa::Buffer::new().format(octet).as_bytes())?;
                }
            }
            _ => return write!(out, "{}", origin.authority()),
        }
        if origin.port() != origin.scheme().default_port() {
            out.put(b":")?;
            out.put(itoa::Buffer::new().format(origin.port()).as_bytes())?;
        }
        Ok(())
    }

    fn anticipates_body(&self) -> bool {
        matches!(self.method, Method::POST | Method::PUT | Method::PATCH)
    }
}

impl Rare {
    fn fields(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let fields = [("Authorization", &self.authorization), ("Cookie", &self.cookies)];
        fields
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|Hidden(value)| (name, &value[..])))
    }

    fn write_to(&self, out: &mut impl Sink) -> fmt::Result {
        for (name, value) in self.fields() {
            for bytes in [name.as_bytes(), b": ", value, b"\r\n"] {
                out.put(bytes)?;
            }
        }
        Ok(())
    }
}

/// Something that a head's bytes go to; an error means that it is full.
trait Sink: fmt::Write {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result;
}

struct Cursor<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Sink for Cursor<'_> {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result {
        let rest = &mut self.out[self.at..];
        rest.get_mut(..bytes.len()).ok_or(fmt::Error)?.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes())
    }
}

struct Grown<'a>(&'a mut Vec<u8>);

impl Sink for Grown<'_> {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl fmt::Write for Grown<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes())
    }
}

struct Counter(usize);

impl Sink for Counter {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result {
        self.0 += bytes.len();
        Ok(())
    }
}

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes())
    }
}

/// `host [ ":" port ]` of RFC 9110, 7.2, and not empty.
fn is_authority(text: &str) -> bool {
    let (host_is_good, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, port)) => (ip.parse::<std::net::Ipv6Addr>().is_ok(), port),
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (!host.is_empty() && host.bytes().all(is_reg_name_byte), port)
        }
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    host_is_good && port_is_good
}

/// Fields that say how the message is framed or what the connection does.
const RESERVED: [&str; 7] = [
    "Content-Length",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Upgrade",
    "Keep-Alive",
    "Proxy-Connection",
];

#[cfg(test)]
mod tests;
