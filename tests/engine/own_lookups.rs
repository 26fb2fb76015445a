//! An engine that looks names up itself, and a server played by the test.

use std::net::{IpAddr, SocketAddr};

use ringdove::dns::{Conf, Switch};
use ringdove::engine::{Config, ConnectionId, NamesConfig, Output};

use crate::harness::Harness;

pub(crate) const A: u8 = 1;
pub(crate) const AAAA: u8 = 28;

/// What the engine wants, sorted; queries are answered by hand.
#[derive(Default)]
pub(crate) struct World {
    /// Queries that were sent: where, and the message.
    pub(crate) asked: Vec<(ConnectionId, Vec<u8>)>,
    /// Connections that are wanted, and where they lead.
    pub(crate) connects: Vec<(ConnectionId, IpAddr)>,
    pub(crate) closed: Vec<ConnectionId>,
}

pub(crate) fn server() -> SocketAddr {
    "192.0.2.53:53".parse().unwrap()
}

/// An engine that looks names up itself.
pub(crate) fn harness(config: Config) -> Harness {
    looking_up(Harness::with(config))
}

pub(crate) fn looking_up(mut h: Harness) -> Harness {
    h.engine.set_names(names(), Switch::default(), [7; 32]);
    h
}

/// One server.
pub(crate) fn names() -> NamesConfig {
    let conf = Conf { servers: vec![server()], ..Conf::default() };
    NamesConfig { conf, ..NamesConfig::default() }
}

impl World {
    pub(crate) fn turn(&mut self, h: &mut Harness) {
        loop {
            let wants: Vec<_> = std::iter::from_fn(|| h.engine.poll_output()).collect();
            if wants.is_empty() {
                return;
            }
            for want in wants {
                match want {
                    Output::Connect { connection, dial } => {
                        let to = dial.remote.ip().expect("an address");
                        if to == server() {
                            h.engine.handle_connected(connection);
                        } else {
                            self.connects.push((connection, to.ip()));
                        }
                    }
                    Output::Level { connection } => self.take_queries(h, connection),
                    Output::Close { connection, .. } => self.closed.push(connection),
                    other => panic!("wants {other:?}"),
                }
            }
        }
    }

    fn take_queries(&mut self, h: &mut Harness, channel: ConnectionId) {
        if self.connects.iter().any(|(id, _)| *id == channel) {
            return;
        }
        while h.level(channel).send {
            let mut buffer = [0; 512];
            let length = h.engine.fill(channel, &mut buffer);
            h.engine.handle_sent(channel, length);
            self.asked.push((channel, buffer[..length].to_vec()));
        }
    }

    /// The query of this kind is answered with this address, or with none.
    #[track_caller]
    pub(crate) fn answer(&mut self, h: &mut Harness, kind: u8, address: Option<&str>) {
        let of_kind = |query: &[u8]| query[question_end(query) - 3] == kind;
        let at = self.asked.iter().position(|(_, query)| of_kind(query)).expect("it was asked");
        let (channel, query) = self.asked.remove(at);
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, 0x80, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
        answer.extend(&query[12..question_end(&query)]);
        if let Some(address) = address {
            let octets = match address.parse().unwrap() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 1, 44, 0, octets.len() as u8]);
            answer.extend(octets);
        }
        h.engine.handle_received(channel, &answer);
        self.turn(h);
    }

    #[track_caller]
    pub(crate) fn connects_to(&self, expected: &[&str]) {
        let to: Vec<_> = self.connects.iter().map(|(_, ip)| ip.to_string()).collect();
        assert_eq!(to, expected);
    }

    /// Whatever was asked is answered: each name has this address, and none of IPv6.
    pub(crate) fn answer_all(&mut self, h: &mut Harness, address: &str) {
        while let Some((_, query)) = self.asked.first() {
            let kind = query[question_end(query) - 3];
            self.answer(h, kind, (kind == A).then_some(address));
        }
    }
}

/// Where a query's question is over.
fn question_end(query: &[u8]) -> usize {
    12 + query[12..].iter().position(|&byte| byte == 0).unwrap() + 5
}
