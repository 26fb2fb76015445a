//! Where a transfer goes, as the URL and what belongs to it say.
//!
//! Knows the options that make a URL, and how the engine reads one. Must not know what is asked there. Invariant: what was read once
//! holds as long as nothing is set.

use std::cell::RefCell;
use std::rc::Rc;

use percent_encoding::{AsciiSet, percent_encode};
use ringdove::protocol::{Host, Origin, Scheme};
use url::Url;

use super::setopt;
use crate::codes::Code;
use crate::edge::handle;
use crate::errors::{self, Failure};
use crate::options::{Settings, ids};
use crate::url::UrlHandle;
use crate::url::parts::{Parts, flags};
use crate::websocket;

/// What percent_encode() leaves alone is ASCII, but for controls, which no URL has.
const NOT_ASCII: &AsciiSet = &AsciiSet::EMPTY;

/// A URL that was read.
pub(super) struct Place {
    /// Its parts, with the scheme that is spoken beneath websockets.
    pub(super) parts: Parts,
    /// Frames are spoken on the connection once it is upgraded.
    pub(super) is_websocket: bool,
    pub(super) asked: Where,
    /// As the request line has it.
    pub(super) target: String,
    /// The authority as the program has it, where it has a case of its own.
    pub(super) host: Option<Vec<u8>>,
    /// The DNS has no place for its host (RFC 7686).
    pub(super) is_onion: bool,
    /// All of it, as it was written.
    pub(super) url: Vec<u8>,
}

/// Where a request goes.
pub(super) enum Where {
    Url(Url),
    /// The host is one that URLs have no place for by the URL standard, as `host.80`.
    Origin(Origin),
}

/// What a handle has read last: handles are used again as they are.
#[derive(Default)]
pub(crate) struct Places(RefCell<Option<(Key, Rc<Place>)>>);

/// The revision of the settings that it is of, and whether there is a login beside the URL's.
type Key = (u64, bool);

impl Places {
    /// The place that these settings name; `own_login`: the URL's login is not to be used.
    pub(super) fn of(&self, settings: &Settings, own_login: bool) -> Result<Rc<Place>, Failure> {
        let key = (settings.revision(), own_login);
        if let Some((of, place)) = &*self.0.borrow()
            && *of == key
        {
            return Ok(Rc::clone(place));
        }
        let place = Rc::new(Place::read(settings, own_login)?);
        // a handle of the URL interface changes without its being set
        if settings.pointer(ids::CURLU).is_null() {
            self.0.replace(Some((key, Rc::clone(&place))));
        }
        Ok(place)
    }

    /// Revisions are counted anew.
    pub(super) fn forget(&self) {
        self.0.take();
    }
}

impl Place {
    fn read(settings: &Settings, own_login: bool) -> Result<Place, Failure> {
        let written = url_of(settings)?;
        let url = written.compose(0).unwrap_or_default();
        let spoken = websocket::asked_by(written.scheme.as_deref().unwrap_or_default());
        let mut parts = written;
        if let Some(scheme) = spoken {
            parts.scheme = Some(scheme.to_vec());
        }
        let (asked, target) = ask_for(&parts, own_login)?;
        let (host, is_onion) = (written_host(&parts), is_onion(&parts));
        Ok(Place { is_websocket: spoken.is_some(), asked, target, host, is_onion, url, parts })
    }
}

/// The URL, with what other options say of its parts.
fn url_of(settings: &Settings) -> Result<Parts, Failure> {
    let handle = settings.pointer(ids::CURLU);
    let mut parts = match handle::find::<UrlHandle>(handle) {
        Some(url) => url.0.borrow().clone(),
        None => {
            let text = settings.bytes(ids::URL);
            let text = text.ok_or_else(|| Failure::new(Code::URL_MALFORMAT, "No URL set"))?;
            parse(settings, text)?
        }
    };
    if let Ok(port @ 1..) = u16::try_from(settings.number(ids::PORT, 0)) {
        parts.port = Some(port);
    }
    if let Some(allowed) = setopt::protocols(settings, ids::PROTOCOLS_STR, ids::PROTOCOLS)
        && !allowed.iter().any(|scheme| Some(scheme.as_bytes()) == parts.scheme.as_deref())
    {
        let scheme = String::from_utf8_lossy(parts.scheme.as_deref().unwrap_or_default());
        let text = format!("Protocol \"{scheme}\" not supported or disabled in libcurl");
        return Err(Failure::new(Code::UNSUPPORTED_PROTOCOL, text));
    }
    Ok(parts)
}

