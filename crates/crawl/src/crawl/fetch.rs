//! One exchange, as it is taken down.
//!
//! Knows a transfer's events. Must not know what they are for. Invariant: no more of a body is kept than is wanted.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use ringdove::protocol::{Coding, ContentDecoder, DecodePolicy, codings};
use ringdove::sys::clock;
use ringdove::{Flow, Handler, ResponseHead};

/// What was sent and what came.
pub(super) struct Fetch {
    /// When the request went out.
    pub(super) date: SystemTime,
    /// The head of the request.
    pub(super) request: Vec<u8>,
    /// The head of the response, as it came.
    pub(super) head: Vec<u8>,
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    /// The body, without transfer coding.
    pub(super) body: Vec<u8>,
    /// There was more of it.
    pub(super) is_cut: bool,
    /// None of an unknown coding.
    codings: Option<Vec<Coding>>,
    max_body: usize,
}

impl Fetch {
    pub(super) fn new(max_body: usize) -> Fetch {
        Fetch {
            date: SystemTime::UNIX_EPOCH,
            request: Vec::new(),
            head: Vec::new(),
            status: 0,
            fields: HeaderMap::new(),
            body: Vec::new(),
            is_cut: false,
            codings: None,
            max_body,
        }
    }

    /// The value of a field, as far as it is text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }

    /// The body without content coding, as far as it can be decoded: the first `most` bytes.
    pub(super) fn decoded(&self, most: usize) -> std::borrow::Cow<'_, [u8]> {
        let Some(codings) = self.codings.as_deref().filter(|codings| !codings.is_empty()) else {
            return (&self.body[..self.body.len().min(most)]).into();
        };
        let mut decoder = ContentDecoder::new(codings, DecodePolicy::default());
        let (mut input, mut out, mut buffer) = (&self.body[..], Vec::new(), vec![0; 64 * 1024]);
        while let Ok(decoded) = decoder.decode(input, &mut buffer) {
            input = &input[decoded.consumed..];
            let room = most - out.len();
            out.extend_from_slice(&buffer[..decoded.produced.min(room)]);
            if out.len() == most || !decoded.more && (input.is_empty() || decoded.consumed == 0) {
                break;
            }
        }
        out.into()
    }
}

impl Handler for Fetch {
    fn starting(&mut self) -> Flow {
        let micros = u64::try_from(clock::unix_micros()).unwrap_or(0);
        self.date = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        self.request.clear();
        Flow::Continue
    }

    fn sending(&mut self, head: &[u8], _: &[u8]) {
        self.request.extend_from_slice(head);
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.head = head.raw().to_vec();
        self.status = head.status();
        self.fields = head.fields().to_map();
        self.codings = codings(head).ok();
        Flow::Continue
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        let room = self.max_body - self.body.len();
        self.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.is_cut |= chunk.len() > room;
        if self.is_cut { Flow::Enough } else { Flow::Continue }
    }
}
