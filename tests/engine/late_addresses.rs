//! Addresses of one family that are found when the other's are being connected to already: they join the race
//! (RFC 8305, 3). The engine looks names up itself, and the test plays the server.

use std::net::{IpAddr, SocketAddr};

use ringdove::dns::{Conf, Switch};
use ringdove::engine::{Config, ConnectionId, NamesConfig, Output};
use ringdove::error::Operation;

use crate::harness::{Harness, OK, every, get_url};

const ECONNREFUSED: i32 = 111;
const A: u8 = 1;
const AAAA: u8 = 28;

/// What the engine wants, sorted; queries are answered by hand.
#[derive(Default)]
struct World {
    /// Queries that were sent: where, and the message.
    asked: Vec<(ConnectionId, Vec<u8>)>,
    /// Connections that are wanted, and where they lead.
    connects: Vec<(ConnectionId, IpAddr)>,
    closed: Vec<ConnectionId>,
}

fn server() -> SocketAddr {
    "192.0.2.53:53".parse().unwrap()
}

fn harness(config: Config) -> Harness {
    let mut h = Harness::with(config);
    let conf = Conf { servers: vec![server()], ..Conf::default() };
    let names = NamesConfig { conf, ..NamesConfig::default() };
    h.engine.set_names(names, Switch::default(), [7; 32]);
    h
}

impl World {
    fn turn(&mut self, h: &mut Harness) {
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
    fn answer(&mut self, h: &mut Harness, kind: u8, address: Option<&str>) {
        let question = |query: &[u8]| 12 + query[12..].iter().position(|&b| b == 0).unwrap() + 5;
        let of_kind = |query: &[u8]| query[question(query) - 3] == kind;
        let at = self.asked.iter().position(|(_, query)| of_kind(query)).expect("it was asked");
        let (channel, query) = self.asked.remove(at);
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, 0x80, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
        answer.extend(&query[12..question(&query)]);
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
    fn connects_to(&self, expected: &[&str]) {
        let to: Vec<_> = self.connects.iter().map(|(_, ip)| ip.to_string()).collect();
        assert_eq!(to, expected);
    }
}

/// A look-up under way, of which IPv6 alone is answered, and the connection to that.
fn half_known(config: Config) -> (Harness, World) {
    let mut h = harness(config);
    let mut world = World::default();
    h.add(get_url("http://a.test/"));
    world.turn(&mut h);
    world.answer(&mut h, AAAA, Some("2001:db8::1"));
    h.at(1_040);
    world.turn(&mut h);
    world.connects_to(&[]);
    h.at(1_052);
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1"]);
    (h, world)
}

#[track_caller]
fn ends_well(mut h: Harness, mut world: World, connection: ConnectionId) {
    h.engine.handle_connected(connection);
    assert!(h.sent(connection).starts_with(b"GET / "));
    h.received(connection, OK);
    h.succeeds();
    world.turn(&mut h);
    for (other, _) in &world.connects {
        assert_eq!(h.engine.is_open(*other), *other == connection);
    }
    h.ends_empty();
}

/// Nothing answers at the address that was known first.
#[test]
fn the_late_family_is_tried_after_the_stagger() {
    let gates = Config { max_per_address: Some(1), ..Config::default() };
    let mut delay = Config::default();
    delay.politeness.per_host = every(5_000);
    for config in [Config::default(), gates, delay] {
        let (mut h, mut world) = half_known(config);
        assert_eq!(
            h.engine.fill(world.connects[0].0, &mut [0; 512]),
            0,
            "no request before the race is won"
        );
        h.at(1_100);
        world.answer(&mut h, A, Some("192.0.2.1"));
        h.at(1_301);
        world.turn(&mut h);
        world.connects_to(&["2001:db8::1"]);
        h.at(1_304);
        world.turn(&mut h);
        world.connects_to(&["2001:db8::1", "192.0.2.1"]);
        let second = world.connects[1].0;
        ends_well(h, world, second);
    }
}

/// It comes when it would have been time for a second attempt: that is made at once.
#[test]
fn the_late_family_is_tried_at_once_when_it_is_past_time() {
    let (mut h, mut world) = half_known(Config::default());
    h.at(1_700);
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1"]);
    h.at(1_800);
    world.answer(&mut h, A, Some("192.0.2.1"));
    world.connects_to(&["2001:db8::1", "192.0.2.1"]);
    let first = world.connects[0].0;
    ends_well(h, world, first);
}

/// A second transfer, which finds the one family in the cache, hears of the other, too.
#[test]
fn whoever_is_connecting_hears_of_it() {
    let (mut h, mut world) = half_known(Config::default());
    h.add(get_url("http://a.test:81/"));
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1", "2001:db8::1"]);
    h.at(1_600);
    world.turn(&mut h);
    world.answer(&mut h, A, Some("192.0.2.1"));
    world.connects_to(&["2001:db8::1", "2001:db8::1", "192.0.2.1", "192.0.2.1"]);
}

#[test]
fn the_late_family_is_tried_when_the_first_fails() {
    let (mut h, mut world) = half_known(Config::default());
    world.answer(&mut h, A, Some("192.0.2.1"));
    let first = world.connects[0].0;
    h.engine.handle_failed(first, Operation::Connect, ECONNREFUSED);
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1", "192.0.2.1"]);
    assert_eq!(world.connects[1].0, first, "on the same connection");
    ends_well(h, world, first);
}

/// The other family has nothing: from then on a connection's request may go out with it.
#[test]
fn nothing_later_is_the_end_of_it() {
    let (mut h, mut world) = half_known(Config::default());
    world.answer(&mut h, A, None);
    h.add(get_url("http://a.test:81/"));
    world.turn(&mut h);
    let [(first, _), (second, _)] = world.connects[..] else { panic!("{:?}", world.connects) };
    assert_eq!(h.engine.fill(first, &mut [0; 512]), 0);
    assert!(h.engine.fill(second, &mut [0; 512]) > 0, "there is but one address");
    h.at(9_000);
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1", "2001:db8::1"]);
}

/// Who has won or is gone by then hears of nothing.
#[test]
fn what_comes_after_the_end_changes_nothing() {
    let (mut h, mut world) = half_known(Config::default());
    let first = world.connects[0].0;
    h.engine.handle_connected(first);
    assert!(!h.sent(first).is_empty());
    world.answer(&mut h, A, Some("192.0.2.1"));
    h.at(5_000);
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1"]);
    h.received(first, OK);
    h.succeeds();
    h.ends_empty();
}
