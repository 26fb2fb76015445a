//! Views of heads. What is refused, and what follows from a head, see the exchange's tests.

use bytes::Bytes;

use super::*;

fn view(wire: &[u8]) -> ResponseHead<'_> {
    let parsed = parse(wire, RequestKind::Other).expect("a good head").expect("a whole head");
    parsed.start.view(&wire[..parsed.len])
}

fn fields(head: ResponseHead<'_>) -> Vec<(String, String)> {
    head.fields().map(|(name, value)| (name.to_owned(), value.escape_ascii().to_string())).collect()
}

#[test]
fn the_parts_of_a_head() {
    let wire = b"HTTP/1.0 404 Not  here \r\nServer: a\r\nX-Empty:\r\nset-cookie: b=c \t\r\n\
        Set-Cookie: d\xff\r\n\r\nbody";
    let head = view(wire);
    assert_eq!(head.status(), 404);
    assert_eq!(head.version(), Version::Http10);
    assert_eq!(head.reason(), b"Not  here");
    assert_eq!(head.raw(), &wire[..wire.len() - 4]);
    let want = [("Server", "a"), ("X-Empty", ""), ("set-cookie", "b=c"), ("Set-Cookie", "d\\xff")];
    let got = fields(head);
    assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(head.field("SET-COOKIE").as_deref(), Some(&b"b=c"[..]));
    assert_eq!(head.field("cookie"), None);
}

#[test]
fn reason_phrases() {
    let table: &[(&[u8], &[u8])] = &[
        (b"HTTP/1.1 200\r\n\r\n", b""),
        (b"HTTP/1.1 200 \r\n\r\n", b""),
        (b"HTTP/1.1 200\n\n", b""),
        (b"HTTP/1.1 200 OK\n\n", b"OK"),
        (b"HTTP/1.1 200 \xe9t\xe9: yes\r\n\r\n", b"\xe9t\xe9: yes"),
        (b"HTTP/1.1 \t 200  O\x01K \r\n\r\n", b"O\x01K"),
    ];
    for &(wire, want) in table {
        assert_eq!(view(wire).reason(), want);
        assert_eq!(view(wire).fields().count(), 0);
    }
}

