//! Bodies from scripted sources, into outputs of every size.

use super::*;

/// A source that gives its bytes in pieces of the given sizes; 0 is a pause.
struct Script {
    bytes: Vec<u8>,
    at: usize,
    pieces: Vec<usize>,
    asked: Vec<usize>,
}

impl Script {
    fn new(bytes: &[u8], pieces: &[usize]) -> Script {
        Script { bytes: bytes.to_vec(), at: 0, pieces: pieces.to_vec(), asked: Vec::new() }
    }

    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        assert!(!out.is_empty(), "asked with an empty slice");
        self.asked.push(out.len());
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return SourceRead::End;
        }
        let piece = if self.pieces.is_empty() { usize::MAX } else { self.pieces.remove(0) };
        if piece == 0 {
            return SourceRead::Pending;
        }
        let n = piece.min(rest.len()).min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        SourceRead::Data(n)
    }
}

/// All that is filled, in outputs of `size` bytes.
fn drain(body: BodyLength, script: &mut Script, size: usize) -> Result<Vec<u8>, BodyFault> {
    let mut body = RequestBody::new(body);
    let mut sent = Vec::new();
    for _ in 0..10_000 {
        let mut out = vec![b'#'; size];
        let fill = body.fill(&mut out, &mut |slice| script.read(slice))?;
        let (Fill::Filled(n) | Fill::Pending(n) | Fill::Complete(n)) = fill;
        assert!(matches!(fill, Fill::Pending(_) | Fill::Complete(_)) || n > 0, "no progress");
        sent.extend_from_slice(&out[..n]);
        if let Fill::Complete(_) = fill {
            assert!(body.is_complete());
            assert_eq!(body.fill(&mut out, &mut |_| panic!("asked again")), Ok(Fill::Complete(0)));
            return Ok(sent);
        }
    }
    panic!("never complete");
}

/// The data of a chunked body, by a reader of its own: sizes in hex, CRLF, data, CRLF.
fn dechunk(mut wire: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let line = wire.windows(2).position(|w| w == b"\r\n").expect("a size line");
        let digits = std::str::from_utf8(&wire[..line]).expect("digits");
        let size = usize::from_str_radix(digits, 16).expect("hex");
        wire = &wire[line + 2..];
        data.extend_from_slice(&wire[..size]);
        assert_eq!(&wire[size..size + 2], b"\r\n");
        wire = &wire[size + 2..];
        if size == 0 {
            assert!(wire.is_empty(), "bytes after the last chunk");
            return data;
        }
    }
}

#[test]
fn known_lengths_are_sent_as_they_are() {
    let bytes: Vec<u8> = (0..300).map(|n| n as u8).collect();
    for size in [1, 2, 31, 32, 299, 300, 301, 4096] {
        for pieces in [&[][..], &[1, 0, 2, 0, 0, 290], &[300]] {
            let mut script = Script::new(&bytes, pieces);
            let sent = drain(BodyLength::Known(300), &mut script, size).unwrap();
            assert_eq!(sent, bytes, "outputs of {size}, pieces {pieces:?}");
        }
    }
}

#[test]
fn a_source_is_asked_for_no_more_than_remains() {
    let mut script = Script::new(b"0123456789", &[3, 3, 3, 3]);
    drain(BodyLength::Known(10), &mut script, 64).unwrap();
    assert_eq!(script.asked, [10, 7, 4, 1]);
}

#[test]
fn unknown_lengths_are_chunked_in_outputs_of_every_size() {
    let bytes: Vec<u8> = (0..700).map(|n| n as u8).collect();
    for size in (RequestBody::MIN_OUTPUT..600).chain([4095, 4096, 4097, 65_536]) {
        for pieces in [&[][..], &[1, 0, 2, 0, 0, 690], &[700]] {
            let mut script = Script::new(&bytes, pieces);
            let wire = drain(BodyLength::Unknown, &mut script, size).unwrap();
            assert_eq!(dechunk(&wire), bytes, "outputs of {size}, pieces {pieces:?}");
        }
    }
}

