//! Addresses of one family that are found when the other's are being connected to already: they join the race
//! (RFC 8305, 3).

use ringdove::engine::{Config, ConnectionId};
use ringdove::error::{Cause, Deadline, Operation, Phase};

use crate::harness::{Harness, OK, every, get_url, ms, timeouts};
use crate::own_lookups::{A, AAAA, World, harness, looking_up};

const ECONNREFUSED: i32 = 111;
const ENETUNREACH: i32 = 101;

/// A look-up under way, of which IPv6 alone is answered, and the connection to that.
fn half_known(config: Config) -> (Harness, World) {
    let mut h = harness(config);
    let mut world = World::default();
    h.add(get_url("http://a.test/"));
    world.turn(&mut h);
    h.at(1_052);
    world.answer(&mut h, AAAA, Some("2001:db8::1"));
    h.again();
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

/// IPv4 waits a moment for IPv6, but not where it has proven to be the better of the two.
#[test]
fn the_family_that_is_not_the_better_one_waits() {
    let (mut h, mut world) = half_known(Config::default());
    world.answer(&mut h, A, Some("192.0.2.1"));
    h.engine.handle_failed(world.connects[0].0, Operation::Connect, ENETUNREACH);
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1", "192.0.2.1"]);
    h.engine.handle_connected(world.connects[1].0);
    h.add(get_url("http://b.test/"));
    world.turn(&mut h);
    world.answer(&mut h, A, Some("192.0.2.2"));
    h.again();
    world.turn(&mut h);
    world.connects_to(&["2001:db8::1", "192.0.2.1", "192.0.2.2"]);

    let (mut h, mut world) = (harness(Config::default()), World::default());
    h.add(get_url("http://a.test/"));
    world.turn(&mut h);
    world.answer(&mut h, A, Some("192.0.2.1"));
    h.at(1_040);
    world.turn(&mut h);
    world.connects_to(&[]);
    h.at(1_052);
    world.turn(&mut h);
    world.connects_to(&["192.0.2.1"]);
}

/// Nothing leads to IPv6 addresses, and that is known before there are others.
#[test]
fn who_has_nothing_left_hopes_for_the_late_family() {
    let gates = Config { max_per_address: Some(1), ..Config::default() };
    for config in [Config::default(), gates] {
        let (mut h, mut world) = half_known(config);
        let first = world.connects[0].0;
        h.engine.handle_failed(first, Operation::Connect, ENETUNREACH);
        h.at(1_700);
        world.turn(&mut h);
        assert!(h.engine.poll_message().is_none());
        world.answer(&mut h, A, Some("192.0.2.1"));
        world.connects_to(&["2001:db8::1", "192.0.2.1"]);
        assert_eq!(world.connects[1].0, first, "on the same connection");
        ends_well(h, world, first);
    }
}

#[test]
fn hope_for_the_late_family_has_an_end() {
    let half_failed = || {
        let mut h = looking_up(Harness::with_carried_deadlines(Config::default(), true));
        let mut world = World::default();
        let options = timeouts(|t| t.connect = Some(ms(500)));
        let id = h.add(get_url("http://a.test/").options(options));
        world.turn(&mut h);
        world.answer(&mut h, AAAA, Some("2001:db8::1"));
        h.again();
        world.turn(&mut h);
        h.engine.handle_failed(world.connects[0].0, Operation::Connect, ENETUNREACH);
        world.turn(&mut h);
        (h, world, id)
    };
    // there is no other address
    let (mut h, mut world, _) = half_failed();
    world.answer(&mut h, A, None);
    let cause = Cause::Os { operation: Operation::Connect, errno: ENETUNREACH };
    assert_eq!(h.fails().cause, cause);
    h.ends_empty();
    // its deadline passes, which no socket carries
    let (mut h, _, _) = half_failed();
    h.times_out(1_500, Deadline::Connect, Phase::Connect);
    // nobody wants it any more
    let (mut h, mut world, id) = half_failed();
    assert!(h.engine.remove(id).is_some());
    world.answer(&mut h, A, Some("192.0.2.1"));
    world.connects_to(&["2001:db8::1"]);
    assert_eq!(world.closed, [world.connects[0].0]);
    h.ends_empty();
}
