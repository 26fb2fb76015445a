//! Limits and delays by host, registrable domain and address: what is never broken, who waits, who is called.

use std::collections::HashMap;
use std::net::IpAddr;

use ringdove::engine::{Config, ConnectionId, Output, Politeness, Request, TransferId};
use ringdove::error::{Cause, Operation};
use ringdove::protocol::Host;

use crate::harness::{Harness, OK, at_once, every, get_url, ms, timeouts};

const ECONNREFUSED: i32 = 111;
const EMFILE: i32 = 24;

/// The connections that are wanted, and where to; everything else that is wanted is left out.
fn connects(h: &mut Harness) -> Vec<(ConnectionId, String)> {
    let connect = |output| match output {
        Output::Connect { connection, dial } => Some((connection, dial.remote.to_string())),
        _ => None,
    };
    h.wants().into_iter().filter_map(connect).collect()
}

fn addresses(h: &mut Harness) -> Vec<String> {
    connects(h).into_iter().map(|(_, address)| address).collect()
}

/// Connects all that wants to be.
fn connect_all(h: &mut Harness) -> Vec<ConnectionId> {
    let connections: Vec<_> = connects(h).into_iter().map(|(connection, _)| connection).collect();
    connections.iter().for_each(|&connection| h.engine.handle_connected(connection));
    connections
}

fn serve(h: &mut Harness, connection: ConnectionId) {
    assert!(!h.sent(connection).is_empty(), "there is a request");
    h.received(connection, OK);
    h.succeeds();
}

fn host(name: &str) -> Host {
    Request::get(&format!("http://{name}/")).unwrap().head().origin().host().clone()
}

fn resolve(h: &mut Harness, name: &str, addresses: &[&str]) {
    let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    h.engine.set_override(host(name), 80, addresses.into());
}

fn ask(h: &mut Harness, name: &str) -> TransferId {
    h.add(get_url(&format!("http://{name}/")))
}

/// An engine with these rules, and names that lead to these addresses.
fn with(config: Config, names: &[(&str, &[&str])]) -> Harness {
    let mut h = Harness::with(config);
    for (name, addresses) in names {
        resolve(&mut h, name, addresses);
    }
    h
}

fn polite(set: impl FnOnce(&mut Politeness)) -> Config {
    let mut config = Config::default();
    set(&mut config.politeness);
    config
}

fn per_address(most: usize) -> Config {
    Config { max_per_address: Some(most), ..Config::default() }
}

// connections

#[test]
fn a_host_is_one_over_all_its_ports() {
    let mut h = Harness::with(Config { max_per_host: Some(2), ..Config::default() });
    for port in [80, 81, 82, 83] {
        h.add(get_url(&format!("http://10.0.0.1:{port}/")));
    }
    h.add(get_url("http://10.0.0.2/"));
    assert_eq!(addresses(&mut h), ["10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80"]);
    assert_eq!(h.engine.stats().running, 5);
}

#[test]
fn an_address_is_one_whatever_its_names() {
    let nine: &[&str] = &["10.0.0.9"];
    let mut h = with(per_address(2), &[("a.test", nine), ("b.test", nine), ("c.test", nine)]);
    for name in ["a.test", "b.test", "c.test", "10.0.0.9", "10.0.0.8"] {
        ask(&mut h, name);
    }
    assert_eq!(addresses(&mut h), ["10.0.0.9:80", "10.0.0.9:80", "10.0.0.8:80"]);
}

#[test]
fn an_address_is_one_however_it_is_written() {
    let mut h = Harness::with(per_address(1));
    h.add(get_url("http://10.0.0.1/"));
    h.add(get_url("http://[::ffff:10.0.0.1]/"));
    assert_eq!(addresses(&mut h), ["10.0.0.1:80"]);
}

