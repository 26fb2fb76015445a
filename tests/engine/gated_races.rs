//! Several addresses for one connection where there are rules by host and address: attempts race side by side as
//! far as there is room, and whoever waits for room is called from any of its addresses.

use std::net::IpAddr;
use std::sync::Arc;

use ringdove::engine::{Config, ConnectionId, Family, Options, Output, Politeness, Ways};
use ringdove::error::{Cause, Operation, Phase};
use ringdove::{Report, Request};

use crate::harness::{Harness, OK, at_once, every, get_url};

const ECONNREFUSED: i32 = 111;

const BOTH: &[&str] = &["10.0.0.1", "10.0.0.2"];

fn with(config: Config, names: &[(&str, &[&str])]) -> Harness {
    let mut h = Harness::with(config);
    for (name, addresses) in names {
        let host = Request::get(&format!("http://{name}/")).unwrap().head().origin().host().clone();
        let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        h.engine.set_override(host, 80, addresses.into());
    }
    h
}

fn per_address(most: usize) -> Config {
    Config { max_per_address: Some(most), ..Config::default() }
}

fn polite(set: impl FnOnce(&mut Politeness)) -> Config {
    let mut config = Config::default();
    set(&mut config.politeness);
    config
}

fn ask(h: &mut Harness, name: &str) {
    h.add(get_url(&format!("http://{name}/")));
}

/// The one connection that is wanted, which leads there; others may be closed.
#[track_caller]
fn wants(h: &mut Harness, expected: &str) -> ConnectionId {
    let connects: Vec<_> = h
        .wants()
        .into_iter()
        .filter_map(|want| match want {
            Output::Connect { connection, dial } => Some((connection, dial.remote.ip()?.ip())),
            _ => None,
        })
        .collect();
    let [(connection, ip)] = connects[..] else { panic!("{connects:?}") };
    assert_eq!(ip.to_string(), expected);
    connection
}

#[track_caller]
fn serve(h: &mut Harness, connection: ConnectionId) -> Report {
    assert!(!h.sent(connection).is_empty(), "there is a request");
    h.received(connection, OK);
    h.succeeds().outcome.report
}

fn refuse(h: &mut Harness, connection: ConnectionId) {
    h.engine.handle_failed(connection, Operation::Connect, ECONNREFUSED);
}

fn told(report: &Report) -> Vec<(String, &'static str)> {
    let attempts = report.attempts.iter().flat_map(|attempts| attempts.iter());
    attempts.map(|a| (a.address.ip().to_string(), a.end.name())).collect()
}

/// An attempt takes a place at its address as any connection does, and gives it back when another has won.
#[test]
fn the_second_address_is_tried_beside_the_first() {
    let mut h = with(per_address(1), &[("a.test", BOTH), ("b.test", &BOTH[..1])]);
    ask(&mut h, "a.test");
    let first = wants(&mut h, "10.0.0.1");
    ask(&mut h, "b.test");
    h.at(1_249);
    h.wants_nothing();
    h.at(1_252);
    let second = wants(&mut h, "10.0.0.2");
    h.engine.handle_connected(second);
    // the first one's place goes to who waits for it
    h.again();
    let other = wants(&mut h, "10.0.0.1");
    assert!(!h.engine.is_open(first));
    let report = serve(&mut h, second);
    assert_eq!(told(&report), [("10.0.0.1".into(), "lost"), ("10.0.0.2".into(), "connected")]);
    h.engine.handle_connected(other);
    serve(&mut h, other);
    h.ends_empty();
}

