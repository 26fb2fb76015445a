//! A request's head as a block (RFC 9113, 8.3.1).
//!
//! Requests of one connection resemble each other: what they share (scheme, authority, field lines) is kept as it was encoded,
//! and is copied as long as it is the same and all of it is in the peer's table, or could not be. Into the table goes what is
//! likely to come again; secrets are marked as such, so that nobody on the way puts them into one.
//!
//! Knows heads and trailers. Must not know streams. Invariant: a block that is built has to be sent, and in this order, since it
//! may change the peer's table.

use super::hpack::{Encoder, Indexing};
use crate::limits::{H2_HEADER_TABLE, H2_SHARED_FIELDS};
use crate::protocol::field::trim_folded;
use crate::protocol::h1::body::BodyLength;
use crate::protocol::host::{Origin, Scheme};
use crate::protocol::request::RequestHead;
use crate::protocol::trailers::Trailers;
use ::http::Method;

#[derive(Debug)]
pub(super) struct FieldEncoder {
    encoder: Encoder,
    block: Vec<u8>,
    /// A name in lower case.
    name: Vec<u8>,
    shared: Option<Shared>,
}

/// What the last request had that others may have, too.
#[derive(Debug)]
struct Shared {
    origin: Origin,
    host: Option<Box<str>>,
    lines: Box<[u8]>,
    block: Box<[u8]>,
    /// Of the encoder, when the block was built.
    changes: u64,
}

impl FieldEncoder {
    pub(super) fn new() -> FieldEncoder {
        FieldEncoder {
            encoder: Encoder::new(H2_HEADER_TABLE),
            block: Vec::new(),
            name: Vec::new(),
            shared: None,
        }
    }

    /// The peer's table may be so large.
    pub(super) fn set_peer_max(&mut self, size: u32) {
        self.encoder.set_peer_max(size as usize);
    }

    /// The block of a request with a body of this length.
    pub(super) fn head(&mut self, head: &RequestHead, length: BodyLength) -> &[u8] {
        self.begin();
        let block = &mut self.block;
        match *head.method() {
            Method::GET => block.push(INDEXED | 2),
            Method::POST => block.push(INDEXED | 3),
            ref other => {
                self.encoder.known_field(2, other.as_str().as_bytes(), Indexing::Without, block)
            }
        }
        let target = head.target().as_bytes();
        if *head.method() == Method::CONNECT {
            // RFC 9113, 8.5: it has neither scheme nor path
            self.encoder.known_field(1, target, Indexing::Without, block);
            self.lines(head.fields());
        } else {
            match target {
                b"/" => block.push(INDEXED | 4),
                _ => self.encoder.known_field(4, target, Indexing::Without, block),
            }
            self.shared(head);
        }
        for (name, value) in head.secret_fields() {
            self.field(name.as_bytes(), value);
        }
        if let Some(length) = head.content_length(length) {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(length).as_bytes();
            self.encoder.known_field(28, digits, Indexing::Without, &mut self.block);
        }
        &self.block
    }

    /// The block of trailers.
    pub(super) fn trailers(&mut self, trailers: &Trailers) -> &[u8] {
        self.begin();
        self.lines(trailers.lines());
        &self.block
    }

    /// Gives back what can be built again.
    pub(super) fn shrink(&mut self) {
        self.block = Vec::new();
        self.name = Vec::new();
    }

    fn begin(&mut self) {
        self.block.clear();
        self.encoder.begin(&mut self.block);
    }

    /// Scheme, authority and field lines.
    fn shared(&mut self, head: &RequestHead) {
        if let Some(shared) = &self.shared
            && shared.changes == self.encoder.changes()
            && *shared.lines == *head.fields()
            && shared.host.as_deref() == head.host()
            && shared.origin == *head.origin()
        {
            self.block.extend_from_slice(&shared.block);
            return;
        }
        self.build_shared(head);
    }

    #[cold]
    fn build_shared(&mut self, head: &RequestHead) {
        let (from, changes) = (self.block.len(), self.encoder.changes());
        self.block.push(match head.origin().scheme() {
            Scheme::Http => INDEXED | 6,
            Scheme::Https => INDEXED | 7,
        });
        self.name.clear();
        head.append_authority(&mut self.name);
        self.encoder.known_field(1, &self.name, Indexing::Insert, &mut self.block);
        self.lines(head.fields());
        // one that put something into the table would do so again
        let is_lasting =
            self.encoder.changes() == changes && head.fields().len() <= H2_SHARED_FIELDS;
        self.shared = is_lasting.then(|| Shared {
            origin: head.origin().clone(),
            host: head.host().map(Into::into),
            lines: head.fields().into(),
            block: self.block[from..].into(),
            changes,
        });
    }

    /// Field lines, but for those about an HTTP/1.1 connection.
    fn lines(&mut self, lines: &[u8]) {
        for (name, value) in split(lines) {
            self.field(name, value);
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.name.clear();
        self.name.extend(name.iter().map(u8::to_ascii_lowercase));
        if is_of_connection(&self.name, value) {
            return;
        }
        let indexing = match &self.name[..] {
            b"authorization" | b"proxy-authorization" | b"cookie" => Indexing::Never,
            b"user-agent" | b"accept" | b"accept-encoding" | b"accept-language" => Indexing::Insert,
            _ => Indexing::Without,
        };
        self.encoder.field(&self.name, value, indexing, &mut self.block);
    }
}

/// Names and values of field lines.
fn split(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], trim_folded(&line[colon + 1..])))
    })
}

/// Whether a field, whose name is in lower case, is about an HTTP/1.1 connection (RFC 9113, 8.2.2).
fn is_of_connection(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            true
        }
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

/// What a head comes to by the count of peers that bound it (RFC 9113, 6.5.2): names and values, and 32 bytes for each field.
#[cold]
pub(super) fn section_size(head: &RequestHead, length: BodyLength) -> usize {
    let field =
        |name: &[u8], value: &[u8]| match is_of_connection(&name.to_ascii_lowercase(), value) {
            true => 0,
            false => name.len() + value.len() + 32,
        };
    let target = head.target().as_bytes();
    let scheme: &[u8] = match head.origin().scheme() {
        Scheme::Http => b"http",
        Scheme::Https => b"https",
    };
    let mut authority = Vec::new();
    head.append_authority(&mut authority);
    let pseudo = match *head.method() {
        Method::CONNECT => field(b":authority", target),
        _ => field(b":scheme", scheme) + field(b":authority", &authority) + field(b":path", target),
    };
    let length = head.content_length(length).map_or(0, |length| {
        field(b"content-length", itoa::Buffer::new().format(length).as_bytes())
    });
    let lines: usize = split(head.fields()).map(|(name, value)| field(name, value)).sum();
    let secret: usize =
        head.secret_fields().map(|(name, value)| field(name.as_bytes(), value)).sum();
    field(b":method", head.method().as_str().as_bytes()) + pseudo + lines + secret + length
}

/// A field that is an index alone (RFC 7541, 6.1).
const INDEXED: u8 = 0x80;