#[test]
fn the_first_address_with_room_is_taken() {
    let both: &[&str] = &["10.0.0.1", "10.0.0.2"];
    let mut h = with(per_address(1), &[("a.test", both), ("b.test", both), ("c.test", both)]);
    for name in ["a.test", "b.test", "c.test"] {
        ask(&mut h, name);
    }
    assert_eq!(addresses(&mut h), ["10.0.0.1:80", "10.0.0.2:80"]);
}

/// Whoever waits where there is no room is called by the place that becomes free, and by no other.
#[test]
fn a_freed_place_calls_exactly_one() {
    let one: &[&str] = &["10.0.0.1"];
    let mut h = with(per_address(1), &[("a.test", one), ("b.test", one), ("c.test", one)]);
    for name in ["a.test", "b.test", "c.test"] {
        ask(&mut h, name);
    }
    let first = h.connect();
    serve(&mut h, first);
    let wants = h.wants();
    let [Output::Close { connection, .. }, Output::Connect { connection: second, .. }] = wants[..]
    else {
        panic!("{wants:?}")
    };
    assert_eq!(connection, first);
    h.engine.handle_connected(second);
    h.again();
    h.wants_nothing();
    serve(&mut h, second);
    let third = connect_all(&mut h)[0];
    serve(&mut h, third);
    h.ends_empty();
}

#[test]
fn an_idle_connection_goes_where_its_place_is_wanted() {
    let names: &[(&str, &[&str])] =
        &[("a.test", &["10.0.0.1"]), ("b.test", &["10.0.0.2"]), ("c.test", &["10.0.0.1"])];
    let mut h = with(per_address(1), names);
    ask(&mut h, "a.test");
    let first = h.connect();
    serve(&mut h, first);
    ask(&mut h, "b.test");
    let other = h.connect();
    serve(&mut h, other);
    assert_eq!(h.engine.stats().idle, 2);
    ask(&mut h, "c.test");
    let wants = h.wants();
    assert!(
        matches!(wants[..], [Output::Close { connection, .. }, Output::Connect { ref dial, .. }]
            if connection == first && dial.remote.to_string() == "10.0.0.1:80"),
        "{wants:?}"
    );
    assert_eq!(h.engine.stats().evicted, 1);
}

#[test]
fn an_idle_connection_goes_for_another_port_of_its_host() {
    let mut h = Harness::with(Config { max_per_host: Some(1), ..Config::default() });
    let idle = h.idle();
    h.add(get_url("http://10.0.0.1:81/"));
    let wants = h.wants();
    assert!(
        matches!(wants[..], [Output::Close { connection, .. }, Output::Connect { .. }]
            if connection == idle),
        "{wants:?}"
    );
}

/// The first address fails and the other has no room: that is waited for, and the first is not tried again.
#[test]
fn an_address_without_room_is_waited_for_when_others_have_failed() {
    let both: &[&str] = &["10.0.0.1", "10.0.0.2"];
    let mut h = with(per_address(1), &[("a.test", &["10.0.0.2"]), ("b.test", both)]);
    ask(&mut h, "a.test");
    let holds = h.connect();
    ask(&mut h, "b.test");
    let (fails, _) = h.wants_connect();
    h.engine.handle_failed(fails, Operation::Connect, ECONNREFUSED);
    h.wants_close(fails);
    assert!(h.engine.poll_message().is_none(), "it has not failed");
    serve(&mut h, holds);
    let wants = connects(&mut h);
    assert_eq!(wants.len(), 1);
    assert_eq!(wants[0].1, "10.0.0.2:80");
    h.engine.handle_connected(wants[0].0);
    serve(&mut h, wants[0].0);
    h.ends_empty();
}

