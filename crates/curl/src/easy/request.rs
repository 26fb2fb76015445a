//! A request out of what was set.
//!
//! Knows which options make the URL, the method and the body, and what the transfer may take. Must not know how it goes on.
#![allow(unsafe_code, reason = "bodies and lists are C's until they are read")]

use std::ffi::c_char;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringdove::engine::{HttpVersions, LowSpeed, Options, Timeouts};
use ringdove::limits::HttpLimits;
use ringdove::protocol::{ActsAs, AuthPolicy, DecodePolicy, Netrc, OwnMethod, RequestHead, Secret};
use ringdove::sys::{clock, interface};
use ringdove::{KeepPost, RedirectPolicy, Request, Version};

use super::body::{From, Upload};
use super::fields::{self, Own};
use super::link::{Link, Outgoing};
use super::place::{Place, Where};
use super::ways::{self, Fixed};
use super::written::Writer;
use super::{Easy, callbacks, hsts, proxy, setopt, tls};
use crate::codes::Code;
use crate::edge::text;
use crate::errors::{self, Asked, Failure};
use crate::mime;
use crate::options::{Method, Settings, ids};
use crate::slist;
use crate::url::parts::Parts;
use crate::websocket::{self, Sending, Websocket};

/// The date of today.
pub(crate) fn today() -> ringdove::protocol::Date {
    ringdove::protocol::Date::from_unix(clock::unix())
}

/// Redirects that are followed unless something else is said.
const REDIRECTS: i64 = 30;

/// How long connecting may take unless something else is said.
const CONNECT: Duration = Duration::from_secs(300);

/// What goes to the engine.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) fixed: Vec<Fixed>,
    pub(crate) asked: Asked,
    pub(crate) upload_size: Option<u64>,
    /// As it was written.
    pub(crate) url: Vec<u8>,
    /// Frames are spoken on the connection once it is upgraded.
    pub(crate) is_websocket: bool,
}

/// A request's body, before it is one.
pub(super) enum Body {
    None,
    Memory { bytes: Vec<u8>, form: bool },
    Stream { length: Option<u64>, from: From, content_type: Option<String> },
}

impl Body {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Body::None)
    }

    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Body::None => Some(0),
            Body::Memory { bytes, .. } => Some(bytes.len() as u64),
            Body::Stream { length, .. } => *length,
        }
    }

    /// What Content-Type says, where the program does not.
    pub(super) fn content_type(&self) -> Option<&str> {
        match self {
            Body::Memory { form: true, .. } => Some("application/x-www-form-urlencoded"),
            Body::None | Body::Memory { .. } => None,
            Body::Stream { content_type, .. } => content_type.as_deref(),
        }
    }
}