fn parse(settings: &Settings, text: &[u8]) -> Result<Parts, Failure> {
    let mut flags = flags::GUESS_SCHEME;
    if settings.flag(ids::PATH_AS_IS, false) {
        flags |= flags::PATH_AS_IS;
    }
    if settings.flag(ids::DISALLOW_USERNAME_IN_URL, false) {
        flags |= flags::DISALLOW_USER;
    }
    let has_scheme = text.windows(3).any(|window| window == b"://");
    let default = settings.bytes(ids::DEFAULT_PROTOCOL).filter(|_| !has_scheme);
    let text = match default {
        Some(scheme) => [scheme, b"://", text].concat(),
        None => text.to_vec(),
    };
    Parts::default()
        .parse(&text, flags)
        .map_err(|code| errors::of_url(code, &String::from_utf8_lossy(&text)))
}

/// The URL as the engine reads it, without its login if there is another one, and the target as it was written.
fn ask_for(parts: &Parts, own_login: bool) -> Result<(Where, String), Failure> {
    let malformed = |why: String| Failure::new(Code::URL_MALFORMAT, why);
    let mut bare = Parts { options: None, zone: None, ..parts.clone() };
    if own_login {
        (bare.user, bare.password) = (None, None);
    }
    let whole = bare.compose(0).map_err(|code| errors::of_url(code, ""))?;
    let whole =
        String::from_utf8(whole).map_err(|_| malformed("the URL is no UTF-8".to_owned()))?;
    let asked = match Url::parse(&whole) {
        Ok(url) if Origin::from_url(&url).is_ok() => Where::Url(url),
        Ok(_) => Where::Origin(odd_origin(parts)?),
        Err(why) => {
            Where::Origin(odd_origin(parts).map_err(|_| malformed(format!("URL rejected: {why}")))?)
        }
    };
    let path = parts.path.as_deref().unwrap_or(b"/");
    let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
    let query = parts.query.as_deref();
    let query = query.map(|query| [b"?", query].concat()).unwrap_or_default();
    // what is no ASCII cannot stand in a request line (RFC 9112, 3)
    let target = percent_encode(&[slash, path, &query].concat(), NOT_ASCII).to_string();
    Ok((asked, target))
}

/// Whether the host is one that the DNS has no place for (RFC 7686).
fn is_onion(parts: &Parts) -> bool {
    let host = parts.host.as_deref().unwrap_or_default().to_ascii_lowercase();
    let host = host.strip_suffix(b".").unwrap_or(&host);
    host.ends_with(b".onion") || host == b"onion"
}

/// The authority as the program has it, in its own case.
fn written_host(parts: &Parts) -> Option<Vec<u8>> {
    let host = parts.host.clone()?;
    // what is no ASCII, or an address, has a form of its own
    let is_plain = host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte));
    let is_name = host.iter().any(u8::is_ascii_uppercase);
    let default = if parts.scheme.as_deref() == Some(b"https") { 443 } else { 80 };
    let port = parts.port.filter(|&port| port != default);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    (is_plain && is_name).then(|| [&host, port.as_bytes()].concat())
}

fn odd_origin(parts: &Parts) -> Result<Origin, Failure> {
    let host = String::from_utf8_lossy(parts.host.as_deref().unwrap_or_default()).into_owned();
    let host = Host::named(&host).map_err(|error| errors::of_request(&error))?;
    let scheme = match parts.scheme.as_deref() {
        Some(b"https") => Scheme::Https,
        _ => Scheme::Http,
    };
    Ok(Origin::new(host, parts.port.unwrap_or(scheme.default_port()), scheme))
}
