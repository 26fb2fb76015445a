//! A peer's side of an HTTP/2 connection reads the same whole and cut anywhere.
//!
//! The first byte of the input chooses the limits and whether the rest is bytes or frames (type, flags, stream, length, payload),
//! the second which event is answered by giving up a request; with the six after them they seed the cuts.

#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use ringdove::limits::{H2Limits, HttpLimits};
use ringdove::protocol::h2::{Connection, Event, Mark, RequestFault, Requests, Reserve, StreamId};
use ringdove::protocol::{BodyLength, RequestHead, SourceRead};
use url::Url;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_at_checked(8) else { return };
    let mut wire = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    match choice[0] & 1 {
        0 => wire.extend_from_slice(rest),
        _ => frames(rest, &mut wire),
    }
    let whole = read(choice, &wire, || usize::MAX);
    assert_eq!(whole, read(choice, &wire, || 1), "byte by byte");
    let mut seed = u64::from_le_bytes(choice.try_into().expect("eight bytes")) | 1;
    let cut = read(choice, &wire, || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % 24) as usize + 1
    });
    assert_eq!(whole, cut, "cut at random");
});

/// Frames whose lengths are what they say.
fn frames(mut rest: &[u8], wire: &mut Vec<u8>) {
    while let Some((&[kind, flags, stream, len], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        wire.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
        wire.extend_from_slice(&[kind % 12, flags, 0, 0, 0, stream % 16]);
        wire.extend_from_slice(payload);
    }
}

/// All that comes of what a peer sends.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<String>,
    bodies: Vec<Vec<u8>>,
    sent: Vec<u8>,
    fault: Option<String>,
}

struct Owner {
    head: RequestHead,
    left: [usize; REQUESTS],
}

const REQUESTS: usize = 6;

impl Requests for Owner {
    fn head(&self, _: u64) -> Option<&RequestHead> {
        Some(&self.head)
    }

    fn read(&mut self, key: u64, out: &mut [u8]) -> SourceRead {
        let left = &mut self.left[key as usize];
        let len = out.len().min(*left);
        *left -= len;
        if len == 0 { SourceRead::End } else { SourceRead::Data(len) }
    }

    fn wrote(&mut self, _: u64, mark: Mark) {
        assert!(mark.end > 0);
    }

    fn failed(&mut self, _: u64, _: RequestFault) {}
}

fn limits(choice: u8) -> (HttpLimits, H2Limits) {
    if choice & 2 == 0 {
        return (HttpLimits::DEFAULT, H2Limits::DEFAULT);
    }
    let http =
        HttpLimits { head_bytes: 200, informational: 2, trailer_bytes: 80, ..HttpLimits::DEFAULT };
    let h2 = H2Limits { continuations: 2, barren_frames: 8, answers: 3, ..H2Limits::DEFAULT };
    (http, h2)
}

fn read(choice: &[u8], mut wire: &[u8], mut piece_len: impl FnMut() -> usize) -> Outcome {
    let (http, h2) = limits(choice[0]);
    let mut connection = Connection::new(&http, &h2, &Reserve::new(h2.windows));
    let method = if choice[0] & 4 == 0 { Method::POST } else { Method::HEAD };
    let url = Url::parse("https://example.com/").expect("a URL");
    let head = RequestHead::new(method, &url).expect("a good request");
    let mut owner = Owner { head, left: [40_000; REQUESTS] };
    let length = if choice[0] & 4 == 0 { BodyLength::Unknown } else { BodyLength::None };
    let begin = |key| connection.begin(key, &owner.head, length).expect("there is capacity");
    let ids: Vec<StreamId> = (0..REQUESTS as u64).map(begin).collect();
    let mut outcome = Outcome { bodies: vec![Vec::new(); REQUESTS], ..Outcome::default() };
    let mut out = vec![0; 64 * 1024];
    // the last request stays behind
    connection.fill(&mut out[..300], &mut owner);
    while !wire.is_empty() && outcome.fault.is_none() {
        let (mut piece, rest) = wire.split_at(piece_len().min(wire.len()));
        wire = rest;
        loop {
            let (consumed, event) = match connection.read(piece) {
                Ok(read) => (read.consumed, read.event),
                Err(fault) => {
                    outcome.fault = Some(fault.to_string());
                    break;
                }
            };
            piece = &piece[consumed..];
            match event {
                Event::NeedMore => {
                    assert!(piece.is_empty());
                    break;
                }
                Event::Body { key, bytes } => {
                    assert!(!bytes.is_empty());
                    let len = bytes.len();
                    outcome.bodies[key as usize].extend_from_slice(bytes);
                    connection.consumed(ids[key as usize], len);
                    continue;
                }
                Event::Head { ref head, .. } | Event::Informational { ref head, .. } => {
                    assert!(
                        head.raw().ends_with(b"\r\n\r\n") && head.raw().len() <= http.head_bytes
                    );
                    assert_eq!(head.to_parts().status.as_u16(), head.status());
                }
                _ => {}
            }
            outcome.events.push(format!("{event:?}"));
            if outcome.events.len() == usize::from(choice[1] % 32) {
                connection.cancel(ids[usize::from(choice[1] / 32) % REQUESTS]);
            }
        }
    }
    while connection.wants_fill() {
        let len = connection.fill(&mut out, &mut owner);
        if len == 0 {
            break;
        }
        outcome.sent.extend_from_slice(&out[..len]);
    }
    outcome
}