/// What has no room is not waited for as long as another attempt is under way; it is looked at again.
#[test]
fn a_second_address_without_room_holds_nobody_up() {
    let names: &[(&str, &[&str])] =
        &[("a.test", BOTH), ("b.test", &BOTH[1..]), ("c.test", &["10.0.0.1", "10.0.0.2", "::3"])];
    let mut h = with(per_address(1), names);
    ask(&mut h, "b.test");
    let holds = wants(&mut h, "10.0.0.2");
    h.engine.handle_connected(holds);
    ask(&mut h, "a.test");
    let first = wants(&mut h, "10.0.0.1");
    h.at(1_500);
    h.wants_nothing();
    serve(&mut h, holds);
    h.engine.close_idle();
    h.again();
    h.wants_close(holds);
    h.at(3_503);
    let second = wants(&mut h, "10.0.0.2");
    h.engine.handle_connected(first);
    h.wants_close(second);
    serve(&mut h, first);
    // one with a third address goes on to that
    h.engine.close_idle();
    h.again();
    h.wants();
    ask(&mut h, "b.test");
    let holds = wants(&mut h, "10.0.0.2");
    ask(&mut h, "c.test");
    let first = wants(&mut h, "10.0.0.1");
    h.at(4_000);
    let third = wants(&mut h, "::3");
    refuse(&mut h, third);
    refuse(&mut h, first);
    h.wants();
    // both have failed: now the one that had no room is waited for
    h.engine.handle_connected(holds);
    serve(&mut h, holds);
    let second = wants(&mut h, "10.0.0.2");
    h.engine.handle_connected(second);
    let report = serve(&mut h, second);
    let tried = [("10.0.0.1", "failed"), ("::3", "failed"), ("10.0.0.2", "connected")];
    assert_eq!(told(&report), tried.map(|(ip, end)| (ip.to_owned(), end)));
    h.ends_empty();
}

/// All attempts are for one request; whichever of them is left holds what that holds.
#[test]
fn attempts_count_as_one_request() {
    for second_wins in [true, false] {
        let mut h = with(polite(|rules| rules.per_host = at_once(1)), &[("a.test", BOTH)]);
        ask(&mut h, "a.test");
        ask(&mut h, "a.test");
        let first = wants(&mut h, "10.0.0.1");
        h.at(1_252);
        let second = wants(&mut h, "10.0.0.2");
        if second_wins {
            h.engine.handle_connected(second);
        } else {
            // the first, which held it, fails
            refuse(&mut h, first);
            h.wants_close(first);
            h.at(2_000);
            h.wants_nothing();
            h.engine.handle_connected(second);
        }
        h.wants();
        serve(&mut h, second);
        assert!(h.level(second).send, "the next one's turn, on the same connection");
        serve(&mut h, second);
        h.ends_empty();
    }
}

#[test]
fn a_delay_counts_once_for_a_race() {
    let mut h = with(polite(|rules| rules.per_host = every(1_000)), &[("a.test", BOTH)]);
    ask(&mut h, "a.test");
    ask(&mut h, "a.test");
    wants(&mut h, "10.0.0.1");
    h.at(1_252);
    let second = wants(&mut h, "10.0.0.2");
    h.engine.handle_connected(second);
    h.wants();
    serve(&mut h, second);
    // from when the request went out, and no longer
    h.at(2_251);
    assert!(!h.level(second).send);
    h.at(2_254);
    serve(&mut h, second);
    h.ends_empty();
}

#[test]
fn a_host_with_one_place_has_no_second_attempt() {
    let config = Config { max_per_host: Some(1), ..Config::default() };
    let mut h = with(config, &[("a.test", BOTH)]);
    ask(&mut h, "a.test");
    let first = wants(&mut h, "10.0.0.1");
    h.at(9_000);
    h.wants_nothing();
    refuse(&mut h, first);
    assert_eq!(wants(&mut h, "10.0.0.2"), first);
    h.engine.handle_connected(first);
    serve(&mut h, first);
    h.ends_empty();
}

/// Rules that come while a race is under way find each connection at its place, and the request counted once.
#[test]
fn rules_may_come_in_the_middle_of_a_race() {
    let mut h = with(Config::default(), &[("a.test", BOTH)]);
    ask(&mut h, "a.test");
    wants(&mut h, "10.0.0.1");
    h.at(1_252);
    let second = wants(&mut h, "10.0.0.2");
    h.engine.set_politeness(Politeness { per_host: at_once(1), ..Politeness::default() });
    h.engine.set_host_limits(None, Some(1));
    h.engine.handle_connected(second);
    h.wants();
    ask(&mut h, "a.test");
    h.wants_nothing();
    serve(&mut h, second);
    serve(&mut h, second);
    h.ends_empty();
}

