//! Rounds of challenges and answers, as tables: what is sent when, and where it ends.

use url::Url;

use super::super::host::Origin;
use super::super::request::RequestHead;
use super::*;
use crate::limits::HttpLimits;
use crate::protocol::h1::body::BodyLength;
use crate::protocol::h1::exchange::{Event, Exchange};

/// Reads a response with this status and these field lines.
pub(in crate::protocol) fn with_head<R>(
    status: u16,
    fields: &[(&str, &str)],
    then: impl FnOnce(&ResponseHead<'_>) -> R,
) -> R {
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let wire = format!("HTTP/1.1 {status} X\r\n{lines}\r\n");
    let head = RequestHead::new(Method::GET, &Url::parse("http://a/").unwrap()).unwrap();
    let mut exchange = Exchange::new(&head, BodyLength::None, &HttpLimits::DEFAULT);
    match exchange.read(wire.as_bytes()).expect("a head").event {
        Event::Head(head) => then(&head),
        other => panic!("{other:?}"),
    }
}

/// A request's dealings with an authenticator.
struct Talk<'a> {
    authenticator: &'a mut Authenticator,
    attempt: Attempt,
    nonces: ClientNonces,
}

impl Talk<'_> {
    fn with(authenticator: &mut Authenticator) -> Talk<'_> {
        Talk { authenticator, attempt: Attempt::default(), nonces: ClientNonces::new([1; 32]) }
    }

    /// What the request is sent with, as text.
    fn sends(&mut self) -> String {
        let value = self.authenticator.authorize(&mut self.attempt, &Method::GET, "/x");
        value.map_or(String::new(), |value| String::from_utf8(value).expect("text"))
    }

    /// Whether these challenges of a 401 (or 407) lead to another request.
    fn answers(&mut self, challenges: &[&str]) -> bool {
        let role = self.authenticator.scope().role;
        let fields: Vec<_> = challenges.iter().map(|c| (role.challenge_field(), *c)).collect();
        with_head(role.status(), &fields, |head| {
            self.authenticator.challenged(&mut self.attempt, head, &mut self.nonces)
        })
    }
}

fn authenticator(scheme: AuthScheme, role: Role) -> Authenticator {
    let origin = Origin::from_url(&Url::parse("http://a/").unwrap()).unwrap();
    Authenticator::new(Secret::login("user", "pass").unwrap().scoped(origin, role), scheme)
}

const BASIC: &str = "Basic realm=\"r\"";
const MD5: &str = "Digest realm=\"r\", nonce=\"1\", qop=\"auth\"";
const SHA: &str = "Digest realm=\"r\", nonce=\"2\", qop=\"auth\", algorithm=SHA-256";
const SHA512: &str = "Digest realm=\"r\", nonce=\"3\", qop=\"auth\", algorithm=SHA-512-256";
const STALE: &str = "Digest realm=\"r\", nonce=\"4\", qop=\"auth\", stale=true";

#[test]
fn basic_is_sent_unasked_and_once() {
    for role in [Role::Server, Role::Proxy] {
        let mut authenticator = authenticator(AuthScheme::Basic, role);
        let mut talk = Talk::with(&mut authenticator);
        assert_eq!(talk.sends(), "Basic dXNlcjpwYXNz");
        assert!(!talk.answers(&[BASIC]) && !talk.answers(&[MD5]));
    }
}

#[test]
fn a_token_is_sent_unasked_and_once() {
    let origin = Origin::from_url(&Url::parse("http://a/").unwrap()).unwrap();
    let credentials = Secret::token("t0k").unwrap().scoped(origin, Role::Server);
    let mut authenticator = Authenticator::new(credentials, AuthScheme::Any);
    let mut talk = Talk::with(&mut authenticator);
    assert_eq!(talk.sends(), "Bearer t0k");
    assert!(!talk.answers(&["Bearer realm=r"]) && !talk.answers(&[BASIC, MD5]));
}

/// Which of several challenges is answered, by scheme that is allowed.
#[test]
fn the_strongest_that_may_be_used() {
    use AuthScheme::{Any, Digest};
    let several = format!("{BASIC}, {SHA}");
    let table: &[(AuthScheme, &[&str], &str)] = &[
        (Any, &[BASIC], "Basic "),
        (Any, &[BASIC, MD5], "nonce=\"1\""),
        (Any, &[MD5, SHA512, SHA, BASIC], "nonce=\"3\""),
        (Any, &[&several], "nonce=\"2\""),
        (Any, &["Digest realm=r, nonce=x, qop=auth-int", BASIC], "Basic "),
        (Any, &["Negotiate", "Digest realm=\"open", BASIC], "Basic "),
        (Any, &["Negotiate", "NTLM"], ""),
        (Any, &["Bearer realm=r"], ""),
        (Any, &[], ""),
        (Digest, &[BASIC], ""),
        (Digest, &[BASIC, SHA], "nonce=\"2\""),
        (Digest, &["Digest realm=r, nonce=x, qop=auth, algorithm=MD7"], ""),
    ];
    for (scheme, challenges, sends) in table {
        let mut authenticator = authenticator(*scheme, Role::Server);
        let mut talk = Talk::with(&mut authenticator);
        assert_eq!(talk.sends(), "");
        assert_eq!(talk.answers(challenges), !sends.is_empty(), "{challenges:?}");
        let sent = talk.sends();
        assert!(sent.contains(sends) && sent.is_empty() == sends.is_empty(), "{sent}");
        // what was refused once is refused
        assert!(!talk.answers(challenges), "{challenges:?}");
    }
}

