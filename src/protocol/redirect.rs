//! What a redirect means for the request that it answers.
//!
//! Knows RFC 9110, 15.4 and 10.2.2: which statuses redirect, where to, by which method, and what of
//! the request goes along. Must not know who sends the next request, or when. Invariants: the next
//! request is made from the one before it, so that what was left behind once never comes back; where
//! a Location leads is decided by one parser, the `url` crate's, and whether credentials may go there
//! by the canonical [`Origin`](super::Origin) that came of it.

use std::borrow::Cow;
use std::fmt;

use ::http::Method;
use url::Url;

use super::auth::Secret;
use super::fault::{RequestError, excerpt, without_user_information};
use super::head::ResponseHead;
use super::host::{Host, Scheme};
use super::request::RequestHead;
use crate::limits;

/// Which redirects are followed, and how (curl's `--location` and what goes with it).
///
/// Followed are 301, 302, 303, 307 and 308 with a Location that is not empty, to `http` and `https`
/// URLs. By RFC 9110, 15.4: 301 and 302 turn POST into GET and leave other methods as they are, 303
/// turns all but HEAD into GET, 307 and 308 change nothing. A payload that is dropped takes the
/// fields that describe it along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectPolicy {
    /// How many are followed; one more is an error. At most [`limits::REDIRECTS`].
    pub max: u32,
    /// Redirects after which a POST stays one.
    pub keep_post: KeepPost,
    /// Credentials (`Authorization`, `Cookie`, `Proxy-*`, a client certificate) go along to whatever
    /// origin; otherwise a change of scheme, host or port strips them for good. A Host field of the
    /// caller's is stripped in either case.
    pub trust_all_origins: bool,
    /// Every status from 300 to 399 redirects that comes with a Location; otherwise 301, 302, 303, 307 and 308 alone.
    pub any_status: bool,
    /// The request's method is of the caller's own making, and this becomes of it; otherwise methods are what RFC 9110, 15.4
    /// makes of them.
    pub own_method: Option<OwnMethod>,
}

/// What becomes of a method of the caller's own making. The body stays or goes as that of the request it acts as would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnMethod {
    /// It stays.
    Stays(ActsAs),
    /// It becomes GET where the one that it acts as would.
    Obeys(ActsAs),
    /// The first redirect makes of it what it makes of the one that it acts as.
    FirstOnly(ActsAs),
}

/// Which method another one is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActsAs {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
}

impl ActsAs {
    fn method(self) -> Method {
        match self {
            ActsAs::Get => Method::GET,
            ActsAs::Head => Method::HEAD,
            ActsAs::Post => Method::POST,
            ActsAs::Put => Method::PUT,
        }
    }
}

/// The redirects after which a POST is sent again as it was, and not turned into a GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeepPost {
    /// 301 Moved Permanently.
    pub on_301: bool,
    /// 302 Found.
    pub on_302: bool,
    /// 303 See Other, against its meaning.
    pub on_303: bool,
}

/// The request that a redirect asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Its head.
    pub head: RequestHead,
    /// The body is sent again; otherwise there is none.
    pub keeps_body: bool,
    /// It goes to another origin, which is not trusted with credentials.
    pub strips_credentials: bool,
    /// The login in a Location of the same origin, which counts where there is no other. One for another origin is
    /// nobody's to choose: it is left out (RFC 9110, 4.2.4).
    pub login: Option<Secret>,
}

/// Why a redirect cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectFault {
    /// There were more than allowed.
    TooMany {
        /// The limit, in redirects.
        limit: u32,
    },
    /// There were more than allowed, and one that was asked for last leads back to a request that was sent before,
    /// exactly as it was.
    Loop {
        /// The limit, in redirects.
        limit: u32,
    },
    /// Location fields that differ (RFC 9110, 10.2.2 has one).
    Conflicting {
        /// The first of them, escaped.
        first: Box<str>,
        /// One that differs from it, escaped.
        other: Box<str>,
    },
    /// The Location, or the URL that it leads to, is longer than allowed.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The Location has a control character.
    ControlCharacter {
        /// The Location, escaped.
        location: Box<str>,
    },
    /// The Location leads nowhere that a request can go.
    BadLocation {
        /// The Location, escaped.
        location: Box<str>,
        /// What stands against it.
        why: RequestError,
    },
    /// The request's body would have to be sent again, and its source cannot.
    BodyNotRepeatable,
    /// It leads to https, and nothing says how to verify the peer.
    NoTlsPolicy,
}