#[test]
fn folded_lines_read_as_spaces() {
    let table: &[(&[u8], &str)] = &[
        (b"X: a\r\n b\r\n", "a   b"),
        (b"X: a\r\n\tb\r\n  c\r\n", "a  \\tb    c"),
        (b"X:\r\n a\r\n", "a"),
        (b"X: a\r\n \r\n", "a"),
        (b"X: a\n b\n", "a  b"),
        (b"X:\r\n \r\n", ""),
    ];
    for (lines, want) in table {
        let wire = [b"HTTP/1.1 200 OK\r\nA: 1\r\n", *lines, b"Z: 2\r\n\r\n"].concat();
        let got = fields(view(&wire));
        let want = [("A", "1"), ("X", want), ("Z", "2")];
        assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

#[test]
fn the_walk_over_the_fields_finds_what_the_parser_found() {
    let wire = b"HTTP/1.1 200 OK\r\nA:  1 \r\nB:\r\nc: \t x:y \r\nD:\xff\nE: e\r\n\r\n";
    let mut table = [httparse::EMPTY_HEADER; 8];
    let mut response = httparse::Response::new(&mut table);
    response.parse(wire).unwrap();
    let parsed: Vec<_> = response.headers.iter().map(|f| (f.name, f.value.to_vec())).collect();
    let walked: Vec<_> = view(wire).fields().map(|(n, v)| (n, v.into_owned())).collect();
    assert_eq!(walked, parsed);
}

#[test]
fn to_the_types_of_the_http_crate_nothing_is_lost() {
    let wire = b"HTTP/1.1 599 x\r\nA: 1\r\na: 2\r\nB: \xff\r\n!#$: \r\n\r\n";
    let parts = view(wire).to_parts();
    assert_eq!(parts.status.as_u16(), 599);
    assert_eq!(parts.version, ::http::Version::HTTP_11);
    assert_eq!(parts.headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(parts.headers["b"].as_bytes(), b"\xff");
    assert_eq!(parts.headers.len(), view(wire).fields().count());
}

/// Whoever keeps the wrong bytes finds nothing of use in them.
#[test]
fn a_head_is_read_later_from_its_bytes() {
    let wire = b"HTTP/1.1 302 x\r\nA: 1\r\nb: x\r\n y\r\na: 2\r\n\r\n";
    let (start, raw) = (view(wire).start(), Bytes::copy_from_slice(wire));
    assert_eq!((start.status().as_u16(), start.version()), (302, ::http::Version::HTTP_11));
    assert_eq!(start.field(&raw, "A").as_deref(), Some(&b"1"[..]));
    let map = start.to_map(&raw);
    assert_eq!(map, view(wire).to_parts().headers);
    assert_eq!(map["b"], "x   y");
    let part = map["a"].as_bytes().as_ptr_range();
    assert!(raw.as_ptr_range().contains(&part.start), "it is a part of the bytes");
    for wrong in [&b""[..], b":", b"\n:", b"a\n\n:\n", b"\xff\n\xff:\xff", &wire[3..20]] {
        let _ = (start.to_map(&Bytes::copy_from_slice(wrong)), start.field(wrong, "a"));
    }
}

#[test]
fn every_byte_that_a_field_may_have_passes_into_the_http_crate() {
    for byte in 0..=255u8 {
        for (before, after) in [
            (&b"HTTP/1.1 200\r\nX: a"[..], &b"b\r\n\r\n"[..]),
            (b"HTTP/1.1 200\r\nX", b"Y: a\r\n\r\n"),
        ] {
            let wire = [before, &[byte], after].concat();
            let Ok(Some(parsed)) = parse(&wire, RequestKind::Other) else { continue };
            let head = parsed.start.view(&wire[..parsed.len]);
            // these types have no control characters
            let dropped =
                byte.is_ascii_control() && !b"\t\n".contains(&byte) && before.ends_with(b"a");
            let kept = head.fields().count() - usize::from(dropped);
            assert_eq!(head.to_parts().headers.len(), kept, "{byte:#x}");
        }
    }
}

#[test]
fn lines_that_are_no_field_lines_are_no_fields() {
    let wire = b"HTTP/1.1 200 OK\r\n leading: x\r\nA: 1\r\nPHP Warning: x\r\n in y: z\r\nB : \t2\r\n 3\x01\n\
        no colon\r\n: v\r\ncaf\xc3\xa9: x\r\nC: 4\x7f\r\n\r\nbody";
    let head = view(wire);
    let want = [("A", "1"), ("B", "2   3\\x01"), ("C", "4\\x7f")];
    assert_eq!(fields(head), want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(head.field("b").as_deref(), Some(&b"2   3\x01"[..]));
    assert_eq!(head.raw(), &wire[..wire.len() - 4]);
    assert_eq!(head.to_parts().headers.len(), 1);
}

#[test]
fn a_bad_line_is_named() {
    let table: &[(&[u8], &str)] = &[
        (b"HTTP/1.1 200 OK\r\nA: b\r\nC\0d\r\nE: f\r\n\r\n", "malformed field line: \"C\\x00d\""),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
            "malformed field line: \"Content-Length : 5\"",
        ),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\rc", "malformed field line: \"\\rc\""),
        (b"SSH-2.0-x\r\n", "not an HTTP/1 status line: \"SSH-2.0-x\""),
        (b"HTTP/1.1 OK\r\n", "not an HTTP/1 status line: \"HTTP/1.1 OK\""),
        (b"HTTP/3 200\r\n", "a response neither of HTTP/1.1 nor of HTTP/1.0: \"HTTP/3 200\""),
    ];
    for &(wire, want) in table {
        assert_eq!(parse(wire, RequestKind::Other).unwrap_err().to_string(), want);
    }
}

#[test]
fn the_end_of_a_head_is_found_across_a_cut() {
    for wire in [&b"HTTP/1.1 200\r\nA: b\r\n\r\nrest\n\n"[..], b"HTTP/1.1 200\nA: b\n\nrest\n\n"] {
        let len = parse(wire, RequestKind::Other).unwrap().unwrap().len;
        for cut in 0..wire.len() {
            let found = end(&wire[..cut], &wire[cut..]);
            if cut < len {
                assert_eq!(found, Some(len - cut), "cut at {cut}");
            }
        }
        assert_eq!(end(&wire[..2], &wire[2..len - 1]), None);
    }
}
