//! Tables of chunked bodies: whole, cut in two everywhere, and one byte at a time. What comes of
//! them in a response, see the exchange's tests.

use super::*;

#[test]
fn bodies() {
    #[rustfmt::skip]
    let table: &[(&[u8], Result<&str, HttpFault>)] = &[
        (b"0\r\n\r\n", Ok("")),
        (b"5\r\nhello\r\n0\r\n\r\n", Ok("hello")),
        (b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", Ok("abc")),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", Ok("01234567890123456789")),
        (b"2\r\n\r\n\r\n0\r\n\r\n", Ok("\r\n")),
        (b"0000000000000000000000000000001\r\na\r\n000\r\n\r\n", Ok("a")),
        (b"1  \t\r\na\r\n0 \r\n\r\n", Ok("a")),
        (b"1;a=b;c=\"d e\"; f\t=\xff\r\na\r\n0;x\r\n\r\n", Ok("a")),
        (b"1 ; a\r\na\r\n0\r\n\r\n", Ok("a")),
        (b"1;\r\na\r\n0\r\n\r\n", Ok("a")),
        (b"0\r\nA: b\r\nC:\r\n\r\n", Ok("")),
        (b"0\r\nA: b c\t\xe9\r\n\r\n", Ok("")),
        // sizes
        (b"\r\n", Err(expected(State::FirstDigit))),
        (b"\n", Err(expected(State::FirstDigit))),
        (b";a\r\n", Err(expected(State::FirstDigit))),
        (b" 1\r\na", Err(expected(State::FirstDigit))),
        (b"+1\r\na", Err(expected(State::FirstDigit))),
        (b"-1\r\na", Err(expected(State::FirstDigit))),
        (b"g\r\n", Err(expected(State::FirstDigit))),
        (b"0x1\r\na", Err(expected(State::Digit))),
        (b"1_0\r\na", Err(expected(State::Digit))),
        (b"1\0\r\na", Err(expected(State::Digit))),
        (b"1 1\r\na", Err(expected(State::SizePadding))),
        (b"10000000000000000\r\n", Err(HttpFault::BadChunk { expected: "a size below 2^64" })),
        (b"fffffffffffffffff\r\n", Err(HttpFault::BadChunk { expected: "a size below 2^64" })),
        (b"000000000000000000000000000000001\r\n", Err(HttpFault::BadChunk { expected: "a size of at most 32 bytes" })),
        (b"1                                \r\n", Err(HttpFault::BadChunk { expected: "a size of at most 32 bytes" })),
        // line ends
        (b"1\na\r\n0\r\n\r\n", Ok("a")),
        (b"1 \na\n0\n\n", Ok("a")),
        (b"1;b\na\r\n0;c\n\r\n", Ok("a")),
        (b"0\r\nA: b\nPHP Warning: c\n d\nE\n\n", Ok("")),
        (b"\n1\r\na\r\n", Err(expected(State::FirstDigit))),
        (b"1\r\r\na", Err(expected(State::SizeLf))),
        (b"1\rX", Err(expected(State::SizeLf))),
        (b"1;a\0\r\n", Err(expected(State::Extension))),
        (b"1;a\rb\r\n", Err(expected(State::SizeLf))),
        (b"1\r\nab\r\n", Err(expected(State::DataCr))),
        (b"1\r\na\n\n", Err(expected(State::FirstDigit))),
        (b"1\r\na\r1", Err(expected(State::DataLf))),
        // trailers
        (b"0\r\nContent-Length : 5\n", Err(expected(State::TrailerName))),
        (b"0\r\n\rX", Err(expected(State::LastLf))),
        (b"0\r\nA: \0\r\n", Err(expected(State::TrailerValue))),
        (b"0\r\nA\0: b\r\n", Err(expected(State::TrailerName))),
        (b"0\r\nA b\nC: d\r\n\r\n", Ok("")),
        (b"0\r\nA: b\nC: d\r\n\n", Ok("")),
        (b"0\r\nA: b\rC", Err(expected(State::TrailerLf))),
        (b"0\r\nA b\rC", Err(expected(State::TrailerLf))),
        (b"0\r\nContent-Length : 5\r\n", Err(expected(State::TrailerName))),
        (b"0\r\n Content-Length: 5\r\n", Err(expected(State::TrailerName))),
        (b"0\r\nContent-Length\r\n : 5\r\n", Err(expected(State::TrailerName))),
        (b"0\r\nContent Length 5\r\n", Err(expected(State::TrailerName))),
        (b"0\r\nA: b\r\ntransfer-encoding\x0b: chunked\r\n", Err(expected(State::TrailerName))),
        (b"0\r\nTransfer-Encoding: chunked\x01\r\n", Err(expected(State::TrailerValue))),
        (b"0\r\nSet-Cookie : a=b\r\n", Err(expected(State::TrailerName))),
        // lines among trailers that are no field lines
        (b"0\r\n A: b\r\n\r\n", Ok("")),
        (b"0\r\n: b\r\n\r\n", Ok("")),
        (b"0\r\nA : b\r\n\r\n", Ok("")),
        (b"0\r\nA\r\n\r\n", Ok("")),
        (b"0\r\nA: b\r\n c: d\r\n\r\n", Ok("")),
        (b"0\r\nPHP Warning: x\r\n in y\r\ncaf\xc3\xa9: z\r\nA: b\x01\x7f\r\n\r\n", Ok("")),
        (b"0\r\nContent-Length: 5\r\nSet-Cookie: a=\x01\r\n\r\n", Ok("")),
    ];
    for (wire, want) in table {
        let text = wire.escape_ascii();
        let want = want.clone().map(|data| (data.as_bytes().to_vec(), wire.len()));
        assert_eq!(decode([*wire]), want, "whole: {text}");
        assert_eq!(decode(wire.chunks(1)), want, "byte by byte: {text}");
        for at in 0..wire.len() {
            let (a, b) = wire.split_at(at);
            assert_eq!(decode([a, b]), want, "cut at {at}: {text}");
        }
        let longer = [*wire, b"0\r\n\r\n"].concat();
        assert_eq!(decode([&longer[..]]), want, "trailing bytes: {text}");
    }
}

