//! A response, and its body on its way.
//!
//! Knows the caller's view of it. Must not know how it came. Invariant: a body ends where the server ended it; whatever else
//! ends it is an error.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{Extensions, HeaderMap, StatusCode, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use ringdove::protocol::HeadStart;
use ringdove::{Report, Url};

use crate::call::Call;
use crate::error::Error;
use crate::pending::Running;
use crate::upgrade::Upgraded;

/// A response: its head has come, its body may be on its way. Dropping it ends the transfer.
pub struct Response {
    start: HeadStart,
    /// The bytes of the head.
    raw: Bytes,
    /// Its fields, once somebody looks at them: many look at the status and read the body.
    fields: OnceLock<Box<HeaderMap>>,
    extensions: Extensions,
    body: ResponseBody,
}

impl Response {
    pub(crate) fn new((start, raw): (HeadStart, Bytes), body: ResponseBody) -> Response {
        let (fields, extensions) = (OnceLock::new(), Extensions::new());
        Response { start, raw, fields, extensions, body }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.start.status()
    }

    /// The version that it came by.
    pub fn version(&self) -> Version {
        self.start.version()
    }

    /// The fields of the head.
    pub fn headers(&self) -> &HeaderMap {
        self.fields.get_or_init(|| Box::new(self.start.to_map(&self.raw)))
    }

    /// The fields of the head.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers();
        self.fields.get_mut().expect("they were looked at just now")
    }

    /// What else callers keep with it.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What else callers keep with it.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// What was asked for in the end: where redirects have led.
    pub fn url(&self) -> &Url {
        self.body.0.url()
    }

    /// What the head says of the body's length, in bytes; of a body that is decoded, as it comes.
    pub fn content_length(&self) -> Option<u64> {
        let Some(fields) = self.fields.get() else {
            let field = self.start.field(&self.raw, header::CONTENT_LENGTH.as_str())?;
            return std::str::from_utf8(&field).ok()?.trim().parse().ok();
        };
        fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
    }

    /// What will tell what the call took, once its body has ended.
    pub fn account(&self) -> Account {
        Account(self.body.0.call.clone())
    }

    /// The response, unless its status is 400 or above.
    ///
    /// # Errors
    ///
    /// [`Kind::Status`](crate::error::Kind::Status).
    pub fn error_for_status(self) -> Result<Response, Error> {
        match self.error_for_status_ref() {
            Ok(_) => Ok(self),
            Err(error) => Err(error),
        }
    }

    /// As [`Response::error_for_status`], of a response that is kept.
    ///
    /// # Errors
    ///
    /// [`Kind::Status`](crate::error::Kind::Status).
    pub fn error_for_status_ref(&self) -> Result<&Response, Error> {
        let status = self.status();
        match status.is_client_error() || status.is_server_error() {
            true => Err(Error::status_of(status).with_url(self.url())),
            false => Ok(self),
        }
    }

    /// Has the rest of the request's body sent while the response waits: otherwise that is polled by whoever reads the response.
    /// Ready when all of it has been taken, or no more is wanted; what fails is told by the body of the response.
    pub async fn send_rest(&mut self) {
        std::future::poll_fn(|cx| self.body.0.poll_rest(cx)).await;
    }

    /// The next part of the body; `None` is its end. Large parts lie where they were received: who keeps a little of one for long
    /// keeps 32 KiB, and copies it better.
    ///
    /// # Errors
    ///
    /// The body has failed before its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = std::future::poll_fn(|cx| self.body.0.poll_frame(cx)).await;
            match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => return Ok(Some(data)),
                // trailers
                Some(Err(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// The body has failed before its end, or is larger than
    /// [`max_buffered`](crate::ClientBuilder::max_buffered).
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let limit = self.body.0.shared.max_buffered();
        if self.content_length().is_some_and(|length| length > limit as u64) {
            return Err(Error::too_large(limit).with_url(self.url()));
        }
        let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
        while let Some(chunk) = self.chunk().await? {
            if first.len() + whole.len() + chunk.len() > limit {
                return Err(Error::too_large(limit).with_url(self.url()));
            }
            // nearly always it is the only one, and then it is not copied
            if first.is_empty() && whole.is_empty() {
                first = chunk;
                continue;
            }
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&chunk);
        }
        if whole.is_empty() {
            return Ok(first);
        }
        Ok(whole.freeze())
    }

    /// The whole body as UTF-8, in which what is none is replaced (U+FFFD), whatever charset Content-Type names.
    ///
    /// # Errors
    ///
    /// As [`Response::bytes`].
    pub async fn text(self) -> Result<String, Error> {
        let bytes = self.bytes().await?;
        Ok(match String::from_utf8(bytes.into()) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// The whole body, read as JSON.
    ///
    /// # Errors
    ///
    /// As [`Response::bytes`], and [`Kind::Content`](crate::error::Kind::Content) where it is no JSON, or not of this type.
    #[cfg(feature = "json")]
    pub async fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, Error> {
        let url = self.url().clone();
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| Error::content(error).with_url(&url))
    }

    /// The body alone, as it comes: frames of the crate `http-body`, with trailers, or a stream of bytes.
    pub fn into_body(self) -> ResponseBody {
        self.body
    }

    /// The response in the words of the crate `http`.
    pub fn into_http(self) -> http::Response<ResponseBody> {
        self.headers();
        let (mut parts, ()) = http::Response::new(()).into_parts();
        (parts.status, parts.version) = (self.status(), self.version());
        parts.headers = *self.fields.into_inner().unwrap_or_default();
        parts.extensions = self.extensions;
        http::Response::from_parts(parts, self.body)
    }

    /// The connection of a response that has changed the protocol: 101 (Switching Protocols) to a request that has
    /// [offered](crate::RequestBuilder::upgrade) it, or 2xx to CONNECT.
    ///
    /// # Errors
    ///
    /// [`Kind::NoUpgrade`](crate::error::Kind::NoUpgrade): it is a response of another status.
    pub fn upgrade(self) -> Result<Upgraded, Error> {
        match self.status() {
            StatusCode::SWITCHING_PROTOCOLS => Ok(Upgraded::new(self.body.0)),
            status => Err(Error::no_upgrade(status).with_url(self.url())),
        }
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("url", &self.url().as_str())
            .field("status", &self.status())
            .field("headers", self.headers())
            .finish()
    }
}

impl From<Response> for http::Response<ResponseBody> {
    fn from(response: Response) -> Self {
        response.into_http()
    }
}

/// The body of a response, as it comes. As much of it as [`window`](crate::ClientBuilder::window) says may wait here; then the
/// server has to. Dropping it ends the transfer.
pub struct ResponseBody(pub(crate) Running);

impl ResponseBody {
    pub(crate) fn new(running: Running) -> ResponseBody {
        ResponseBody(running)
    }

    /// What will tell what the call took, once the body has ended.
    pub fn account(&self) -> Account {
        Account(self.0.call.clone())
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").field("is_end", &self.0.is_end()).finish()
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Stream for ResponseBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(frame) = self.0.poll_frame(cx) else { return Poll::Pending };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
                // trailers
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// What a call took, once it is over.
#[derive(Clone)]
pub struct Account(Arc<Call>);

impl Account {
    /// Times by phase, bytes, the address, whether the connection was reused, what was tried again; `None` while the body is on
    /// its way, and after the call was given up.
    pub fn report(&self) -> Option<Report> {
        self.0.lock().report.clone()
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Account").field(&self.report()).finish()
    }
}
