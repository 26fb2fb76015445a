//! From what is to be sent to bytes.
//!
//! * First what answers or tells the peer something, then new requests in the order of their streams, then bodies, in turn, a
//!   frame at a time, within the windows of stream and connection.
//! * A stream that has no window, or whose source has nothing, is out of the line, and costs nothing until that changes.
//!
//! Knows requests as their owner lends them. Must not know what is received. Invariants: no byte leaves beyond what was
//! announced, and a body that cannot be completed is a reset, never an end; a block leaves with nothing between its frames.

use super::connection::Connection;
use super::fault::ErrorCode;
use super::fields::section_size;
use super::frame::{END_STREAM, FRAME_SIZE, FrameHeader, kind};
use super::stream::{RequestHalf, StreamId};
use crate::protocol::fault::BodyFault;
use crate::protocol::h1::body::{BodyLength, SourceRead, Stop, pull};
use crate::protocol::request::RequestHead;
use crate::protocol::trailers::Trailers;

/// What the owner of the requests lends a connection while it fills an output. Each is named by the key that it was begun
/// with.
pub trait Requests {
    /// The head, as it was when the request was begun; none if it is gone, which is as good as cancelled.
    fn head(&self, key: u64) -> Option<&RequestHead>;

    /// Writes bytes of the body to the beginning of `out`, as [`SourceRead`] says.
    fn read(&mut self, key: u64, out: &mut [u8]) -> SourceRead;

    /// Bytes of the request have been written to the output.
    fn wrote(&mut self, key: u64, mark: Mark);

    /// The request is not sent, or not any further: its stream is gone, and was reset if anything of it has left.
    fn failed(&mut self, key: u64, fault: RequestFault);
}

/// Why a request cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFault {
    /// The head comes to more than the peer takes (SETTINGS_MAX_HEADER_LIST_SIZE). Nothing was sent.
    HeadTooLarge {
        /// What it comes to, by the peer's count.
        size: usize,
        /// What it may come to.
        limit: u32,
    },
    /// The body's source broke its word.
    Body(BodyFault),
}

/// Bytes of a request in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Where they end in the output, the frame around them included.
    pub end: usize,
    /// What they are.
    pub part: Part,
    /// The request is complete with them.
    pub is_last: bool,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The head, or, where the output had no room for all of it, its beginning: the rest begins the next output.
    Head,
    /// So many bytes of the body.
    Body(usize),
    /// The trailers, or their beginning.
    Trailers,
}

impl Connection {
    /// The smallest output that bodies are put into, in bytes.
    pub const MIN_OUTPUT: usize = 64;

    /// Whether [`fill`](Self::fill) has something to write.
    pub fn wants_fill(&self) -> bool {
        !self.outbox.is_empty()
            || (self.fault.is_none() && self.may_send_head())
            || (!self.bodies.is_empty() && self.outbound.left() > 0)
    }

    /// Writes what is to be sent to the beginning of `out`, and says how many bytes that are. It has to leave as it is.
    ///
    /// Outputs of some KiB make for few frames. One of less than [`MIN_OUTPUT`](Self::MIN_OUTPUT) bytes gets no bodies.
    pub fn fill(&mut self, out: &mut [u8], requests: &mut dyn Requests) -> usize {
        let mut at = self.outbox.drain(out);
        while self.outbox.is_empty() && at < out.len() && self.may_send_head() {
            // one that does not fit goes on in the next output, which is no reason to cut each at the end of this
            if at > 0 && out.len() - at < HEAD_ROOM {
                break;
            }
            at = self.fill_head(out, at, requests);
        }
        while self.outbox.is_empty()
            && self.outbound.left() > 0
            && out.len() - at >= Self::MIN_OUTPUT
        {
            let Some(id) = self.bodies.pop_front() else { break };
            at = self.fill_body(id, out, at, requests);
        }
        // what became of sources that broke their word
        at + self.outbox.drain(&mut out[at..])
    }

    /// Whether a request waits to leave, and the peer allows one more.
    fn may_send_head(&self) -> bool {
        !self.heads.is_empty() && self.active < self.peer.streams as usize && self.goaway.is_none()
    }

