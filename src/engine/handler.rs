//! What a transfer's owner supplies: the handler of its events and the source of its body.
//!
//! Handlers run while the engine is borrowed: they answer with a flow and cannot call back.

use std::any::Any;

use crate::engine::ids::TransferId;
use crate::engine::transfers::report::Outcome;
use crate::protocol::{Fields, Redirect, RequestHead, ResponseHead, SourceRead};

/// Receives the events of one transfer.
///
/// A handler must not block: all transfers wait while it runs. One that panics ends its transfer ([`Flow::Abort`] says so in words),
/// and with it its connection, and is not called again: the driver goes on. (One that panics in [`Handler::starts_over`] has said no.) It gets [`Handler::redirected`] for
/// each redirect that is followed, [`Handler::challenged`] for each challenge that is answered, [`Handler::head`] once, any number of [`Handler::body`],
/// [`Handler::trailers`] if there are such, and [`Handler::done`] once, unless the transfer is removed before. [`Handler::informational`] may come
/// before each head.
pub trait Handler: Any {
    /// A connection stands, and the request is about to go out on it: once for each request, those included that are sent again or
    /// follow on a response. With [`Flow::Abort`] it does not, and the transfer ends. (Where the first bytes are handed to the
    /// kernel together with the connect, the connection stands only after that.)
    fn starting(&mut self) -> Flow {
        Flow::Continue
    }

    /// Bytes of the request go out, as they are written to the connection before TLS: of its head, and of its body with its
    /// framing. Each of the two may come in pieces; a head begins anew with each request that is sent again or that
    /// follows on a response. (What a proxy is told by CONNECT is none of them.)
    fn sending(&mut self, head: &[u8], body: &[u8]) {
        let _ = (head, body);
    }

    /// The head of a request goes out over HTTP/2, where its bytes are compressed and say nothing by themselves. Those of its
    /// body are told by [`Handler::sending`].
    fn sending_head(&mut self, head: &RequestHead) {
        let _ = head;
    }

    /// An informational (1xx) response arrived.
    fn informational(&mut self, head: &ResponseHead<'_>) {
        let _ = head;
    }

    /// The head of a proxy's answer to CONNECT arrived, be it a refusal.
    fn proxy_answered(&mut self, head: &ResponseHead<'_>) {
        let _ = head;
    }

    /// Bytes arrived that the transfer fails for, as they came: of a head that is none, from where it is looked at; or the
    /// head of a redirect that cannot be followed.
    fn refused(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// The head of a redirect arrived, and `next` is the request that follows. What there is of a
    /// body is not delivered. (To curl's header callback these heads are as any other.)
    fn redirected(&mut self, head: &ResponseHead<'_>, next: &Redirect) -> Flow {
        let _ = (head, next);
        Flow::Continue
    }

    /// The head of a challenge arrived, and the same request follows with credentials. What there is
    /// of a body is not delivered.
    fn challenged(&mut self, head: &ResponseHead<'_>) -> Flow {
        let _ = head;
        Flow::Continue
    }

    /// The head of the final response arrived: the last one, where redirects are followed.
    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        let _ = head;
        Flow::Continue
    }

    /// Bytes of the body arrived, without any framing. The slice lies in the receive buffer and is
    /// gone when this returns, but for what [`ReceiveBuffers`](crate::ReceiveBuffers) keep. Whatever the answer, the slice counts as delivered.
    fn body(&mut self, chunk: &[u8]) -> Flow;

    /// Fields came after the body, of which all has been delivered (RFC 9110, 6.5): [`Handler::done`] follows. They are what
    /// the peer likes to call them: to be read as fields of the head they have to be defined for that. Not called where there
    /// are none, nor where they are part of the body: by HTTP/1.1 with [`Options::raw`](crate::Options::raw). An [`Flow::Abort`] fails the
    /// transfer; for the other answers it is too late.
    fn trailers(&mut self, fields: Fields<'_>) -> Flow {
        let _ = fields;
        Flow::Continue
    }

    /// A response of which there was a [`Handler::head`] has failed before its end, and
    /// [`RetryPolicy::all_errors`](crate::RetryPolicy::all_errors) would have it asked for again: whether
    /// the handler can begin anew. If so it has to forget what it got: either the next head follows, or
    /// [`Handler::done`].
    fn starts_over(&mut self) -> bool {
        false
    }

    /// The transfer is over. Nothing follows.
    fn done(&mut self, outcome: &Outcome) {
        let _ = outcome;
    }
}

/// How a handler wants its transfer to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Deliver no more until the transfer is resumed. What there is of the request's body is sent on; a peer
    /// that has answered early and takes no more of it fails the transfer, with what it had yet to deliver.
    Pause,
    /// Deliver no more: the transfer is done with what there is, and succeeds. What is left of the response is read only
    /// if it is short and comes soon, for the sake of its connection, and whatever is wrong with it is not looked at. A
    /// redirect or a challenge of which this is said is not followed.
    Enough,
    /// End the transfer with this reason, as [`crate::error::Cause::Aborted`].
    Abort(String),
}

/// Where the bytes of a streamed request body come from.
pub trait BodySource: Send {
    /// Puts bytes into `out`, which is never empty. It must not block: all transfers wait while it runs. A file is read by
    /// [`Files::read`](crate::Files::read), and what else may block, such as a pipe, by a [`BlockingReader`](crate::BlockingReader).
    ///
    /// [`SourceRead::Pending`] stops the sending until the transfer is resumed.
    fn read(&mut self, out: &mut [u8]) -> SourceRead;

    /// The transfer whose body it is, once that is added: for whoever is to have it resumed.
    fn of(&mut self, transfer: TransferId) {
        let _ = transfer;
    }

    /// Goes back to the first byte, for a request that is sent again; `false` if that cannot be.
    fn rewind(&mut self) -> bool {
        false
    }
}

/// A handler that takes the body and forgets it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Discard;

impl Handler for Discard {
    fn body(&mut self, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

/// A handler that keeps the final response in memory: its head and its body.
///
/// The body is as long as the server makes it, up to [`Options::max_body`](crate::Options::max_body), which is no
/// limit unless set.
#[derive(Debug, Default, Clone)]
#[non_exhaustive]
pub struct Collect {
    /// The head, once it has arrived.
    pub head: Option<http::response::Parts>,
    /// The body so far.
    pub body: Vec<u8>,
}

impl Collect {
    /// The value of the first field of this name, as far as it is ASCII: `content-type`, for one.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.as_ref()?.headers.get(name)?.to_str().ok()
    }
}

impl Handler for Collect {
    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.head = Some(head.to_parts());
        Flow::Continue
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.body.extend_from_slice(chunk);
        Flow::Continue
    }
}