/// Whoever has several addresses stands in line at each, and goes on at the first that has room.
#[test]
fn a_place_at_any_address_calls() {
    for freed in [0, 1] {
        let names: &[(&str, &[&str])] =
            &[("a.test", &BOTH[..1]), ("b.test", &BOTH[1..]), ("c.test", BOTH), ("d.test", BOTH)];
        let mut h = with(per_address(1), names);
        ask(&mut h, "a.test");
        let one = wants(&mut h, BOTH[0]);
        ask(&mut h, "b.test");
        let other = wants(&mut h, BOTH[1]);
        let held = [one, other];
        held.into_iter().for_each(|connection| h.engine.handle_connected(connection));
        ask(&mut h, "c.test");
        ask(&mut h, "d.test");
        h.wants_nothing();
        serve(&mut h, held[freed]);
        let third = wants(&mut h, BOTH[freed]);
        // and the next one by the other
        serve(&mut h, held[1 - freed]);
        let fourth = wants(&mut h, BOTH[1 - freed]);
        for connection in [third, fourth] {
            h.engine.handle_connected(connection);
            serve(&mut h, connection);
        }
        h.ends_empty();
    }
}

/// The delay of an address is waited for as a place is: the first that has passed calls.
#[test]
fn the_first_delay_to_pass_calls() {
    let names: &[(&str, &[&str])] =
        &[("a.test", &BOTH[..1]), ("b.test", &BOTH[1..]), ("c.test", BOTH)];
    let mut h = with(polite(|rules| rules.per_address = every(1_000)), names);
    ask(&mut h, "b.test");
    let other = wants(&mut h, BOTH[1]);
    h.engine.handle_connected(other);
    h.at(1_500);
    ask(&mut h, "a.test");
    let one = wants(&mut h, BOTH[0]);
    h.engine.handle_connected(one);
    ask(&mut h, "c.test");
    assert_eq!(h.engine.stats().timers, 4, "the deadlines of two, and one for each address");
    h.at(1_999);
    h.wants_nothing();
    h.at(2_002);
    let third = wants(&mut h, BOTH[1]);
    h.engine.handle_connected(third);
    [one, other, third].into_iter().for_each(|connection| drop(serve(&mut h, connection)));
    h.ends_empty();
}

/// Who goes away leaves all lines, and the timers there.
#[test]
fn who_is_removed_leaves_all_lines() {
    let mut h =
        with(per_address(1), &[("a.test", &BOTH[..1]), ("b.test", &BOTH[1..]), ("c.test", BOTH)]);
    for name in ["a.test", "b.test"] {
        ask(&mut h, name);
    }
    let connections: Vec<_> = h.wants().into_iter().collect();
    let waits = h.add(get_url("http://c.test/"));
    h.engine.remove(waits);
    h.again();
    for want in connections {
        let Output::Connect { connection, .. } = want else { panic!("{want:?}") };
        h.engine.handle_connected(connection);
        serve(&mut h, connection);
    }
    h.wants_nothing();
    h.ends_empty();
}

/// A name that has no address of the family that may be used does not wait for room at none.
#[test]
fn no_address_at_all_is_an_end() {
    let mut h = with(per_address(1), &[("a.test", &BOTH[..1])]);
    let ways = Ways { family: Some(Family::V6), ..Ways::default() };
    let options = Options { ways: Some(Arc::new(ways)), ..Options::default() };
    h.add(get_url("http://a.test/").options(Arc::new(options)));
    let error = h.fails();
    assert!(matches!(error.cause, Cause::Resolve(_)), "{error:?}");
    assert_eq!(error.phase, Phase::Resolve);
    h.ends_empty();
}
