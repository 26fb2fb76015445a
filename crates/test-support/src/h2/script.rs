//! What is done about one request, step by step.

use std::fmt;
use std::sync::Arc;

use super::raw::code;

/// Steps that are taken in order, each as soon as it can be: a body waits for the client's windows, and an `await_…` for what it
/// says. The stream ends with the last frame that has something of the message, unless a step ends it in another way. Steps
/// about the connection can stand anywhere, also after that.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) shape: Shape,
}

/// How frames are cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Padding of DATA.
    pub(super) data_padding: Option<u8>,
    /// Padding of HEADERS.
    pub(super) head_padding: Option<u8>,
    /// Most bytes of a header block in one frame.
    pub(super) block_piece: usize,
    /// Most bytes of a body in one frame.
    pub(super) data_piece: usize,
}

/// Fields of one's own.
pub(super) type OwnFields = Vec<(String, String)>;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Informational { status: u16, fields: OwnFields },
    Head { status: u16, fields: OwnFields, length: Length },
    Pattern(u64),
    Bytes(Vec<u8>),
    Echo,
    Trailers(OwnFields),
    End,
    Stall,
    Reset(u32),
    GoAway { last: Last, code: u32 },
    Settings(Vec<(u16, u32)>),
    Ping,
    Grant { stream: u32, connection: u32 },
    Raw(RawBytes),
    AwaitBody,
    AwaitBytes(u64),
    AwaitRequests(usize),
    AwaitAcks,
    AwaitPongs(usize),
    AwaitAlone,
    AwaitRelease,
    Close,
    Abort,
}

/// Which Content-Length a response has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The true one, unless the body is an echo, whose length nobody knows yet.
    True,
    /// This one.
    Says(u64),
    /// None.
    Absent,
}

/// What a GOAWAY says of the last stream that is processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// All that can be: more may come until it is known which is the last.
    Any,
    /// The highest that came, or that an earlier GOAWAY said.
    Highest,
    /// The stream whose script this is.
    This,
    /// The one before, so that this one is not processed.
    BeforeThis,
    /// This number, whether it makes sense or not.
    Number(u32),
}

/// Bytes that depend on the number of a stream.
#[derive(Clone)]
pub(super) struct RawBytes(pub(super) Arc<dyn Fn(u32) -> Vec<u8> + Send + Sync>);

impl fmt::Debug for RawBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawBytes")
    }
}

impl Default for Script {
    fn default() -> Script {
        let shape = Shape {
            data_padding: None,
            head_padding: None,
            block_piece: usize::MAX,
            data_piece: usize::MAX,
        };
        Script { steps: Vec::new(), shape }
    }
}

impl Script {
    /// No steps yet.
    pub fn new() -> Script {
        Script::default()
    }

    /// The usual answer: the whole request is awaited, and 200 has a [pattern](super::pattern) of so many bytes.
    pub fn ok(bytes: u64) -> Script {
        Script::new().await_body().head(200, &[]).pattern(bytes)
    }

    /// 200 with the request's body, which goes back as it comes.
    pub fn echoing() -> Script {
        Script::new().head(200, &[]).echo()
    }

    /// RST_STREAM with REFUSED_STREAM: the request is not processed.
    pub fn refused() -> Script {
        Script::new().reset(code::REFUSED_STREAM)
    }

    /// A 1xx response.
    pub fn informational(self, status: u16, fields: &[(&str, &str)]) -> Script {
        self.then(Step::Informational { status, fields: own(fields) })
    }

    /// The final response's head, with the true Content-Length.
    pub fn head(self, status: u16, fields: &[(&str, &str)]) -> Script {
        self.head_that_says(status, fields, Length::True)
    }

    /// The final response's head, with the Content-Length that is said.
    pub fn head_that_says(self, status: u16, fields: &[(&str, &str)], length: Length) -> Script {
        self.then(Step::Head { status, fields: own(fields), length })
    }

    /// So many bytes of the [pattern](super::pattern) of the request's path; further ones go on where the last ended.
    pub fn pattern(self, bytes: u64) -> Script {
        self.then(Step::Pattern(bytes))
    }

    /// These bytes as (a part of) the body.
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Script {
        self.then(Step::Bytes(bytes.as_ref().to_vec()))
    }

    /// The request's body as (a part of) the response's.
    pub fn echo(self) -> Script {
        self.then(Step::Echo)
    }

    /// Fields after the body.
    pub fn trailers(self, fields: &[(&str, &str)]) -> Script {
        self.then(Step::Trailers(own(fields)))
    }

    /// The end of the stream by a DATA frame of its own, without bytes.
    pub fn end(self) -> Script {
        self.then(Step::End)
    }

