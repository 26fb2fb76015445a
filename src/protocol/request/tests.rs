//! Request heads and their bytes.

use super::*;

fn head(method: &str, url: &str) -> RequestHead {
    try_head(method, url).expect(url)
}

fn try_head(method: &str, url: &str) -> Result<RequestHead, RequestError> {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    RequestHead::new(method, &Url::parse(url).expect("a URL"))
}

/// The bytes, after a look at every length of output that is too short for them.
fn encoded(head: &RequestHead, body: BodyLength) -> String {
    let len = head.encoded_len(body);
    for short in 0..len {
        assert_eq!(head.encode(body, &mut vec![0; short]), None);
    }
    let mut out = vec![b'#'; len + 3];
    assert_eq!(head.encode(body, &mut out[..len]), Some(len), "exactly enough");
    assert_eq!(head.encode(body, &mut out), Some(len));
    assert_eq!(&out[len..], b"###");
    out.truncate(len);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn heads_on_the_wire() {
    use BodyLength::{Known, None, Unknown};
    #[rustfmt::skip]
    let table = [
        ("GET", "http://example.com", None, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        ("GET", "http://u:p@Example.COM.:80/a%20b/../c d?e=f g#h", None, "GET /c%20d?e=f%20g HTTP/1.1\r\nHost: example.com.\r\n\r\n"),
        ("GET", "https://example.com:80/?", None, "GET /? HTTP/1.1\r\nHost: example.com:80\r\n\r\n"),
        ("GET", "https://[::1]/", None, "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
        ("GET", "http://127.0.0.1:8080/", None, "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"),
        ("GET", "http://example.com/", Known(3), "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\n"),
        ("POST", "http://example.com/", None, "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n"),
        ("PUT", "http://example.com/", None, "PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n"),
        ("PATCH", "http://example.com/", None, "PATCH / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n"),
        ("DELETE", "http://example.com/", None, "DELETE / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        ("POST", "http://example.com/", Known(u64::MAX), "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 18446744073709551615\r\n\r\n"),
        ("POST", "http://example.com/", Unknown, "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("CONNECT", "https://example.com/x", None, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        ("PROPFIND", "http://bücher.example/ü", None, "PROPFIND /%C3%BC HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n\r\n"),
    ];
    for (method, url, body, want) in table {
        assert_eq!(encoded(&head(method, url), body), want);
    }
}

#[test]
fn fields_stand_between_host_and_framing_in_their_order() {
    let mut head = head("POST", "http://example.com/");
    head.field("Accept", "*/*").unwrap();
    head.field("X-Tab", " a\tb\t ").unwrap();
    head.field("host", "other.example:81").unwrap();
    head.field("x-obs", b"\xe9").unwrap();
    head.field("X-Empty", "").unwrap();
    head.field("Accept", "a/b").unwrap();
    let len = head.encoded_len(BodyLength::Known(1));
    let mut out = vec![0; len];
    assert_eq!(head.encode(BodyLength::Known(1), &mut out), Some(len));
    let want = b"POST / HTTP/1.1\r\nHost: other.example:81\r\nAccept: */*\r\nX-Tab: a\tb\r\n\
        x-obs: \xe9\r\nX-Empty: \r\nAccept: a/b\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(out.escape_ascii().to_string(), want.escape_ascii().to_string());
    assert_eq!(head.origin().to_string(), "http://example.com", "Host changes no origin");
}

#[test]
fn user_information_is_nowhere() {
    let head = head("GET", "http://user:secret@example.com/");
    assert!(!encoded(&head, BodyLength::None).contains("secret"));
    assert!(!format!("{head:?}").contains("secret"));
    for url in ["ftp://user:secret@example.com/", "http://user:secret@example.com:0/"] {
        let error = try_head("GET", url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[test]
fn bytes_that_cannot_stand_in_a_field() {
    let plain = head("GET", "http://example.com/");
    for byte in 0..=255u8 {
        let mut head = plain.clone();
        let may_stand = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let value = [b'a', byte, b'b'];
        let want = if may_stand {
            Ok(())
        } else {
            Err(RequestError::BadFieldValue { name: "X".into(), byte, at: 1 })
        };
        assert_eq!(head.field("X", value), want, "value {byte:#x}");
        assert_eq!(head == plain, !may_stand, "a refused field leaves nothing");

        let mut head = plain.clone();
        let Ok(name) = String::from_utf8(vec![b'a', byte, b'b']) else { continue };
        let is_token = ::http::header::HeaderName::from_bytes(name.as_bytes()).is_ok();
        assert_eq!(head.field(&name, "x").is_ok(), is_token, "name {byte:#x}");
    }
}

#[test]
fn refused_fields() {
    let table: &[(&str, &str, &str)] = &[
        ("", "x", "bad field name \"\""),
        ("a b", "x", "bad field name \"a b\""),
        ("X:", "x", "bad field name \"X:\""),
        ("é", "x", "bad field name \"é\""),
        ("X\r\nY", "x", "bad field name \"X\\r\\nY\""),
        ("X", "a\r\nY: b", "bad value of X: byte 0x0d at offset 1"),
        ("X", "\n", "bad value of X: byte 0x0a at offset 0"),
        ("X", "a\0", "bad value of X: byte 0x00 at offset 1"),
        (
            "content-LENGTH",
            "5",
            "content-LENGTH cannot be set: it is derived from the body and the connection",
        ),
        (
            "Transfer-Encoding",
            "chunked",
            "Transfer-Encoding cannot be set: it is derived from the body and the connection",
        ),
        ("TE", "trailers", "TE cannot be set: it is derived from the body and the connection"),
        ("Trailer", "X", "Trailer cannot be set: it is derived from the body and the connection"),
        ("Upgrade", "h2c", "Upgrade cannot be set: it is derived from the body and the connection"),
        (
            "Keep-Alive",
            "timeout=5",
            "Keep-Alive cannot be set: it is derived from the body and the connection",
        ),
        (
            "Proxy-Connection",
            "close",
            "Proxy-Connection cannot be set: it is derived from the body and the connection",
        ),
        (
            "Connection",
            "upgrade",
            "bad Connection option \"upgrade\": only close and keep-alive are known",
        ),
        (
            "Connection",
            "close, x",
            "bad Connection option \"x\": only close and keep-alive are known",
        ),
        ("Connection", "", "bad Connection option \"\": only close and keep-alive are known"),
        ("Host", "", "bad Host: \"\""),
        ("Host", "a b", "bad Host: \"a b\""),
        ("Host", "a/b", "bad Host: \"a/b\""),
        ("Host", "u@a", "bad Host: \"u@a\""),
        ("Host", "a:b", "bad Host: \"a:b\""),
        ("Host", "a:65536", "bad Host: \"a:65536\""),
        ("Host", "a:+80", "bad Host: \"a:+80\""),
        ("Host", ":80", "bad Host: \":80\""),
        ("Host", "[::1", "bad Host: \"[::1\""),
        ("Host", "[::g]", "bad Host: \"[::g]\""),
        ("Host", "[::1]80", "bad Host: \"[::1]80\""),
        ("Host", "é", "bad Host: \"\\xc3\\xa9\""),
    ];
    for (name, value, message) in table {
        let mut refused = head("GET", "http://example.com/");
        let before = refused.clone();
        assert_eq!(refused.field(name, value).expect_err(message).to_string(), *message);
        assert_eq!(refused, before, "a refused field leaves nothing");
    }
}

#[test]
fn host_is_given_once() {
    for value in ["a", "a.b:80", "[::1]", "[::1]:80", "127.0.0.1", "under_score.example"] {
        let mut head = head("GET", "http://example.com/");
        head.field("Host", value).expect(value);
        let want = format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n");
        assert_eq!(encoded(&head, BodyLength::None), want);
        let second = head.field("HOST", "again").unwrap_err();
        assert_eq!(second.to_string(), "a second Host: \"again\"");
    }
}

#[test]
fn connection_options() {
    let mut head = head("GET", "http://example.com/");
    head.field("Connection", "keep-alive").unwrap();
    assert!(head.close_reasons().is_empty());
    head.field("connection", "Keep-Alive ,\tCLOSE").unwrap();
    assert!(head.close_reasons().contains(CloseReason::WeSaidClose));
    assert_eq!(head.fields(), b"Connection: keep-alive\r\nconnection: Keep-Alive ,\tCLOSE\r\n");
}

#[test]
fn http_1_0() {
    let mut head = head("POST", "http://example.com/");
    head.set_version(Version::Http10);
    let want = "POST / HTTP/1.0\r\nHost: example.com\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(encoded(&head, BodyLength::Known(2)), want);
    assert_eq!(head.check(BodyLength::Unknown), Err(RequestError::UnknownLengthInHttp10));
    assert_eq!(head.encode(BodyLength::Unknown, &mut [0; 512]), None);
}

#[test]
fn methods_without_a_body() {
    for method in ["TRACE", "CONNECT"] {
        let head = head(method, "http://example.com/");
        assert_eq!(head.check(BodyLength::None), Ok(()));
        for body in [BodyLength::Known(0), BodyLength::Known(1), BodyLength::Unknown] {
            let error = head.check(body).unwrap_err();
            assert_eq!(error.to_string(), format!("{method} allows no body"));
            assert_eq!(head.encode(body, &mut [0; 512]), None);
        }
    }
}

#[test]
fn the_asterisk_is_for_options() {
    let mut options = head("OPTIONS", "http://example.com/x?y");
    options.set_target_asterisk().unwrap();
    let want = "OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n";
    assert_eq!(encoded(&options, BodyLength::None), want);
    let error = head("GET", "http://example.com/").set_target_asterisk().unwrap_err();
    assert_eq!(error.to_string(), "the target * is for OPTIONS, not for GET");
}

#[test]
fn idempotent_methods() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert!(head(method, "http://example.com/").is_idempotent(), "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "PROPFIND"] {
        assert!(!head(method, "http://example.com/").is_idempotent(), "{method}");
    }
}

#[test]
fn a_head_without_fields_allocates_none_and_one_with_fields_no_more_than_they_need() {
    let mut head = head("GET", "http://example.com/");
    assert_eq!(head.fields.capacity(), 0);
    head.field("Accept", "*/*").unwrap();
    head.field("X", "y").unwrap();
    assert_eq!(head.fields.capacity(), head.fields.len());
}

/// Guard: `set_target` lets nothing through that ends the request line or its target.
#[test]
fn targets_of_the_callers_own() {
    let mut head = head("GET", "http://example.com/");
    for good in ["*", "/a?b", "http://other/x", "a:b"] {
        head.set_target(good).expect(good);
        assert_eq!(head.target(), good);
    }
    for bad in ["", "/a b", "/a\r\nX: y", "/a\n", "/a\tb", "/a#b", "/\u{e4}", "/\0", "/\x7f"] {
        let error = head.set_target(bad).expect_err(bad);
        assert!(matches!(error, RequestError::BadTarget(_)), "{error}");
    }
    for char in (0..=u8::MAX).map(char::from) {
        let is_good = char.is_ascii_graphic() && char != '#';
        assert_eq!(head.set_target(&format!("/{char}")).is_ok(), is_good, "{char:?}");
    }
}

/// What is answered to a challenge has the challenge's own words in it.
#[test]
fn credentials_that_cannot_stand_in_a_field_are_left_out() {
    for bad in ["Digest a\r\nX: y", "Basic \0", "Bearer \x7f", "a\nb", "a\rb"] {
        let mut head = head("GET", "http://example.com/");
        head.set_authorization(Some(bad.as_bytes().to_vec()));
        let bytes = encoded(&head, BodyLength::None);
        assert_eq!(bytes, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "{bad:?}");
    }
}