impl Default for RedirectPolicy {
    /// Up to 20 redirects, as the Fetch standard has it.
    fn default() -> Self {
        Self {
            max: 20,
            keep_post: KeepPost::default(),
            trust_all_origins: false,
            any_status: false,
            own_method: None,
        }
    }
}

impl RedirectPolicy {
    /// What `response` asks for in place of `request`, if it is a redirect that can be followed.
    /// Numbers and loops are the caller's to see to.
    pub fn follow(
        &self,
        request: &RequestHead,
        response: &ResponseHead<'_>,
    ) -> Result<Option<Redirect>, RedirectFault> {
        self.follow_securely(request, response, &|_| false)
    }

    /// As [`follow`](Self::follow), where some hosts are asked over TLS alone.
    pub(crate) fn follow_securely(
        &self,
        request: &RequestHead,
        response: &ResponseHead<'_>,
        wants_tls: &dyn Fn(&Host) -> bool,
    ) -> Result<Option<Redirect>, RedirectFault> {
        let any = self.any_status && (300..400).contains(&response.status());
        if !(any || redirects(response.status())) || *request.method() == Method::CONNECT {
            return Ok(None);
        }
        let Some(location) = location(response)? else { return Ok(None) };
        let url = resolve(request, &location)?;
        let (method, keeps_body) = self.method(response.status(), request.method());
        let mut head = request
            .redirected(method, &url)
            .map_err(|why| RedirectFault::BadLocation { location: shown(&location), why })?;
        if !keeps_body {
            head.retain_fields(|name| !describes_payload(name));
        }
        if head.origin().scheme() == Scheme::Http && wants_tls(head.origin().host()) {
            head.secure();
        }
        let elsewhere = head.origin() != request.origin();
        let strips_credentials = elsewhere && !self.trust_all_origins;
        if strips_credentials {
            head.retain_fields(|name| !is_credential(name));
            head.forget_cookies();
        }
        let mut login = None;
        if elsewhere {
            head.reset_host();
        } else {
            login = Secret::of_url(&url).ok().flatten();
        }
        Ok(Some(Redirect { head, keeps_body, strips_credentials, login }))
    }

    /// The next method, and whether the payload stays.
    fn method(&self, status: u16, method: &Method) -> (Method, bool) {
        let Some(own) = self.own_method else { return self.standard_method(status, method) };
        let (OwnMethod::Stays(acts_as) | OwnMethod::Obeys(acts_as) | OwnMethod::FirstOnly(acts_as)) =
            own;
        let acts_as = acts_as.method();
        let (next, keeps_body) = self.standard_method(status, &acts_as);
        let is_changed = next != acts_as;
        match own {
            OwnMethod::Obeys(_) if is_changed => (next, keeps_body),
            OwnMethod::FirstOnly(_) => self.standard_method(status, first_of(method, &acts_as)),
            _ => (method.clone(), keeps_body),
        }
    }

    /// The same by RFC 9110, 15.4.2 to 15.4.9.
    fn standard_method(&self, status: u16, method: &Method) -> (Method, bool) {
        let KeepPost { on_301, on_302, on_303 } = self.keep_post;
        let is_post = *method == Method::POST;
        match status {
            301 if is_post && !on_301 => (Method::GET, false),
            302 if is_post && !on_302 => (Method::GET, false),
            303 if is_post && on_303 => (Method::POST, true),
            303 if *method == Method::HEAD => (Method::HEAD, false),
            303 => (Method::GET, false),
            _ => (method.clone(), true),
        }
    }
}

/// The method that a first redirect sees; later ones see what became of it.
fn first_of<'a>(method: &'a Method, acts_as: &'a Method) -> &'a Method {
    let is_plain = [Method::GET, Method::HEAD, Method::POST, Method::PUT].contains(method);
    if is_plain { method } else { acts_as }
}

