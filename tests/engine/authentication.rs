//! Authentication: the rounds of one transfer, and whom credentials reach.

use std::sync::Arc;

use ringdove::Body;
use ringdove::engine::{BodySource, Flow, Options, Output, Request};
use ringdove::error::{Cause, Progress, Retry};
use ringdove::protocol::{AuthPolicy, AuthScheme, Netrc, Secret, SourceRead};
use ringdove::{RedirectPolicy, RequestError};

use crate::harness::{Harness, Log, OK, get, get_url};

const BASIC: &str = "Authorization: Basic dTpw\r\n";

fn policy(scheme: AuthScheme) -> AuthPolicy {
    let secret = Some(Secret::login("u", "p").unwrap());
    AuthPolicy { scheme, secret, ..AuthPolicy::default() }
}

fn with(auth: AuthPolicy) -> Arc<Options> {
    with_redirects(auth, RedirectPolicy::default())
}

fn with_redirects(auth: AuthPolicy, redirects: RedirectPolicy) -> Arc<Options> {
    let (auth, redirects) = (Some(auth), Some(redirects));
    Arc::new(Options { auth, redirects, record_hops: true, ..Options::default() })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A challenge of a server with a body.
fn challenge(value: &str) -> Vec<u8> {
    format!("HTTP/1.1 401 X\r\nWWW-Authenticate: {value}\r\nContent-Length: 4\r\n\r\nwho?")
        .into_bytes()
}

fn to(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 307 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

const DIGEST: &str = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";

/// The requests that are sent as each of these responses is received.
#[track_caller]
fn requests(request: Request, responses: &[Vec<u8>]) -> Vec<String> {
    let mut h = Harness::new(4);
    h.add(request);
    let sent = h.answers(responses);
    h.succeeds();
    h.ends_empty();
    sent
}

#[test]
fn basic_goes_out_unasked() {
    let asked = requests(get("/").options(with(policy(AuthScheme::Basic))), &[OK.to_vec()]);
    assert_eq!(asked, [format!("GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n{BASIC}\r\n")]);
}

#[test]
fn user_information_of_a_url_is_a_login_and_nothing_else() {
    let request = get_url("http://u:p@10.0.0.1/x");
    assert!(!format!("{request:?}").contains("u:p"));
    assert_eq!(request.head().url().as_str(), "http://10.0.0.1/x");
    let asked = requests(request, &[OK.to_vec()]);
    assert_eq!(asked, [format!("GET /x HTTP/1.1\r\nHost: 10.0.0.1\r\n{BASIC}\r\n")]);
    let given = AuthPolicy { secret: Secret::token("t").ok(), ..AuthPolicy::default() };
    let asked = requests(get_url("http://u:p@10.0.0.1/x").options(with(given)), &[OK.to_vec()]);
    assert!(asked[0].contains("Authorization: Bearer t\r\n"), "{asked:?}");
    let bad = Request::get("http://a%0ab:p@10.0.0.1/").expect_err("no login");
    assert!(matches!(bad, RequestError::BadUserInformation(_)), "{bad}");
}

#[test]
fn a_challenge_is_answered_on_the_same_connection() {
    let log = Log::default();
    let mut h = Harness::new(1);
    h.add_with(get("/a?b").options(with(policy(AuthScheme::Any))), log.clone());
    let connection = h.connect();
    assert!(!text(&h.sent(connection)).contains("Authorization"));
    h.at(1_010);
    h.received(connection, &challenge(DIGEST));
    let again = text(&h.sent(connection));
    assert!(again.starts_with("GET /a?b HTTP/1.1\r\nHost: 10.0.0.1\r\nAuthorization: Digest "));
    assert!(again.contains("uri=\"/a?b\"") && again.contains("nc=00000001"), "{again}");
    h.at(1_030);
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    let [first, last] = &report.hops[..] else { panic!("{report:?}") };
    assert_eq!((first.status, last.status), (Some(401), Some(200)));
    assert_eq!(
        (first.url.as_ref().unwrap().as_str(), &first.url),
        ("http://10.0.0.1/a?b", &last.url)
    );
    assert_eq!(report.wire_sent, first.wire_sent + last.wire_sent);
    assert_eq!(log.body(), b"ok");
    let stats = h.engine.stats();
    assert_eq!((stats.challenges, stats.redirects, stats.opened), (1, 0, 1));
    // the next transfer of the same user goes on with the nonce
    h.add(get("/c").options(with(policy(AuthScheme::Any))));
    let next = text(&h.sent(connection));
    assert!(next.contains("nc=00000002"), "{next}");
    h.received(connection, OK);
    h.succeeds();
    h.ends_empty();
}

#[test]
fn a_refusal_is_a_response() {
    for (scheme, challenges, rounds) in [
        (AuthScheme::Basic, "Basic realm=r", 0),
        (AuthScheme::Any, "Basic realm=r", 1),
        (AuthScheme::Any, DIGEST, 1),
        (AuthScheme::Digest, "Basic realm=r", 0),
        (AuthScheme::Any, "Negotiate", 0),
        (AuthScheme::Any, "Digest realm=\"r", 0),
    ] {
        let log = Log::default();
        let mut h = Harness::new(1);
        h.add_with(get("/").options(with(policy(scheme))), log.clone());
        let connection = h.ask();
        for _ in 0..rounds {
            h.received(connection, &challenge(challenges));
            assert!(!h.sent(connection).is_empty());
        }
        h.received(connection, &challenge(challenges));
        let report = h.succeeds().outcome.report;
        assert_eq!(report.status, Some(401), "{challenges}");
        assert_eq!(report.hops.len(), if rounds > 0 { rounds + 1 } else { 0 });
        assert_eq!(log.body(), b"who?");
        h.ends_empty();
    }
}

/// Nothing is sent twice where nobody asks who it is, and nobody is told.
#[test]
fn digest_waits_to_be_asked() {
    let post = || {
        let request = Request::new(http::Method::POST, "http://10.0.0.1/").unwrap();
        request
            .body(Body::Memory(b"abc".as_slice().into()))
            .options(with(policy(AuthScheme::Digest)))
    };
    let silent = b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n".to_vec();
    for answer in [OK.to_vec(), silent, challenge("Basic realm=r")] {
        let asked = requests(post(), &[answer]);
        assert_eq!(asked.len(), 1);
        assert!(asked[0].ends_with("\r\n\r\nabc") && !asked[0].contains("Authorization"));
    }
    let sloppy = "Digest nonce=MTI==; realm=my router; qop=auth-int,auth, realm=\"r\"";
    let asked = requests(post(), &[challenge(sloppy), OK.to_vec()]);
    let answer = "Digest username=\"u\", realm=\"r\", uri=\"/\", nonce=\"MTI==\", nc=00000001, ";
    assert!(asked[1].contains(answer) && asked[1].contains("qop=auth, "), "{asked:?}");
}

/// Guard: the field that the caller gave is neither doubled nor replaced.
#[test]
fn a_field_of_the_callers_own_stands() {
    let request = get("/").field("AUTHORIZATION", "Mine x").unwrap();
    let asked =
        requests(request.options(with(policy(AuthScheme::Any))), &[challenge("Basic realm=r")]);
    assert_eq!(asked, ["GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nAUTHORIZATION: Mine x\r\n\r\n"]);
}

/// Guard: `Transfer::change_scope` forgets them, and there is no way back.
#[test]
fn credentials_stay_with_their_origin_and_never_come_back() {
    let (home, same) = ("http://10.0.0.1/home", "http://10.0.0.1:80/same");
    let (port, scheme) = ("http://10.0.0.1:81/port", "http://10.0.0.2/host");
    for scheme_of in [AuthScheme::Basic, AuthScheme::Digest] {
        let asked = requests(
            get_url(home).options(with(policy(scheme_of))),
            &[
                challenge(DIGEST),
                to(same),
                to(port),
                challenge("Digest realm=\"r\", nonce=\"other\", qop=\"auth\""),
            ]
            .into_iter()
            .skip(usize::from(scheme_of == AuthScheme::Basic))
            .collect::<Vec<_>>(),
        );
        let has: Vec<_> = asked.iter().map(|sent| sent.contains("Authorization")).collect();
        match scheme_of {
            AuthScheme::Basic => assert_eq!(has, [true, true, false]),
            _ => assert_eq!(has, [false, true, true, false]),
        }
        for elsewhere in [port, scheme] {
            let asked = requests(
                get_url(home).options(with(policy(AuthScheme::Basic))),
                &[to(elsewhere), to(same), challenge("Basic realm=r")],
            );
            let has: Vec<_> = asked.iter().map(|sent| sent.contains("Authorization")).collect();
            assert_eq!(has, [true, false, false], "{elsewhere}");
        }
    }
    // of a URL's user information the same is true
    let asked = requests(get_url("http://u:p@10.0.0.1/"), &[OK.to_vec()]);
    assert!(asked[0].contains(BASIC));
    let following = crate::harness::following();
    let request = get_url("http://u:p@10.0.0.1/").options(following);
    let asked = requests(request, &[to(port), to(home), OK.to_vec()]);
    let has: Vec<_> = asked.iter().map(|sent| sent.contains("Authorization")).collect();
    assert_eq!(has, [true, false, false]);
}

#[test]
fn who_trusts_all_origins_sends_them_everywhere() {
    let trusting = RedirectPolicy { trust_all_origins: true, ..RedirectPolicy::default() };
    let asked = requests(
        get("/").options(with_redirects(policy(AuthScheme::Basic), trusting)),
        &[to("http://10.0.0.2:81/x"), to("http://10.0.0.1/y"), OK.to_vec()],
    );
    assert!(asked.iter().all(|sent| sent.contains(BASIC)), "{asked:?}");
    let asked = requests(
        get("/").options(with_redirects(policy(AuthScheme::Digest), trusting)),
        &[challenge(DIGEST), to("http://10.0.0.2/x"), challenge(DIGEST), OK.to_vec()],
    );
    let nonces: Vec<_> = asked.iter().map(|sent| sent.contains("nc=00000001")).collect();
    assert_eq!(nonces, [false, true, false, true], "nonces have an origin, too");
    let has: Vec<_> = asked.iter().map(|sent| sent.contains("Authorization")).collect();
    assert_eq!(has, [false, true, false, true], "one origin's nonce is nothing to another");
}

#[test]
fn logins_of_a_netrc_file_go_to_their_hosts() {
    let file = "machine 10.0.0.1 login u password p machine 10.0.0.2 login v password q";
    let auth = AuthPolicy { netrc: Netrc::parse(file).ok(), ..AuthPolicy::default() };
    let asked = requests(
        get("/").options(with(auth)),
        &[
            to("http://10.0.0.2:81/x"),
            to("http://10.0.0.3/y"),
            to("http://10.0.0.1/z"),
            OK.to_vec(),
        ],
    );
    let lines = asked.iter().map(|sent| sent.lines().find(|line| line.starts_with("Auth")));
    let lines: Vec<_> = lines.map(|line| line.unwrap_or("").to_owned()).collect();
    let (u, v) = ("Authorization: Basic dTpw", "Authorization: Basic djpx");
    assert_eq!(lines, [u, v, "", u]);
}

/// Guard: what one transfer is sent with is not what the connection's next one is.
#[test]
fn a_connection_carries_nobodys_credentials_on() {
    let mut h = Harness::new(1);
    h.add(get("/one").options(with(policy(AuthScheme::Basic))));
    h.add(get("/two"));
    let other = Secret::login("x", "y").ok();
    h.add(get("/three").options(with(AuthPolicy { secret: other, ..AuthPolicy::default() })));
    let connection = h.connect();
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(text(&h.sent(connection)));
        h.received(connection, OK);
        h.succeeds();
    }
    assert!(asked[0].contains(BASIC) && !asked[1].contains("Auth"), "{asked:?}");
    assert!(asked[2].contains("Authorization: Basic eDp5\r\n"), "{asked:?}");
    h.ends_empty();
}

/// A source that gives `times` bytes in all its lives.
struct Once {
    given: bool,
    rewinds: bool,
}

impl BodySource for Once {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        if std::mem::replace(&mut self.given, true) {
            return SourceRead::End;
        }
        out[0] = b'x';
        SourceRead::Data(1)
    }

    fn rewind(&mut self) -> bool {
        self.given = false;
        self.rewinds
    }
}