#[test]
fn chunks_on_the_wire() {
    let mut body = RequestBody::new(BodyLength::Unknown);
    let mut out = [0; 64];
    let filled = body.fill(&mut out, &mut |_| SourceRead::Pending);
    assert_eq!(filled, Ok(Fill::Pending(0)), "no empty chunk: that would be the last");
    let mut script = Script::new(b"hello", &[2, 3]);
    let filled = body.fill(&mut out, &mut |slice| script.read(slice)).unwrap();
    assert_eq!(filled, Fill::Complete(15));
    assert_eq!(&out[..15], b"5\r\nhello\r\n0\r\n\r\n");

    let sent = drain(BodyLength::Unknown, &mut Script::new(b"", &[]), 32).unwrap();
    assert_eq!(sent, b"0\r\n\r\n");
}

#[test]
fn an_output_too_small_for_a_chunk_gets_nothing() {
    let mut body = RequestBody::new(BodyLength::Unknown);
    for size in 0..RequestBody::MIN_OUTPUT {
        let mut out = vec![0; size];
        let filled = body.fill(&mut out, &mut |_| panic!("asked"));
        assert_eq!(filled, Ok(Fill::Filled(0)));
    }
    let mut body = RequestBody::new(BodyLength::Known(1));
    assert_eq!(body.fill(&mut [], &mut |_| panic!("asked")), Ok(Fill::Filled(0)));
}

#[test]
fn no_body_is_complete_at_once() {
    for length in [BodyLength::None, BodyLength::Known(0)] {
        let mut body = RequestBody::new(length);
        assert!(body.is_complete());
        let filled = body.fill(&mut [0; 8], &mut |_| panic!("asked"));
        assert_eq!(filled, Ok(Fill::Complete(0)));
    }
}

#[test]
fn sources_that_break_their_word() {
    let short = drain(BodyLength::Known(10), &mut Script::new(b"0123456", &[2, 0]), 4);
    assert_eq!(short, Err(BodyFault::Short { given: 7, announced: 10 }));

    let mut body = RequestBody::new(BodyLength::Known(10));
    body.fill(&mut [0; 4], &mut |_| SourceRead::Data(4)).unwrap();
    let long = body.fill(&mut [0; 64], &mut |_| SourceRead::Data(7));
    assert_eq!(long, Err(BodyFault::Long { given: 11, announced: 10 }));

    let mut body = RequestBody::new(BodyLength::Unknown);
    let long = body.fill(&mut [0; 64], &mut |_| SourceRead::Data(usize::MAX));
    assert!(matches!(long, Err(BodyFault::Long { .. })), "{long:?}");

    let failed = body.fill(&mut [0; 64], &mut |_| SourceRead::Failed("disk gone".into()));
    assert_eq!(failed, Err(BodyFault::Source("disk gone".into())));
    assert_eq!(failed.unwrap_err().to_string(), "the body's source failed: disk gone");
}

/// The trailer section goes out whole, however small the outputs are, and after all of the data.
#[test]
fn trailers_come_after_the_last_chunk() {
    let lines = "Digest: sha-256=x\r\nX-Note: a long one, that is longer than an output may be\r\n";
    for size in [RequestBody::MIN_OUTPUT, 40, 64, 1000] {
        for data in [&b""[..], b"hello", &[b'x'; 100]] {
            let trailers = || {
                let note = "a long one, that is longer than an output may be";
                let trailers = Trailers::new().field("Digest", "sha-256=x").unwrap();
                trailers.field("X-Note", note).unwrap()
            };
            let mut script = Script::new(data, &[]);
            let mut body = RequestBody::new(BodyLength::Unknown);
            let mut sent = Vec::new();
            while !body.is_complete() {
                let mut out = vec![b'#'; size];
                let fill = body.fill(&mut out, &mut |slice| match script.read(slice) {
                    SourceRead::End => SourceRead::EndWith(trailers()),
                    other => other,
                });
                let (Fill::Filled(n) | Fill::Pending(n) | Fill::Complete(n)) = fill.unwrap();
                assert!(n > 0 && sent.len() < 10_000, "no progress");
                sent.extend_from_slice(&out[..n]);
            }
            let end = format!("0\r\n{lines}\r\n");
            assert!(sent.ends_with(end.as_bytes()), "{}", sent.escape_ascii());
            let chunks = &sent[..sent.len() - end.len()];
            assert_eq!(dechunk(&[chunks, b"0\r\n\r\n"].concat()), data, "{size}");
        }
    }
    let mut body = RequestBody::new(BodyLength::Known(5));
    let fill = body.fill(&mut [0; 64], &mut |_| SourceRead::EndWith(Trailers::new()));
    assert_eq!(fill, Err(BodyFault::Short { given: 0, announced: 5 }));
}
