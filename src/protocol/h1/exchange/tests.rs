//! Tables of bytes and what is read from them: whole, one byte at a time, cut in two everywhere,
//! and with bytes behind the response.

use ::http::Method;

use super::*;
use crate::protocol::head::PARSED_BYTES;
use crate::protocol::version::Version;

/// What is offered is spoken after 101 and after a 2xx to CONNECT, in both directions and until the peer's end; after any other
/// response it is not, and the connection can carry another exchange.
#[test]
fn another_protocol_takes_over_where_it_was_offered() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 3\r\n\r\n";
    let opened = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (method, head) in [(Method::GET, switching), (Method::CONNECT, opened)] {
        let mut exchange = offering(method);
        exchange.head_taken();
        assert!(exchange.request_complete() && !exchange.has_body_to_send());
        let input = format!("{head}first");
        let read = exchange.read(input.as_bytes()).unwrap();
        assert!(matches!(read.event, Event::Head(_)) && read.consumed == head.len());
        let read = exchange.read(b"first").unwrap();
        assert_eq!((read.consumed, read.event), (5, Event::Body(b"first")));
        assert!(exchange.has_body_to_send() && !exchange.request_complete());
        let mut said = [SourceRead::Data(4), SourceRead::Pending, SourceRead::End].into_iter();
        let mut source = |_: &mut [u8]| said.next().unwrap();
        let mut out = [b'x'; 16];
        assert_eq!(exchange.fill_body(&mut out, &mut source), Ok(Fill::Pending(4)));
        assert_eq!(&out[..5], b"xxxxx", "as it comes");
        assert_eq!(exchange.fill_body(&mut out, &mut source), Ok(Fill::Complete(0)));
        assert!(exchange.request_complete() && !exchange.response_complete());
        assert!(!exchange.close_reasons().is_empty());
        exchange.eof(true).unwrap();
        assert!(exchange.response_complete());
    }
    let mut exchange = offering(Method::GET);
    exchange.head_taken();
    let no = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(exchange.read(no).unwrap().event, Event::Head(_)));
    assert!(exchange.response_complete() && !exchange.has_body_to_send());
    assert!(exchange.close_reasons().is_empty());
}

fn offering(method: Method) -> Exchange {
    let url = url::Url::parse("http://a.test/").unwrap();
    let mut head = RequestHead::new(method.clone(), &url).unwrap();
    assert_eq!(head.check(BodyLength::Raw).is_ok(), method == Method::CONNECT);
    if method != Method::CONNECT {
        head.offer("echo").unwrap();
    }
    let mut out = [0; 200];
    let length = head.encode(BodyLength::Raw, &mut out).unwrap();
    let text = std::str::from_utf8(&out[..length]).unwrap();
    assert!(!text.contains("Content-Length") && !text.contains("chunked"), "{text}");
    Exchange::new(&head, BodyLength::Raw, &HttpLimits::DEFAULT)
}