/// Makes the request of a handle, under the policies of its multi.
pub(crate) fn prepare(easy: &Rc<Easy>, policies: &tls::Policies) -> Result<Prepared, Failure> {
    let mut settings = easy.settings.borrow().clone();
    // SAFETY: whoever set the lists promises that they stay as they are until the transfer is over.
    let [headers, proxy_headers, connect_to, resolve] =
        [ids::HTTPHEADER, ids::PROXYHEADER, ids::CONNECT_TO, ids::RESOLVE]
            .map(|id| unsafe { slist::texts(settings.pointer(id).cast()) });
    let own = Own::new(&headers)?;
    // CURLHEADER_UNIFIED: what is said to servers is said to proxies
    let is_unified = settings.number(ids::HEADEROPT, 1) == 0;
    let for_forwarding = if is_unified { Vec::new() } else { proxy_headers.clone() };
    let proxy_headers = if is_unified { headers.clone() } else { proxy_headers };
    let own_login = settings.bytes(ids::USERNAME).is_some()
        || settings.bytes(ids::PASSWORD).is_some()
        || own.removes("authorization");
    let place = easy.places.of(&settings, own_login)?;
    let Place { parts, is_websocket, .. } = &*place;
    let is_websocket = *is_websocket;
    let uploads = settings.method == Method::Put;
    if is_websocket {
        // whatever the body is to be: it is sent in frames
        settings.method = Method::Get;
        settings.set_number(ids::NOBODY, 0);
    }
    let method = method(&settings)?;
    // what is as long as it turns out to be goes in chunks, whatever is said of its length
    let is_unsized = settings.method == Method::Put
        && settings.size(ids::INFILESIZE_LARGE).is_none()
        && !own.removes("transfer-encoding");
    let body = body_of(easy, &settings, own.value("content-type"))?;
    let body = if is_unsized { body } else { with_own_length(body, &own)? };
    let upload_size = if body.is_none() { None } else { body.length() };
    let refused = |error| errors::of_request(&error);
    let mut request = match &place.asked {
        Where::Url(url) => Request::for_url(method, url).map_err(refused)?,
        Where::Origin(origin) => {
            let target = place.target.clone().into();
            Request::with_head(RequestHead::to(method, origin.clone(), target).map_err(refused)?)
        }
    };
    let target = settings.text(ids::REQUEST_TARGET).unwrap_or_else(|| place.target.clone());
    request = request.target(&target).map_err(refused)?;
    if let Some(zone) = &parts.zone {
        request = request.scope(scope(zone)?);
    }
    if settings.number(ids::HTTP_VERSION, 0) == 1 {
        request = request.version(Version::Http10);
    }
    let mut lines = fields::lines(&settings, &own, &body);
    request = fields::add(request, &lines, &own, &body)?;
    if is_websocket {
        let handshake = websocket::handshake();
        lines.upgrade = handshake.ok_or_else(|| Failure::plain(Code::FAILED_INIT))?;
        lines.upgrade.retain(|(name, _)| !own.has(name));
    }
    request = with_body(easy, &settings, request, body, (is_websocket, uploads))?;
    let mut options = options(easy, &settings, parts, policies)?;
    options.head_writer = Some(Arc::new(Writer::new(
        (request.head(), place.host.clone(), settings.flag(ids::AUTOREFERER, false)),
        settings.text(ids::REQUEST_TARGET),
        lines,
        &own,
        &Own::new(&for_forwarding)?,
        options.redirects,
    )));
    options.ways = ways::ways(&settings, &connect_to)?;
    if own.removes("authorization") {
        options.auth = None;
    }
    let origin = request.head().origin().clone();
    let proxies = proxy::proxies(&settings, &proxy_headers, (&origin, is_websocket))?;
    let by = proxies.as_ref().and_then(|proxies| proxies.proxy_for(&origin)).cloned();
    options.proxies = proxies.map(Arc::new);
    let asked = Asked {
        host: origin.host().to_string(),
        port: origin.port(),
        proxy: by.map(|proxy| proxy.host().to_string()),
        redirects: options.redirects.map_or(0, |policy| policy.max),
        expected: None,
        had_head: false,
    };
    let fixed = resolve.iter().map(|line| Fixed::parse(line)).collect::<Result<_, _>>()?;
    if options.proxies.is_none() && place.is_onion {
        let text = "Not resolving .onion address (RFC 7686)";
        return Err(Failure::new(Code::COULDNT_RESOLVE_HOST, text));
    }
    let request = request.options(Arc::new(options));
    let url = place.url.clone();
    Ok(Prepared { request, fixed, asked, upload_size, url, is_websocket })
}

/// With what goes out: a body, or whatever is said on the connection.
fn with_body(
    easy: &Rc<Easy>,
    settings: &Settings,
    request: Request,
    body: Body,
    (is_websocket, uploads): (bool, bool),
) -> Result<Request, Failure> {
    let connects_only = settings.number(ids::CONNECT_ONLY, 0);
    if is_websocket {
        let link = Rc::new(Link::new(connects_only == 2));
        let options = settings.number(ids::WS_OPTIONS, 0);
        let websocket = Rc::new(Websocket::new(Rc::clone(&link), options));
        let source = Sending::new(easy, &websocket, uploads);
        *easy.link.borrow_mut() = Some(link);
        *easy.websocket.borrow_mut() = Some(websocket);
        return request.upgrade("websocket", source).map_err(|error| errors::of_request(&error));
    }
    if connects_only == 1 {
        let link = Rc::new(Link::new(true));
        *easy.link.borrow_mut() = Some(Rc::clone(&link));
        return Ok(request.body(ringdove::Body::Connection(Box::new(Outgoing(link)))));
    }
    Ok(request.body(engine_body(easy, body)))
}

/// The number of an interface that is named, or given.
fn scope(zone: &[u8]) -> Result<u32, Failure> {
    let name = String::from_utf8_lossy(zone);
    let number = name.parse().ok().or_else(|| interface::index(&name));
    number.ok_or_else(|| Failure::new(Code::URL_MALFORMAT, format!("Invalid zone id: {name}")))
}