#[test]
fn where_all_addresses_fail_none_is_waited_for() {
    let both: &[&str] = &["10.0.0.1", "10.0.0.2"];
    let mut h = with(per_address(1), &[("a.test", &["10.0.0.2"]), ("b.test", both)]);
    ask(&mut h, "a.test");
    let holds = h.connect();
    ask(&mut h, "b.test");
    let (fails, _) = h.wants_connect();
    h.engine.handle_failed(fails, Operation::Connect, ECONNREFUSED);
    serve(&mut h, holds);
    let [.., (again, _)] = connects(&mut h)[..] else { panic!("the other one") };
    h.engine.handle_failed(again, Operation::Connect, ECONNREFUSED);
    let error = h.fails();
    let refused = Cause::Os { operation: Operation::Connect, errno: ECONNREFUSED };
    assert_eq!(error.cause, refused);
    h.ends_empty();
}

// requests at once

#[test]
fn requests_at_once_to_a_host() {
    let mut h = Harness::with(polite(|rules| rules.per_host = at_once(2)));
    for port in [80, 80, 80, 81] {
        h.add(get_url(&format!("http://10.0.0.1:{port}/")));
    }
    let [one, other] = connect_all(&mut h)[..] else { panic!("two at once") };
    serve(&mut h, one);
    // the connection is kept, and goes on with what has waited longest
    assert!(h.level(one).send);
    h.wants_nothing();
    serve(&mut h, other);
    let [last] = connect_all(&mut h)[..] else { panic!("the other port") };
    serve(&mut h, one);
    serve(&mut h, last);
    h.ends_empty();
}

#[test]
fn requests_at_once_to_a_domain() {
    let names = ["a.example.co.uk", "b.example.co.uk", "example.co.uk", "other.co.uk"];
    let mut h = Harness::with(polite(|rules| rules.per_domain = at_once(1)));
    for (index, name) in names.iter().enumerate() {
        resolve(&mut h, name, &[&format!("10.0.0.{}", index + 1)]);
        ask(&mut h, name);
    }
    let connections = connects(&mut h);
    let where_to: Vec<_> = connections.iter().map(|(_, address)| address.as_str()).collect();
    assert_eq!(where_to, ["10.0.0.1:80", "10.0.0.4:80"]);
    let (first, _) = connections[0];
    h.engine.handle_connected(first);
    serve(&mut h, first);
    assert_eq!(addresses(&mut h), ["10.0.0.2:80"]);
}

#[test]
fn requests_at_once_to_an_address() {
    let one: &[&str] = &["10.0.0.1"];
    let config = polite(|rules| rules.per_address = at_once(1));
    let mut h = with(config, &[("a.test", one), ("b.test", one)]);
    ask(&mut h, "a.test");
    ask(&mut h, "b.test");
    let first = h.connect();
    serve(&mut h, first);
    let second = h.connect();
    // the first is idle, and its origin waits until the other is done
    ask(&mut h, "a.test");
    assert!(!h.level(first).send);
    serve(&mut h, second);
    serve(&mut h, first);
    assert_eq!(h.engine.stats().idle, 2);
    h.ends_empty();
}

/// A transfer that goes away gives back what it held.
#[test]
fn whoever_is_removed_makes_room() {
    let config = Config { max_per_host: Some(1), ..polite(|rules| rules.per_host = at_once(1)) };
    let mut h = Harness::with(config);
    let connecting = h.add(get_url("http://10.0.0.1:80/"));
    let waiting = h.add(get_url("http://10.0.0.1:81/"));
    h.add(get_url("http://10.0.0.1:82/"));
    h.wants();
    h.engine.remove(waiting);
    h.engine.remove(connecting);
    h.again();
    let [last] = connect_all(&mut h)[..] else { panic!("its place is free") };
    serve(&mut h, last);
    h.ends_empty();
}

// delays

#[test]
fn a_delay_for_a_host_counts_over_its_ports() {
    let mut h = Harness::with(polite(|rules| rules.per_host = every(100)));
    for port in [80, 81, 82] {
        h.add(get_url(&format!("http://10.0.0.1:{port}/")));
    }
    connect_all(&mut h);
    assert_eq!(h.engine.stats().connections, 1);
    h.at(1_099);
    h.wants_nothing();
    h.at(1_102);
    assert_eq!(connect_all(&mut h).len(), 1);
    h.at(1_201);
    h.wants_nothing();
    h.at(1_204);
    assert_eq!(connect_all(&mut h).len(), 1);
}

