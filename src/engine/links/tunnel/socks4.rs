//! SOCKS 4 and 4a, as their authors' memoranda have them: one request, one answer of eight bytes.

use std::net::{IpAddr, Ipv4Addr};

use super::answer::Answer;
use crate::protocol::{Host, ProxyCredentials, ProxyFault, SocksVersion};

/// The answer, as far as it has come.
pub(super) struct Socks4 {
    answer: [u8; 8],
    len: usize,
}

const VERSION: u8 = 4;
const CONNECT: u8 = 1;
const GRANTED: u8 = 90;

/// SOCKS 4a: a name follows.
const NAME_FOLLOWS: Ipv4Addr = Ipv4Addr::new(0, 0, 0, 1);

impl Socks4 {
    /// The request, and what reads its answer. Without an address the proxy is to look the name up.
    pub(super) fn new(
        host: &Host,
        address: Option<IpAddr>,
        port: u16,
        credentials: Option<&ProxyCredentials>,
    ) -> Result<(Vec<u8>, Socks4), ProxyFault> {
        let (ip, name) = match (address.or(host.ip()), host.written()) {
            (Some(IpAddr::V4(ip)), _) => (ip, None),
            (None, Some(name)) => (NAME_FOLLOWS, Some(name)),
            (Some(IpAddr::V6(_)), _) | (None, None) => return Err(ProxyFault::NotForIpv6),
        };
        let mut request = vec![VERSION, CONNECT];
        request.extend(port.to_be_bytes());
        request.extend(ip.octets());
        request.extend(credentials.map_or(&[][..], |credentials| &credentials.user));
        request.push(0);
        if let Some(name) = name {
            request.extend(name.as_bytes());
            request.push(0);
        }
        Ok((request, Socks4 { answer: [0; 8], len: 0 }))
    }

    pub(super) fn read(&mut self, input: &[u8]) -> Result<Answer, ProxyFault> {
        let taken = input.len().min(self.answer.len() - self.len);
        self.answer[self.len..self.len + taken].copy_from_slice(&input[..taken]);
        self.len += taken;
        let version = SocksVersion::V4;
        if self.len > 0 && self.answer[0] != 0 {
            let byte = self.answer[0];
            return Err(ProxyFault::NotSocks { version, expected: "0, the reply's version", byte });
        }
        match self.answer[1] {
            _ if self.len < self.answer.len() => Ok(Answer::More),
            GRANTED => Ok(Answer::Open(taken)),
            code => Err(ProxyFault::SocksRefused { version, code }),
        }
    }
}
