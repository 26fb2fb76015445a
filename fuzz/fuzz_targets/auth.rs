//! Whatever a server or a proxy challenges with, rounds end, and what is answered can stand in a field.
//!
//! The first byte of the input chooses the role and how a login may be shown, the rest is the values of
//! challenging fields, one a line, for each round the next part that a zero ends.

#![no_main]

mod support;

use http::Method;
use libfuzzer_sys::fuzz_target;
use ringdove::protocol::{Attempt, AuthScheme, Authenticator, ClientNonces, Role, Secret};

use support::{origin, request, with_head};

/// No request is sent more often than this.
const ROUNDS: usize = 16;

fuzz_target!(|input: &[u8]| {
    let Some((choice, said)) = input.split_first() else { return };
    let (role, status, challenge, info) = match choice & 1 {
        0 => (Role::Server, 401, "WWW-Authenticate", "Authentication-Info"),
        _ => (Role::Proxy, 407, "Proxy-Authenticate", "Proxy-Authentication-Info"),
    };
    let scheme = [AuthScheme::Basic, AuthScheme::Digest, AuthScheme::Any, AuthScheme::Any]
        [usize::from(choice >> 1 & 3)];
    let secret = Secret::login("us\u{e9}r\"", "p\u{e4}ss\\").expect("a login");
    let origin = origin("http://a.example/");
    let mut authenticator = Authenticator::new(secret.scoped(origin, role), scheme);
    let mut nonces = ClientNonces::new([7; 32]);
    let mut attempt = Attempt::default();
    let mut rounds = 0;
    // a server that says the same for ever
    for part in said.split(|&byte| byte == 0).cycle().take(2 * ROUNDS) {
        if let Some(value) = authenticator.authorize(&mut attempt, &Method::GET, "/a?b") {
            let text = value.iter().all(|&byte| byte >= b' ' && byte != 0x7f || byte == b'\t');
            // the value that is a field's or none: what has the server's own bytes is checked there
            let mut head = request("http://a.example/a?b");
            assert_eq!(head.field("Authorization", &value).is_ok(), text);
            assert!(!value.windows(4).any(|four| four == b"p\xc3\xa4s"), "never the password");
        }
        let mut again = false;
        with_head(status, challenge, part, |head| {
            again = authenticator.challenged(&mut attempt, head, &mut nonces);
        });
        rounds += usize::from(again);
        assert!(rounds <= ROUNDS, "rounds without end");
        with_head(200, info, part, |head| authenticator.accepted(&attempt, head));
    }
});