/// Guard: a password that was refused is not shown by a weaker scheme.
#[test]
fn nothing_weaker_after_digest() {
    let mut authenticator = authenticator(AuthScheme::Any, Role::Server);
    let mut talk = Talk::with(&mut authenticator);
    talk.sends();
    assert!(talk.answers(&[MD5]));
    talk.sends();
    assert!(!talk.answers(&[BASIC]));
}

/// Guard: only the peer that has the role challenges, by its own status and field.
#[test]
fn roles_are_not_mixed_up() {
    let mut authenticator = authenticator(AuthScheme::Any, Role::Server);
    let mut talk = Talk::with(&mut authenticator);
    for (status, field) in [
        (407, "Proxy-Authenticate"),
        (401, "Proxy-Authenticate"),
        (407, "WWW-Authenticate"),
        (403, "WWW-Authenticate"),
    ] {
        let answers = with_head(status, &[(field, BASIC)], |head| {
            talk.authenticator.challenged(&mut talk.attempt, head, &mut talk.nonces)
        });
        assert!(!answers, "{status} {field}");
    }
    assert!(talk.answers(&[BASIC]));
}

#[test]
fn nonces_are_used_on_with_counts_that_rise() {
    let mut authenticator = authenticator(AuthScheme::Digest, Role::Server);
    let mut first = Talk::with(&mut authenticator);
    first.sends();
    assert!(first.answers(&[MD5]));
    assert!(first.sends().contains("nonce=\"1\", nc=00000001"));
    // the same request on another connection
    assert!(first.sends().contains("nonce=\"1\", nc=00000002"));
    let attempt = first.attempt;
    // the server names another for the next
    let info = [("Authentication-Info", "nextnonce=\"9\"")];
    with_head(200, &info, |head| authenticator.accepted(&attempt, head));
    let mut second = Talk::with(&mut authenticator);
    assert!(second.sends().contains("nonce=\"9\", nc=00000001"));
    // it has been forgotten since, and nothing was said of stale
    assert!(second.answers(&[MD5]));
    assert!(second.sends().contains("nonce=\"1\", nc=00000001"));
    assert!(!second.answers(&[SHA]), "a fresh nonce: it is the password");
}

#[test]
fn stale_nonces_are_replaced_so_many_times() {
    let mut authenticator = authenticator(AuthScheme::Digest, Role::Server);
    let mut talk = Talk::with(&mut authenticator);
    talk.sends();
    assert!(talk.answers(&[MD5]));
    for round in 2..=limits::AUTH_ROUNDS {
        talk.sends();
        assert!(talk.answers(&[&STALE.replace('4', &round.to_string())]));
        assert!(talk.sends().contains(&format!("nonce=\"{round}\", nc=00000001")));
    }
    assert!(!talk.answers(&[STALE]));
}

/// Several requests that are on their way at once are all challenged with the one nonce that a server has.
#[test]
fn a_nonce_that_is_named_again_counts_on() {
    let mut authenticator = authenticator(AuthScheme::Digest, Role::Server);
    for count in 1..=3 {
        let mut talk = Talk::with(&mut authenticator);
        talk.attempt.sent = Sent::Nothing;
        assert!(talk.answers(&[MD5]));
        assert!(talk.sends().contains(&format!("nonce=\"1\", nc=0000000{count}")), "{count}");
    }
    let (mut talk, stale) = (Talk::with(&mut authenticator), format!("{MD5}, stale=true"));
    talk.sends();
    assert!(talk.answers(&[&stale]));
    assert!(talk.sends().contains("nonce=\"1\", nc=00000005"));
}

#[test]
fn realms_are_kept_apart_and_bounded() {
    let mut authenticator = authenticator(AuthScheme::Digest, Role::Server);
    for realm in 0..3 * limits::REALMS {
        let challenge = format!("Digest realm=\"{realm}\", nonce=\"n{realm}\", qop=auth");
        let mut talk = Talk::with(&mut authenticator);
        talk.sends();
        assert!(talk.answers(&[&challenge]));
        assert!(talk.sends().contains(&format!("nonce=\"n{realm}\", nc=00000001")));
    }
    assert_eq!(authenticator.sessions.len(), limits::REALMS);
}
