//! Redirects: the hops of one transfer, what they share and what each has of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use ringdove::engine::{BodySource, Config, Flow, Options, Output, Request};
use ringdove::error::{Cause, Deadline, Operation, Phase, Progress, Retry};
use ringdove::protocol::{RedirectFault, SourceRead};
use ringdove::{Body, KeepPost, RedirectPolicy, Timeouts};

use crate::harness::{Harness, Log, OK, following, get, get_url, ms, timeouts};

/// A redirect without a body.
fn to(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn with_policy(policy: RedirectPolicy) -> Arc<Options> {
    Arc::new(Options { record_hops: true, redirects: Some(policy), ..Options::default() })
}

fn following_at_most(max: u32) -> Arc<Options> {
    with_policy(RedirectPolicy { max, ..RedirectPolicy::default() })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_a_policy_a_redirect_is_a_response_as_any_other() {
    let log = Log::default();
    let mut h = Harness::new(1);
    h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.received(connection, &to(302, "/elsewhere"));
    let outcome = h.succeeds().outcome;
    assert_eq!((outcome.report.status, outcome.report.hops.len()), (Some(302), 0));
    assert_eq!(log.seen.borrow().status, Some(302));
    assert!(log.seen.borrow().redirects.is_empty());
}

#[test]
fn a_redirect_within_the_origin_stays_on_its_connection() {
    let log = Log::default();
    let mut h = Harness::new(1);
    let id = h.add_with(get("/a#part").options(following()), log.clone());
    let connection = h.connect();
    assert!(h.sent(connection).starts_with(b"GET /a HTTP/1.1\r\n"));
    h.at(1_010);
    h.received(connection, b"HTTP/1.1 302 X\r\nLocation: b?c\r\nContent-Length: 5\r\n\r\nmoved");
    assert!(h.engine.paused(id).is_some() && h.engine.poll_message().is_none());
    h.wants_nothing();
    let sent = h.sent(connection);
    assert_eq!(text(&sent), "GET /b?c HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
    h.at(1_040);
    h.received(connection, OK);
    let message = h.succeeds();
    assert_eq!(message.transfer, id);
    {
        let seen = log.seen.borrow();
        assert_eq!(seen.redirects, [(302, "http://10.0.0.1/b?c#part".to_owned())]);
        assert_eq!((seen.status, &seen.body[..], seen.done), (Some(200), &b"ok"[..], 1));
    }
    let report = message.outcome.report;
    let urls: Vec<_> = report.hops.iter().map(|hop| hop.url.as_ref().unwrap().as_str()).collect();
    assert_eq!(urls, ["http://10.0.0.1/a#part", "http://10.0.0.1/b?c#part"]);
    let [first, last] = &report.hops[..] else { panic!("{report:?}") };
    assert_eq!((first.status, last.status), (Some(302), Some(200)));
    assert_eq!((first.reused, last.reused, report.reused), (false, true, true));
    assert_eq!((first.times.total, last.times.total, report.times.total), (ms(10), ms(30), ms(40)));
    assert_eq!((first.times.first_byte, last.times.first_byte), (ms(10), ms(30)));
    assert_eq!(last.wire_sent, sent.len() as u64);
    assert_eq!(report.wire_sent, first.wire_sent + last.wire_sent);
    assert_eq!(last.wire_received, OK.len() as u64);
    assert_eq!(report.wire_received, first.wire_received + last.wire_received);
    assert_eq!((report.body_received, h.engine.stats().redirects), (2, 1));
    h.ends_empty();
}

/// Where one that was asked on interface 7 is redirected, and on which interface that is; nothing if it is not followed.
fn redirected_on_interface_7(location: &str) -> Option<SocketAddr> {
    let mut h = Harness::new(8);
    h.add(get_url("http://[fe80::1%257]/a").options(following()));
    let (connection, asked) = h.wants_connect();
    h.engine.handle_connected(connection);
    let sent = text(&h.sent(connection));
    assert_eq!(sent, "GET /a HTTP/1.1\r\nHost: [fe80::1]\r\n\r\n");
    h.received(connection, &to(302, location));
    if let Some(message) = h.engine.poll_message() {
        let error = message.outcome.result.expect_err("it is not followed").to_string();
        assert!(error.contains("is no URL") && error.contains("IPv6"), "{error}");
        return None;
    }
    match &h.wants()[..] {
        [] => {
            assert!(h.sent(connection).starts_with(b"GET /b "));
            Some(asked)
        }
        [Output::Connect { dial, .. }] => dial.remote.ip(),
        other => panic!("wants {other:?}"),
    }
}

/// A zone is of this machine, and nobody else's to choose (RFC 6874, 3).
#[test]
fn a_server_chooses_no_network_interface() {
    let table = [
        ("b", Some("[fe80::1%7]:80")),
        ("//[fe80::1]/b", Some("[fe80::1%7]:80")),
        ("http://[FE80:0::1]:81/", Some("[fe80::1%7]:81")),
        ("http://[::1]/", Some("[::1]:80")),
        ("http://[fe80::1%257]/b", None),
        ("http://[fe80::1%7]/b", None),
        ("http://[fe80::1%253]/b", None),
        ("//[fe80::1%25eth0]/b", None),
        ("http://[fe80::2%253]/", None),
    ];
    for (location, expected) in table {
        let found = redirected_on_interface_7(location).map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected, "{location}");
    }
}

/// Another address of a link has no zone, then.
#[test]
fn a_redirect_to_another_address_of_a_link_lacks_its_zone() {
    let mut h = Harness::new(8);
    h.add(get_url("http://[fe80::1%257]/a").options(following()));
    let connection = h.ask();
    h.received(connection, &to(302, "http://[fe80::2]/"));
    h.again();
    let address = "fe80::2".parse().unwrap();
    assert_eq!(h.fails().cause, Cause::NoZone { address });
}

#[test]
fn a_redirect_to_another_origin_leaves_its_connection_to_others() {
    let mut h = Harness::new(2);
    h.add(get("/a").options(following()));
    let first = h.ask();
    h.at(1_005);
    h.received(first, &to(301, "http://b.test:81/x"));
    assert_eq!(h.engine.stats().idle, 1);
    let lookup = h.wants_lookup();
    h.at(1_010);
    h.resolved(lookup, &["10.0.0.2"]);
    let (second, address) = h.wants_connect();
    assert_eq!(address.to_string(), "10.0.0.2:81");
    h.at(1_030);
    h.engine.handle_connected(second);
    assert_eq!(text(&h.sent(second)), "GET /x HTTP/1.1\r\nHost: b.test:81\r\n\r\n");
    h.received(second, OK);
    let report = h.succeeds().outcome.report;
    let [there, here] = &report.hops[..] else { panic!("{report:?}") };
    assert_eq!(there.remote.unwrap().to_string(), "10.0.0.1:80");
    assert_eq!(here.remote, report.remote);
    assert_eq!(report.remote.unwrap().to_string(), "10.0.0.2:81");
    assert_eq!((there.times.resolve, there.times.connect), (ms(0), ms(0)));
    assert_eq!((here.times.resolve, here.times.connect), (ms(5), ms(20)));
    assert_eq!((report.times.resolve, report.times.connect), (ms(5), ms(20)));
    assert_eq!((here.times.total, report.times.total), (ms(25), ms(30)));
    h.ends_empty();
}

/// How the redirect's response is framed decides whether its connection is worth reading on.
#[test]
fn what_becomes_of_a_redirects_connection() {
    let head =
        |fields: &str| format!("HTTP/1.1 302 X\r\nLocation: /b\r\n{fields}\r\n").into_bytes();
    let large = 64 * 1024;
    let chunk =
        |size: usize| [format!("{size:x}\r\n").as_bytes(), &vec![b'x'; size], b"\r\n"].concat();
    let table: [(Vec<Vec<u8>>, bool); 9] = [
        (vec![head("Content-Length: 0\r\n")], true),
        (vec![head("Content-Length: 4\r\n"), b"ab".to_vec(), b"cd".to_vec()], true),
        (vec![head(&format!("Content-Length: {large}\r\n")), vec![b'x'; large]], true),
        (vec![head(&format!("Content-Length: {}\r\n", large + 1))], false),
        (vec![head("Content-Length: 0\r\nConnection: close\r\n")], false),
        (vec![head("Transfer-Encoding: chunked\r\n"), chunk(large), b"0\r\n\r\n".to_vec()], true),
        (vec![head("Transfer-Encoding: chunked\r\n"), chunk(large), chunk(1)], false),
        // the end of the connection would be the end of the body
        (vec![head("")], false),
        (vec![head("Content-Length: 4\r\nConnection: close\r\n")], false),
    ];
    for (at, (pieces, kept)) in table.into_iter().enumerate() {
        let log = Log::default();
        let mut h = Harness::new(1);
        h.add_with(get("/a").options(following()), log.clone());
        let connection = h.ask();
        for piece in pieces {
            h.received(connection, &piece);
        }
        let next = match kept {
            true => {
                h.wants_nothing();
                connection
            }
            false => match &h.wants()[..] {
                &[Output::Close { connection: closed, .. }, Output::Connect { connection, .. }] => {
                    assert_eq!(closed.slot(), connection.slot());
                    h.engine.handle_connected(connection);
                    connection
                }
                other => panic!("{at}: {other:?}"),
            },
        };
        assert!(h.sent(next).starts_with(b"GET /b "), "{at}");
        h.received(next, OK);
        h.succeeds();
        assert_eq!(log.body(), b"ok", "{at}");
        h.ends_empty();
    }
}

#[test]
fn a_redirect_whose_body_ends_early_is_followed() {
    let mut h = Harness::new(1);
    h.add(get("/a").options(following()));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 10\r\n\r\nabc");
    h.engine.handle_end(connection);
    assert!(matches!(h.wants()[..], [Output::Close { .. }, Output::Connect { .. }]));
}

#[test]
fn a_redirect_before_the_end_of_an_upload_stops_it() {
    for (status, method, length) in
        [(302, "GET", None), (307, "POST", Some("Content-Length: 9999"))]
    {
        let request = Request::new(Method::POST, "http://10.0.0.1/a").unwrap();
        let mut h = Harness::new(1);
        h.add(request.body(vec![b'x'; 9999]).options(following()));
        let connection = h.connect();
        h.engine.fill(connection, &mut [0; 1024]);
        h.engine.handle_sent(connection, 1024);
        h.received(connection, &to(status, "/b"));
        let [Output::Close { .. }, Output::Connect { connection, .. }] = h.wants()[..] else {
            panic!("the connection has half a request on it")
        };
        h.engine.handle_connected(connection);
        let sent = h.sent(connection);
        let (head, body) =
            sent.split_at(sent.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4);
        assert!(text(head).starts_with(&format!("{method} /b ")), "{}", text(head));
        let line = text(head).lines().find(|line| line.starts_with("Content-")).map(str::to_owned);
        assert_eq!(line.as_deref(), length);
        assert_eq!(body.len(), if length.is_some() { 9999 } else { 0 });
    }
}

/// A body that can be read once, or again.
struct Source {
    at: usize,
    rewinds: bool,
}

impl BodySource for Source {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        match b"streamed".get(self.at..) {
            Some([first, ..]) => {
                out[0] = *first;
                self.at += 1;
                SourceRead::Data(1)
            }
            _ => SourceRead::End,
        }
    }

    fn rewind(&mut self) -> bool {
        self.at = 0;
        self.rewinds
    }
}

fn streamed(rewinds: bool, length: Option<u64>) -> Body {
    Body::Stream { length, source: Box::new(Source { at: 0, rewinds }) }
}

#[test]
fn bodies_are_sent_again_if_they_can_be() {
    let request = |body| {
        let request = Request::new(Method::POST, "http://10.0.0.1/a").unwrap();
        request.body(body).options(following())
    };
    let bodies = [Body::from("streamed"), streamed(true, Some(8)), streamed(true, None)];
    for body in bodies {
        for target in ["/b", "http://10.0.0.2/b"] {
            let body = match &body {
                Body::Stream { length, .. } => streamed(true, *length),
                _ => Body::from("streamed"),
            };
            let mut h = Harness::new(2);
            h.add(request(body));
            let first = h.connect();
            let before = h.sent(first);
            h.received(first, &to(308, target));
            let next = if target == "/b" { first } else { h.connect() };
            let after = h.sent(next);
            let rest = |sent: &[u8]| text(sent).split_once("\r\nHost: ").unwrap().1.to_owned();
            assert_eq!(rest(&before).replace("0.1", "0.2"), rest(&after).replace("0.1", "0.2"));
            assert!(text(&after).starts_with("POST /b HTTP/1.1\r\n"));
            h.received(next, OK);
            h.succeeds();
            h.ends_empty();
        }
    }
    let mut h = Harness::new(1);
    h.add(request(streamed(false, Some(8))));
    let connection = h.ask();
    h.received(connection, &to(307, "/b"));
    let error = h.fails();
    let Cause::Redirect(redirect) = &error.cause else { panic!("{error:?}") };
    assert_eq!(redirect.fault, RedirectFault::BodyNotRepeatable);
    assert_eq!((error.kind(), error.retry()), ("redirect", Retry::No));
    h.wants_close(connection);
    // one that is not wanted again need not be rewound
    h.add(request(streamed(false, Some(8))));
    let connection = h.ask();
    h.received(connection, &to(303, "/b"));
    assert_eq!(text(&h.sent(connection)), "GET /b HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
    // and is gone for what follows
    h.received(connection, &to(307, "/c"));
    assert_eq!(text(&h.sent(connection)), "GET /c HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
}

#[test]
fn a_post_stays_one_where_that_is_asked_for() {
    let keep_post = KeepPost { on_302: true, ..KeepPost::default() };
    let policy = RedirectPolicy { keep_post, ..RedirectPolicy::default() };
    for (status, method) in [(301, "GET"), (302, "POST"), (303, "GET")] {
        let mut h = Harness::new(1);
        let request = Request::new(Method::POST, "http://10.0.0.1/a").unwrap();
        let request = request.field("Content-Type", "text/plain").unwrap().body("body");
        h.add(request.options(with_policy(policy)));
        let connection = h.ask();
        h.received(connection, &to(status, "/b"));
        let sent = text(&h.sent(connection));
        assert!(sent.starts_with(&format!("{method} /b ")), "{sent}");
        assert_eq!(sent.contains("Content-Type"), method == "POST", "{sent}");
        assert_eq!(sent.ends_with("body"), method == "POST", "{sent}");
    }
}

#[test]
fn credentials_leave_with_their_origin_and_never_come_back() {
    let request = || {
        let request = get("/a").field("Authorization", "Basic dTpw").unwrap();
        request.field("Cookie", "a=b").unwrap().field("X-Kept", "1").unwrap()
    };
    for trusted in [false, true] {
        let policy = RedirectPolicy { trust_all_origins: trusted, ..RedirectPolicy::default() };
        let mut h = Harness::new(3);
        h.add(request().options(with_policy(policy)));
        let first = h.connect();
        let mut sent = vec![text(&h.sent(first))];
        h.received(first, &to(302, "/b"));
        sent.push(text(&h.sent(first)));
        h.received(first, &to(302, "http://10.0.0.1:81/c"));
        let second = h.connect();
        sent.push(text(&h.sent(second)));
        h.received(second, &to(302, "http://10.0.0.1/d"));
        sent.push(text(&h.sent(first)));
        let has = |sent: &String| sent.contains("Authorization") && sent.contains("Cookie");
        assert_eq!(sent.iter().map(has).collect::<Vec<_>>(), [true, true, trusted, trusted]);
        assert!(sent.iter().all(|sent| sent.contains("X-Kept: 1")));
        h.received(first, OK);
        h.succeeds();
    }
}

#[test]
fn https_needs_a_policy() {
    let mut h = Harness::new(1);
    h.add(get("/").options(following()));
    let connection = h.ask();
    h.received(connection, &to(302, "https://10.0.0.1/"));
    let Cause::Redirect(error) = h.fails().cause else { panic!("it fails") };
    assert_eq!(error.fault, RedirectFault::NoTlsPolicy);
}

#[test]
fn as_many_redirects_as_allowed_and_no_more() {
    for max in [0, 1, 3] {
        let policy = RedirectPolicy { max, ..RedirectPolicy::default() };
        let mut h = Harness::new(1);
        h.add(get("/0").options(with_policy(policy)));
        let connection = h.ask();
        for n in 1..=max {
            h.received(connection, &to(302, &format!("/{n}")));
            assert!(text(&h.sent(connection)).starts_with(&format!("GET /{n} ")));
        }
        h.received(connection, &to(302, "/more"));
        let message = h.message();
        assert_eq!(message.outcome.report.hops.len(), if max == 0 { 0 } else { max as usize + 1 });
        let error = message.outcome.result.unwrap_err();
        let Cause::Redirect(redirect) = &error.cause else { panic!("{error:?}") };
        assert_eq!(redirect.fault, RedirectFault::TooMany { limit: max });
        let hops = (0..=max).map(|n| format!("http://10.0.0.1/{n} (302) → ")).collect::<String>();
        let want = format!("more than {max} redirects: {hops}http://10.0.0.1/more");
        assert_eq!(error.to_string(), want);
        h.wants_close(connection);
        h.ends_empty();
    }
}

#[test]
fn no_policy_allows_more_than_the_limit() {
    let limit = ringdove::limits::REDIRECTS;
    let policy = RedirectPolicy { max: u32::MAX, ..RedirectPolicy::default() };
    let mut h = Harness::new(1);
    h.add(get("/0").options(with_policy(policy)));
    let connection = h.ask();
    for n in 1..=limit {
        h.received(connection, &to(302, &format!("/{n}")));
        h.sent(connection);
    }
    h.received(connection, &to(302, "/more"));
    let message = h.fails().to_string();
    assert!(
        message.starts_with("more than 1000 redirects: http://10.0.0.1/0 (302) → "),
        "{message}"
    );
    assert!(
        message.contains("http://10.0.0.1/3 (302) → (993 more) → http://10.0.0.1/997"),
        "{message}"
    );
    assert!(message.ends_with("http://10.0.0.1/1000 (302) → http://10.0.0.1/more"), "{message}");
    assert!(message.len() < 1000, "{message}");
}

/// Servers count, set something, and come back: what leads back is followed up to the limit, and named there.
#[test]
fn a_loop_is_followed_up_to_the_limit_and_named_there() {
    let loops: [&[&str]; 5] = [
        &["/a"],
        &["/b", "/a#elsewhere"],
        &["http://10.0.0.1:80/b", "/c", "//10.0.0.1/b"],
        &["#top"],
        &["http:////10.0.0.1/a"],
    ];
    for locations in loops {
        let mut h = Harness::new(1);
        h.add(get("/a").options(following_at_most(7)));
        let connection = h.ask();
        for location in locations.iter().cycle().take(7) {
            h.received(connection, &to(302, location));
            assert!(!h.sent(connection).is_empty(), "{location}");
        }
        h.received(connection, &to(302, locations[7 % locations.len()]));
        let error = h.fails();
        let begin = "redirect loop, and more than 7 redirects: http://10.0.0.1/a (302) → ";
        assert!(error.to_string().starts_with(begin), "{error}");
        let Cause::Redirect(error) = error.cause else { panic!("{error:?}") };
        assert_eq!((error.fault, error.chain.len()), (RedirectFault::Loop { limit: 7 }, 8));
        assert!(error.next.is_some());
    }
}

#[test]
fn a_server_that_counts_is_asked_until_it_is_content() {
    let mut h = Harness::new(1);
    h.add(get("/a").options(following_at_most(20)));
    let connection = h.ask();
    for location in ["/a", "/b", "/a", "/b", "/a", "/a"].iter().cycle().take(20) {
        h.received(connection, &to(302, location));
        assert!(!h.sent(connection).is_empty());
    }
    h.received(connection, OK);
    h.succeeds();
}

/// The same URL is no loop if something else is asked of it.
#[test]
fn a_request_that_changes_is_no_loop() {
    let mut h = Harness::new(2);
    let request = Request::new(Method::POST, "http://10.0.0.1/a").unwrap().body("x");
    h.add(request.field("Authorization", "x").unwrap().options(following()));
    let connection = h.ask();
    // POST becomes GET
    h.received(connection, &to(303, "/a"));
    assert!(text(&h.sent(connection)).contains("Authorization"));
    h.received(connection, &to(302, "http://10.0.0.2/"));
    let other = h.ask();
    // and credentials are left behind
    h.received(other, &to(302, "http://10.0.0.1/a"));
    assert!(!text(&h.sent(connection)).contains("Authorization"));
    h.received(connection, OK);
    h.succeeds();
}

/// As in curl: one for the origin that says so counts where there is no other, one for another origin never.
#[test]
fn a_login_in_a_location_is_for_the_same_origin_alone() {
    let (theirs, own) = ("Authorization: Basic dTpw\r\n", "Authorization: Basic bWU6eA==\r\n");
    let table = [
        ("http://10.0.0.1/", "http://u:p@10.0.0.1/b", Some(theirs)),
        ("http://10.0.0.1/", "//u:p@10.0.0.1:80/b", Some(theirs)),
        ("http://me:x@10.0.0.1/", "http://u:p@10.0.0.1/b", Some(own)),
        ("http://10.0.0.1/", "http://u:p@10.0.0.2/b", None),
        ("http://10.0.0.1/", "http://u:p@10.0.0.1:81/b", None),
        ("http://me:x@10.0.0.1/", "http://u:p@10.0.0.2/b", None),
    ];
    for (url, location, want) in table {
        let mut h = Harness::new(2);
        h.add(get_url(url).options(following()));
        let mut connection = h.ask();
        h.received(connection, &to(302, location));
        let stays = location.contains("10.0.0.1/") || location.contains(":80/");
        let asked = match stays {
            true => h.sent(connection),
            false => {
                connection = h.connect();
                h.sent(connection)
            }
        };
        let asked = text(&asked);
        assert!(asked.starts_with("GET /b "), "{asked}");
        match want {
            Some(line) => assert!(asked.contains(line), "{location}: {asked}"),
            None => assert!(!asked.contains("Authorization"), "{location}: {asked}"),
        }
        // nor does it go on to where that one leads
        if stays {
            h.received(connection, &to(302, "http://10.0.0.3/c"));
            connection = h.connect();
            assert!(!text(&h.sent(connection)).contains("Authorization"));
        }
        h.received(connection, OK);
        h.succeeds();
    }
}

#[test]
fn bad_locations_fail_with_the_chain() {
    let mut h = Harness::new(1);
    h.add(get("/a").options(following()));
    let connection = h.ask();
    h.received(connection, &to(301, "/b"));
    h.sent(connection);
    h.received(connection, &to(307, "gopher://c/"));
    let message = h.message();
    let error = message.outcome.result.unwrap_err();
    let want = "cannot follow the Location \"gopher://c/\": unsupported scheme \"gopher\": only http and \
                https are: http://10.0.0.1/a (301) → http://10.0.0.1/b (307)";
    assert_eq!(error.to_string(), want);
    assert_eq!((error.phase, error.retry()), (Phase::Receive, Retry::No));
    let hops = message.outcome.report.hops;
    assert_eq!(hops.iter().map(|hop| hop.status).collect::<Vec<_>>(), [Some(301), Some(307)]);
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn the_total_deadline_spans_hops_and_others_do_not() {
    let set = |t: &mut Timeouts| (t.total, t.first_byte) = (Some(ms(100)), Some(ms(50)));
    let mut options = Options::clone(&timeouts(set));
    options.redirects = Some(RedirectPolicy::default());
    let mut h = Harness::new(1);
    h.add(get("/0").options(Arc::new(options)));
    let connection = h.ask();
    h.at(1_040);
    h.received(connection, &to(302, "/1"));
    h.sent(connection);
    // 50 ms of its own
    assert_eq!(h.deadline(connection), Some(1_090));
    h.at(1_080);
    h.received(connection, &to(302, "/2"));
    h.sent(connection);
    assert_eq!(h.deadline(connection), Some(1_100));
    h.times_out(1_100, Deadline::Total, Phase::FirstByte);
}

#[test]
fn the_total_deadline_holds_between_hops() {
    let mut options = Options::clone(&timeouts(|t| t.total = Some(ms(100))));
    options.redirects = Some(RedirectPolicy::default());
    let mut h = Harness::new(1);
    h.add(get("/0").options(Arc::new(options)));
    let connection = h.ask();
    h.at(1_040);
    h.received(connection, &to(302, "http://b.test/"));
    h.wants_lookup();
    h.times_out(1_100, Deadline::Total, Phase::Resolve);
}

#[test]
fn the_next_hop_comes_before_what_waits_already() {
    let mut h = Harness::new(1);
    h.add(get("/a").options(following()));
    let connection = h.ask();
    h.add(get("/second"));
    h.received(connection, &to(302, "/b"));
    assert!(h.sent(connection).starts_with(b"GET /b "));
    h.received(connection, OK);
    h.succeeds();
    assert!(h.sent(connection).starts_with(b"GET /second "));
}

#[test]
fn a_hop_elsewhere_takes_the_only_slot_from_the_hop_before() {
    let mut h = Harness::with(Config { max_connections: 1, ..Config::default() });
    h.add(get("/a").options(following()));
    let connection = h.ask();
    h.received(connection, &to(302, "http://10.0.0.2/"));
    let [Output::Close { connection: closed, .. }, Output::Connect { connection: next, .. }] =
        h.wants()[..]
    else {
        panic!("one goes, one comes")
    };
    assert_eq!(closed, connection);
    h.engine.handle_connected(next);
    h.sent(next);
    h.received(next, OK);
    h.succeeds();
    h.ends_empty();
}

#[test]
fn a_handler_pauses_at_a_redirect() {
    let log = Log::at_redirect(Flow::Pause);
    let mut h = Harness::new(1);
    let id = h.add_with(get("/a").options(following()), log.clone());
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved");
    assert!(!h.level(connection).recv && !h.level(connection).send);
    h.engine.resume(id);
    h.again();
    assert!(h.sent(connection).starts_with(b"GET /b "));
    h.received(connection, OK);
    h.succeeds();
    assert_eq!(log.body(), b"ok");
    h.ends_empty();
}

#[test]
fn a_pause_at_a_redirect_holds_the_next_hop_back() {
    let mut h = Harness::new(1);
    let id = h.add_with(get("/a").options(following()), Log::at_redirect(Flow::Pause));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 302 X\r\nLocation: /b\r\n\r\n");
    h.engine.handle_end(connection);
    h.wants_nothing();
    h.engine.resume(id);
    h.again();
    let [Output::Close { .. }, Output::Connect { connection, .. }] = h.wants()[..] else {
        panic!("another connection")
    };
    h.engine.handle_connected(connection);
    h.sent(connection);
    h.received(connection, OK);
    h.succeeds();
}

#[test]
fn a_pause_between_hops_lasts_into_the_next() {
    let mut h = Harness::new(1);
    let id = h.add(get("/a").options(following()));
    let connection = h.ask();
    h.received(connection, &to(302, "http://b.test/"));
    h.engine.pause(id);
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.2"]);
    let wants = h.wants();
    let Output::Connect { connection, .. } = wants[1] else { panic!("{wants:?}") };
    h.engine.handle_connected(connection);
    assert!(!h.level(connection).recv);
    h.sent(connection);
    h.engine.resume(id);
    h.again();
    h.received(connection, OK);
    h.succeeds();
}

#[test]
fn a_handler_aborts_at_a_redirect() {
    let mut h = Harness::new(1);
    h.add_with(get("/a").options(following()), Log::at_redirect(Flow::Abort("no".into())));
    let connection = h.ask();
    h.received(connection, &to(302, "/b"));
    assert_eq!(h.fails().cause, Cause::Aborted("no".into()));
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn removed_between_hops() {
    let mut h = Harness::new(1);
    // in the look-up of the next host
    let id = h.add(get("/a").options(following()));
    let connection = h.ask();
    h.received(connection, &to(302, "http://b.test/"));
    let lookup = h.wants_lookup();
    assert!(h.engine.remove(id).is_some());
    h.again();
    assert_eq!(h.wants(), [Output::Abandon { lookup }]);
    h.ends_empty();
    // in the body of the redirect
    let id = h.add(get("/a").options(following()));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmov");
    assert!(h.engine.remove(id).is_some());
    h.wants_close(connection);
    h.again();
    h.wants_nothing();
    h.ends_empty();
}

/// The first request has been acted upon, whatever became of the last.
#[test]
fn a_failure_after_a_redirect_is_no_safe_retry() {
    let mut h = Harness::new(1);
    h.add(get("/a").options(following()));
    let connection = h.ask();
    h.received(connection, &to(302, "http://10.0.0.2/"));
    let wants = h.wants();
    let Output::Connect { connection, .. } = wants[1] else { panic!("{wants:?}") };
    h.engine.handle_failed(connection, Operation::Connect, 111);
    let error = h.fails();
    assert_eq!((error.progress, error.retry()), (Progress::RequestSent, Retry::IfIdempotent));
    // without a redirect it is
    h.wants_close(connection);
    h.add(get("/a").options(following()));
    let connection = h.wants_connect().0;
    h.engine.handle_failed(connection, Operation::Connect, 111);
    assert_eq!(h.fails().retry(), Retry::Safe);
}

/// Each hop may find its kept connection stale.
#[test]
fn a_hop_on_a_stale_connection_is_sent_again() {
    let mut h = Harness::new(2);
    let stale = h.idle();
    h.add(get_url("http://10.0.0.2/a").options(following()));
    let first = h.ask();
    h.received(first, &to(302, "http://10.0.0.1/b"));
    h.sent(stale);
    h.engine.handle_end(stale);
    let [Output::Close { .. }, Output::Connect { connection, .. }] = h.wants()[..] else {
        panic!("another connection")
    };
    h.engine.handle_connected(connection);
    h.sent(connection);
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    assert_eq!(report.hops.iter().map(|hop| hop.resent).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(report.resent, 1);
    h.ends_empty();
}

#[test]
fn the_limit_of_the_body_is_the_last_ones() {
    let options = Options {
        record_hops: true,
        redirects: Some(RedirectPolicy::default()),
        max_body: Some(2),
        ..Options::default()
    };
    let mut h = Harness::new(1);
    h.add(get("/a").options(Arc::new(options)));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved");
    h.sent(connection);
    h.received(connection, b"HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(h.fails().cause, Cause::BodyTooLarge { limit: 2 });
}

#[test]
fn informational_responses_come_before_each_head() {
    let mut h = Harness::new(1);
    h.add(get("/a").options(following()));
    let connection = h.ask();
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    h.received(connection, &[&early[..], &to(302, "/b")].concat());
    assert!(h.sent(connection).starts_with(b"GET /b "));
    h.received(connection, &[&early[..], OK].concat());
    h.succeeds();
}
