//! SOCKS 5: the greeting, a name and password where the proxy asks for them, the request.

use std::net::IpAddr;

use super::answer::Answer;
use crate::protocol::{Host, ProxyCredentials, ProxyFault, SocksVersion};

/// A dialogue with a SOCKS 5 proxy, named for what it waits for.
pub(super) struct Socks5 {
    /// The message that is coming, as far as it has come; at most 262 bytes.
    message: Vec<u8>,
    waits_for: WaitsFor,
    credentials: Option<ProxyCredentials>,
    request: Vec<u8>,
}

#[derive(Clone, Copy)]
enum WaitsFor {
    /// The method that it chose of those offered (RFC 1928, 3).
    Method,
    /// What it says to the name and password (RFC 1929, 2).
    Verdict,
    /// The reply to the request (RFC 1928, 6).
    Reply,
}

const VERSION: u8 = 5;
const CONNECT: u8 = 1;

/// RFC 1928, 3.
const NO_AUTHENTICATION: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;

/// RFC 1929, 2.
const SUBNEGOTIATION: u8 = 1;

/// RFC 1928, 5.
const IPV4: u8 = 1;
const DOMAINNAME: u8 = 3;
const IPV6: u8 = 4;

impl Socks5 {
    /// The greeting, and what goes on from there. Without an address the proxy is to look the name up.
    pub(super) fn new(
        host: &Host,
        address: Option<IpAddr>,
        port: u16,
        credentials: Option<&ProxyCredentials>,
    ) -> (Vec<u8>, Socks5) {
        let greeting = match credentials {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, USERNAME_PASSWORD],
        };
        let mut request = vec![VERSION, CONNECT, 0];
        match (address.or(host.ip()), host.written().unwrap_or_default()) {
            (Some(IpAddr::V4(ip)), _) => {
                request.push(IPV4);
                request.extend(ip.octets());
            }
            (Some(IpAddr::V6(ip)), _) => {
                request.push(IPV6);
                request.extend(ip.octets());
            }
            (None, name) => {
                request.push(DOMAINNAME);
                request.extend(counted(name.as_bytes()));
            }
        }
        request.extend(port.to_be_bytes());
        let socks = Socks5 {
            message: Vec::new(),
            waits_for: WaitsFor::Method,
            credentials: credentials.cloned(),
            request,
        };
        (greeting, socks)
    }

    /// Takes bytes from the proxy; what they are answered with goes to `out`.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Answer, ProxyFault> {
        let mut taken = 0;
        loop {
            self.check_version()?;
            match self.missing()? {
                0 if self.is_open(out)? => return Ok(Answer::Open(taken)),
                0 => {}
                _ if taken == input.len() => return Ok(Answer::More),
                missing => {
                    let n = missing.min(input.len() - taken);
                    self.message.extend_from_slice(&input[taken..taken + n]);
                    taken += n;
                }
            }
        }
    }

    /// How many bytes more the message has, as far as that can be told.
    fn missing(&self) -> Result<usize, ProxyFault> {
        let length = match (self.waits_for, &self.message[..]) {
            (WaitsFor::Method | WaitsFor::Verdict, _) => 2,
            // up to the first byte of the address, which may be a name's length
            (WaitsFor::Reply, [_, _, _, IPV4, ..]) => 4 + 4 + 2,
            (WaitsFor::Reply, [_, _, _, IPV6, ..]) => 4 + 16 + 2,
            (WaitsFor::Reply, [_, _, _, DOMAINNAME, length, ..]) => 5 + usize::from(*length) + 2,
            (WaitsFor::Reply, [_, _, _, DOMAINNAME]) => 5,
            // a refusal says why, whatever follows
            (WaitsFor::Reply, [_, code @ 1..=255, ..]) => {
                return Err(ProxyFault::SocksRefused { version: SocksVersion::V5, code: *code });
            }
            (WaitsFor::Reply, [_, _, _, byte, ..]) => {
                return Err(not_socks("a type of address", *byte));
            }
            (WaitsFor::Reply, _) => 4,
        };
        Ok(length - self.message.len())
    }

    fn check_version(&self) -> Result<(), ProxyFault> {
        let (version, expected) = match self.waits_for {
            WaitsFor::Method | WaitsFor::Reply => (VERSION, "the version, 5"),
            WaitsFor::Verdict => (SUBNEGOTIATION, "the version of the subnegotiation, 1"),
        };
        match self.message.first() {
            Some(&byte) if byte != version => Err(not_socks(expected, byte)),
            _ => Ok(()),
        }
    }

    /// A message is complete: whether the tunnel is open by it.
    fn is_open(&mut self, out: &mut Vec<u8>) -> Result<bool, ProxyFault> {
        let message = std::mem::take(&mut self.message);
        match (self.waits_for, message[1], &self.credentials) {
            (WaitsFor::Method, NO_AUTHENTICATION, _) | (WaitsFor::Verdict, 0, _) => {
                out.extend_from_slice(&self.request);
                self.waits_for = WaitsFor::Reply;
                Ok(false)
            }
            (WaitsFor::Method, USERNAME_PASSWORD, Some(credentials)) => {
                out.push(SUBNEGOTIATION);
                out.extend(counted(&credentials.user));
                out.extend(counted(&credentials.password));
                self.waits_for = WaitsFor::Verdict;
                Ok(false)
            }
            (WaitsFor::Method, _, _) => Err(ProxyFault::NoSocksMethod),
            (WaitsFor::Verdict, _, _) => Err(ProxyFault::SocksCredentials),
            (WaitsFor::Reply, 0, _) => Ok(true),
            (WaitsFor::Reply, code, _) => {
                Err(ProxyFault::SocksRefused { version: SocksVersion::V5, code })
            }
        }
    }
}

fn not_socks(expected: &'static str, byte: u8) -> ProxyFault {
    ProxyFault::NotSocks { version: SocksVersion::V5, expected, byte }
}

/// Bytes after their number. Names of hosts and credentials were checked to have at most 255.
fn counted(bytes: &[u8]) -> impl Iterator<Item = u8> {
    debug_assert!(bytes.len() <= 255);
    std::iter::once(bytes.len() as u8).chain(bytes.iter().copied())
}