#[test]
fn framing_and_reuse() {
    #[rustfmt::skip]
    let table: &[(&str, &str, &str)] = &[
        // Content-Length
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length:\t0005 \r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5 , 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n 05\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", "404; body no; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "200; body ok; complete; reusable"),
        ("GET", "HTTP/1.1 999 \u{ff}\r\nContent-Length: 2\r\n\r\nok", "999; body ok; complete; reusable"),
        // no body, whatever the fields say
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200; complete; reusable"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200; complete; reusable"),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", "200; complete; reusable"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", "204; complete; reusable"),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204; complete; reusable"),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204; complete; BodyWhereNone"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304; complete; reusable"),
        ("CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200; complete; Tunnel"),
        ("CONNECT", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", "403; body no; complete; reusable"),
        // informational responses
        ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "(100); (103); 200; body ok; complete; reusable"),
        ("HEAD", "HTTP/1.1 100\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "(100); 200; complete; reusable"),
        // Transfer-Encoding
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,, Chunked ,\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n000\r\nA: b\r\n\r\n", "200; body hello!; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n0\r\n\r\n", "200; complete; LengthWithTransferEncoding"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200; complete; LengthWithTransferEncoding"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", "200; body hello; complete at eof; OddFraming DelimitedByClose PeerClosed"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; LengthWithTransferEncoding OddFraming"),
        // and as it should not be: read as it is meant, and the connection closed
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; LengthWithTransferEncoding OddFraming"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,\r\n\r\nhello", "200; body hello; complete at eof; OddFraming DelimitedByClose PeerClosed"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200; body hello; complete; OddFraming"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked, chunked\r\n\r\n0\r\n\r\n", "200; complete; OddFraming"),
        ("GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n1\r\na\r\n0\r\n\r\n", "200; body a; complete; OddFraming"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", "200; body hello; complete; OddFraming"),
        // a status line as it should not be
        ("GET", "HTTP/1.1 200 a\u{1}\u{7f}\u{1b}b\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 \t  200  OK\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.0  200\n\n", "200; complete at eof; Http10WithoutKeepAlive DelimitedByClose PeerClosed"),
        // lines that are no field lines
        ("GET", "HTTP/1.1 200 OK\r\nPHP Warning: x in y\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\n leading: x\r\n and: y\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX Y: z\r\n Z: a\r\n: b\nno colon\r\n\u{e9}: c\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.1 200 OK\nX : \u{1}\u{7f}\nY: \u{1b}[2J\n\u{8}\nTransfer-Encoding: chunked\n\n1\r\na\r\n0\r\nB C: d\r\nE : f\r\n\r\n", "200; body a; complete; reusable"),
        ("GET", "HTTP/1.1 103\r\nA B: c\r\n\r\nHTTP/1.1 302 Found\r\nLocation : /a\r\nContent-Length: 0\r\nX\r\n\r\n", "(103); 302; complete; reusable"),
        ("CONNECT", "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", "200; complete; Tunnel"),
        ("HEAD", "HTTP/1.1 200 OK\r\nA B: c\r\nContent-Length: 5\r\n\r\n", "200; complete; reusable"),
        // a higher minor version
        ("GET", "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200; body hello; complete; reusable"),
        ("GET", "HTTP/1.9 200\nTransfer-Encoding: chunked\nA B: c\n\n0\r\n\r\n", "200; complete; reusable"),
        // until close
        ("GET", "HTTP/1.1 200 OK\r\n\r\nhello", "200; body hello; complete at eof; DelimitedByClose PeerClosed"),
        ("GET", "HTTP/1.0 200 OK\r\n\r\n", "200; complete at eof; Http10WithoutKeepAlive DelimitedByClose PeerClosed"),
        // persistence
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "200; complete; PeerSaidClose"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo , Close\r\n\r\n", "200; complete; PeerSaidClose"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: closer\r\n\r\n", "200; complete; reusable"),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200; complete; Http10WithoutKeepAlive"),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", "200; complete; reusable"),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, close\r\n\r\n", "200; complete; PeerSaidClose"),
        // the peer goes away
        ("GET", "", "UnexpectedEof 0/None"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Le", "UnexpectedEof 0/None"),
        ("GET", "HTTP/1.1 100 Continue\r\n\r\n", "(100); UnexpectedEof 0/None"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "200; body hell; UnexpectedEof 4/Some(5)"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r", "200; body hello; UnexpectedEof 5/None"),
        // faults
        ("GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "UnexpectedUpgrade"),
        ("GET", "HTTP/1.1 2000 OK\r\n\r\n", "BadStatusLine"),
        ("GET", "HTTP/1.1200 OK\r\n\r\n", "BadStatusLine"),
        ("GET", "HTTP/1.1 20\u{1}0 OK\r\n\r\n", "BadStatusLine"),
        ("GET", "HTTP/1.1 200\u{1}OK\r\n\r\n", "BadStatusLine"),
        ("GET", "HTTP/1.1 +20 OK\r\n\r\n", "BadStatusLine"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "ConflictingLengths"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", "ConflictingLengths"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "200; BadChunk"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "200; body a; BadChunk"),
        ("GET", "SSH-2.0-OpenSSH_9.9\r\n", "BadStatusLine"),
        ("GET", "hello", "BadStatusLine"),
        ("GET", "\r\nHTTP/1.1 200 OK\r\n\r\n", "BadStatusLine"),
    ];
    for (method, wire, want) in table {
        check(method, &latin1(wire), want);
    }
}

#[test]
fn lengths_that_are_no_numbers() {
    let bad = [
        "",
        " ",
        "+5",
        "-5",
        "5 5",
        "0x5",
        "5.",
        "5,",
        ",5",
        "5,,5",
        "5;",
        "1e1",
        "\u{b2}",
        "five",
        "18446744073709551616",
        "99999999999999999999999",
    ];
    for length in bad {
        let wire = format!("HTTP/1.1 200 OK\r\nContent-Length:{length}\r\n\r\n");
        check("GET", wire.as_bytes(), "BadLength");
    }
    let largest = "HTTP/1.1 200 OK\r\nContent-Length:18446744073709551615\r\n\r\nx";
    check("GET", largest.as_bytes(), "200; body x; UnexpectedEof 1/Some(18446744073709551615)");
}

#[test]
fn transfer_codings_that_are_not_understood() {
    let bad = [
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, identity",
        "chunked;q=1",
        "\"chunked\"",
        "xchunked",
        "chunked x",
    ];
    for coding in bad {
        let wire = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        check("GET", wire.as_bytes(), "UnsupportedTransferCoding");
    }
}

#[test]
fn hostile_heads() {
    #[rustfmt::skip]
    let table: &[(&str, &str)] = &[
        ("HTTP/1.1 200 OK\rX: y\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 200 O\0K\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 20 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 099 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 -20 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 \u{b}200 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 200 O\rK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.1 200 OK\r\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.12 200 OK\r\n\r\n", "BadStatusLine"),
        ("http/1.1 200 OK\r\n\r\n", "BadStatusLine"),
        ("HTTPS/1.1 200 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/2 200 OK\r\n\r\n", "UnsupportedVersion"),
        ("HTTP/0.9 200 OK\r\n\r\n", "UnsupportedVersion"),
        ("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nX: a\r\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nX\0: a\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nX: a\r\n\rX", "BadField"),
        ("HTTP/1.2 20 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.22 200 OK\r\n\r\n", "BadStatusLine"),
        ("HTTP/1.x 200 OK\r\n\r\n", "UnsupportedVersion"),
        // lines about framing, the connection and credentials are not passed over
        ("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", "BadField"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length\t: 6\r\n\r\nhello", "BadField"),
        ("HTTP/1.1 200 OK\r\nContent-Length\r\n : 5\r\n\r\nhello", "BadField"),
        ("HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhello", "BadField"),
        ("HTTP/1.1 200 OK\r\nPHP Warning: x\r\n Content-Length: 5\r\n\r\nhello", "BadField"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\u{7f}\r\n\r\nhello", "BadField"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding\u{b}: chunked\r\n\r\n0\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection : close\r\n\r\n", "BadField"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie : a=b\r\n\r\n", "BadField"),
        ("HTTP/1.1 103\r\nContent-Length : 5\r\n\r\nHTTP/1.1 204\r\n\r\n", "BadField"),
    ];
    for (wire, want) in table {
        check("GET", &latin1(wire), want);
    }
}

#[test]
fn a_byte_that_cannot_stand_in_a_head_is_a_fault_but_in_lines_that_may_have_it() {
    let good = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n";
    let status_line = good.iter().position(|&byte| byte == b'\r').unwrap();
    let (server, length) = (status_line + 2, status_line + 2 + "Server: x\r\n".len());
    for byte in [b'\0', b'\r', 0x7f, 0x1b, 0x0b] {
        for at in 0..good.len() {
            let mut wire = good.to_vec();
            wire.insert(at, byte);
            wire.extend_from_slice(b"ok");
            let got = run("GET", [&wire[..]], &HttpLimits::DEFAULT);
            let is_fault = got.log.starts_with("Bad") || got.log == "UnsupportedVersion";
            // CR and NUL are faults anywhere; so is what comes between CR and LF
            let in_reason = ("HTTP/1.1 200 ".len()..=status_line).contains(&at);
            let in_a_line_that_may =
                in_reason || (server..length - 1).contains(&at) || at == good.len() - 2;
            let want_fault = [b'\0', b'\r'].contains(&byte) || !in_a_line_that_may;
            assert_eq!(is_fault, want_fault, "{byte:#x} at {at}: {}", got.log);
            assert_eq!(run("GET", wire.chunks(1), &HttpLimits::DEFAULT).log, got.log);
        }
    }
}

#[test]
fn limits_hold() {
    let limits = HttpLimits {
        head_bytes: 100,
        informational: 2,
        chunk_extension_bytes: 8,
        trailer_bytes: 8,
        headless: false,
        cut_heads: false,
    };
    let head = |len: usize| {
        let around = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n\r\n".len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "x".repeat(len - around))
    };
    let chunked =
        |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    let informational = "HTTP/1.1 103\r\n\r\n";
    let table = [
        (head(100), "200; complete; reusable"),
        (head(101), "HeadTooLarge"),
        (format!("{}X: y", &head(150)[..148]), "HeadTooLarge"),
        (
            format!("{}{}", informational.repeat(2), head(100)),
            "(103); (103); 200; complete; reusable",
        ),
        (informational.repeat(3), "(103); (103); TooManyInformational"),
        (
            format!("HTTP/1.1 103\r\nA: {}\r\n\r\n{informational}", "b".repeat(63)),
            "(103); (103); UnexpectedEof 0/None",
        ),
        (
            format!("HTTP/1.1 103\r\nA: {}\r\n\r\n{informational}", "b".repeat(64)),
            "(103); InformationalTooLarge",
        ),
        (chunked("1;x=y\r\na\r\n1;x=\r\nb\r\n0;\r\n\r\n"), "200; body ab; complete; reusable"),
        // each byte of data pays for one of them
        (chunked("1;x=y\r\na\r\n1;x=y\r\nb\r\n0;x\r\n\r\n"), "200; body ab; complete; reusable"),
        (
            chunked("1;x=y\r\na\r\n1;x=y\r\nb\r\n0;xy\r\n\r\n"),
            "200; body ab; ChunkExtensionsTooLarge",
        ),
        (chunked("8;x=yzabc\r\n"), "200; UnexpectedEof 0/None"),
        (chunked("8;x=yzabcd\r\n"), "200; ChunkExtensionsTooLarge"),
        (
            chunked(&"7;x=yzab\r\n1234567\r\n".repeat(3)),
            "200; body 123456712345671234567; UnexpectedEof 21/None",
        ),
        (chunked("0\r\nA: bcd\r\n\r\n"), "200; complete; reusable"),
        (chunked("0\r\nA: bcde\r\n\r\n"), "200; TrailerTooLarge"),
        (chunked("0\r\naaaaaaaaaaaaaaaa"), "200; TrailerTooLarge"),
    ];
    for (wire, want) in table {
        check_within("GET", wire.as_bytes(), want, &limits);
    }
}

#[test]
fn ten_thousand_field_lines_are_too_many_and_as_many_as_allowed_are_not() {
    let head = |fields: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", "A:\r\n".repeat(fields - 1))
    };
    let table = [
        (256, "200; complete; reusable"),
        (257, "200; complete; reusable"),
        (5000, "200; complete; reusable"),
        (5001, "TooManyFields"),
        (10_000, "TooManyFields"),
    ];
    for (fields, want) in table {
        let wire = head(fields);
        for pieces in [1, 7, wire.len()] {
            let got = run("GET", wire.as_bytes().chunks(pieces), &HttpLimits::DEFAULT);
            assert_eq!(got.log, want, "{fields} in pieces of {pieces}");
        }
    }
}

#[test]
fn a_head_may_have_300_kib() {
    let head = |len: usize| {
        let line = format!("X: {}\r\n", "x".repeat(1019));
        let lines = line.repeat(len / 1024 - 1);
        format!("HTTP/1.1 204 {}\r\n{lines}\r\n", "y".repeat(1024 - 17))
    };
    for (kib, want) in [(300, "204; complete; reusable"), (301, "HeadTooLarge")] {
        let wire = head(kib * 1024);
        assert_eq!(wire.len(), kib * 1024);
        for pieces in [1000, 64 * 1024, wire.len()] {
            let got = run("GET", wire.as_bytes().chunks(pieces), &HttpLimits::DEFAULT);
            assert_eq!(got.log, want, "{kib} in pieces of {pieces}");
        }
    }
}

#[test]
fn a_head_that_trickles_in_is_parsed_twice_at_most() {
    let wire = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x\r\n ".repeat(10_000));
    PARSED_BYTES.set(0);
    let got = run("HEAD", wire.as_bytes().chunks(1), &HttpLimits::DEFAULT);
    assert_eq!(got.log, "200; complete; reusable");
    let parsed = PARSED_BYTES.get();
    assert!(parsed <= wire.len() + 1, "{parsed} bytes parsed of a head of {}", wire.len());
}

#[test]
fn endless_informational_responses_end() {
    let wire = b"HTTP/1.1 100\r\n\r\n".repeat(1000);
    let got = run("GET", [&wire[..]], &HttpLimits::DEFAULT);
    assert_eq!(got.log.matches("(100)").count(), HttpLimits::DEFAULT.informational as usize);
    assert!(got.log.ends_with("TooManyInformational"), "{}", got.log);
    // as many as servers were seen to send
    let wire = [&b"HTTP/1.1 103\r\n\r\n".repeat(100)[..], b"HTTP/1.1 204\r\n\r\n"].concat();
    let got = run("GET", [&wire[..]], &HttpLimits::DEFAULT);
    assert!(got.log.ends_with("(103); 204; complete; reusable"), "{}", got.log);
}

#[test]
fn a_head_in_pieces_lends_the_same_view_as_a_whole_one() {
    let wire =
        b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 1\r\n\r\nx";
    let mut exchange = new("GET", BodyLength::None, &HttpLimits::DEFAULT);
    let mut heads = Vec::new();
    for byte in wire.chunks(1) {
        match exchange.read(byte).unwrap().event {
            Event::Informational(head) | Event::Head(head) => heads.push(head.raw().to_vec()),
            Event::NeedMore | Event::Complete => {}
            Event::Body(body) => assert_eq!(body, b"x"),
        }
    }
    assert_eq!(heads.concat(), wire[..wire.len() - 1]);
    assert!(exchange.response_complete());
    assert_eq!(exchange.partial.capacity(), 0, "the head is gone");
}

/// However they are cut, the fields after a body are there when it is complete, and lines that are none are left out.
#[test]
fn trailers_are_there_at_the_end() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = b"1\r\nx\r\n0\r\n";
    type Section = (&'static [u8], &'static [(&'static str, &'static str)]);
    let none = &[];
    let table: [Section; 5] = [
        (b"\r\n", none),
        (
            b"Digest:  a=b \r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n",
            &[("Digest", "a=b"), ("X-Twice", "1"), ("X-Twice", "2")],
        ),
        (b"PHP Warning: x\r\nA : b\r\n\r\n", &[("A", "b")]),
        (b"A: b\r\n c\r\n\r\n", &[("A", "b   c")]),
        (b"no field\r\n\r\n", none),
    ];
    for (section, want) in table {
        let wire = [&head[..], body, section].concat();
        for size in 1..=wire.len() {
            let mut exchange = new("GET", BodyLength::None, &HttpLimits::DEFAULT);
            exchange.head_taken();
            for mut piece in wire.chunks(size) {
                assert!(exchange.trailers().is_none(), "before the end");
                while !piece.is_empty() {
                    let consumed = exchange.read(piece).unwrap().consumed;
                    piece = &piece[consumed..];
                }
            }
            assert_eq!(exchange.read(&[]).unwrap().event, Event::Complete);
            let fields = exchange.trailers().into_iter().flatten();
            let fields: Vec<_> = fields
                .map(|(name, value)| (name.to_owned(), String::from_utf8(value.into()).unwrap()))
                .collect();
            let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(fields, want, "{} in pieces of {size}", section.escape_ascii());
        }
    }
    let mut exchange = new("GET", BodyLength::None, &HttpLimits::DEFAULT);
    exchange.head_taken();
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".chunks(1) {
        exchange.read(byte).unwrap();
    }
    assert!(exchange.trailers().is_none(), "a head that came in pieces is none");
}

#[test]
fn a_tls_connection_without_close_notify_completes_no_close_delimited_body() {
    let mut exchange = new("GET", BodyLength::None, &HttpLimits::DEFAULT);
    let wire = b"HTTP/1.1 200 OK\r\n\r\nhello";
    let consumed = exchange.read(wire).unwrap().consumed;
    exchange.read(&wire[consumed..]).unwrap();
    let fault = HttpFault::CloseWithoutNotify { received: 5 };
    assert_eq!(exchange.eof(false), Err(fault.clone()));
    assert_eq!(exchange.eof(true), Err(fault.clone()), "faults stay");
    assert_eq!(exchange.read(b"more"), Err(fault));
    assert!(!exchange.response_complete());

    let mut exchange = new("GET", BodyLength::None, &HttpLimits::DEFAULT);
    exchange.read(b"HTTP/1.1 204\r\n\r\n").unwrap();
    assert_eq!(exchange.eof(false), Ok(()), "complete before");
}

#[test]
fn the_request_half_completes_on_its_own() {
    let limits = HttpLimits::DEFAULT;
    let mut exchange = new("GET", BodyLength::None, &limits);
    assert!(!exchange.request_complete());
    exchange.head_taken();
    assert!(exchange.request_complete());
    assert_eq!(reasons(&exchange), "ResponseUnfinished");

    let mut exchange = new("POST", BodyLength::Known(5), &limits);
    exchange.head_taken();
    assert!(!exchange.request_complete());
    let mut out = [0; 64];
    let filled = exchange.fill_body(&mut out, &mut |slice| {
        slice.copy_from_slice(b"hello");
        SourceRead::Data(5)
    });
    assert_eq!(filled, Ok(Fill::Complete(5)));
    assert!(exchange.request_complete());
}

#[test]
fn a_response_that_overtakes_its_request_ends_reuse_for_good() {
    let mut exchange = new("POST", BodyLength::Known(5), &HttpLimits::DEFAULT);
    exchange.head_taken();
    exchange.read(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(exchange.response_complete());
    assert_eq!(reasons(&exchange), "RequestUnfinished");
    let mut out = [0; 64];
    let filled = exchange.fill_body(&mut out, &mut |_| SourceRead::Data(5));
    assert_eq!(filled, Ok(Fill::Complete(5)));
    assert_eq!(reasons(&exchange), "RequestUnfinished");
}

/// What a response makes of a body that has not been sent: whether it may be sent, by whether it waits.
#[test]
fn responses_that_come_before_the_body() {
    let table = [
        // the status, the body is sent on, a body that waits is sent
        (100, true, true),
        (102, true, false),
        (103, true, false),
        (200, true, false),
        (204, true, false),
        (299, true, false),
        (302, false, false),
        (401, false, false),
        (413, false, false),
        (417, false, false),
        (500, false, false),
    ];
    for (status, sent_on, leave) in table {
        for waits in [false, true] {
            for body in [BodyLength::Known(5), BodyLength::Unknown] {
                let mut head = head("PUT");
                if waits {
                    head.field("Expect", "100-Continue").unwrap();
                }
                let mut exchange = Exchange::new(&head, body, &HttpLimits::DEFAULT);
                exchange.head_taken();
                assert_eq!(exchange.has_body_to_send(), !waits);
                let response = format!("HTTP/1.1 {status} X\r\n\r\n");
                exchange.read(response.as_bytes()).unwrap();
                let may = if waits { leave } else { sent_on };
                assert_eq!(exchange.has_body_to_send(), may, "{status}, waits: {waits}");
                assert_eq!(exchange.awaits_continue(), waits && matches!(status, 102 | 103));
                assert!(!exchange.request_complete());
                let mut source = |_: &mut [u8]| SourceRead::Data(5);
                if !may && !exchange.awaits_continue() {
                    let fill = exchange.fill_body(&mut [0; 64], &mut source);
                    assert_eq!(fill, Ok(Fill::Filled(0)), "the rest is not wanted");
                    assert!(exchange.close_reasons().contains(CloseReason::RequestUnfinished));
                }
            }
        }
    }
    // what has no body, and what has gone to HTTP/1.0, waits for nothing
    let mut head = head("PUT");
    head.field("Expect", "100-continue").unwrap();
    for body in [BodyLength::None, BodyLength::Known(0)] {
        assert!(!Exchange::new(&head, body, &HttpLimits::DEFAULT).awaits_continue());
    }
    head.set_version(Version::Http10);
    assert!(!Exchange::new(&head, BodyLength::Known(1), &HttpLimits::DEFAULT).awaits_continue());
}

#[test]
fn what_the_request_says_against_reuse() {
    let answer = b"HTTP/1.1 204\r\n\r\n";
    let table = [
        (Version::Http11, None, "reusable"),
        (Version::Http11, Some("keep-alive"), "reusable"),
        (Version::Http11, Some("close"), "WeSaidClose"),
        (Version::Http10, None, "Http10WithoutKeepAlive"),
        (Version::Http10, Some("keep-alive"), "reusable"),
    ];
    for (version, connection, want) in table {
        let mut head = head("GET");
        head.set_version(version);
        if let Some(value) = connection {
            head.field("Connection", value).unwrap();
        }
        let mut exchange = Exchange::new(&head, BodyLength::None, &HttpLimits::DEFAULT);
        exchange.head_taken();
        exchange.read(answer).unwrap();
        assert_eq!(reasons(&exchange), want, "{version:?} {connection:?}");
    }
}

#[test]
fn progress_is_told() {
    let mut exchange = new("GET", BodyLength::None, &HttpLimits::DEFAULT);
    assert!(!exchange.response_started());
    assert_eq!(exchange.read(b""), Ok(Read { consumed: 0, event: Event::NeedMore }));
    assert!(!exchange.response_started(), "nothing arrived");
    exchange.read(b"H").unwrap();
    assert!(exchange.response_started());
    assert_eq!(exchange.content_length(), None);
    exchange.read(b"TTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").unwrap();
    assert_eq!(exchange.content_length(), Some(9));
    exchange.read(b"1234").unwrap();
    assert_eq!(exchange.body_received(), 4);
    assert!(!exchange.response_complete());
}

#[test]
fn reasons_from_outside_are_kept() {
    let mut exchange = new("GET", BodyLength::None, &HttpLimits::DEFAULT);
    exchange.head_taken();
    exchange.read(b"HTTP/1.1 204\r\n\r\n").unwrap();
    assert!(exchange.close_reasons().is_empty());
    exchange.note_close(CloseReason::BytesAfterResponse);
    assert_eq!(reasons(&exchange), "BytesAfterResponse");
}

/// Damages good responses in every way that a seeded generator thinks of.
#[test]
fn damaged_responses_read_the_same_however_they_are_cut() {
    let good: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\nX: a\r\n b\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 103\r\nLink: x\r\n\r\nHTTP/1.0 200\r\nConnection: keep-alive\r\n\r\nbody",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 1, 1\n\n1\r\nx\r\n0\r\n\r\n",
    ];
    let spice = b"\r\n\r\n\0 \t:;,0123456789abcfXHTP/.\x7f\xff";
    let limits = HttpLimits {
        head_bytes: 80,
        informational: 1,
        chunk_extension_bytes: 6,
        trailer_bytes: 8,
        headless: false,
        cut_heads: false,
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..40_000 {
        let mut wire = good[random.below(good.len())].to_vec();
        for _ in 0..random.below(4) {
            if wire.is_empty() {
                break;
            }
            let at = random.below(wire.len());
            let byte = spice[random.below(spice.len())];
            match random.below(4) {
                0 => wire[at] = byte,
                1 => wire.insert(at, byte),
                2 => drop(wire.remove(at)),
                _ => wire.truncate(at + 1),
            }
        }
        let whole = run("GET", [&wire[..]], &limits);
        let size = 2 + random.below(8);
        for size in [1, size] {
            let cut = run("GET", wire.chunks(size), &limits);
            let text = wire.escape_ascii();
            assert_eq!(cut.log, whole.log, "round {round}, pieces of {size}: {text}");
            assert_eq!(cut.consumed, whole.consumed, "round {round}, pieces of {size}: {text}");
        }
    }
}

#[test]
fn sizes() {
    assert!(size_of::<Exchange>() <= 160, "{}", size_of::<Exchange>());
    assert!(size_of::<RequestHead>() <= 112, "{}", size_of::<RequestHead>());
}

/// What came of a response.
struct Outcome {
    log: String,
    /// Bytes consumed until the response was complete or at fault; what is consumed of a head
    /// before a fault in it depends on the pieces, and is not counted.
    consumed: usize,
}

fn check(method: &str, wire: &[u8], want: &str) {
    check_within(method, wire, want, &HttpLimits::DEFAULT);
}

fn check_within(method: &str, wire: &[u8], want: &str, limits: &HttpLimits) {
    let text = wire.escape_ascii();
    assert_eq!(run(method, [wire], limits).log, want, "whole: {text}");
    assert_eq!(run(method, wire.chunks(1), limits).log, want, "byte by byte: {text}");
    for at in 0..wire.len().min(300) {
        let (a, b) = wire.split_at(at);
        assert_eq!(run(method, [a, b], limits).log, want, "cut at {at}: {text}");
    }
    if want.contains("; complete; ") {
        let mut longer = wire.to_vec();
        longer.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\n");
        for size in [1, wire.len(), longer.len()] {
            let got = run(method, longer.chunks(size), limits);
            assert_eq!(got.consumed, wire.len(), "trailing bytes: {text}");
            let noted = match want.strip_suffix("reusable") {
                Some(response) => format!("{response}BytesAfterResponse"),
                None => format!("{want} BytesAfterResponse"),
            };
            assert_eq!(got.log, noted, "trailing bytes: {text}");
        }
    }
}

/// Reads the pieces, then the end of the connection, and writes down what happens.
fn run<'w>(
    method: &str,
    pieces: impl IntoIterator<Item = &'w [u8]>,
    limits: &HttpLimits,
) -> Outcome {
    let mut exchange = new(method, BodyLength::None, limits);
    exchange.head_taken();
    let mut log = Log::default();
    let mut consumed = 0;
    for mut piece in pieces {
        loop {
            let read = match exchange.read(piece) {
                Ok(read) => read,
                Err(fault) => {
                    log.fault(&fault);
                    assert!(exchange.close_reasons().contains(CloseReason::Fault));
                    return Outcome { log: log.text, consumed: 0 };
                }
            };
            piece = &piece[read.consumed..];
            consumed += read.consumed;
            match read.event {
                Event::NeedMore => {
                    assert!(piece.is_empty(), "asks for more and leaves some");
                    break;
                }
                Event::Complete => break,
                Event::Informational(head) => log.entry(&format!("({})", head.status())),
                Event::Head(head) => log.entry(&head.status().to_string()),
                Event::Body(body) => log.body(body),
            }
            assert!(read.consumed > 0, "no progress");
        }
    }
    let was_complete = exchange.response_complete();
    if was_complete {
        log.entry("complete");
    } else {
        match exchange.eof(true) {
            Ok(()) => log.entry("complete at eof"),
            Err(fault) => {
                log.fault(&fault);
                return Outcome { log: log.text, consumed: 0 };
            }
        }
    }
    log.entry(&reasons(&exchange));
    Outcome { log: log.text, consumed }
}

#[derive(Default)]
struct Log {
    text: String,
    in_body: bool,
}

impl Log {
    fn entry(&mut self, entry: &str) {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(entry);
        self.in_body = false;
    }

    fn body(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        if !self.in_body {
            self.entry("body ");
            self.in_body = true;
        }
        self.text.push_str(&bytes.escape_ascii().to_string());
    }

    /// By its kind: how much of a bad line is quoted depends on the pieces.
    fn fault(&mut self, fault: &HttpFault) {
        if let HttpFault::UnexpectedEof { received, expected } = fault {
            return self.entry(&format!("UnexpectedEof {received}/{expected:?}"));
        }
        let text = format!("{fault:?}");
        self.entry(text.split(' ').next().unwrap());
    }
}

fn reasons(exchange: &Exchange) -> String {
    let reasons: Vec<_> = exchange.close_reasons().iter().map(|r| format!("{r:?}")).collect();
    if reasons.is_empty() { "reusable".into() } else { reasons.join(" ") }
}

fn new(method: &str, body: BodyLength, limits: &HttpLimits) -> Exchange {
    Exchange::new(&head(method), body, limits)
}

fn head(method: &str) -> RequestHead {
    let url = url::Url::parse("http://example.com/").unwrap();
    RequestHead::new(Method::from_bytes(method.as_bytes()).unwrap(), &url).unwrap()
}

/// A table's text as bytes, so that `\xff` in it is one byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).expect("a byte")).collect()
}

/// xorshift64*, seeded: the same damage each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}