#[test]
fn a_body_is_sent_again_or_it_fails() {
    for rewinds in [true, false] {
        let body =
            Body::Stream { length: Some(1), source: Box::new(Once { given: false, rewinds }) };
        let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap().body(body);
        let mut h = Harness::new(1);
        h.add(request.options(with(policy(AuthScheme::Any))));
        let connection = h.connect();
        assert!(h.sent(connection).ends_with(b"\r\n\r\nx"));
        h.received(connection, &challenge(DIGEST));
        if rewinds {
            assert!(h.sent(connection).ends_with(b"\r\n\r\nx"));
            h.received(connection, OK);
            h.succeeds();
        } else {
            let error = h.fails();
            assert_eq!(error.cause, Cause::BodyNotRepeatable);
            assert_eq!((error.kind(), error.retry()), ("auth", Retry::No));
            assert_eq!(error.progress, Progress::ResponseStarted);
        }
        h.ends_empty();
    }
}

/// A server may say no before it has read the body.
#[test]
fn an_early_challenge_ends_the_upload() {
    let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap();
    let mut h = Harness::new(1);
    h.add(request.body(vec![b'x'; 10_000]).options(with(policy(AuthScheme::Any))));
    let first = h.connect();
    let filled = h.engine.fill(first, &mut [0; 1024]);
    h.engine.handle_sent(first, filled);
    h.received(first, &challenge(DIGEST));
    let [.., Output::Connect { connection, .. }] = h.wants()[..] else {
        panic!("another connection")
    };
    h.engine.handle_connected(connection);
    let again = h.sent(connection);
    assert!(text(&again).contains("Authorization: Digest ") && again.len() > 10_000);
    h.received(connection, OK);
    h.succeeds();
    h.ends_empty();
}

