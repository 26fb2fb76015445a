//! Sockets are named by tokens that are never used again, whatever becomes of their descriptors.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use ringdove::sys::Readiness;
use ringdove::{Action, Config, Event, Request, Token};

use crate::socket_loop::Loop;
use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::hostile::{Plan, Script, SeenConnection};
use ringdove_test_support::{PATIENCE, isolated};

const ALL: Readiness = Readiness { recv: true, send: true, error: true };

/// Everything that could be said of a socket.
fn everything(token: Token) -> [Event; 4] {
    let quiet = Readiness { recv: true, send: false, error: false };
    [
        Event::Ready(token, ALL),
        Event::Ready(token, quiet),
        Event::Check(token),
        Event::Deadline(token),
    ]
}

#[test]
fn unknown_tokens_name_nothing() {
    let server = Plan::new().path("/", Script::new().stall()).start();
    let mut turning = Loop::new();
    turning.get(&server.url("/"));
    turning.turn_until("the request has arrived", |_| server.requests().len() == 1);
    let told = turning.actions();
    let real = turning.token().to_bits();
    for bits in [
        real ^ 1 << 56,
        real ^ 1 << 63,
        real ^ 1 << 32,
        real ^ 1,
        0x00ff_ffff_ffff_ffff,
        u64::MAX - 1,
    ] {
        turning.multi.socket_actions(everything(Token::from_bits(bits))).unwrap();
        assert!(turning.multi.assign(Token::from_bits(bits), Some(1)).is_err(), "{bits:x}");
    }
    assert_eq!(turning.actions(), told);
    assert_eq!(turning.multi.running(), 1);
}

/// The descriptor of a removed transfer is given at once to the next one, whose connect is still
/// under way: what is reported of the first does nothing to the second.
#[test]
fn a_descriptor_used_again_is_not_its_predecessor() {
    // nobody else may take the descriptor
    isolated::run("tokens::a_descriptor_used_again_is_not_its_predecessor", &[], || {
        let server = Plan::new().path("/", Script::new().stall()).start();
        let blackhole = Blackhole::start().unwrap();
        let mut turning: Loop = Loop::with(Config::default());
        let first = turning.get(&server.url("/"));
        turning.turn_until("the request has arrived", |_| server.requests().len() == 1);
        let old = turning.watched()[0];
        turning.multi.remove(first).unwrap();
        // the next descriptor is the lowest free one: let that be the one just closed
        let closed = |seen: &[SeenConnection]| seen[0].end.is_some();
        assert!(server.wait_for(PATIENCE, closed), "{}", server.dump());
        let _below: Vec<_> = std::iter::repeat_with(|| File::open("/dev/null").unwrap())
            .take_while(|file| file.as_raw_fd() < old.fd)
            .collect();

        turning.get(&format!("http://{}/", blackhole.addr()));
        turning.multi.socket_action(Event::Timeout).unwrap();
        let new = turning.watched()[0];
        assert_eq!(new.fd, old.fd, "the descriptor is used again");
        assert_ne!(new.token, old.token);

        let told = turning.actions();
        turning.multi.socket_actions(everything(old.token)).unwrap();
        assert_eq!(turning.actions(), told);
        // taken for the new one's, the event would have ended its connect: it still connects
        assert_eq!(turning.watched(), [new]);
        assert_eq!(new.action, Action::Out);
        assert!(turning.multi.assign(old.token, Some(1)).is_err());

        // the new one's own event is heard
        turning.multi.socket_action(Event::Ready(new.token, ALL)).unwrap();
        assert_ne!(turning.watched(), [new]);
    });
}

/// The same, where the predecessor is the same transfer's connection to another address.
#[test]
fn the_next_address_is_not_its_predecessor() {
    isolated::run("tokens::the_next_address_is_not_its_predecessor", &[], || {
        let blackhole = Blackhole::start().unwrap();
        let port = blackhole.addr().port();
        let mut turning = Loop::new();
        let url = format!("http://two.test:{port}/");
        let request = Request::get(&url).unwrap();
        let host = request.head().origin().host().clone();
        // nobody listens on this port of the first
        let addresses: Arc<[IpAddr]> =
            ["127.0.0.2", "127.0.0.1"].map(|ip| ip.parse().unwrap()).into();
        turning.multi.settings().set_override(host, port, addresses);
        turning.get(&url);
        turning.multi.socket_action(Event::Timeout).unwrap();
        let old = turning.watched()[0];
        turning.turn_until("the first has refused", |turning| {
            turning.actions() == [Action::Out, Action::Remove, Action::Out]
        });
        let new = turning.watched()[0];
        assert_eq!(new.fd, old.fd, "the descriptor is used again");
        assert_ne!(new.token, old.token);
        turning.multi.socket_actions(everything(old.token)).unwrap();
        turning.turn_for(Duration::from_millis(20));
        assert_eq!(turning.watched(), [new], "it still connects");
    });
}