    /// The stream goes on no more, and does not end.
    pub fn stall(self) -> Script {
        self.then(Step::Stall)
    }

    /// RST_STREAM.
    pub fn reset(self, code: u32) -> Script {
        self.then(Step::Reset(code))
    }

    /// GOAWAY. Streams after the last are not answered from here on.
    pub fn go_away(self, last: Last, code: u32) -> Script {
        self.then(Step::GoAway { last, code })
    }

    /// SETTINGS.
    pub fn settings(self, list: &[(u16, u32)]) -> Script {
        self.then(Step::Settings(list.to_vec()))
    }

    /// PING.
    pub fn ping(self) -> Script {
        self.then(Step::Ping)
    }

    /// WINDOW_UPDATE for this stream and for the connection, but for none where it is zero.
    pub fn grant(self, stream: u32, connection: u32) -> Script {
        self.then(Step::Grant { stream, connection })
    }

    /// These bytes, given the number of the stream. What they mean is not looked at.
    pub fn raw(self, bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Script {
        self.then(Step::Raw(RawBytes(Arc::new(bytes))))
    }

    /// Waits for the end of the request.
    pub fn await_body(self) -> Script {
        self.then(Step::AwaitBody)
    }

    /// Waits until so many bytes of the request's body have come.
    pub fn await_bytes(self, bytes: u64) -> Script {
        self.then(Step::AwaitBytes(bytes))
    }

    /// Waits until so many requests have come on this connection.
    pub fn await_requests(self, requests: usize) -> Script {
        self.then(Step::AwaitRequests(requests))
    }

    /// Waits until the client has acknowledged all SETTINGS and PINGs: it has read all that stood before.
    pub fn await_acks(self) -> Script {
        self.then(Step::AwaitAcks)
    }

    /// Waits until so many PINGs were answered on this connection.
    pub fn await_pongs(self, pongs: usize) -> Script {
        self.then(Step::AwaitPongs(pongs))
    }

    /// Waits until no other stream is open.
    pub fn await_alone(self) -> Script {
        self.then(Step::AwaitAlone)
    }

    /// Waits until the test says so ([`release`](super::Server::release)).
    pub fn await_release(self) -> Script {
        self.then(Step::AwaitRelease)
    }

    /// Ends the connection in good manner, once all that was said before has left.
    pub fn close(self) -> Script {
        self.then(Step::Close)
    }

    /// Resets the connection (TCP).
    pub fn abort(self) -> Script {
        self.then(Step::Abort)
    }

    /// DATA has this much padding.
    pub fn pad_data(mut self, padding: u8) -> Script {
        self.shape.data_padding = Some(padding);
        self
    }

    /// HEADERS have this much padding.
    pub fn pad_heads(mut self, padding: u8) -> Script {
        self.shape.head_padding = Some(padding);
        self
    }

    /// Header blocks come in pieces of at most so many bytes: HEADERS, and CONTINUATION for all others.
    pub fn cut_heads(mut self, bytes: usize) -> Script {
        assert!(bytes > 0, "pieces of nothing never end");
        self.shape.block_piece = bytes;
        self
    }

    /// DATA has at most so many bytes.
    pub fn cut_data(mut self, bytes: usize) -> Script {
        assert!(bytes > 0, "pieces of nothing never end");
        self.shape.data_piece = bytes;
        self
    }

    /// How many bytes of a body it has in all, where that is known.
    pub(super) fn body_bytes(&self) -> Option<u64> {
        let bytes = |step: &Step| match step {
            Step::Pattern(bytes) => Some(*bytes),
            Step::Bytes(bytes) => Some(bytes.len() as u64),
            Step::Echo => None,
            _ => Some(0),
        };
        self.steps.iter().map(bytes).sum()
    }

    fn then(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }
}

impl Step {
    /// Whether it is about the message, so that nothing before it ends the stream.
    pub(super) fn is_of_message(&self) -> bool {
        match self {
            Step::Informational { .. }
            | Step::Head { .. }
            | Step::Pattern(_)
            | Step::Bytes(_)
            | Step::Echo
            | Step::Trailers(_)
            | Step::End
            | Step::Stall
            | Step::Reset(_)
            | Step::Raw(_) => true,
            Step::GoAway { .. }
            | Step::Settings(_)
            | Step::Ping
            | Step::Grant { .. }
            | Step::AwaitBody
            | Step::AwaitBytes(_)
            | Step::AwaitRequests(_)
            | Step::AwaitAcks
            | Step::AwaitPongs(_)
            | Step::AwaitAlone
            | Step::AwaitRelease
            | Step::Close
            | Step::Abort => false,
        }
    }
}

fn own(fields: &[(&str, &str)]) -> OwnFields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