#[test]
fn the_handler_may_abort_at_a_challenge() {
    struct Stops;
    impl ringdove::engine::Handler for Stops {
        fn challenged(&mut self, head: &ringdove::protocol::ResponseHead<'_>) -> Flow {
            assert_eq!(head.status(), 401);
            Flow::Abort("enough".into())
        }
        fn body(&mut self, _: &[u8]) -> Flow {
            panic!("the challenge's body is not delivered")
        }
    }
    let mut h = Harness::new(1);
    h.add_with(get("/").options(with(policy(AuthScheme::Any))), Stops);
    let connection = h.ask();
    h.received(connection, &challenge(DIGEST));
    assert_eq!(h.fails().cause, Cause::Aborted("enough".into()));
    h.ends_empty();
}

/// A redirect to what was challenged before is no loop: it was not answered then.
#[test]
fn challenges_count_neither_as_redirects_nor_as_loops() {
    let policy = RedirectPolicy { max: 1, ..RedirectPolicy::default() };
    let auth = AuthPolicy {
        scheme: AuthScheme::Any,
        secret: Secret::login("u", "p").ok(),
        ..AuthPolicy::default()
    };
    let asked = requests(
        get("/a").options(with_redirects(auth, policy)),
        &[challenge(DIGEST), to("/b"), OK.to_vec()],
    );
    assert_eq!(asked.len(), 3);
}