#[test]
fn the_largest_size_is_read_and_not_believed() {
    let mut decoder = ChunkedDecoder::new();
    let wire = b"ffffffffffffffff\r\nabc";
    let decoded = decoder.decode(wire, &HttpLimits::DEFAULT, None).unwrap();
    assert_eq!(decoded, Decoded { consumed: wire.len(), data: 3 });
    assert_eq!(decoder.remaining, u64::MAX - 3);
}

#[test]
fn chunks_may_be_signed_each() {
    let signed = format!("2000;chunk-signature={}\r\n{}\r\n", "a".repeat(64), "x".repeat(0x2000));
    let wire = [signed.repeat(1000).into_bytes(), b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(decode([&wire[..]]).map(|(data, _)| data.len()), Ok(1000 * 0x2000));
    assert_eq!(decode(wire.chunks(1000)).map(|(data, _)| data.len()), Ok(1000 * 0x2000));
    // and may not have more of that than data
    let wire = format!("1;{}\r\nx\r\n", "a".repeat(1024)).repeat(17);
    let fault = decode([wire.as_bytes()]).unwrap_err();
    assert_eq!(fault, HttpFault::ChunkExtensionsTooLarge { limit: 16 * 1024 });
}

#[test]
fn many_small_chunks_with_padded_sizes_meet_no_limit() {
    let wire = [b"1               \r\na\r\n".repeat(10_000), b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(decode([&wire[..]]).map(|(data, _)| data.len()), Ok(10_000));
}

fn decode<'w>(pieces: impl IntoIterator<Item = &'w [u8]>) -> Result<(Vec<u8>, usize), HttpFault> {
    let mut decoder = ChunkedDecoder::new();
    let (mut data, mut total) = (Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() && !decoder.is_complete() {
            let decoded = decoder.decode(piece, &HttpLimits::DEFAULT, None)?;
            let Decoded { consumed, data: len } = decoded;
            assert!(consumed > 0, "no progress");
            data.extend_from_slice(&piece[consumed - len..consumed]);
            piece = &piece[consumed..];
            total += consumed;
        }
    }
    assert!(decoder.is_complete(), "complete");
    Ok((data, total))
}

fn expected(state: State) -> HttpFault {
    HttpFault::BadChunk { expected: state.expected() }
}
