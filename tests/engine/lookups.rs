//! Names: who shares a look-up, how long an answer holds, and what happens without one.

use std::net::IpAddr;
use std::sync::Arc;

use ringdove::TlsPolicy;
use ringdove::dns::{Conf, Hosts, Switch};
use ringdove::engine::{Config, NamesConfig, Output};
use ringdove::error::{Cause, Operation, Phase, Progress};

use crate::harness::{Harness, Log, OK, get_url, ms, timeouts};
use crate::own_lookups::{self, A, AAAA, World};

#[test]
fn transfers_to_the_same_name_share_a_look_up() {
    let mut h = Harness::new(8);
    h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    h.add(get_url("http://A.test:8080/"));
    h.add(get_url("http://a.test/"));
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
fn what_is_fixed_for_a_name_is_fixed_for_it_with_a_dot() {
    for fixed in ["http://a.test/", "http://a.test./"] {
        for url in ["http://a.test/", "http://A.Test./"] {
            let mut h = Harness::with(Config::default());
            let host = get_url(fixed).head().origin().host().clone();
            h.engine.set_override(host, 80, Arc::new(["10.0.0.7".parse().unwrap()]));
            h.add(get_url(url));
            assert_eq!(h.wants_connect().1.to_string(), "10.0.0.7:80", "{fixed} {url}");
        }
    }
}

/// Who has waited since before is told what the old files and servers say; whoever comes later is not.
#[test]
fn other_files_count_for_look_ups_that_are_under_way() {
    let fixed = |address: &str| {
        let hosts = Arc::new(Hosts::parse(format!("{address} a.test").as_bytes()));
        NamesConfig { hosts, ..own_lookups::names() }
    };
    let (mut h, mut world) = (own_lookups::harness(Config::default()), World::default());
    h.add(get_url("http://a.test/"));
    world.turn(&mut h);
    h.engine.set_names(fixed("10.0.0.9"), Switch::default(), [1; 32]);
    world.answer(&mut h, A, Some("10.0.0.1"));
    world.answer(&mut h, AAAA, None);
    world.connects_to(&["10.0.0.1"]);
    h.at(1_001);
    h.add(get_url("http://a.test:81/"));
    world.turn(&mut h);
    world.connects_to(&["10.0.0.1", "10.0.0.9"]);

    // whoever comes before the end of the old one waits for none
    let (mut h, mut world) = (own_lookups::harness(Config::default()), World::default());
    h.add(get_url("http://a.test/"));
    world.turn(&mut h);
    h.engine.set_names(fixed("10.0.0.9"), Switch::default(), [1; 32]);
    h.add(get_url("http://a.test:81/"));
    world.turn(&mut h);
    world.connects_to(&["10.0.0.9"]);
    world.answer(&mut h, A, Some("10.0.0.1"));
    world.answer(&mut h, AAAA, None);
    world.connects_to(&["10.0.0.9", "10.0.0.9"]);
}

#[test]
fn what_old_servers_say_is_not_kept() {
    let later = |conf: &mut Conf| conf.servers = vec!["192.0.2.53:5353".parse().unwrap()];
    // the whole answer comes too late, or its second half
    for halves in [false, true] {
        let (mut h, mut world) = (own_lookups::harness(Config::default()), World::default());
        h.add(get_url("http://a.test/"));
        world.turn(&mut h);
        if halves {
            world.answer(&mut h, AAAA, Some("2001:db8::1"));
            h.again();
            world.turn(&mut h);
        }
        let mut names = own_lookups::names();
        later(&mut names.conf);
        h.engine.set_names(names, Switch::default(), [1; 32]);
        world.answer(&mut h, A, Some("10.0.0.1"));
        if !halves {
            world.answer(&mut h, AAAA, None);
        }
        assert_eq!(world.connects.len(), 1);
        h.at(1_001);
        h.add(get_url("http://a.test:81/"));
        let wants = h.wants();
        let asks = |want: &Output| matches!(want, Output::Connect { dial, .. } if dial.remote.ip().unwrap().port() == 5353);
        assert!(wants.iter().any(asks), "{halves}: {wants:?}");
    }
}

/// A service that has names of one label comes after what is in the file, and after what is this machine's anyhow.
#[test]
fn hosts_and_localhost_come_before_the_systems_resolver() {
    for line in ["hosts: files myhostname dns", "hosts: wins dns", "hosts: files"] {
        let (mut h, mut world) = (own_lookups::harness(Config::default()), World::default());
        let hosts = Arc::new(Hosts::parse(b"10.0.0.5 box\n10.0.0.6 printer.local"));
        let names = NamesConfig { hosts, ..own_lookups::names() };
        h.engine.set_names(names, Switch::parse(line.as_bytes()), [1; 32]);
        for (host, address) in [
            ("box", "10.0.0.5"),
            ("printer.local", "10.0.0.6"),
            ("localhost", "127.0.0.1"),
            ("a.localhost", "127.0.0.1"),
        ] {
            h.add(get_url(&format!("http://{host}/")));
            world.turn(&mut h);
            world.connects_to(&[address]);
            world.connects.clear();
        }
        h.add(get_url("http://a.invalid/"));
        assert!(matches!(h.fails().cause, Cause::Resolve(_)));
        h.add(get_url("http://other/"));
        let wants = h.wants();
        assert!(matches!(wants[..], [Output::Resolve { .. }]), "{line}: {wants:?}");
    }
}

/// A limit makes names wait, in the queue, and fails none.
#[test]
fn names_wait_for_the_rate() {
    const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (mut h, mut world) = (Harness::with(Config::default()), World::default());
    let names = NamesConfig { queries_per_second: Some(20), ..own_lookups::names() };
    h.engine.set_names(names, Switch::default(), [1; 32]);
    let options = timeouts(|t| t.resolve = Some(ms(1_000)));
    for n in 0..300 {
        h.add(get_url(&format!("http://n{n}.test/")).options(options.clone()));
    }
    // of which no server is asked
    h.add(get_url("http://localhost/").options(options));
    let (mut now, mut done) = (1_000, 0);
    while done < 301 {
        world.turn(&mut h);
        world.answer_all(&mut h, "10.0.0.1");
        for (connection, _) in std::mem::take(&mut world.connects) {
            h.engine.handle_connected(connection);
            h.sent(connection);
            h.received(connection, CLOSE);
        }
        while let Some(message) = h.engine.poll_message() {
            assert!(message.outcome.result.is_ok(), "{message:?}");
            assert!(message.outcome.report.times.resolve < ms(200));
            done += 1;
        }
        assert!(now > 1_000 || done > 0, "localhost waits for nobody");
        assert!(now < 40_000, "{done}");
        now += 10;
        h.at(now);
    }
    assert!(now > 29_000, "{now}");
    assert_eq!(h.engine.stats().queries, 600);
    h.ends_empty();
}

/// Places are given back by answers; names that nobody answers for hold theirs, and fail in their own time.
#[test]
fn names_wait_for_a_place() {
    let (mut h, mut world) = (Harness::with(Config::default()), World::default());
    let names = NamesConfig { max_queries: 2, ..own_lookups::names() };
    h.engine.set_names(names, Switch::default(), [1; 32]);
    for n in 0..3 {
        h.add(get_url(&format!("http://n{n}.test/")));
    }
    world.turn(&mut h);
    assert_eq!(world.asked.len(), 2);
    let mut now = 1_000;
    for n in 0..3 {
        let began = now;
        let message = loop {
            now += 10;
            h.at(now);
            world.turn(&mut h);
            if let Some(message) = h.engine.poll_message() {
                break message;
            }
        };
        assert!(matches!(message.outcome.result.unwrap_err().cause, Cause::Resolve(_)));
        assert!((12_000..12_050).contains(&(now - began)), "{n}: {}", now - began);
    }
    h.ends_empty();
}

/// The look-up goes on meanwhile, and what it finds is there for the next.
#[test]
fn who_is_slow_is_stood_in_for_by_what_has_expired() {
    let config = Config { serve_stale: Some(ms(1_000_000)), ..Config::default() };
    let (mut h, mut world) = (Harness::with(config), World::default());
    let names = NamesConfig { patience: Some(ms(1_800)), ..own_lookups::names() };
    h.engine.set_names(names, Switch::default(), [1; 32]);
    let add = |h: &mut Harness, world: &mut World, port: u16| {
        h.add(get_url(&format!("http://a.test:{port}/")));
        world.turn(h);
    };
    add(&mut h, &mut world, 80);
    world.answer_all(&mut h, "10.0.0.1");
    world.connects_to(&["10.0.0.1"]);
    // its TTL is 300 s
    h.at(400_000);
    add(&mut h, &mut world, 81);
    h.at(401_790);
    world.turn(&mut h);
    world.connects_to(&["10.0.0.1"]);
    h.at(401_803);
    world.turn(&mut h);
    world.connects_to(&["10.0.0.1", "10.0.0.1"]);
    world.answer_all(&mut h, "10.0.0.2");
    add(&mut h, &mut world, 82);
    world.connects_to(&["10.0.0.1", "10.0.0.1", "10.0.0.2"]);
}

/// An idle connection gives its descriptor, and whoever waits hears in the end what there was none of.
#[test]
fn a_socket_to_a_server_may_find_no_descriptor() {
    const EMFILE: i32 = 24;
    let mut h = Harness::new(4);
    let idle = h.idle();
    h.engine.set_names(own_lookups::names(), Switch::default(), [1; 32]);
    h.add(get_url("http://a.test/"));
    // each family has a socket of its own
    for want in h.wants() {
        let Output::Connect { connection, .. } = want else { panic!("{want:?}") };
        h.engine.handle_exhausted(connection, Operation::Socket, EMFILE);
    }
    let closes =
        |want: &Output| matches!(want, Output::Close { connection, .. } if *connection == idle);
    assert_eq!(h.wants().iter().filter(|want| closes(want)).count(), 1);
    let stats = h.engine.stats();
    assert_eq!((stats.exhausted, stats.evicted), (2, 1));
    assert_eq!(stats.exhausted_last, Some((Operation::Socket, EMFILE)));
    h.at(1_102);
    let mut world = World::default();
    world.turn(&mut h);
    world.answer_all(&mut h, "10.0.0.1");
    h.again();
    world.turn(&mut h);
    world.connects_to(&["10.0.0.1"]);
    let connection = world.connects[0].0;
    h.engine.handle_connected(connection);
    h.sent(connection);
    h.received(connection, OK);
    let exhausted = h.succeeds().outcome.report.exhausted.expect("it was");
    assert_eq!(
        (exhausted.operation, exhausted.errno, exhausted.times),
        (Operation::Socket, EMFILE, 2)
    );
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
    let error = h.fails();
    assert!(matches!(&error.cause, Cause::Resolve(why) if **why == *"the name has no address"));
    assert!(!error.is_transient(), "it is known to have none");
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

/// Ten thousand names of one domain whose servers never answer, and names of others amid them.
#[test]
fn names_that_nobody_answers_leave_others_their_time() {
    let mut h = own_lookups::harness(Config::default());
    let mut world = World::default();
    for n in 0..10_000 {
        let request = get_url(&format!("http://h{n}.dead.test/"));
        h.engine.add(request, Box::new(Log::default())).expect("a good request");
    }
    h.at(1_100);
    world.turn(&mut h);

    for at in 0..20 {
        // in each of their tries, and where the next of them are begun
        h.at(1_500 + at * 700);
        for n in 0..5 {
            let request = get_url(&format!("http://www.other{at}-{n}.test/"));
            h.engine.add(request, Box::new(Log::default())).expect("a good request");
        }
        h.again();
        world.turn(&mut h);
        let dead = world.asked.len();
        world.asked.retain(|(_, query)| !query.windows(4).any(|label| label == b"dead"));
        assert_eq!(world.asked.len(), 10, "both families of each, at {at}");
        assert!(at > 0 || dead > 4000, "the flood is there");
        world.answer_all(&mut h, "192.0.2.1");
        assert_eq!(world.connects.len(), (at as usize + 1) * 5);
    }
    while h.engine.poll_message().is_some() {}
}
