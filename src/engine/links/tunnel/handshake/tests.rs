//! Dialogues with proxies, whole and cut into pieces, friendly and hostile.

use url::Url;

use super::*;
use crate::limits;
use crate::protocol::SocksVersion;

fn origin(url: &str) -> Origin {
    Origin::from_url(&Url::parse(url).expect(url)).expect(url)
}

fn handshake(proxy: &str, target: &str, address: Option<&str>) -> Handshake {
    let address = address.map(|ip| ip.parse().unwrap());
    let (proxy, target) = (Proxy::parse(proxy).unwrap(), origin(target));
    Handshake::new(&proxy, &target, address, &[], None, &HttpLimits::DEFAULT).unwrap()
}

/// Takes bytes from a proxy whose challenges cannot be answered.
fn read(handshake: &mut Handshake, input: &[u8]) -> Result<Answer, ProxyFault> {
    handshake.read(input, &mut |_| false)
}

fn sent(handshake: &mut Handshake) -> Vec<u8> {
    let mut out = vec![0; 4096];
    let n = handshake.fill(&mut out);
    assert!(!handshake.wants_send());
    out.truncate(n);
    out
}

/// What a proxy says, and what is said to that; the last is what follows its answer.
type Dialogue<'a> = &'a [(&'a [u8], &'a [u8])];

/// Plays a dialogue, each message of the proxy's cut into pieces of this size.
fn play(
    mut handshake: Handshake,
    dialogue: Dialogue<'_>,
    piece: usize,
) -> Result<usize, ProxyFault> {
    let mut over = 0;
    let mut open = false;
    for (said, answer) in dialogue {
        assert!(!open, "the tunnel is open too early");
        for piece in said.chunks(piece) {
            if open {
                over += piece.len();
                continue;
            }
            if let Answer::Open(taken) = read(&mut handshake, piece)? {
                open = true;
                over += piece.len() - taken;
            }
        }
        assert_eq!(sent(&mut handshake), *answer);
    }
    assert!(open, "the tunnel is open at last");
    Ok(over)
}

#[test]
fn socks5_dialogues() {
    let reply: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
    let named: &[u8] = b"\x05\x00\x00\x03\x05proxy\x00\x50";
    let six = &[&[5, 0, 0, 4][..], &[0; 16], &[0, 80]].concat();
    let ip_request: &[u8] = &[5, 1, 0, 1, 10, 0, 0, 9, 1, 187];
    let name_request: &[u8] = b"\x05\x01\x00\x03\x0bexample.com\x00\x50";
    let six_request = &[&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 80]].concat();
    /// Proxy, target, its address, the greeting, what follows.
    type Case<'a> = (&'a str, &'a str, Option<&'a str>, &'a [u8], Dialogue<'a>);
    let table: [Case<'_>; 5] = [
        (
            "socks5://p",
            "https://a/",
            Some("10.0.0.9"),
            &[5, 1, 0],
            &[(&[5, 0], ip_request), (reply, b"")],
        ),
        (
            "socks5h://p",
            "http://example.com/",
            None,
            &[5, 1, 0],
            &[(&[5, 0], name_request), (named, b"")],
        ),
        ("socks5h://p", "http://[::1]/", None, &[5, 1, 0], &[(&[5, 0], six_request), (six, b"")]),
        (
            "socks5h://us:pass@p",
            "http://example.com/",
            None,
            &[5, 2, 0, 2],
            &[(&[5, 2], b"\x01\x02us\x04pass"), (&[1, 0], name_request), (reply, b"")],
        ),
        (
            "socks5h://us:pass@p",
            "http://example.com/",
            None,
            &[5, 2, 0, 2],
            &[(&[5, 0], name_request), (reply, b"")],
        ),
    ];
    for (proxy, target, address, greeting, dialogue) in table {
        for piece in [1, 2, 3, 1000] {
            let mut handshake = handshake(proxy, target, address);
            assert_eq!(sent(&mut handshake), greeting);
            assert_eq!(play(handshake, dialogue, piece), Ok(0), "{proxy} {target} {piece}");
        }
    }
}

