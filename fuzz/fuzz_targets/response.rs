//! A response reads the same whole and cut anywhere.
//!
//! The first byte of the input chooses the request and whether the limits are tight, the next
//! seven seed the cuts, the rest is what the peer sends before it closes.

#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use ringdove::limits::HttpLimits;
use ringdove::protocol::{BodyLength, CloseReasons, Event, Exchange, HttpFault, RequestHead};
use url::Url;

fuzz_target!(|input: &[u8]| {
    let Some((choice, wire)) = input.split_at_checked(8) else { return };
    let method = match choice[0] & 3 {
        0 | 1 => Method::GET,
        2 => Method::HEAD,
        _ => Method::CONNECT,
    };
    let limits = match choice[0] & 4 {
        0 => HttpLimits::DEFAULT,
        _ => HttpLimits {
            head_bytes: 64,
            informational: 1,
            chunk_extension_bytes: 6,
            trailer_bytes: 8,
            headless: false,
            cut_heads: choice[0] & 8 != 0,
        },
    };
    let whole = read(&method, &limits, wire, || usize::MAX);
    assert_eq!(whole, read(&method, &limits, wire, || 1), "byte by byte");
    let mut seed = u64::from_le_bytes(choice.try_into().expect("eight bytes")) | 1;
    let cut = read(&method, &limits, wire, || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % 24) as usize + 1
    });
    assert_eq!(whole, cut, "cut at random");
});

/// All that comes of a response.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    heads: Vec<Vec<u8>>,
    fields: usize,
    body: Vec<u8>,
    end: Option<Result<Ending, &'static str>>,
}

#[derive(Debug, PartialEq)]
struct Ending {
    consumed: usize,
    reasons: CloseReasons,
}

fn read(
    method: &Method,
    limits: &HttpLimits,
    mut wire: &[u8],
    mut piece_len: impl FnMut() -> usize,
) -> Outcome {
    let url = Url::parse("http://example.com/").expect("a URL");
    let head = RequestHead::new(method.clone(), &url).expect("a good request");
    let mut exchange = Exchange::new(&head, BodyLength::None, limits);
    exchange.head_taken();
    let mut outcome = Outcome::default();
    let mut consumed = 0;
    while !wire.is_empty() {
        let (mut piece, rest) = wire.split_at(piece_len().min(wire.len()));
        wire = rest;
        loop {
            let read = match exchange.read(piece) {
                Ok(read) => read,
                Err(fault) => {
                    outcome.end = Some(Err(kind(&fault)));
                    return outcome;
                }
            };
            piece = &piece[read.consumed..];
            consumed += read.consumed;
            match read.event {
                Event::NeedMore => {
                    assert!(piece.is_empty());
                    break;
                }
                Event::Complete => break,
                Event::Informational(head) | Event::Head(head) => {
                    outcome.fields += head.fields().count();
                    assert_eq!(head.to_parts().headers.len(), head.fields().count());
                    outcome.heads.push(head.raw().to_vec());
                }
                Event::Body(body) => outcome.body.extend_from_slice(body),
            }
            assert!(read.consumed > 0, "no progress");
        }
    }
    assert_eq!(exchange.body_received(), outcome.body.len() as u64);
    outcome.end = Some(match exchange.eof(true) {
        Ok(()) => Ok(Ending { consumed, reasons: exchange.close_reasons() }),
        Err(fault) => Err(kind(&fault)),
    });
    outcome
}

/// How much of a bad line a fault quotes depends on the pieces; its kind must not.
fn kind(fault: &HttpFault) -> &'static str {
    match fault {
        HttpFault::HeadTooLarge { .. } => "head too large",
        HttpFault::TooManyFields { .. } => "too many fields",
        HttpFault::TooManyInformational { .. } => "too many informational",
        HttpFault::InformationalTooLarge { .. } => "informational too large",
        HttpFault::ChunkExtensionsTooLarge { .. } => "chunk extensions too large",
        HttpFault::TrailerTooLarge { .. } => "trailer too large",
        HttpFault::BadStatusLine { .. } => "bad status line",
        HttpFault::UnsupportedVersion { .. } => "unsupported version",
        HttpFault::BadField { .. } => "bad field",
        HttpFault::UnexpectedUpgrade => "unexpected upgrade",
        HttpFault::BadLength { .. } => "bad length",
        HttpFault::ConflictingLengths { .. } => "conflicting lengths",
        HttpFault::UnsupportedTransferCoding { .. } => "unsupported transfer coding",
        HttpFault::BadChunk { expected } => expected,
        HttpFault::UnexpectedEof { .. } => "unexpected eof",
        HttpFault::CloseWithoutNotify { .. } => "close without notify",
        _ => "other",
    }
}
