//! Frames in any portions, and what is none.

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..0x1_0000 => {
            out.push(126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

/// All pieces of what comes in portions of this size: kind, last of its message, offset, left, bytes.
fn read(input: &[u8], portion: usize, most: usize) -> Result<Vec<(Piece, Vec<u8>)>, Fault> {
    let (mut decoder, mut held, mut pieces) = (Decoder::default(), Vec::new(), Vec::new());
    for next in input.chunks(portion) {
        held.extend_from_slice(next);
        loop {
            let (done, piece) = decoder.read(&held, most)?;
            if let Some(piece) = piece {
                pieces.push((piece, held[piece.start..piece.start + piece.length].to_vec()));
            }
            held.drain(..done);
            if piece.is_none() {
                break;
            }
        }
    }
    Ok(pieces)
}

/// Pieces put together again, as frames.
fn whole(pieces: &[(Piece, Vec<u8>)]) -> Vec<(Kind, bool, Vec<u8>)> {
    let mut frames: Vec<(Kind, bool, Vec<u8>)> = Vec::new();
    for (piece, bytes) in pieces {
        match frames.last_mut().filter(|_| piece.offset > 0) {
            Some((.., frame)) => {
                assert_eq!(frame.len() as u64, piece.offset);
                frame.extend(bytes);
            }
            None => frames.push((piece.kind, piece.is_last, bytes.clone())),
        }
    }
    frames
}

#[test]
fn frames_come_in_any_portions() {
    let long = vec![7; 70_000];
    let middle = vec![8; 300];
    let input = [
        frame(0x81, b"Hello"),
        frame(0x82, &long),
        frame(0x01, b"one "),
        frame(0x89, b"are you there"),
        frame(0x00, &middle),
        frame(0x8a, b""),
        frame(0x80, b""),
        frame(0x88, &[3, 232, b'b', b'y', b'e']),
    ]
    .concat();
    let want = vec![
        (Kind::Text, true, b"Hello".to_vec()),
        (Kind::Binary, true, long),
        (Kind::Text, false, b"one ".to_vec()),
        (Kind::Ping, true, b"are you there".to_vec()),
        (Kind::Text, false, middle),
        (Kind::Pong, true, Vec::new()),
        (Kind::Text, true, Vec::new()),
        (Kind::Close, true, vec![3, 232, b'b', b'y', b'e']),
    ];
    for (portion, most) in [(1, 1), (1, 4096), (7, 3), (4096, 16), (usize::MAX, usize::MAX)] {
        let pieces = read(&input, portion, most).expect("frames");
        assert_eq!(whole(&pieces), want, "{portion} {most}");
        let long = pieces.iter().all(|(piece, bytes)| {
            bytes.len() <= most || piece.kind == Kind::Ping && piece.left == 0
        });
        assert!(long, "{portion} {most}");
    }
}

#[test]
fn a_frame_of_control_comes_whole_or_not_at_all() {
    let input = frame(0x89, b"ping");
    let mut decoder = Decoder::default();
    for end in 0..input.len() {
        assert_eq!(decoder.read(&input[..end], 1), Ok((0, None)), "{end}");
    }
    let (done, piece) = decoder.read(&input, 1).expect("a frame");
    let piece = piece.expect("whole");
    assert_eq!((done, piece.length, piece.left), (6, 4, 0));
}

#[test]
fn what_is_no_frame_is_said_to_be_none() {
    let table = [
        (vec![0xc1, 0], Fault::ReservedBits),
        (vec![0x83, 0], Fault::UnknownOpcode(3)),
        (vec![0x8b, 0], Fault::UnknownOpcode(11)),
        (vec![0x81, 0x85], Fault::Masked),
        (vec![0x09, 0], Fault::ControlInPieces),
        (vec![0x89, 126], Fault::LongControl),
        (vec![0x88, 127], Fault::LongControl),
        (vec![0x80, 0], Fault::NothingToGoOnWith),
        (vec![0x01, 0, 0x81, 0], Fault::MessageWithinMessage),
        ([&[0x82, 127][..], &[0xff; 8]].concat(), Fault::TooLong),
    ];
    for (input, fault) in table {
        assert_eq!(read(&input, 1, 100), Err(fault), "{input:?}");
        assert!(!fault.to_string().is_empty());
    }
}

#[test]
fn nothing_follows_on_a_close() {
    let input = [frame(0x88, b""), frame(0x81, b"more"), vec![0xff; 20]].concat();
    let frames = whole(&read(&input, 3, 100).expect("frames"));
    assert_eq!(frames, [(Kind::Close, true, Vec::new())]);
}

#[test]
fn what_has_begun_is_known() {
    let mut decoder = Decoder::default();
    assert!(!decoder.is_within());
    decoder.read(&[0x02, 3, 1], 9).expect("a part");
    assert!(decoder.is_within(), "in a frame");
    decoder.read(&[2, 3], 9).expect("the rest");
    assert!(decoder.is_within(), "in a message");
    decoder.read(&[0x80, 0], 9).expect("its end");
    assert!(!decoder.is_within());
}

#[test]
fn what_goes_is_masked_wherever_it_is_cut() {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    encoder.begin(Some(Kind::Text), true, 5, MASK, &mut out).expect("a frame");
    for byte in b"Hello" {
        assert_eq!(encoder.payload(&[*byte], &mut out), 1);
    }
    // RFC 6455, 5.7
    assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    assert_eq!(encoder.payload(b"more", &mut out), 0);
    for (length, head) in [(125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
        let mut out = Vec::new();
        encoder.begin(Some(Kind::Binary), true, length, MASK, &mut out).expect("a frame");
        assert_eq!(out.len(), head, "{length}");
        assert_eq!(encoder.payload(&vec![0; 70_000], &mut out) as u64, length);
    }
}

#[test]
fn messages_go_in_fragments_with_control_between() {
    let mut encoder = Encoder::default();
    let mut first = |kind, is_last| {
        let mut out = Vec::new();
        encoder.begin(kind, is_last, 0, MASK, &mut out).map(|()| out[0])
    };
    assert_eq!(first(None, true), Err(Refusal::NothingToGoOnWith));
    assert_eq!(first(Some(Kind::Text), false), Ok(0x01));
    assert_eq!(first(Some(Kind::Ping), true), Ok(0x89));
    assert_eq!(first(Some(Kind::Text), false), Ok(0x00));
    assert_eq!(first(None, false), Ok(0x00));
    assert_eq!(first(Some(Kind::Text), true), Ok(0x80));
    assert_eq!(first(Some(Kind::Binary), true), Ok(0x82));
    assert_eq!(first(Some(Kind::Close), false), Err(Refusal::ControlInPieces));
    assert_eq!(first(Some(Kind::Close), true), Ok(0x88));
}

#[test]
fn a_frame_is_not_begun_within_another_one_nor_too_long() {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    encoder.begin(Some(Kind::Binary), true, 3, MASK, &mut out).expect("a frame");
    let second = encoder.begin(Some(Kind::Ping), true, 0, MASK, &mut out);
    assert_eq!(second, Err(Refusal::Unfinished(3)));
    assert_eq!(control(Kind::Ping, &[0; 126], MASK), Err(Refusal::LongControl));
    assert_eq!(control(Kind::Pong, &[0; 125], MASK).map(|frame| frame.len()), Ok(131));
}
