//! Where in its input a connection is.
//!
//! Knows what comes next, and what has come and is to be told first. Must not know what becomes of it. Invariant: there is one
//! place in a frame, whatever pieces it comes in.

use super::frame::FrameHeader;
use super::stream::StreamId;

/// What the input goes on with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input {
    /// The header of a frame, of which some may have come.
    Header,
    /// The rest of a frame's payload.
    Payload(FrameHeader),
    /// The length of a DATA frame's padding.
    PadLength(FrameHeader),
    Data(Data),
    /// Nothing that matters, of so many bytes.
    Skip(usize),
}

/// The rest of a DATA frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data {
    pub(super) stream: StreamId,
    pub(super) left: usize,
    pub(super) padding: usize,
    pub(super) ends: bool,
}

/// What is to be told before more input is looked at, and what input has to come next.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// A stream whose response has ended.
    pub(super) complete: Option<StreamId>,
    /// Streams that the peer has not processed, the last first.
    pub(super) refused: Vec<StreamId>,
    /// A block of which more frames are to come.
    pub(super) block: Option<Block>,
    /// What the last GOAWAY said in words.
    pub(super) debug: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    pub(super) continuations: u32,
}