fn method(settings: &Settings) -> Result<http::Method, Failure> {
    if let Some(name) = settings.bytes(ids::CUSTOMREQUEST).filter(|name| !name.is_empty()) {
        let bad = |_| Failure::new(Code::BAD_FUNCTION_ARGUMENT, "CUSTOMREQUEST is no method");
        return http::Method::from_bytes(name).map_err(bad);
    }
    Ok(match settings.method {
        _ if settings.no_body() => http::Method::HEAD,
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post | Method::Mime | Method::Form => http::Method::POST,
        Method::Put => http::Method::PUT,
    })
}

fn body_of(easy: &Easy, settings: &Settings, kind: Option<&[u8]>) -> Result<Body, Failure> {
    if settings.no_body() {
        return Ok(Body::None);
    }
    let has_parts = mime::is_there(settings.pointer(ids::MIMEPOST))
        && settings.method == Method::Mime
        || !settings.pointer(ids::HTTPPOST).is_null() && settings.method == Method::Form;
    match settings.method {
        Method::Mime | Method::Form if !has_parts => {
            Ok(Body::Memory { bytes: Vec::new(), form: false })
        }
        Method::Get | Method::Head => Ok(Body::None),
        Method::Post => Ok(post(settings)),
        Method::Put => put(easy, settings),
        Method::Mime | Method::Form => {
            let reader = mime::reader(settings, kind)?;
            let length = reader.length();
            let content_type = Some(reader.content_type());
            Ok(Body::Stream { length, from: From::Parts(reader), content_type })
        }
    }
}

/// An upload, or the rest of one that CURLOPT_RESUME_FROM goes on with.
fn put(easy: &Easy, settings: &Settings) -> Result<Body, Failure> {
    let whole = settings.size(ids::INFILESIZE_LARGE);
    let from = u64::try_from(settings.number(ids::RESUME_FROM_LARGE, 0)).unwrap_or_default();
    let length = match whole.map(|whole| whole.checked_sub(from)) {
        _ if from == 0 => whole,
        None => None,
        Some(Some(left @ 1..)) => Some(left),
        Some(_) => {
            return Err(Failure::new(Code::PARTIAL_FILE, "File already completely uploaded"));
        }
    };
    if from > 0 && !callbacks::seek(easy, from) {
        return Err(Failure::new(Code::READ_ERROR, "Could not seek stream"));
    }
    Ok(Body::Stream { length, from: From::Callback, content_type: None })
}

fn post(settings: &Settings) -> Body {
    let size = settings.size(ids::POSTFIELDSIZE_LARGE);
    if let Some(copy) = settings.blob(ids::COPYPOSTFIELDS) {
        return Body::Memory { bytes: copy.to_vec(), form: true };
    }
    let fields: *const c_char = settings.pointer(ids::POSTFIELDS).cast();
    if fields.is_null() {
        let content_type = Some("application/x-www-form-urlencoded".to_owned());
        return Body::Stream { length: size, from: From::Callback, content_type };
    }
    let size = size.and_then(|size| usize::try_from(size).ok());
    // SAFETY: whoever set the pointer promises that it stays until the transfer is over, with as many bytes as were said,
    // or a NUL.
    let bytes = unsafe {
        match size {
            Some(size) => text::slice(fields, size),
            None => text::bytes(fields).unwrap_or_default(),
        }
    };
    Body::Memory { bytes: bytes.to_vec(), form: true }
}

/// As the program's own lines frame it: a length for a body that has none yet, or chunks.
fn with_own_length(body: Body, own: &Own) -> Result<Body, Failure> {
    let refused = |what: &str| {
        Failure::new(
            Code::BAD_FUNCTION_ARGUMENT,
            format!("{what} of the program's own does not fit the body"),
        )
    };
    let chunked = match own.value("transfer-encoding") {
        Some(value) if value.eq_ignore_ascii_case(b"chunked") => true,
        Some(value) if !value.is_empty() => return Err(refused("a Transfer-Encoding")),
        _ => false,
    };
    let length = own.value("content-length").filter(|value| !value.is_empty());
    let length = match length.map(|value| std::str::from_utf8(value).map(str::parse::<u64>)) {
        None => None,
        Some(Ok(Ok(length))) => Some(length),
        Some(_) => return Err(refused("a Content-Length")),
    };
    match body {
        Body::Stream { from, content_type, .. } if chunked => {
            Ok(Body::Stream { length: None, from, content_type })
        }
        Body::Memory { bytes, .. } if chunked => {
            let content_type = Some("application/x-www-form-urlencoded".to_owned());
            let from = From::Bytes { bytes, at: 0 };
            Ok(Body::Stream { length: None, from, content_type })
        }
        Body::Stream { length: None, from, content_type } => {
            Ok(Body::Stream { length, from, content_type })
        }
        body if length.is_none_or(|length| body.length() == Some(length)) => Ok(body),
        _ => Err(refused("a Content-Length")),
    }
}

