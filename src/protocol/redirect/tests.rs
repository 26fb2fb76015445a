//! Redirects, as tables: where to, by which method, and what goes along.

use super::*;
use crate::limits::HttpLimits;
use crate::protocol::h1::body::BodyLength;
use crate::protocol::h1::exchange::{Event, Exchange};

const AS_USUAL: RedirectPolicy = RedirectPolicy {
    max: 20,
    keep_post: KeepPost { on_301: false, on_302: false, on_303: false },
    trust_all_origins: false,
    any_status: false,
    own_method: None,
};

fn request(method: &str, url: &str) -> RequestHead {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    RequestHead::new(method, &Url::parse(url).expect("a URL")).expect("a request")
}

/// What the policy says of a response with this status and these field lines.
fn follow(
    policy: &RedirectPolicy,
    request: &RequestHead,
    status: u16,
    fields: &[u8],
) -> Result<Option<Redirect>, RedirectFault> {
    let wire = [format!("HTTP/1.1 {status} X\r\n").as_bytes(), fields, b"\r\n"].concat();
    let limits = HttpLimits { head_bytes: 1 << 21, ..HttpLimits::DEFAULT };
    let mut exchange = Exchange::new(request, BodyLength::None, &limits);
    match exchange.read(&wire).expect("a head").event {
        Event::Head(head) => policy.follow(request, &head),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn next(request: &RequestHead, status: u16, fields: &str) -> Redirect {
    follow(&AS_USUAL, request, status, fields.as_bytes()).expect("no fault").expect("a redirect")
}

fn to(from: &str, location: &[u8]) -> Result<Option<Redirect>, RedirectFault> {
    let fields = [b"Location: ", location, b"\r\n"].concat();
    follow(&AS_USUAL, &request("GET", from), 302, &fields)
}

#[test]
fn methods_and_payloads() {
    let keeping = |on_301, on_302, on_303| RedirectPolicy {
        keep_post: KeepPost { on_301, on_302, on_303 },
        ..AS_USUAL
    };
    #[rustfmt::skip]
    let table = [
        // status, method, policy, next method, whether the payload stays
        (301, "GET", AS_USUAL, "GET", true),
        (301, "HEAD", AS_USUAL, "HEAD", true),
        (301, "POST", AS_USUAL, "GET", false),
        (301, "PUT", AS_USUAL, "PUT", true),
        (301, "DELETE", AS_USUAL, "DELETE", true),
        (301, "post", AS_USUAL, "post", true),
        (301, "POST", keeping(true, false, false), "POST", true),
        (301, "POST", keeping(false, true, true), "GET", false),
        (302, "GET", AS_USUAL, "GET", true),
        (302, "HEAD", AS_USUAL, "HEAD", true),
        (302, "POST", AS_USUAL, "GET", false),
        (302, "PATCH", AS_USUAL, "PATCH", true),
        (302, "POST", keeping(false, true, false), "POST", true),
        (302, "POST", keeping(true, false, true), "GET", false),
        (303, "GET", AS_USUAL, "GET", false),
        (303, "HEAD", AS_USUAL, "HEAD", false),
        (303, "POST", AS_USUAL, "GET", false),
        (303, "PUT", AS_USUAL, "GET", false),
        (303, "DELETE", AS_USUAL, "GET", false),
        (303, "POST", keeping(false, false, true), "POST", true),
        (303, "POST", keeping(true, true, false), "GET", false),
        (303, "PUT", keeping(true, true, true), "GET", false),
        (307, "GET", AS_USUAL, "GET", true),
        (307, "POST", AS_USUAL, "POST", true),
        (307, "PUT", AS_USUAL, "PUT", true),
        (308, "POST", AS_USUAL, "POST", true),
        (308, "HEAD", AS_USUAL, "HEAD", true),
    ];
    for (status, method, policy, want, keeps_body) in table {
        let mut request = request(method, "http://a/");
        for (name, value) in [("Content-Type", "x/y"), ("X-One", "1"), ("content-MD5", "z")] {
            request.field(name, value).unwrap();
        }
        let next = follow(&policy, &request, status, b"Location: /next\r\n");
        let next = next.expect("no fault").expect("a redirect");
        assert_eq!((next.head.method().as_str(), next.keeps_body), (want, keeps_body), "{status}");
        let fields = String::from_utf8_lossy(next.head.fields());
        assert!(fields.contains("X-One: 1\r\n"));
        assert_eq!(fields.contains("ontent-"), keeps_body, "{status} {method}: {fields}");
    }
}

#[test]
fn what_is_no_redirect() {
    let location = b"Location: /next\r\n";
    for status in [200, 201, 204, 300, 304, 305, 306, 309, 400] {
        assert_eq!(follow(&AS_USUAL, &request("GET", "http://a/"), status, location), Ok(None));
    }
    for fields in [&b""[..], b"Location:\r\n", b"Location: \t \r\n", b"X-Location: /\r\n"] {
        assert_eq!(follow(&AS_USUAL, &request("GET", "http://a/"), 302, fields), Ok(None));
    }
    assert_eq!(follow(&AS_USUAL, &request("CONNECT", "http://a/"), 302, location), Ok(None));
}

#[test]
fn where_a_location_leads() {
    let base = "http://a.test:81/b/c/d;p?q=1";
    #[rustfmt::skip]
    let table: &[(&[u8], &str)] = &[
        // RFC 3986, 5.4.1
        (b"g", "http://a.test:81/b/c/g"),
        (b"./g", "http://a.test:81/b/c/g"),
        (b"g/", "http://a.test:81/b/c/g/"),
        (b"/g", "http://a.test:81/g"),
        (b"//g", "http://g/"),
        (b"?y", "http://a.test:81/b/c/d;p?y"),
        (b"g?y", "http://a.test:81/b/c/g?y"),
        (b";x", "http://a.test:81/b/c/;x"),
        (b".", "http://a.test:81/b/c/"),
        (b"..", "http://a.test:81/b/"),
        (b"../g", "http://a.test:81/b/g"),
        (b"../..", "http://a.test:81/"),
        // 5.4.2
        (b"../../../g", "http://a.test:81/g"),
        (b"/../g", "http://a.test:81/g"),
        (b"g?y/../x", "http://a.test:81/b/c/g?y/../x"),
        // absolute, in another spelling
        (b"HTTPS://G.Test.:443/%7e", "https://g.test./%7e"),
        (b"http://0x7f.1/", "http://127.0.0.1/"),
        (b"http://[0:0::1]:81/", "http://[::1]:81/"),
        ("http://bücher.example/ü?ü".as_bytes(), "http://xn--bcher-kva.example/%C3%BC?%C3%BC"),
        // what is not quite a URI, and met all the same
        (b"g h", "http://a.test:81/b/c/g%20h"),
        (b"caf\xe9?\xe9", "http://a.test:81/b/c/caf%E9?%E9"),
        (b"\\\\g\\h", "http://g/h"),
        (b"/\\g", "http://g/"),
        (b"http:\\\\g", "http://g/"),
        // as browsers have it: a host after however many slashes
        (b"http:////g/h", "http://g/h"),
        (b"https://///g", "https://g/"),
        (b"////g/h", "http://g/h"),
        (b"/\\/g:82//h", "http://g:82//h"),
        // whose it is is for the origin alone to know
        (b"http://u:p@g/", "http://g/"),
        (b"//u@g/", "http://g/"),
        (b"\"quoted\"", "http://a.test:81/b/c/%22quoted%22"),
        (b"g\r\n h", "http://a.test:81/b/c/g%20%20%20h"),
    ];
    for (location, want) in table {
        let next = to(base, location).expect("no fault").expect("a redirect");
        assert_eq!(next.head.url().as_str(), *want, "{}", location.escape_ascii());
    }
}

#[test]
fn fragments_are_inherited_and_never_sent() {
    let table = [
        ("http://a/x#f", "/y", "http://a/y#f"),
        ("http://a/x#f", "/y#g", "http://a/y#g"),
        ("http://a/x#f", "/y#", "http://a/y#"),
        ("http://a/x", "/y#g", "http://a/y#g"),
        ("http://a/x#f", "https://b", "https://b/#f"),
    ];
    for (from, location, want) in table {
        let next = to(from, location.as_bytes()).unwrap().unwrap().head;
        assert_eq!(next.url().as_str(), want);
        assert!(!next.target().contains('#'));
        // and so by the one after
        let after = follow(&AS_USUAL, &next, 302, b"Location: /z\r\n").unwrap().unwrap();
        assert_eq!(after.head.url().fragment(), next.url().fragment());
    }
}

#[test]
fn where_no_location_may_lead() {
    #[rustfmt::skip]
    let table: &[(&[u8], &str)] = &[
        (b"ftp://b/", "cannot follow the Location \"ftp://b/\": unsupported scheme \"ftp\": only http and https are"),
        (b"file:///etc/passwd", "cannot follow the Location \"file:///etc/passwd\": unsupported scheme \"file\": only http and https are"),
        (b"javascript:alert(1)", "cannot follow the Location \"javascript:alert(1)\": unsupported scheme \"javascript\": only http and https are"),
        (b"http://", "the Location \"http://\" is no URL: empty host"),
        (b"///", "the Location \"///\" is no URL: empty host"),
        (b"http://a:99999/", "the Location \"http://a:99999/\" is no URL: invalid port number"),
        (b"http://a:0/", "cannot follow the Location \"http://a:0/\": port 0 cannot be connected to"),
        (b"http://a..b/", "cannot follow the Location \"http://a..b/\": bad host \"a..b\": an empty label"),
        (b"http://[::1/", "the Location \"http://[::1/\" is no URL: invalid IPv6 address"),
        (b"http://\xff\xfe/", "the Location \"http://\\xff\\xfe/\" is no URL: invalid international domain name"),
        (b"http://u:p@b:x/", "the Location \"http://…@b:x/\" is no URL: invalid port number"),
        (b"a\tb", "a control character in the Location \"a\\tb\""),
    ];
    for (location, want) in table {
        let fault = to("http://a/", location).expect_err(want);
        assert_eq!(fault.to_string(), *want, "{}", location.escape_ascii());
    }
}

#[test]
fn repeated_locations_must_agree() {
    let get = request("GET", "http://a/");
    let next = next(&get, 302, "Location: /b\r\nlocation: /b\r\nLOCATION:\r\n");
    assert_eq!(next.head.target(), "/b");
    let fault = follow(&AS_USUAL, &get, 302, b"Location: /b\r\nLocation: http://c/\r\n");
    let message = fault.expect_err("they differ").to_string();
    assert_eq!(message, "Location fields that differ: \"/b\" and \"http://c/\"");
}

#[test]
fn the_longest_location_is_followed_and_one_byte_more_is_not() {
    let limit = limits::LOCATION;
    // the URL counts, with what it has from the base
    let longest = limit - "http://a/".len();
    let next = to("http://a/", "x".repeat(longest).as_bytes()).unwrap().unwrap();
    assert_eq!(next.head.url().as_str().len(), limit);
    // a short one to resolve, or a short URL that comes of it, do not save it
    let umlauts = "ü".repeat(limit / 4);
    let dots = "./".repeat(limit / 2 + 1);
    for location in ["x".repeat(longest + 1), "x".repeat(1 << 20), umlauts, dots] {
        let fault = to("http://a/", location.as_bytes()).expect_err("too long");
        assert_eq!(fault, RedirectFault::TooLong { limit });
    }
}

/// Credentials, in all spellings of their names.
const SECRETS: [(&str, &str); 5] = [
    ("Authorization", "Basic dTpw"),
    ("cookie", "a=b"),
    ("COOKIE2", "$Version=1"),
    ("Proxy-Authorization", "Basic dTpw"),
    ("proxy-anything", "x"),
];

fn with_secrets(url: &str) -> RequestHead {
    let mut request = request("GET", url);
    request.field("Host", "virtual.test").unwrap();
    request.field("X-Kept", "1").unwrap();
    for (name, value) in SECRETS {
        request.field(name, value).unwrap();
    }
    request.field("Cookies-Not", "2").unwrap();
    request
}

const HARMLESS: &[u8] = b"X-Kept: 1\r\nCookies-Not: 2\r\n";

#[test]
fn credentials_stay_with_their_origin() {
    let from = "http://a.test:81/";
    #[rustfmt::skip]
    let table = [
        ("/other", false),
        ("http://A.TEST:81/", false),
        ("http://a.test.:81/", true),
        ("//a.test:81/", false),
        ("https://a.test:81/", true),
        ("http://a.test/", true),
        ("http://a.test:82/", true),
        ("//a.test", true),
        ("http://b.a.test:81/", true),
        ("http://a.test.b:81/", true),
        ("http://test:81/", true),
        ("//virtual.test:81/", true),
    ];
    for (location, strips) in table {
        let next = next(&with_secrets(from), 302, &format!("Location: {location}\r\n"));
        assert_eq!(next.strips_credentials, strips, "{location}");
        let want = if strips { HARMLESS.to_vec() } else { with_secrets(from).fields().to_vec() };
        assert_eq!(next.head.fields(), want, "{location}");
        let mut wire = vec![0; 1024];
        let length = next.head.encode(BodyLength::None, &mut wire).unwrap();
        let wire = String::from_utf8_lossy(&wire[..length]).into_owned();
        assert_eq!(wire.contains("Host: virtual.test\r\n"), !strips, "{wire}");
    }
}

#[test]
fn credentials_never_come_back() {
    let there = next(&with_secrets("http://a.test/"), 302, "Location: http://b.test/\r\n");
    let back = next(&there.head, 302, "Location: http://a.test/\r\n");
    assert_eq!(back.head.fields(), HARMLESS);
}

#[test]
fn trusted_origins_get_credentials_but_not_the_host() {
    let policy = RedirectPolicy { trust_all_origins: true, ..AS_USUAL };
    let request = with_secrets("http://a.test/");
    let next = follow(&policy, &request, 302, b"Location: https://b.test/\r\n").unwrap().unwrap();
    assert!(!next.strips_credentials);
    assert_eq!(next.head.fields(), request.fields());
    let mut wire = vec![0; 1024];
    let length = next.head.encode(BodyLength::None, &mut wire).unwrap();
    assert!(wire[..length].starts_with(b"GET / HTTP/1.1\r\nHost: b.test\r\n"));
}

#[test]
fn the_version_and_the_connection_stay_as_asked() {
    let mut request = request("GET", "http://a/");
    request.set_version(super::super::version::Version::Http10);
    request.field("Connection", "keep-alive").unwrap();
    let next = next(&request, 302, "Location: http://b/\r\n").head;
    assert_eq!(next.version(), request.version());
    assert_eq!(next.close_reasons(), request.close_reasons());
    assert_eq!(next.fields(), b"Connection: keep-alive\r\n");
}

#[test]
fn what_asks_for_the_whole_server_is_redirected_from_its_origin() {
    let mut request = request("OPTIONS", "http://a/b");
    request.set_target_asterisk().unwrap();
    let next = next(&request, 302, "Location: c\r\n").head;
    assert_eq!(next.url().as_str(), "http://a/c");
}

#[test]
fn methods_of_the_callers_own_making() {
    use ActsAs::{Get, Post, Put};
    let table = [
        (302, "IGLOO", OwnMethod::Stays(Post), "IGLOO", false),
        (303, "IGLOO", OwnMethod::Stays(Put), "IGLOO", false),
        (307, "IGLOO", OwnMethod::Stays(Post), "IGLOO", true),
        (302, "IGLOO", OwnMethod::Stays(Get), "IGLOO", true),
        (302, "IGLOO", OwnMethod::Obeys(Post), "GET", false),
        (308, "IGLOO", OwnMethod::Obeys(Post), "IGLOO", true),
        (308, "IGLOO", OwnMethod::FirstOnly(Post), "POST", true),
        (308, "GET", OwnMethod::FirstOnly(Post), "GET", true),
    ];
    for (status, method, own, next, keeps_body) in table {
        let policy = RedirectPolicy { own_method: Some(own), ..AS_USUAL };
        let request = request(method, "http://a.test/");
        let found = follow(&policy, &request, status, b"Location: /b\r\n").unwrap().unwrap();
        assert_eq!((found.head.method().as_str(), found.keeps_body), (next, keeps_body), "{own:?}");
    }
}

#[test]
fn any_status_may_redirect_where_that_is_said() {
    let request = request("GET", "http://a.test/");
    for status in [300, 304, 305, 399] {
        let any = RedirectPolicy { any_status: true, ..AS_USUAL };
        assert!(follow(&any, &request, status, b"Location: /b\r\n").unwrap().is_some());
        assert!(follow(&AS_USUAL, &request, status, b"Location: /b\r\n").unwrap().is_none());
    }
}
