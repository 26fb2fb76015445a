//! How connections are made, where not as the system would.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ringdove::Ways;
use ringdove::dial::{Bind, Device, UnixAddress};
use ringdove::engine::{ConnectTo, Family, Sources};
use ringdove::protocol::{Host, Origin};
use url::Url;

use crate::codes::Code;
use crate::errors::Failure;
use crate::options::{Settings, ids};

/// The ways that were set; `None` for none.
pub(super) fn ways(
    settings: &Settings,
    connect_to: &[Vec<u8>],
) -> Result<Option<Arc<Ways>>, Failure> {
    let family = match settings.number(ids::IPRESOLVE, 0) {
        1 => Some(Family::V4),
        2 => Some(Family::V6),
        _ => None,
    };
    let connect_to =
        connect_to.iter().map(|line| elsewhere(line)).collect::<Result<Vec<_>, _>>()?;
    let unix_socket = unix_socket(settings)?;
    let sources = Sources::new(binds(settings)?);
    let ways = Ways { unix_socket, connect_to, family, sources };
    Ok((ways != Ways::default()).then(|| Arc::new(ways)))
}

fn unix_socket(settings: &Settings) -> Result<Option<UnixAddress>, Failure> {
    let path = settings.text(ids::UNIX_SOCKET_PATH);
    let name = settings.bytes(ids::ABSTRACT_UNIX_SOCKET);
    let address = match (path, name) {
        (Some(path), _) if !path.is_empty() => UnixAddress::path(Path::new(&path)),
        (_, Some(name)) => UnixAddress::abstract_name(name),
        _ => return Ok(None),
    };
    address.map(Some).map_err(|why| Failure::new(Code::COULDNT_RESOLVE_HOST, why.to_string()))
}

fn binds(settings: &Settings) -> Result<Vec<Bind>, Failure> {
    let mut binds = Vec::new();
    if let Some(name) = settings.text(ids::INTERFACE).filter(|name| !name.is_empty()) {
        binds.push(interface(&name)?);
    }
    let port = settings.number(ids::LOCALPORT, 0);
    if let Ok(first @ 1..) = u16::try_from(port) {
        let range = u16::try_from(settings.number(ids::LOCALPORTRANGE, 1)).unwrap_or(1).max(1);
        let last = first.saturating_add(range - 1);
        if binds.is_empty() {
            binds.push(Bind::default());
        }
        binds.iter_mut().for_each(|bind| bind.ports = Some(first..=last));
    }
    Ok(binds)
}

/// An interface or an address: `if!NAME`, `host!ADDRESS`, or either without saying which.
fn interface(name: &str) -> Result<Bind, Failure> {
    let refused = || {
        let text = format!("Couldn't bind to interface '{name}'");
        Failure::new(Code::INTERFACE_FAILED, text)
    };
    let device = |name: &str| -> Result<Bind, Failure> {
        let device = Device::new(name).map_err(|_| refused())?;
        Ok(Bind { device: Some(device), ..Bind::default() })
    };
    let address = |text: &str| text.parse::<IpAddr>().ok();
    match (name.strip_prefix("if!"), name.strip_prefix("host!")) {
        (Some(name), _) => device(name),
        (None, Some(host)) => {
            let ip = address(host).ok_or_else(refused)?;
            Ok(Bind { address: Some(ip), ..Bind::default() })
        }
        (None, None) => match address(name) {
            Some(ip) => Ok(Bind { address: Some(ip), ..Bind::default() }),
            None => device(name),
        },
    }
}

/// `HOST:PORT:TO_HOST:TO_PORT`, each of which may be empty.
fn elsewhere(line: &[u8]) -> Result<ConnectTo, Failure> {
    let text = String::from_utf8_lossy(line);
    let refused = || {
        let text = format!("Invalid CURLOPT_CONNECT_TO entry: '{text}'");
        Failure::new(Code::SETOPT_OPTION_SYNTAX, text)
    };
    let (from, rest) = host_and_rest(&text).ok_or_else(refused)?;
    let (from_port, rest) = rest.split_once(':').ok_or_else(refused)?;
    let (to, to_port) = host_and_rest(rest).unwrap_or((rest, ""));
    let port = |text: &str| match text {
        "" => Ok(None),
        text => text.parse::<u16>().map(Some).map_err(|_| refused()),
    };
    let named = |text: &str| match text {
        "" => Ok(None),
        text => host(text).map(Some).ok_or_else(refused),
    };
    Ok(ConnectTo {
        host: named(from)?,
        port: port(from_port)?,
        to_host: named(to)?,
        to_port: port(to_port)?,
    })
}

/// A host, which may be an address in brackets, and what follows on the colon after it.
pub(super) fn host_and_rest(text: &str) -> Option<(&str, &str)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':')? };
    Some((&text[..end], text[end..].strip_prefix(':')?))
}

/// A host as the engine has it.
pub(super) fn host(text: &str) -> Option<Host> {
    let url = Url::parse(&format!("http://{text}/")).ok();
    let origin = url.and_then(|url| Origin::from_url(&url).ok());
    origin.map(|origin| origin.host().clone()).or_else(|| Host::named(text).ok())
}

/// What CURLOPT_RESOLVE says of one host and port.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    /// All hosts, if none is named.
    pub(crate) host: Option<Host>,
    pub(crate) port: u16,
    /// None at all undo what was said before.
    pub(crate) addresses: Arc<[IpAddr]>,
    /// They hold for as long as a look-up's answer would.
    pub(crate) expires: bool,
}

impl Fixed {
    /// `[+]HOST:PORT:ADDRESS[,ADDRESS]` or `-HOST:PORT`.
    pub(super) fn parse(line: &[u8]) -> Result<Fixed, Failure> {
        let text = String::from_utf8_lossy(line);
        let refused = || {
            let text = format!("Couldn't parse CURLOPT_RESOLVE entry '{text}'");
            Failure::new(Code::SETOPT_OPTION_SYNTAX, text)
        };
        let (removes, expires, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, false, &text[1..]),
            Some(b'+') => (false, true, &text[1..]),
            _ => (false, false, &text[..]),
        };
        let (name, rest) = host_and_rest(rest).ok_or_else(refused)?;
        let (port, addresses) = rest.split_once(':').unwrap_or((rest, ""));
        if removes != addresses.is_empty() {
            return Err(refused());
        }
        let address = |text: &str| {
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            bare.unwrap_or(text).parse::<IpAddr>().map_err(|_| refused())
        };
        let addresses = addresses.split(',').filter(|text| !text.is_empty());
        Ok(Fixed {
            host: if name == "*" { None } else { Some(host(name).ok_or_else(refused)?) },
            port: port.parse().map_err(|_| refused())?,
            addresses: addresses.map(address).collect::<Result<Arc<[_]>, _>>()?,
            expires,
        })
    }
}