/// Whether a status is a redirect to another URI that can be followed without asking. 300 offers a
/// choice, 304 answers a condition, 305 and 306 are of the past.
pub(crate) fn redirects(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The one Location of a response. An empty one is none: it would lead back to where it comes from.
fn location<'a>(response: &ResponseHead<'a>) -> Result<Option<Cow<'a, [u8]>>, RedirectFault> {
    let mut found: Option<Cow<'a, [u8]>> = None;
    for (name, value) in response.fields() {
        if !name.eq_ignore_ascii_case("location") || value.is_empty() {
            continue;
        }
        match &found {
            None => found = Some(value),
            Some(first) if *first == value => {}
            Some(first) => {
                let (first, other) = (shown(first), shown(&value));
                return Err(RedirectFault::Conflicting { first, other });
            }
        }
    }
    Ok(found)
}

/// The URL that a Location leads to from the request's own (RFC 3986, 5), with the fragment of the
/// request's where it has none (RFC 9110, 10.2.2).
fn resolve(request: &RequestHead, location: &[u8]) -> Result<Url, RedirectFault> {
    let limit = limits::LOCATION;
    if location.len() > limit {
        return Err(RedirectFault::TooLong { limit });
    }
    if location.iter().any(u8::is_ascii_control) {
        return Err(RedirectFault::ControlCharacter { location: shown(location) });
    }
    let text = text(location);
    let text = without_more_slashes(&text);
    let mut url = request.url().join(&text).map_err(|why| RedirectFault::BadLocation {
        location: shown(location),
        why: RequestError::BadUrl { url: shown(location), why: why.into() },
    })?;
    if url.as_str().len() > limit {
        return Err(RedirectFault::TooLong { limit });
    }
    if url.fragment().is_none() {
        url.set_fragment(request.fragment());
    }
    Ok(url)
}

/// A host after more than two slashes is one after two (the URL standard's "special authority ignore slashes state",
/// which the `url` crate has for URLs with a scheme alone).
fn without_more_slashes(location: &str) -> Cow<'_, str> {
    match location.trim_start_matches(['/', '\\']) {
        rest if location.len() - rest.len() > 2 => Cow::Owned(format!("//{rest}")),
        _ => Cow::Borrowed(location),
    }
}

/// A Location as text: what is no UTF-8 is percent-encoded, byte by byte.
fn text(location: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(location) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let encoded = location.iter().map(|&byte| match byte {
                0x80.. => format!("%{byte:02X}"),
                byte => char::from(byte).to_string(),
            });
            Cow::Owned(encoded.collect())
        }
    }
}

/// A Location, fit for a message.
fn shown(location: &[u8]) -> Box<str> {
    without_user_information(&excerpt(location)).into()
}

/// Fields that mean nothing without the payload (RFC 9110, 8 and 15.4; RFC 9530).
fn describes_payload(name: &str) -> bool {
    has_prefix(name, "content-")
        || ["digest", "repr-digest", "last-modified", "expect", "trailer"]
            .iter()
            .any(|field| name.eq_ignore_ascii_case(field))
}

/// Fields that are meant for one origin alone (RFC 9110, 11.6, 11.7; RFC 6265).
fn is_credential(name: &str) -> bool {
    has_prefix(name, "proxy-")
        || ["authorization", "cookie", "cookie2"]
            .iter()
            .any(|field| name.eq_ignore_ascii_case(field))
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

impl fmt::Display for RedirectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedirectFault::TooMany { limit } => write!(f, "more than {limit} redirects"),
            RedirectFault::Loop { limit } => {
                write!(f, "redirect loop, and more than {limit} redirects")
            }
            RedirectFault::Conflicting { first, other } => {
                write!(f, "Location fields that differ: \"{first}\" and \"{other}\"")
            }
            RedirectFault::TooLong { limit } => {
                write!(f, "the Location is longer than the limit of {limit} bytes")
            }
            RedirectFault::ControlCharacter { location } => {
                write!(f, "a control character in the Location \"{location}\"")
            }
            RedirectFault::BadLocation { location, why: RequestError::BadUrl { why, .. } } => {
                write!(f, "the Location \"{location}\" is no URL: {why}")
            }
            RedirectFault::BadLocation { location, why } => {
                write!(f, "cannot follow the Location \"{location}\": {why}")
            }
            RedirectFault::BodyNotRepeatable => f.write_str(
                "the redirect needs the request's body again, which cannot be sent twice",
            ),
            RedirectFault::NoTlsPolicy => {
                f.write_str("the redirect leads to https, and no TLS policy is set")
            }
        }
    }
}

impl std::error::Error for RedirectFault {}

#[cfg(test)]
mod tests;