    fn fill_head(&mut self, out: &mut [u8], at: usize, requests: &mut dyn Requests) -> usize {
        let Some(id) = self.heads.pop_front() else { return at };
        let Some(stream) = self.streams.get(id) else { return at };
        let Some(head) = requests.head(stream.key) else {
            self.close(id);
            return at;
        };
        let (key, limit) = (stream.key, self.peer.header_list);
        if limit < u32::MAX {
            let size = section_size(head, stream.length);
            if size > limit as usize {
                self.close(id);
                requests.failed(key, RequestFault::HeadTooLarge { size, limit });
                return at;
            }
        }
        stream.head_sent();
        let is_last = stream.request == RequestHalf::Complete;
        let block = self.encoder.head(head, stream.length);
        self.outbox.block(id.number, block, is_last, self.peer.frame_size.min(FRAME_SIZE));
        self.active += 1;
        self.last_sent = id.number;
        let end = at + self.outbox.drain(&mut out[at..]);
        requests.wrote(key, Mark { end, part: Part::Head, is_last });
        self.line_up(id);
        end
    }

    /// One DATA frame of the stream whose turn it is.
    fn fill_body(
        &mut self,
        id: StreamId,
        out: &mut [u8],
        at: usize,
        requests: &mut dyn Requests,
    ) -> usize {
        let Some(stream) = self.streams.get(id) else { return at };
        stream.is_lined_up = false;
        if !stream.can_send() {
            return at;
        }
        let key = stream.key;
        let data_at = at + FrameHeader::LEN;
        let window = stream.outbound.left().min(self.outbound.left());
        let mut most = (out.len() - data_at).min(FRAME_SIZE).min(window);
        let left = match stream.length {
            BodyLength::Known(length) => Some(length - stream.sent),
            BodyLength::None | BodyLength::Unknown | BodyLength::Raw => None,
        };
        most = left.and_then(|left| usize::try_from(left).ok()).map_or(most, |left| most.min(left));
        let pulled = pull(&mut out[data_at..data_at + most], &mut |out| requests.read(key, out));
        let sent = stream.sent;
        let (given, stop) = match judge(pulled, left, sent) {
            Ok(pulled) => pulled,
            Err(fault) => {
                self.reset(id, ErrorCode::CANCEL);
                requests.failed(key, RequestFault::Body(fault));
                return at;
            }
        };
        stream.is_pending = matches!(stop, Stop::Pending);
        let (is_last, trailers) = match stop {
            Stop::End(trailers) => (trailers.is_none(), trailers),
            Stop::Full | Stop::Pending => (left == Some(given as u64), None),
        };
        stream.sent += given as u64;
        stream.outbound.spend(given);
        self.outbound.spend(given);
        if given > 0 {
            self.budget.data();
        }
        if is_last {
            stream.request = RequestHalf::Complete;
        }
        let mut end = at;
        if given > 0 || is_last {
            let flags = if is_last { END_STREAM } else { 0 };
            let header = FrameHeader { length: given, kind: kind::DATA, flags, stream: id.number };
            out[at..data_at].copy_from_slice(&header.bytes());
            end = data_at + given;
            requests.wrote(key, Mark { end, part: Part::Body(given), is_last });
        }
        if let Some(trailers) = trailers {
            end = self.fill_trailers(id, &trailers, out, end, requests);
        }
        self.line_up(id);
        end
    }

    fn fill_trailers(
        &mut self,
        id: StreamId,
        trailers: &Trailers,
        out: &mut [u8],
        at: usize,
        requests: &mut dyn Requests,
    ) -> usize {
        let Some(stream) = self.streams.get(id) else { return at };
        stream.request = RequestHalf::Complete;
        let key = stream.key;
        let block = self.encoder.trailers(trailers);
        self.outbox.block(id.number, block, true, self.peer.frame_size.min(FRAME_SIZE));
        let end = at + self.outbox.drain(&mut out[at..]);
        requests.wrote(key, Mark { end, part: Part::Trailers, is_last: true });
        end
    }
}

/// What was pulled from a source, if that is what it had announced: `left` bytes after those that were sent.
fn judge(
    pulled: Result<(usize, Stop), BodyFault>,
    left: Option<u64>,
    sent: u64,
) -> Result<(usize, Stop), BodyFault> {
    match (pulled, left) {
        (Ok((given, Stop::End(_))), Some(left)) if (given as u64) < left => {
            Err(BodyFault::Short { given: sent + given as u64, announced: sent + left })
        }
        // offsets in this output mean nothing to the caller: speak of the body
        (Err(BodyFault::Long { given, .. }), Some(left)) => {
            Err(BodyFault::Long { given: sent + given, announced: sent + left })
        }
        (Ok((given, Stop::End(_))), Some(_)) => Ok((given, Stop::Full)),
        (pulled, _) => pulled,
    }
}

/// Room that a head is given at least, where the output is not empty.
const HEAD_ROOM: usize = 512;
