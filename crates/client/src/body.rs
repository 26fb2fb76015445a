//! Bodies of requests.
//!
//! Knows where their bytes come from. Must not know how they are sent. Invariant: whatever is no memory is polled by the task
//! that polls the call, and never on an engine's thread.

use std::any::Any;
use std::fmt;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::reader::Reader;

/// What a body of a caller's may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is polled.
pub(crate) type Pieces = dyn HttpBody<Data = Bytes, Error = BoxError> + Send;

/// The body of a request.
///
/// One in memory can be sent again, where a redirect, a challenge or a stale connection asks for that; any other is sent once.
#[derive(Default)]
pub struct Body(pub(crate) Kind);

#[derive(Default)]
pub(crate) enum Kind {
    #[default]
    Empty,
    Memory(Bytes),
    Pieces(Pin<Box<Pieces>>),
}

impl Body {
    /// No body.
    pub fn empty() -> Body {
        Body::default()
    }

    /// Any body of the crate `http-body`. Its length is announced if it is known exactly, and else it is sent in chunks, with the
    /// trailers that it ends with.
    pub fn wrap<B>(body: B) -> Body
    where
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body(Kind::Pieces(Box::pin(Wrapped(Box::pin(body)))))
    }

    /// As [`Body::wrap`], of what may be a [`Body`] already.
    pub(crate) fn of<B>(body: B) -> Body
    where
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        let own = (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>();
        match (own.and_then(Option::take), body) {
            (Some(own), _) => own,
            (None, Some(other)) => Body::wrap(other),
            (None, None) => Body::empty(),
        }
    }

    /// The bytes of a stream, of unknown length.
    pub fn stream<S, D, E>(stream: S) -> Body
    where
        S: Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Bytes>,
        E: Into<BoxError>,
    {
        Body(Kind::Pieces(Box::pin(Streamed(Box::pin(stream)))))
    }

    /// What a reader that may block has, such as a file, which is read on a thread of its own, a few pieces ahead. The length is
    /// announced if it is given, and a reader that has less fails the call.
    pub fn reader(reader: impl Read + Send + 'static, length: Option<u64>) -> Body {
        Body(Kind::Pieces(Box::pin(Reader::new(reader, length))))
    }

    /// The bytes, if they are in memory.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Empty => Some(&[]),
            Kind::Memory(bytes) => Some(bytes),
            Kind::Pieces(_) => None,
        }
    }

    /// The same body again, if it is in memory.
    pub fn try_clone(&self) -> Option<Body> {
        match &self.0 {
            Kind::Empty => Some(Body(Kind::Empty)),
            Kind::Memory(bytes) => Some(Body(Kind::Memory(bytes.clone()))),
            Kind::Pieces(_) => None,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Kind::Pieces(pieces) = &mut self.0 {
            return pieces.as_mut().poll_frame(cx);
        }
        Poll::Ready(match std::mem::take(&mut self.0) {
            Kind::Memory(bytes) => Some(Ok(Frame::data(bytes))),
            Kind::Empty | Kind::Pieces(_) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Memory(_) => false,
            Kind::Pieces(pieces) => pieces.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Memory(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Pieces(pieces) => pieces.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_bytes() {
            Some(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            None => f.write_str("Body(streamed)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body(if bytes.is_empty() { Kind::Empty } else { Kind::Memory(bytes) })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Body {
        Bytes::from_static(bytes).into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Body {
        Body::empty()
    }
}

/// A body of any kind of data, with bytes.
struct Wrapped<B>(Pin<Box<B>>);

impl<B> HttpBody for Wrapped<B>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let bytes = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        self.0.as_mut().poll_frame(cx).map(|frame| {
            frame.map(|frame| frame.map(|frame| frame.map_data(bytes)).map_err(Into::into))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

struct Streamed<S>(Pin<Box<S>>);

impl<S, D, E> HttpBody for Streamed<S>
where
    S: Stream<Item = Result<D, E>>,
    D: Into<Bytes>,
    E: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = |data: D| Frame::data(data.into());
        self.0
            .as_mut()
            .poll_next(cx)
            .map(|item| item.map(|item| item.map(frame).map_err(Into::into)))
    }
}