#[test]
fn a_delay_for_a_domain_and_one_for_an_address() {
    type Set = fn(&mut Politeness);
    let domain: Set = |rules| rules.per_domain = every(100);
    let address: Set = |rules| rules.per_address = every(100);
    for (set, other) in [(domain, "c.other.com"), (address, "c.example.com")] {
        let mut h = Harness::with(polite(set));
        resolve(&mut h, "a.example.com", &["10.0.0.1"]);
        resolve(&mut h, "b.example.com", &["10.0.0.1"]);
        resolve(&mut h, other, &["10.0.0.2"]);
        for name in ["a.example.com", "b.example.com", other] {
            ask(&mut h, name);
        }
        assert_eq!(connect_all(&mut h).len(), 2);
        h.at(1_099);
        h.wants_nothing();
        h.at(1_102);
        assert_eq!(connect_all(&mut h).len(), 1);
    }
}

/// The longest of several delays is the one that counts, and each is kept.
#[test]
fn delays_are_kept_together() {
    let mut h = Harness::with(polite(|rules| {
        rules.per_host = every(300);
        rules.per_domain = every(100);
    }));
    for name in ["a.example.com", "b.example.com"] {
        resolve(&mut h, name, &["10.0.0.1"]);
        ask(&mut h, name);
        ask(&mut h, name);
    }
    let mut began = Vec::new();
    for now in 1_000..2_000 {
        h.at(now);
        began.extend(connect_all(&mut h).into_iter().map(|_| now));
    }
    let [a, b, a2, b2] = began[..] else { panic!("{began:?}") };
    assert_eq!(a, 1_000);
    assert!((1_100..=1_102).contains(&b), "{began:?}");
    assert!((1_300..=1_302).contains(&a2), "{began:?}");
    assert!((a2 + 100..=b + 302).contains(&b2), "{began:?}");
}

/// A request begins when its connection is ready for it: one that is ready too soon after another has begun waits,
/// and one that is slow holds nobody up.
#[test]
fn a_delay_counts_from_when_a_request_goes_out() {
    let mut h = Harness::with(polite(|rules| rules.per_host = every(100)));
    for port in [80, 81, 82] {
        h.add(get_url(&format!("http://10.0.0.1:{port}/")));
    }
    let (slow, _) = h.wants_connect();
    let mut early = [0; 300];
    assert_eq!(h.engine.fill(slow, &mut early), 0, "nothing goes out before it is connected");
    h.at(1_102);
    let quick = h.connect();
    serve(&mut h, quick);
    h.at(1_150);
    h.engine.handle_connected(slow);
    assert!(!h.level(slow).send, "another has just begun");
    h.at(1_201);
    h.wants_nothing();
    h.at(1_204);
    assert!(h.level(slow).send);
    serve(&mut h, slow);
    h.at(1_307);
    let last = h.connect();
    serve(&mut h, last);
    h.ends_empty();
}

#[test]
fn an_attempt_to_connect_counts() {
    let mut h = Harness::with(polite(|rules| rules.per_host = every(100)));
    h.add(get_url("http://10.0.0.1/"));
    h.add(get_url("http://10.0.0.1/"));
    let (refused, _) = h.wants_connect();
    h.at(1_010);
    h.engine.handle_failed(refused, Operation::Connect, ECONNREFUSED);
    h.fails();
    h.wants_close(refused);
    h.at(1_099);
    h.wants_nothing();
    h.at(1_102);
    h.wants_connect();
}