fn engine_body(easy: &Rc<Easy>, body: Body) -> ringdove::Body {
    match body {
        Body::None => ringdove::Body::Empty,
        Body::Memory { bytes, .. } => bytes.into(),
        Body::Stream { length, from, .. } => {
            ringdove::Body::Stream { length, source: Upload::new(easy, from) }
        }
    }
}

fn options(
    easy: &Easy,
    settings: &Settings,
    parts: &Parts,
    policies: &tls::Policies,
) -> Result<Options, Failure> {
    let rate = [ids::MAX_RECV_SPEED_LARGE, ids::MAX_SEND_SPEED_LARGE]
        .map(|id| u64::try_from(settings.number(id, 0)).unwrap_or_default());
    let cookies_asked =
        settings.text(ids::COOKIEJAR).is_some() || !settings.cookie_files.is_empty();
    if cookies_asked || easy.jar.borrow().is_some() {
        setopt::read_cookie_files(easy);
    }
    let is_given = easy.link.borrow().as_ref().is_some_and(|link| link.is_given);
    Ok(Options {
        timeouts: timeouts(settings, is_given),
        low_speed: low_speed(settings).filter(|_| !is_given),
        max_body: u64::try_from(settings.number(ids::MAXFILESIZE_LARGE, 0))
            .ok()
            .filter(|&max| max > 0),
        decode: decode(settings),
        http: HttpLimits {
            headless: settings.flag(ids::HTTP09_ALLOWED, false),
            cut_heads: true,
            ..HttpLimits::default()
        },
        raw: !settings.flag(ids::HTTP_TRANSFER_DECODING, true),
        max_rate: rate.into_iter().filter(|&rate| rate > 0).min(),
        attempt_delay: settings.milliseconds(ids::HAPPY_EYEBALLS_TIMEOUT_MS),
        redirects: redirects(settings),
        // the times that curl tells are those of the last request
        record_hops: true,
        auth: auth(settings, parts)?,
        cookies: easy.cookies(),
        cookies_by_host_field: true,
        hsts: hsts::list(easy, settings)?,
        versions: match settings.number(ids::HTTP_VERSION, 0) {
            1 | 2 => HttpVersions::Http1,
            5 => HttpVersions::Http2,
            _ => HttpVersions::Negotiated,
        },
        tls: policies.for_origins(settings)?,
        proxy_tls: policies.for_proxies(settings)?,
        ..Options::default()
    })
}

/// `is_given`: the program takes the connection over, and from there on has all the time that it wants.
fn timeouts(settings: &Settings, is_given: bool) -> Timeouts {
    let total = settings.milliseconds(ids::TIMEOUT_MS);
    let until = |wait: Option<Duration>| match total.filter(|_| is_given) {
        Some(total) => Some(wait.map_or(total, |wait| wait.min(total))),
        None => wait,
    };
    let connect = settings.milliseconds(ids::CONNECTTIMEOUT_MS).unwrap_or(CONNECT);
    let connect = until(Some(connect));
    let expect = settings.number(ids::EXPECT_100_TIMEOUT_MS, 1000);
    Timeouts {
        queue: None,
        resolve: connect,
        connect,
        tls: connect,
        expect: u64::try_from(expect).ok().map(Duration::from_millis),
        first_byte: until(settings.milliseconds(ids::SERVER_RESPONSE_TIMEOUT_MS)),
        idle: None,
        memory: None,
        total: total.filter(|_| !is_given),
    }
}

fn low_speed(settings: &Settings) -> Option<LowSpeed> {
    let number = |id| u64::try_from(settings.number(id, 0)).ok().filter(|&number| number > 0);
    Some(LowSpeed {
        bytes_per_second: number(ids::LOW_SPEED_LIMIT)?,
        over: Duration::from_secs(number(ids::LOW_SPEED_TIME)?),
    })
}

