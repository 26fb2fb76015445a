//! A connection that speaks another protocol than HTTP.
//!
//! Knows bytes in both directions. Must not know what they mean. Invariant: neither direction waits for the other.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::call::{End, UploadEnd};
use crate::error::Error;
use crate::pending::Running;

/// A connection after [`Response::upgrade`](crate::Response::upgrade). With the feature `tokio` it is tokio's `AsyncRead` and
/// `AsyncWrite`. Dropping it closes the connection, whatever is still to be sent.
pub struct Upgraded {
    running: Running,
    /// What was received and not yet read.
    rest: Bytes,
}

impl Upgraded {
    pub(crate) fn new(running: Running) -> Upgraded {
        Upgraded { running, rest: Bytes::new() }
    }

    /// The next bytes from the peer; `None` is its end.
    ///
    /// # Errors
    ///
    /// The connection has failed.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_read_bytes(cx)).await
    }

    /// Has bytes sent to the peer, as soon as there is room for them.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.put(bytes.into());
        Ok(())
    }

    /// As [`Upgraded::receive`].
    pub fn poll_read_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if !self.rest.is_empty() {
                return Poll::Ready(Ok(Some(std::mem::take(&mut self.rest))));
            }
            let Poll::Ready(frame) = self.running.poll_frame(cx) else { return Poll::Pending };
            match frame.transpose()? {
                Some(frame) => self.rest = frame.into_data().unwrap_or_default(),
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Whether there is room for bytes to be sent.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let call = &self.running.call;
        let mut state = call.lock();
        if !matches!(state.end, End::Running) {
            let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
            return Poll::Ready(Err(Error::body(closed.into()).with_url(&self.running.url)));
        }
        match call.has_room(&mut state, cx.waker()) {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn put(&self, bytes: Bytes) {
        if !bytes.is_empty() && self.running.call.lock().upload.put(bytes) {
            self.running.go_on();
        }
    }

    /// Nothing more is sent. The connection stays until the peer ends it, or this is dropped.
    pub fn finish(&mut self) {
        if self.running.call.lock().upload.finish(UploadEnd::Whole(None)) {
            self.running.go_on();
        }
    }
}

impl std::fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgraded").field("url", &self.running.url.as_str()).finish()
    }
}

#[cfg(feature = "tokio")]
mod for_tokio {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::{Buf as _, Bytes};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::Upgraded;

    impl AsyncRead for Upgraded {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Poll::Ready(bytes) = self.poll_read_bytes(cx) else { return Poll::Pending };
            let mut bytes = bytes.map_err(io::Error::other)?.unwrap_or_default();
            let part = bytes.len().min(out.remaining());
            out.put_slice(&bytes[..part]);
            bytes.advance(part);
            self.rest = bytes;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Upgraded {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let Poll::Ready(room) = self.poll_room(cx) else { return Poll::Pending };
            room.map_err(io::Error::other)?;
            self.put(Bytes::copy_from_slice(bytes));
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.finish();
            Poll::Ready(Ok(()))
        }
    }
}
