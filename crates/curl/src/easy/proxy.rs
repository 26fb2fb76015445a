//! Which proxies a transfer goes by.

use ringdove::protocol::{AuthScheme, Origin, Scheme};
use ringdove::{Bypass, Proxies, Proxy};

use super::fields;
use crate::codes::Code;
use crate::errors::{self, Failure};
use crate::options::{Settings, ids};

/// CURLAUTH_*
pub(super) mod auth {
    pub(crate) const BASIC: i64 = 1 << 0;
    pub(crate) const DIGEST: i64 = 1 << 1;
    pub(crate) const BEARER: i64 = 1 << 6;
}

/// The scheme of a mask of CURLAUTH_*; `None` if it has none that is spoken.
pub(super) fn scheme(mask: i64) -> Option<AuthScheme> {
    match (mask & auth::BASIC != 0, mask & auth::DIGEST != 0) {
        (true, false) => Some(AuthScheme::Basic),
        (false, true) => Some(AuthScheme::Digest),
        (true, true) => Some(AuthScheme::Any),
        (false, false) => None,
    }
}

/// The proxies that were set, or those of the environment; `None` for none at all. `tunnels`: whatever the options say.
pub(super) fn proxies(
    settings: &Settings,
    headers: &[Vec<u8>],
    (origin, tunnels): (&Origin, bool),
) -> Result<Option<Proxies>, Failure> {
    let https = origin.scheme() == Scheme::Https;
    let bypass = settings.text(ids::NOPROXY).map(|list| Bypass::parse(&list));
    let is_bypassed = bypass.is_some_and(|bypass| bypass.contains(origin));
    let bad = |error: ringdove::ProxyError| {
        Failure::new(
            Code::COULDNT_RESOLVE_PROXY,
            format!("Unsupported proxy syntax: {}", error.why),
        )
    };
    let mut proxies = match settings.text(ids::PROXY) {
        Some(text) if text.is_empty() => return Ok(None),
        Some(text) => {
            let proxy = Proxy::parse(&with_scheme(settings, text)).map_err(bad)?;
            // CURLPROXY_HTTP_1_0
            let is_old = settings.number(ids::PROXYTYPE, 0) == 1;
            Proxies::all(if is_old { proxy.by_http10() } else { proxy })
        }
        None => match of_environment(https) {
            // whom no proxy is asked for is not kept from by one that cannot be
            Err(_) if is_bypassed => return Ok(None),
            proxies => proxies.map_err(bad)?,
        },
    };
    if proxies.is_empty() {
        return Ok(None);
    }
    if let Some(list) = settings.text(ids::NOPROXY) {
        proxies = proxies.except(Bypass::parse(&list));
    } else if settings.text(ids::PROXY).is_some() {
        let list = std::env::var("no_proxy").or_else(|_| std::env::var("NO_PROXY"));
        proxies = proxies.except(Bypass::parse(&list.unwrap_or_default()));
    }
    if let Some(user) = settings.bytes(ids::PROXYUSERNAME) {
        let password = settings.bytes(ids::PROXYPASSWORD).unwrap_or_default();
        proxies = proxies.with_credentials(user, password).map_err(bad)?;
    }
    if let Some(scheme) = scheme(settings.number(ids::PROXYAUTH, auth::BASIC)) {
        proxies = proxies.with_scheme(scheme);
    }
    let own = fields::Own::new(headers)?;
    let agent = settings.bytes(ids::USERAGENT).filter(|agent| !agent.is_empty());
    let ours = [("User-Agent", agent), ("Proxy-Connection", Some(&b"Keep-Alive"[..]))];
    let ours = ours.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let ours = ours.filter(|(name, _)| !own.has(name));
    let theirs = own.sent().map(|own| (&own.name[..], &own.value[..]));
    for (name, value) in ours.chain(theirs) {
        let with = proxies.clone().field(name, value);
        match with {
            Ok(with) => proxies = with,
            // what is for one connection alone is settled by whoever makes it
            Err(ringdove::protocol::RequestError::ReservedField(_)) => {}
            Err(error) => return Err(errors::of_request(&error)),
        }
    }
    Ok(Some(proxies.tunnel(tunnels || settings.flag(ids::HTTPPROXYTUNNEL, false))))
}

/// The proxies of the environment. A variable that is no proxy does no harm as long as none of its URLs is asked for.
fn of_environment(https: bool) -> Result<Proxies, ringdove::ProxyError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let own: &[&str] = if https { &["https_proxy", "HTTPS_PROXY"] } else { &["http_proxy"] };
    let is_set = own.iter().any(|name| variable(name).is_some());
    let counts = |name: &str| match name {
        "no_proxy" | "NO_PROXY" => true,
        "all_proxy" | "ALL_PROXY" => !is_set,
        name => own.contains(&name),
    };
    Proxies::from_environment(variable)
        .or_else(|_| Proxies::from_environment(|name| variable(name).filter(|_| counts(name))))
}

/// With the scheme of CURLOPT_PROXYTYPE and the port of CURLOPT_PROXYPORT, where the text has none.
fn with_scheme(settings: &Settings, text: String) -> String {
    let has_scheme = text.contains("://");
    let scheme = match settings.number(ids::PROXYTYPE, 0) {
        2 => "https",
        4 => "socks4",
        5 => "socks5",
        6 => "socks4a",
        7 => "socks5h",
        _ => "http",
    };
    let text = if has_scheme { text } else { format!("{scheme}://{text}") };
    let port = settings.number(ids::PROXYPORT, 0);
    let authority = text.split("://").nth(1).unwrap_or_default();
    let host =
        authority.rsplit('@').next().unwrap_or_default().split('/').next().unwrap_or_default();
    let has_port = host.rsplit(']').next().unwrap_or_default().contains(':');
    match port {
        1..=65535 if !has_port => {
            let text = text.trim_end_matches('/');
            format!("{text}:{port}")
        }
        _ => text,
    }
}
