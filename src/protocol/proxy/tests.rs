//! Proxies as they are written, chosen and spoken to.

use ::http::Method;
use url::Url;

use super::*;
use crate::protocol::{BodyLength, RequestHead};

fn origin(url: &str) -> Origin {
    Origin::from_url(&Url::parse(url).expect(url)).expect(url)
}

#[test]
fn proxies_as_curl_writes_them() {
    let table = [
        ("127.0.0.1", "http://127.0.0.1:1080"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy:80", "http://proxy:80"),
        ("http://proxy:443/", "http://proxy:443"),
        ("https://proxy", "https://proxy:443"),
        ("https://proxy:80", "https://proxy:80"),
        ("HTTPS://PROXY.Example.:8443", "https://proxy.example.:8443"),
        ("socks4://a:1", "socks4://a:1"),
        ("socks://a", "socks4://a:1080"),
        ("socks4a://a", "socks4a://a:1080"),
        ("socks5://[::1]:9", "socks5://[::1]:9"),
        ("SOCKS5H://a", "socks5h://a:1080"),
    ];
    for (text, shown) in table {
        let proxy = Proxy::parse(text).expect(text);
        assert_eq!(proxy.to_string(), shown);
        assert!(!proxy.has_credentials(), "{text}");
    }
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    let proxy = Proxy::parse("http://us%65r:p%40ss%3aw@proxy:1").unwrap();
    assert_eq!(proxy.authorization().unwrap(), "Basic dXNlcjpwQHNzOnc=");
    assert_eq!(
        format!("{proxy:?} {proxy}"),
        "Proxy(http://proxy:1, with credentials) http://proxy:1"
    );
    let credentials = Proxy::parse("socks5://u@proxy").unwrap().credentials.unwrap();
    assert_eq!((&*credentials.user, &*credentials.password), (&b"u"[..], &b""[..]));
    assert_eq!(Proxy::parse("socks5://u:p@proxy").unwrap().authorization(), None);
}

#[test]
fn what_follows_host_and_port_is_passed_over() {
    for text in ["http://a:1/", "http://a:1/path", "a:1?b", "a:1#c"] {
        assert_eq!(Proxy::parse(text).expect(text), Proxy::parse("a:1").unwrap());
    }
}

#[test]
fn refused() {
    let long = format!("socks5://{}@a", "u".repeat(256));
    let table = [
        ("", "bad proxy \"\": empty host"),
        ("ftp://a", "bad proxy \"ftp://a\": \"ftp\" is no kind of proxy"),
        ("http://u:secret@a:0", "bad proxy \"http://…@a:0\": port 0 cannot be connected to"),
        ("a b", "bad proxy \"a b\": a character that no URL has"),
        ("a\r\nb", "bad proxy \"a\\r\\nb\": a character that no URL has"),
        ("a:99999", "bad proxy \"a:99999\": invalid port number"),
        ("u%3a:secret@a", "a colon in the user's name"),
        ("u:sec%0aret@a", "a control character"),
        ("socks4://u%00:secret@a", "NUL in the user's name"),
        (&long, "more than 255 bytes"),
    ];
    for (text, message) in table {
        let error = Proxy::parse(text).expect_err(text).to_string();
        assert!(error.contains(message), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn the_same_proxy_with_other_credentials_is_another() {
    let all = ["a", "u@a", "u:p@a", "u:q@a", "v:p@a", "socks5://u:p@a", "https://u:p@a:1080", "b"];
    let proxies = all.map(|text| Proxy::parse(text).expect(text));
    for (i, one) in proxies.iter().enumerate() {
        for (j, other) in proxies.iter().enumerate() {
            assert_eq!(one == other, i == j, "{} {}", all[i], all[j]);
        }
    }
}

/// Variables, URL, the proxy: in the case in which curl reads them.
#[test]
fn the_environment() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<&'a str>);
    let table: [Case<'_>; 14] = [
        (&[], "http://a/", None),
        (&[("http_proxy", "p")], "http://a/", Some("http://p:1080")),
        (&[("http_proxy", "p")], "https://a/", None),
        (&[("HTTP_PROXY", "p")], "http://a/", None),
        (&[("https_proxy", "p")], "https://a/", Some("http://p:1080")),
        (&[("HTTPS_PROXY", "p")], "https://a/", Some("http://p:1080")),
        (&[("HTTPS_PROXY", "p"), ("https_proxy", "q")], "https://a/", Some("http://q:1080")),
        (&[("HTTPS_PROXY", "p"), ("https_proxy", "")], "https://a/", Some("http://p:1080")),
        (&[("ALL_PROXY", "p")], "http://a/", Some("http://p:1080")),
        (&[("all_proxy", "socks5://p"), ("http_proxy", "q")], "http://a/", Some("http://q:1080")),
        (
            &[("all_proxy", "socks5://p"), ("http_proxy", "q")],
            "https://a/",
            Some("socks5://p:1080"),
        ),
        (&[("http_proxy", "p"), ("NO_PROXY", "a")], "http://a/", None),
        (
            &[("http_proxy", "p"), ("no_proxy", "b"), ("NO_PROXY", "a")],
            "http://a/",
            Some("http://p:1080"),
        ),
        (&[("http_proxy", "p"), ("no_proxy", "*")], "http://a/", None),
    ];
    for (variables, url, expected) in table {
        let variable = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxies = Proxies::from_environment(variable).expect("good proxies");
        let proxy = proxies.proxy_for(&origin(url)).map(|proxy| proxy.to_string());
        assert_eq!(proxy.as_deref(), expected, "{variables:?} {url}");
    }
    let bad = |name: &str| (name == "http_proxy").then(|| "gopher://p".to_owned());
    assert!(Proxies::from_environment(bad).is_err());
}

#[test]
fn what_a_forwarding_proxy_gets() {
    let proxies = Proxies::default().field("X-For", "proxy").unwrap();
    let fields = proxies.fields();
    let proxy = Proxy::parse("u:p@proxy").unwrap();
    let mut head =
        RequestHead::new(Method::GET, &Url::parse("http://u:p@Example.com:81/a?b#c").unwrap())
            .unwrap();
    head.field("Accept", "*/*").unwrap();
    let bytes = proxy.forward(&head, BodyLength::None, fields, None);
    let expected = "GET http://example.com:81/a?b HTTP/1.1\r\nHost: example.com:81\r\nAccept: */*\r\n\
                    Proxy-Authorization: Basic dTpw\r\nX-For: proxy\r\n\r\n";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);

    let mut head = RequestHead::new(Method::OPTIONS, &Url::parse("http://a/").unwrap()).unwrap();
    head.set_target_asterisk().unwrap();
    head.field("proxy-authorization", "mine").unwrap();
    let bytes = proxy.forward(&head, BodyLength::None, &[], None);
    let expected = "OPTIONS http://a HTTP/1.1\r\nHost: a\r\nproxy-authorization: mine\r\n\r\n";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    head.strip_proxy_credentials();
    assert_eq!(head.fields(), b"");
}

/// Who asks is told in one way, once.
#[test]
fn which_credentials_a_proxy_is_shown() {
    let mut head = RequestHead::new(Method::GET, &Url::parse("http://a/").unwrap()).unwrap();
    let basic = Proxy::parse("u:p@proxy").unwrap();
    let asks = basic.clone().with_scheme(AuthScheme::Digest);
    assert_ne!(basic, asks, "who does not show a password is not mixed up with who does");
    assert!(basic.login(b"").is_none());
    let (credentials, scheme) = asks.login(b"").expect("a login");
    assert_eq!(scheme, AuthScheme::Digest);
    let scope = credentials.scope();
    assert_eq!((scope.origin.to_string(), scope.role), ("http://proxy:1080".into(), Role::Proxy));
    let socks = Proxy::parse("socks5://u:p@proxy").unwrap();
    assert_eq!(socks, socks.clone().with_scheme(AuthScheme::Any), "SOCKS has its own ways");
    let own = Proxies::default().field("proxy-authorization", "own").unwrap();
    let (none, own) = (&b""[..], &own.fields()[..]);
    assert!(asks.login(own).is_none());
    /// The proxy, field lines for it, what it has asked for, and what it is told.
    type Case<'a> = (&'a Proxy, &'a [u8], Option<&'a [u8]>, &'a [&'a str]);
    let mut table: Vec<Case<'_>> = vec![
        (&basic, none, None, &["Proxy-Authorization: Basic dTpw"]),
        (&basic, own, None, &["proxy-authorization: own"]),
        (&asks, none, None, &[]),
        (&asks, none, Some(b"Digest x"), &["Proxy-Authorization: Digest x"]),
        (&asks, none, Some(b"Digest x\r\nX: y"), &[]),
        (&asks, own, Some(b"Digest x"), &["proxy-authorization: own"]),
    ];
    for round in 0..2 {
        for (proxy, fields, asked, told) in table.drain(..) {
            let bytes = proxy.forward(&head, BodyLength::None, fields, asked);
            let text = String::from_utf8(bytes).unwrap();
            let told = if round == 0 { told } else { &["PROXY-authorization: mine"] };
            let lines = text.lines().filter(|line| line.to_lowercase().contains("authorization"));
            assert_eq!(lines.collect::<Vec<_>>(), told);
        }
        head.field("PROXY-authorization", "mine").unwrap();
        table = vec![(&basic, none, None, &[]), (&asks, none, Some(b"Digest x"), &[])];
    }
}

#[test]
fn what_is_asked_of_a_proxy_that_opens_tunnels() {
    let proxies = Proxies::default().field("User-Agent", "x").unwrap();
    let proxy = Proxy::parse("u:p@proxy").unwrap();
    let table = [
        ("https://Example.com/", "example.com:443"),
        ("http://example.com/", "example.com:80"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ];
    for (url, authority) in table {
        let head = proxy.connect(&origin(url), proxies.fields(), None).unwrap();
        let mut bytes = vec![0; head.encoded_len(BodyLength::None)];
        head.encode(BodyLength::None, &mut bytes);
        let expected = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: Basic dTpw\r\n\
             User-Agent: x\r\n\r\n"
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}

#[test]
fn fields_for_proxies_cannot_break_out() {
    for (name, value) in [
        ("A", "b\r\nC: d"),
        ("A\r\nB", "c"),
        ("Host", "a"),
        ("Connection", "close"),
        ("Content-Length", "1"),
    ] {
        assert!(Proxies::default().field(name, value).is_err(), "{name:?}");
    }
}