/// What a SOCKS 5 proxy should not say.
#[test]
fn hostile_socks5() {
    let v5 = SocksVersion::V5;
    let not = |expected, byte| ProxyFault::NotSocks { version: v5, expected, byte };
    let refused = |code| ProxyFault::SocksRefused { version: v5, code };
    let table: [(&str, &[u8], ProxyFault); 16] = [
        ("socks5h://p", b"HTTP/1.1 400 Bad Request\r\n\r\n", not("the version, 5", b'H')),
        ("socks5h://p", &[4, 0], not("the version, 5", 4)),
        ("socks5h://p", &[5, 0xff], ProxyFault::NoSocksMethod),
        ("socks5h://p", &[5, 1], ProxyFault::NoSocksMethod),
        ("socks5h://p", &[5, 2], ProxyFault::NoSocksMethod),
        ("socks5h://u:p@p", &[5, 2, 1, 1], ProxyFault::SocksCredentials),
        ("socks5h://u:p@p", &[5, 2, 5, 0], not("the version of the subnegotiation, 1", 5)),
        ("socks5h://p", &[5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0], refused(1)),
        ("socks5h://p", &[5, 0, 5, 2, 0, 0], refused(2)),
        ("socks5h://p", &[5, 0, 5, 5, 0, 3, 0, 0, 0], refused(5)),
        ("socks5h://p", &[5, 0, 5, 8], refused(8)),
        ("socks5h://p", &[5, 0, 5, 99], refused(99)),
        ("socks5h://p", &[5, 0, 5, 0, 0, 2], not("a type of address", 2)),
        ("socks5h://p", &[5, 0, 5, 0, 0, 0], not("a type of address", 0)),
        ("socks5h://p", &[5, 0, 4, 0, 0, 1], not("the version, 5", 4)),
        ("socks5h://p", &[0], not("the version, 5", 0)),
    ];
    for (proxy, bytes, fault) in table {
        for piece in [1, 1000] {
            let mut handshake = handshake(proxy, "http://example.com/", None);
            sent(&mut handshake);
            let found = bytes.chunks(piece).find_map(|piece| read(&mut handshake, piece).err());
            assert_eq!(found, Some(fault.clone()), "{bytes:?}");
        }
    }
}