#[test]
fn what_the_system_had_no_room_for_does_not_count() {
    let mut h = Harness::with(polite(|rules| rules.per_host = every(10_000)));
    h.add(get_url("http://10.0.0.2/"));
    let (open, _) = h.wants_connect();
    h.engine.handle_connected(open);
    h.add(get_url("http://10.0.0.1/"));
    let (refused, _) = h.wants_connect();
    h.engine.handle_exhausted(refused, Operation::Socket, EMFILE);
    serve(&mut h, open);
    h.at(1_010);
    assert_eq!(connects(&mut h).len(), 1, "at once, since nothing was asked");
}

/// One timer for each that is waited for, however many wait; none for those that rest.
#[test]
fn waiting_costs_one_timer() {
    let mut h = Harness::with(polite(|rules| {
        rules.per_host = every(100_000);
        rules.per_domain = every(1_000);
    }));
    for n in 0..5_000 {
        let name = format!("h{n}.example.com");
        resolve(&mut h, &name, &["10.0.0.1"]);
        let request = get_url(&format!("http://{name}/")).options(timeouts(|_| {}));
        h.engine.add(request, Box::new(ringdove::Discard)).unwrap();
    }
    h.again();
    h.again();
    let first = h.connect();
    assert_eq!(h.engine.stats().timers, 1);
    h.sent(first);
    h.received(first, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    h.succeeds();
    for turn in 1..100 {
        h.at(1_000 + turn * 1_003);
        let next = connect_all(&mut h);
        assert_eq!((next.len(), h.engine.stats().timers), (1, 1), "turn {turn}");
        h.sent(next[0]);
        h.received(next[0], b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        h.succeeds();
        h.wants();
    }
}

#[test]
fn nobody_left_means_no_timer() {
    let mut h = Harness::with(polite(|rules| rules.per_host = every(100_000)));
    h.add(get_url("http://10.0.0.1/"));
    let waits = h.add(get_url("http://10.0.0.1/"));
    let first = h.connect();
    serve(&mut h, first);
    h.engine.remove(waits);
    h.again();
    h.ends_empty();
    assert_eq!(h.engine.stats().gates, 1, "its time is kept");
}

#[test]
fn who_waits_at_a_gate_is_counted() {
    let mut h = with(
        polite(|rules| (rules.per_domain, rules.per_address) = (at_once(2), at_once(1))),
        &[
            ("a.example.com", &["10.0.0.1", "10.0.0.2"]),
            ("b.example.com", &["10.0.0.1", "10.0.0.2"]),
            ("c.example.com", &["10.0.0.3"]),
            ("d.example.org", &["10.0.0.1", "10.0.0.2"]),
        ],
    );
    let held_up = |h: &Harness| h.engine.stats().held_up;
    ask(&mut h, "a.example.com");
    ask(&mut h, "b.example.com");
    let first = connect_all(&mut h);
    assert_eq!((first.len(), held_up(&h)), (2, 0));
    // one for its domain, one for both of its addresses
    ask(&mut h, "c.example.com");
    let waits = ask(&mut h, "d.example.org");
    assert!(connect_all(&mut h).is_empty());
    assert_eq!(held_up(&h), 2);
    h.engine.remove(waits);
    h.again();
    assert_eq!(held_up(&h), 1);
    serve(&mut h, first[0]);
    let second = connect_all(&mut h);
    assert_eq!((second.len(), held_up(&h)), (1, 0));
    serve(&mut h, first[1]);
    serve(&mut h, second[0]);
}

/// Also where the addresses that were known have been forgotten by the time that the turn comes.
#[test]
fn a_lookup_does_not_cost_the_turn() {
    let config = polite(|rules| rules.per_domain = every(10_000));
    let mut h = Harness::with(Config { lookup_ttl: ms(1_000), max_lookups: 1, ..config });
    for name in ["a.example.com", "b.example.com", "c.example.com"] {
        ask(&mut h, name);
    }
    let mut order = Vec::new();
    let mut now = 1_000;
    while order.len() < 3 {
        for want in h.wants() {
            match want {
                Output::Resolve { lookup, host } => {
                    let last = host.name().unwrap().as_bytes()[0] - b'a' + 1;
                    h.resolved(lookup, &[&format!("10.0.0.{last}")]);
                }
                Output::Connect { connection, dial } => {
                    h.engine.handle_connected(connection);
                    order.push(dial.remote.to_string());
                    serve(&mut h, connection);
                }
                _ => {}
            }
        }
        now += 50;
        h.at(now);
        assert!(now < 60_000, "{order:?}");
    }
    assert_eq!(order, ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
}

// while running

#[test]
fn limits_are_raised_and_lowered_while_running() {
    let one: &[&str] = &["10.0.0.1"];
    let mut h = with(Config::default(), &[("a.test", one), ("b.test", one)]);
    for name in ["a.test", "a.test", "b.test"] {
        ask(&mut h, name);
    }
    let [first, second, third] = connect_all(&mut h)[..] else { panic!("no limits") };
    h.engine.set_host_limits(None, Some(1));
    ask(&mut h, "b.test");
    h.wants_nothing();
    serve(&mut h, first);
    h.wants_close(first);
    serve(&mut h, second);
    h.wants_close(second);
    serve(&mut h, third);
    serve(&mut h, third);
    assert_eq!((h.engine.stats().connections, h.engine.stats().idle), (1, 1));
    for _ in 0..3 {
        ask(&mut h, "a.test");
    }
    assert_eq!(connects(&mut h).len(), 1);
    h.engine.set_host_limits(None, Some(2));
    h.again();
    assert_eq!(connects(&mut h).len(), 1);
    h.engine.set_host_limits(None, None);
    h.again();
    assert_eq!(connects(&mut h).len(), 1);
}

#[test]
fn idle_connections_over_a_new_limit_are_closed() {
    let mut h = Harness::new(3);
    for _ in 0..3 {
        h.add(get_url("http://10.0.0.1/"));
    }
    let connections = connect_all(&mut h);
    connections.into_iter().for_each(|connection| serve(&mut h, connection));
    h.engine.set_host_limits(Some(1), None);
    h.again();
    assert_eq!(h.engine.stats().connections, 1);
    h.ends_empty();
}

#[test]
fn a_host_gets_a_delay_of_its_own() {
    let mut h = Harness::with(polite(|rules| rules.per_host = every(100)));
    h.engine.set_interval(&host("10.0.0.1"), Some(ms(1_000)));
    for name in ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"] {
        ask(&mut h, name);
    }
    assert_eq!(connect_all(&mut h).len(), 2);
    h.at(1_102);
    assert_eq!(connect_all(&mut h).len(), 1);
    h.at(1_999);
    h.wants_nothing();
    // a wait under way gets no longer than the new one
    h.engine.set_interval(&host("10.0.0.1"), Some(ms(1)));
    assert_eq!(h.engine.next_time(), Some(ringdove::Time::ZERO));
    h.at(1_999);
    h.at(2_002);
    assert_eq!(connect_all(&mut h).len(), 1);
}

#[test]
fn a_delay_of_one_host_needs_no_other_rule() {
    let mut h = Harness::new(6);
    h.engine.set_interval(&host("10.0.0.1"), Some(ms(1_000)));
    for name in ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"] {
        ask(&mut h, name);
    }
    assert_eq!(connect_all(&mut h).len(), 3);
    h.engine.set_interval(&host("10.0.0.1"), None);
    h.again();
    assert_eq!(connect_all(&mut h).len(), 1);
}

#[test]
fn times_are_kept_through_a_change_of_rules() {
    let mut h = Harness::with(polite(|rules| rules.per_host = every(1_000)));
    ask(&mut h, "10.0.0.1");
    let first = h.connect();
    serve(&mut h, first);
    h.engine.set_politeness(Politeness {
        per_host: every(500),
        per_domain: at_once(1),
        ..Politeness::default()
    });
    ask(&mut h, "10.0.0.1");
    h.at(1_999);
    assert!(!h.level(first).send);
    h.at(2_002);
    serve(&mut h, first);
    h.ends_empty();
}

/// Those with a slot to wait for, too, all get their turn, and none of the rules is broken by that.
#[test]
fn slots_and_places_together_serve_everybody() {
    let config = Config {
        max_connections: 3,
        max_per_host: Some(2),
        max_per_address: Some(1),
        ..polite(|rules| rules.per_domain = every(10))
    };
    let mut h = Harness::with(config);
    for n in 0..40 {
        let name = format!("h{}.example{}.com", n % 10, n % 3);
        resolve(&mut h, &name, &[&format!("10.0.0.{}", n % 4 + 1), "10.0.0.9"]);
        h.engine.add(get_url(&format!("http://{name}/{n}")), Box::new(ringdove::Discard)).unwrap();
    }
    let mut open = Vec::new();
    let mut done = 0;
    for now in 1_000..3_000 {
        h.at(now);
        for want in h.wants() {
            match want {
                Output::Connect { connection, dial } => {
                    let address = dial.remote.ip().expect("an address");
                    assert!(open.iter().all(|&(_, other)| other != address.ip()), "{address}");
                    open.push((connection, address.ip()));
                    h.engine.handle_connected(connection);
                }
                Output::Close { connection, .. } => open.retain(|&(other, _)| other != connection),
                _ => {}
            }
        }
        assert!(open.len() <= 3);
        for (connection, _) in open.clone() {
            if now % 3 == 0 && h.engine.transfer_on(connection).is_some() {
                h.sent(connection);
                h.received(connection, OK);
                h.succeeds();
                done += 1;
            }
        }
    }
    assert_eq!(done, 40);
    h.ends_empty();
}

/// 1,000 hosts on 10 addresses, asked three times each, with two connections to each address and 100 ms for each
/// host: where answers take 10 ms and connecting takes no time, all is over after 1.5 s, as no rule has it take longer.
#[test]
fn the_rate_is_what_the_limits_allow() {
    const HOSTS: usize = 1_000;
    let config = polite(|rules| rules.per_host = every(100));
    let mut h = Harness::with(Config { max_per_address: Some(2), ..config });
    for n in 0..HOSTS {
        resolve(&mut h, &format!("h{n}.test"), &[&format!("10.0.0.{}", n % 10 + 1)]);
    }
    for n in 0..3 * HOSTS {
        let request = get_url(&format!("http://h{}.test/", n % HOSTS));
        h.engine.add(request, Box::new(ringdove::Discard)).unwrap();
    }
    let (mut busy, mut began) = (Vec::new(), HashMap::<_, Vec<u64>>::new());
    let (mut now, mut done) = (1_000, 0);
    while done < 3 * HOSTS {
        h.at(now);
        let over: Vec<ConnectionId> =
            busy.extract_if(.., |(_, _, due)| *due <= now).map(|(id, ..)| id).collect();
        for connection in over {
            h.received(connection, OK);
            h.succeeds();
            done += 1;
        }
        for want in h.wants() {
            let Output::Connect { connection, dial } = want else { continue };
            h.engine.handle_connected(connection);
            let sent = String::from_utf8(h.sent(connection)).expect("text");
            let host = sent.lines().nth(1).expect("a host").to_owned();
            began.entry(host).or_default().push(now);
            busy.push((connection, dial.remote, now + 10));
        }
        for (_, remote, _) in &busy {
            assert!(busy.iter().filter(|(_, other, _)| other == remote).count() <= 2);
        }
        now += 1;
        assert!(now < 9_000, "{done} are done");
    }
    let apart = |times: &Vec<u64>| times.windows(2).all(|pair| pair[1] - pair[0] >= 100);
    assert!(began.len() == HOSTS && began.values().all(apart));
    // counted to the end of the last
    assert_eq!(now - 1 - 1_000, 1_500);
}
