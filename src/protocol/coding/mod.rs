//! Content codings: what Content-Encoding names, undone (RFC 9110, 8.4).
//!
//! Knows which codings there are, in which order a response applied them, and how much may come of
//! how little. Must not know where the bytes come from or go to. Invariants: no more memory than a
//! buffer and a window for each coding of a chain, whatever the input; every call makes progress or
//! asks for input, and its work is bounded; what was decoded before a fault is given out before the fault is told.
//!
//! # Rules
//!
//! * **Names** are taken from all Content-Encoding lines, in order, without regard to case; `x-gzip` is
//!   gzip, `identity` is nothing. Where there is an unknown name among them nothing is undone.
//! * **gzip** is any number of members, one after the other (RFC 1952, 2.2), each with its check.
//! * **Codings over codings** may make of few bytes neither many members or frames of next to nothing, nor much that is coded
//!   still: both cost more than what is decoded.
//! * **deflate** is what RFC 9110, 8.4.1.2 says, the zlib format, or the bare deflate stream that some
//!   servers send: told apart by the first two bytes.
//! * **zstd** is any number of frames, with a window of 8 MiB at most (RFC 9659); frames that are
//!   skipped, skipped.
//! * **Bytes after the end** that begin no further member or frame (padding, mostly) are left out, as browsers do: what was
//!   decoded is the body.
//! * **A body of no bytes** has nothing to decode, whatever Content-Encoding says.

mod block;
mod brotli;
mod chain;
mod deflate;
mod fault;
mod gzip;
mod step;
mod zstd;

use std::borrow::Cow;

pub use chain::{ContentDecoder, Decoded};
pub use fault::CodingFault;

use super::head::ResponseHead;
use crate::limits;

/// What may come of a body's decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodePolicy {
    /// The largest decoded body accepted, in bytes; no limit unless set. (The body as it is sent is
    /// bound by [`Options::max_body`](crate::Options::max_body).)
    pub max_decoded: Option<u64>,
    /// How many decoded bytes may come of one, once there are more than
    /// [`limits::DECODED_FREELY`]; no limit if unset.
    pub max_ratio: Option<u32>,
    /// Whether Accept-Encoding asks for a coding where the request does not say: yes, unless set otherwise.
    pub ask: bool,
    /// Whether bytes after the end of a coding fail the body. Unless set, they are left out, and told of
    /// ([`Undecoded::Padding`](crate::engine::Undecoded::Padding)).
    pub refuse_padding: bool,
}

impl Default for DecodePolicy {
    /// Any size, and a ratio that gzip reaches with nothing but one byte again and again.
    fn default() -> Self {
        let max_ratio = Some(limits::DECODED_RATIO);
        Self { max_decoded: None, max_ratio, ask: true, refuse_padding: false }
    }
}

impl DecodePolicy {
    /// What Accept-Encoding says where decoding was asked for.
    pub const ACCEPT: &str = "gzip, deflate, br, zstd";
}

/// A content coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or RFC 1951 alone.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, as RFC 9659 has it.
    Zstd,
}

impl Coding {
    /// The name in Content-Encoding.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

impl std::fmt::Display for Coding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The codings of a response's body, in the order in which they were applied: the last is undone
/// first.
pub fn codings(head: &ResponseHead<'_>) -> Result<Vec<Coding>, CodingFault> {
    let lines = head.fields().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    parse(lines.map(|(_, value)| value))
}

fn parse<'a>(lines: impl Iterator<Item = Cow<'a, [u8]>>) -> Result<Vec<Coding>, CodingFault> {
    let mut codings = Vec::new();
    for line in lines {
        for name in line.split(|&byte| byte == b',') {
            let coding = match &name.trim_ascii().to_ascii_lowercase()[..] {
                // no coding's name, but what some servers say (and curl takes)
                b"" | b"identity" | b"none" => continue,
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                b"br" => Coding::Brotli,
                b"zstd" => Coding::Zstd,
                _ => return Err(CodingFault::unknown(name.trim_ascii())),
            };
            if codings.len() == limits::CODINGS {
                return Err(CodingFault::TooMany { limit: limits::CODINGS });
            }
            codings.push(coding);
        }
    }
    Ok(codings)
}

#[cfg(test)]
mod tests;