/// The proxy says all at once, before it is asked, and the tunnel's first bytes with it.
#[test]
fn what_follows_an_answer_is_left_alone() {
    let all = [&[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"hello"].concat();
    for piece in [1, 4, 1000] {
        let mut handshake = handshake("socks5h://p", "http://a/", None);
        sent(&mut handshake);
        let mut open = false;
        let mut over = 0;
        for piece in all.chunks(piece) {
            match open {
                true => over += piece.len(),
                false => {
                    if let Answer::Open(taken) = read(&mut handshake, piece).unwrap() {
                        open = true;
                        over += piece.len() - taken;
                    }
                }
            }
        }
        assert!(open);
        assert_eq!(over, 5, "{piece}");
    }
}

#[test]
fn socks4_dialogues() {
    let granted: &[u8] = &[0, 90, 1, 2, 3, 4, 5, 6];
    let table: [(&str, &str, Option<&str>, &[u8]); 4] = [
        ("socks4://p", "http://a:81/", Some("10.0.0.9"), &[4, 1, 0, 81, 10, 0, 0, 9, 0]),
        (
            "socks4://us:ignored@p",
            "http://a/",
            Some("10.0.0.9"),
            &[4, 1, 0, 80, 10, 0, 0, 9, b'u', b's', 0],
        ),
        ("socks4a://p", "https://a.b/", None, b"\x04\x01\x01\xbb\x00\x00\x00\x01\x00a.b\x00"),
        ("socks4a://us@p", "http://10.0.0.9/", None, &[4, 1, 0, 80, 10, 0, 0, 9, b'u', b's', 0]),
    ];
    for (proxy, target, address, request) in table {
        for piece in [1, 3, 8] {
            let mut handshake = handshake(proxy, target, address);
            assert_eq!(sent(&mut handshake), request);
            let dialogue: Dialogue<'_> = &[(granted, b"")];
            assert_eq!(play(handshake, dialogue, piece), Ok(0));
        }
    }
    let v4 = SocksVersion::V4;
    let hostile: [(&[u8], ProxyFault); 4] = [
        (&[0, 91, 0, 0, 0, 0, 0, 0], ProxyFault::SocksRefused { version: v4, code: 91 }),
        (&[0, 0, 0, 0, 0, 0, 0, 0], ProxyFault::SocksRefused { version: v4, code: 0 }),
        (
            &[4, 90, 0, 0, 0, 0, 0, 0],
            ProxyFault::NotSocks { version: v4, expected: "0, the reply's version", byte: 4 },
        ),
        (
            b"HTTP/1.1",
            ProxyFault::NotSocks { version: v4, expected: "0, the reply's version", byte: b'H' },
        ),
    ];
    for (answer, fault) in hostile {
        for piece in [1, 8] {
            let mut handshake = handshake("socks4a://p", "http://a/", None);
            sent(&mut handshake);
            let found = answer.chunks(piece).find_map(|piece| read(&mut handshake, piece).err());
            assert_eq!(found, Some(fault.clone()));
        }
    }
    let six = origin("http://[::1]/");
    let proxy = Proxy::parse("socks4a://p").unwrap();
    let refused = Handshake::new(&proxy, &six, None, &[], None, &HttpLimits::DEFAULT).err();
    assert_eq!(refused, Some(ProxyFault::NotForIpv6));
}

#[test]
fn answers_to_connect_that_open_the_tunnel() {
    let table: [(&[u8], usize); 6] = [
        (b"HTTP/1.1 200 Connection established\r\n\r\n", 0),
        (b"HTTP/1.0 200\r\nProxy-Agent: x\r\n\r\n", 0),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 0),
        // no body, whatever the head says
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 5),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 5),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 0),
    ];
    for (answer, over) in table {
        for piece in [1, 7, 1000] {
            let mut handshake = handshake("u:p@p", "https://a/", None);
            assert!(sent(&mut handshake).starts_with(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"));
            let dialogue: Dialogue<'_> = &[(answer, b"")];
            assert_eq!(play(handshake, dialogue, piece), Ok(over), "{}", answer.escape_ascii());
        }
    }
}

/// What a proxy should not answer to CONNECT.
#[test]
fn hostile_answers_to_connect() {
    let refused =
        |status, reason: &str| Some(ProxyFault::Refused { status, reason: reason.into() });
    let table: [(&[u8], Option<ProxyFault>); 9] = [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\n",
            refused(407, "Proxy Authentication Required"),
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\n\r\n", refused(302, "Found")),
        (b"HTTP/1.1 502 \x1b[2J\r\n\r\n", None),
        (b"HTTP/1.1 503\r\n\r\n", refused(503, "")),
        (
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            Some(ProxyFault::Http(HttpFault::UnexpectedUpgrade)),
        ),
        (b"SSH-2.0-OpenSSH\r\n", None),
        (b"\x05\x00", None),
        (b"HTTP/1.1 600 a\xff\r\n\r\n", refused(600, "a\\xff")),
        (b"HTTP/1.1 099 x\r\n\r\n", None),
    ];
    for (answer, fault) in table {
        for piece in [1, 1000] {
            let mut handshake = handshake("p", "https://a/", None);
            sent(&mut handshake);
            let found = answer.chunks(piece).find_map(|piece| read(&mut handshake, piece).err());
            assert!(found.is_some(), "{}", answer.escape_ascii());
            if fault.is_some() {
                assert_eq!(found, fault);
            }
        }
    }
}

/// Heads without end, and informational responses without end, are given up within bounds.
#[test]
fn endless_answers_to_connect_end() {
    let endless: [&[u8]; 2] =
        [b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"];
    for (line, start) in endless.into_iter().zip([&b"HTTP/1.1 200 OK\r\n"[..], b""]) {
        let mut handshake = handshake("p", "https://a/", None);
        sent(&mut handshake);
        read(&mut handshake, start).unwrap();
        let fault = (0..1_000_000).find_map(|_| read(&mut handshake, line).err());
        let Some(ProxyFault::Http(fault)) = fault else { panic!("{fault:?}") };
        assert!(fault.is_limit(), "{fault}");
    }
}

/// A challenge, cut into pieces: whether the same connection is asked again, and that nothing of it is
/// taken for an answer.
#[test]
fn challenges_are_answered_where_they_can_be() {
    let head = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest x\r\n";
    let long = limits::SUPERSEDED_BODY + 1;
    let table: [(String, Answer); 9] = [
        (format!("{head}Content-Length: 0\r\n\r\n"), Answer::Again),
        (format!("{head}Content-Length: 4\r\n\r\nwho?"), Answer::Again),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nwho?\r\n0\r\n\r\n"), Answer::Again),
        (format!("{head}Connection: close\r\nContent-Length: 4\r\n\r\nwho?"), Answer::Elsewhere),
        (format!("{head}\r\nwho?"), Answer::Elsewhere),
        (format!("{head}Content-Length: {long}\r\n\r\n"), Answer::Elsewhere),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\nwho?\r\n"), Answer::Elsewhere),
        (format!("{}Content-Length: 0\r\n\r\n", head.replace("1.1", "1.0")), Answer::Elsewhere),
        (format!("{head}Content-Length: 4\r\n\r\nwho?HTTP/1.1 200 OK\r\n\r\n"), Answer::Elsewhere),
    ];
    for (said, expected) in &table {
        for piece in [1, 50, 1000] {
            // what comes after the challenge is noticed where it comes with it
            if piece < 1000 && said.ends_with("OK\r\n\r\n") {
                continue;
            }
            let mut handshake = handshake("u:p@p", "https://a/", None);
            sent(&mut handshake);
            let mut heads = 0;
            let found = said.as_bytes().chunks(piece).find_map(|piece| {
                let answer = handshake.read(piece, &mut |head| {
                    heads += 1;
                    head.status() == 407
                });
                Some(answer.unwrap()).filter(|answer| *answer != Answer::More)
            });
            assert_eq!((found.as_ref(), heads), (Some(expected), 1), "{said}");
            assert!(handshake.ends_after_challenge());
        }
    }
    let mut handshake = handshake("u:p@p", "https://a/", None);
    sent(&mut handshake);
    assert!(!handshake.ends_after_challenge(), "nothing has been said yet");
    let (proxy, target) = (Proxy::parse("p").unwrap(), origin("https://a/"));
    handshake.ask_again(&proxy, &target, &[], Some(b"Digest y"), &HttpLimits::DEFAULT).unwrap();
    let asked = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nProxy-Authorization: Digest y\r\n\r\n";
    assert_eq!(sent(&mut handshake), asked.as_bytes());
    assert!(handshake.ends_after_challenge(), "it was asked again and says nothing");
    read(&mut handshake, b"H").unwrap();
    assert!(!handshake.ends_after_challenge(), "it has begun to answer");
}