fn decode(settings: &Settings) -> Option<DecodePolicy> {
    let decodes = settings.bytes(ids::ACCEPT_ENCODING).is_some()
        && settings.flag(ids::HTTP_CONTENT_DECODING, true);
    // as curl has it: however much comes of it
    decodes.then_some(DecodePolicy { max_ratio: None, ask: false, ..DecodePolicy::default() })
}

fn redirects(settings: &Settings) -> Option<RedirectPolicy> {
    let allowed = setopt::protocols(settings, ids::REDIR_PROTOCOLS_STR, ids::REDIR_PROTOCOLS);
    let nowhere = allowed.is_some_and(|allowed| allowed.is_empty());
    if !settings.flag(ids::FOLLOWLOCATION, false) || nowhere {
        return None;
    }
    let most = ringdove::limits::REDIRECTS;
    let keep = settings.number(ids::POSTREDIR, 0);
    Some(RedirectPolicy {
        // -1 is any number
        max: u32::try_from(settings.number(ids::MAXREDIRS, REDIRECTS)).unwrap_or(most).min(most),
        keep_post: KeepPost { on_301: keep & 1 != 0, on_302: keep & 2 != 0, on_303: keep & 4 != 0 },
        trust_all_origins: settings.flag(ids::UNRESTRICTED_AUTH, false),
        any_status: true,
        own_method: own_method(settings),
    })
}

/// What becomes of CURLOPT_CUSTOMREQUEST on a redirect, by CURLFOLLOW_* (1 if the option is but switched on).
fn own_method(settings: &Settings) -> Option<OwnMethod> {
    settings.bytes(ids::CUSTOMREQUEST).filter(|name| !name.is_empty())?;
    let acts_as = match settings.method {
        _ if settings.no_body() => ActsAs::Head,
        Method::Get => ActsAs::Get,
        Method::Head => ActsAs::Head,
        Method::Post | Method::Mime | Method::Form => ActsAs::Post,
        Method::Put => ActsAs::Put,
    };
    Some(match settings.number(ids::FOLLOWLOCATION, 0) {
        2 => OwnMethod::Obeys(acts_as),
        3 => OwnMethod::FirstOnly(acts_as),
        _ => OwnMethod::Stays(acts_as),
    })
}

fn auth(settings: &Settings, parts: &Parts) -> Result<Option<AuthPolicy>, Failure> {
    let mask = settings.number(ids::HTTPAUTH, proxy::auth::BASIC);
    let (user, password) = (settings.bytes(ids::USERNAME), settings.bytes(ids::PASSWORD));
    let netrc = netrc(settings)?;
    let bearer = settings.text(ids::XOAUTH2_BEARER).filter(|_| mask & proxy::auth::BEARER != 0);
    let secret = match (bearer, user, password) {
        (Some(token), ..) => Some(Secret::token(&token).map_err(errors::of_secret)?),
        (None, None, None) => None,
        (None, user, password) => {
            let secret = Secret::login(user.unwrap_or_default(), password.unwrap_or_default());
            Some(secret.map_err(errors::of_secret)?)
        }
    };
    if secret.is_none() && netrc.is_none() && parts.user.is_none() {
        return Ok(None);
    }
    let scheme = proxy::scheme(mask).unwrap_or_default();
    let netrc_before_url = settings.number(ids::NETRC, 0) == 2;
    Ok(Some(AuthPolicy { scheme, secret, netrc, netrc_before_url }))
}

/// The logins of CURLOPT_NETRC_FILE, or of the file that NETRC in the environment names, or of ~/.netrc.
fn netrc(settings: &Settings) -> Result<Option<Netrc>, Failure> {
    if settings.number(ids::NETRC, 0) == 0 {
        return Ok(None);
    }
    let of_home = || std::env::var("HOME").ok().map(|home| format!("{home}/.netrc"));
    let path = settings.text(ids::NETRC_FILE).or_else(|| std::env::var("NETRC").ok());
    let path = path.or_else(of_home);
    let text = path.and_then(|path| std::fs::read_to_string(path).ok());
    let Some(text) = text else { return Ok(None) };
    let bad = |_| Failure::new(Code::READ_ERROR, ".netrc parser error");
    Netrc::parse(&text).map(Some).map_err(bad)
}
