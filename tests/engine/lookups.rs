//! Names: who shares a look-up, how long an answer holds, and what happens without one.

use std::net::IpAddr;
use std::sync::Arc;

use ringdove::TlsPolicy;
use ringdove::dns::{Hosts, Switch};
use ringdove::engine::{Config, NamesConfig, Output};
use ringdove::error::{Cause, Operation, Phase, Progress};

use crate::harness::{Harness, OK, get_url, ms};

#[test]
fn transfers_to_the_same_name_share_a_look_up() {
    let mut h = Harness::new(8);
    h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    h.add(get_url("http://A.test:8080/"));
    h.add(get_url("http://a.test./"));
    h.wants_nothing();
    h.resolved(lookup, &["10.0.0.1"]);
    let wants = h.wants();
    assert_eq!(wants.len(), 3);
    assert!(wants.iter().all(|output| matches!(output, Output::Connect { .. })));
}

#[test]
fn no_more_look_ups_than_allowed() {
    let mut h = Harness::with(Config { max_lookups: 1, ..Config::default() });
    h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    h.add(get_url("http://b.test/"));
    h.wants_nothing();
    h.resolved(lookup, &["10.0.0.1"]);
    assert!(matches!(h.wants()[..], [Output::Connect { .. }, Output::Resolve { .. }]));
}

#[test]
fn a_look_up_that_nobody_waits_for_is_abandoned() {
    let mut h = Harness::new(8);
    let one = h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    let other = h.add(get_url("http://a.test/"));
    assert!(h.engine.remove(one).is_some());
    h.again();
    h.wants_nothing();
    assert!(h.engine.remove(other).is_some());
    h.again();
    assert_eq!(h.wants(), [Output::Abandon { lookup }]);
    h.resolved(lookup, &["10.0.0.1"]);
    h.wants_nothing();
    h.ends_empty();
}

#[test]
fn an_answer_holds_for_its_time() {
    let config = Config { lookup_ttl: ms(2_000), keep_idle: ms(10), ..Config::default() };
    let mut h = Harness::with(config);
    h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.1"]);
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    h.wants_close(connection);
    h.at(2_900);
    h.add(get_url("http://a.test/"));
    let connection = h.ask();
    h.received(connection, OK);
    h.at(3_000);
    h.wants_close(connection);
    h.add(get_url("http://a.test/"));
    h.wants_lookup();
}

/// Addresses of hosts(5) would hold for a minute, and those of servers for their TTL.
#[test]
fn other_files_end_what_was_known_by_the_old_ones() {
    const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let mut h = Harness::new(8);
    let set = |h: &mut Harness, text: &str| {
        let hosts = Arc::new(Hosts::parse(text.as_bytes()));
        let config = NamesConfig { hosts, ..NamesConfig::default() };
        h.engine.set_names(config, Switch::default(), [1; 32]);
    };
    let leads_to = |h: &mut Harness, expected: &str| {
        h.add(get_url("http://a.test/"));
        let (connection, address) = h.wants_connect();
        assert_eq!(address.ip().to_string(), expected);
        h.engine.handle_connected(connection);
        h.sent(connection);
        h.received(connection, CLOSE);
        h.succeeds();
        h.wants_close(connection);
    };
    set(&mut h, "10.0.0.1 a.test");
    leads_to(&mut h, "10.0.0.1");
    // a file that was written anew and says the same
    set(&mut h, "10.0.0.1  a.test # as ever");
    leads_to(&mut h, "10.0.0.1");
    assert_eq!(h.engine.stats().lookups, 1);
    set(&mut h, "10.0.0.2 a.test");
    leads_to(&mut h, "10.0.0.2");
    // what the caller has fixed stays
    let host = get_url("http://a.test/").head().origin().host().clone();
    h.engine.set_override(host, 80, Arc::new(["10.0.0.7".parse().unwrap()]));
    set(&mut h, "10.0.0.3 a.test");
    leads_to(&mut h, "10.0.0.7");
    assert_eq!(h.engine.stats().lookups, 2);
    h.ends_empty();
}

#[test]
fn a_failed_look_up_fails_all_who_wait() {
    let mut h = Harness::new(8);
    h.add(get_url("http://a.test/"));
    h.add(get_url("http://a.test:81/"));
    let lookup = h.wants_lookup();
    h.engine.handle_resolved(lookup, Err("no".into()));
    for _ in 0..2 {
        let error = h.fails();
        assert_eq!((error.cause, error.phase), (Cause::Resolve("no".into()), Phase::Resolve));
    }
    h.ends_empty();
    h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    h.engine.handle_resolved(lookup, Ok(Vec::new()));
    assert_eq!(h.fails().cause, Cause::Resolve("the name has no address".into()));
}

#[test]
fn an_override_needs_no_look_up() {
    let mut h = Harness::new(8);
    let host = get_url("http://a.test/").head().origin().host().clone();
    let addresses: Arc<[IpAddr]> = Arc::new(["10.0.0.7".parse().unwrap()]);
    h.engine.set_override(host.clone(), 80, addresses);
    h.add(get_url("http://a.test/"));
    assert_eq!(h.wants_connect().1.to_string(), "10.0.0.7:80");
    h.add(get_url("http://a.test:81/"));
    h.wants_lookup();
    // none undoes it
    h.engine.set_override(host, 80, Arc::new([]));
    h.add(get_url("http://a.test/"));
    h.wants_nothing();
    assert_eq!(h.engine.stats().connections, 1);
}

#[test]
fn addresses_are_tried_in_their_order() {
    let mut h = Harness::new(8);
    h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.1", "::1", "10.0.0.3"]);
    let (connection, first) = h.wants_connect();
    assert_eq!(first.to_string(), "10.0.0.1:80");
    h.engine.handle_failed(connection, Operation::Connect, 111);
    assert_eq!(h.wants_connect().1.to_string(), "[::1]:80");
    h.engine.handle_failed(connection, Operation::Socket, 97);
    assert_eq!(h.wants_connect().1.to_string(), "10.0.0.3:80");
    h.engine.handle_failed(connection, Operation::Connect, 113);
    let error = h.fails();
    assert_eq!(error.cause, Cause::Os { operation: Operation::Connect, errno: 113 });
    h.wants_close(connection);
    h.ends_empty();
}

/// A host that can be resolved and connected to, but is no name that a certificate could have.
#[test]
fn a_name_that_tls_refuses_fails_its_transfer() {
    let policy = TlsPolicy::builder().insecure().build().unwrap();
    let mut h = Harness::with(Config { tls: Some(policy), ..Config::default() });
    for _ in 0..2 {
        h.add(get_url("https://a!b.test/"));
    }
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.1"]);
    for _ in 0..2 {
        let error = h.fails();
        assert!(matches!(error.cause, Cause::Tls(_)), "{error:?}");
        assert_eq!((error.phase, error.progress), (Phase::Tls, Progress::NothingSent));
    }
    h.ends_empty();
}
