//! A request as the caller gave it, on its way into the engine.
//!
//! Knows how what is written in the words of the crate `http` is asked for in the library's. Must not know who waits for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Version, header};
use http_body::{Body as _, Frame};
use ringdove::protocol::Trailers;
use ringdove::{HttpVersions, Options, Request, Url};

use crate::body::{Body, Kind};
use crate::call::{Call, Feed, UploadEnd};
use crate::error::Error;

pub(crate) use crate::body::Pieces;

/// A request that is not sent yet.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Body,
    pub(crate) options: Arc<Options>,
    pub(crate) version: Version,
    /// The protocol that the connection is to change to.
    pub(crate) upgrade: Option<String>,
}

/// Fields that describe the message's framing or its connection, which are the engine's to say.
fn is_of_the_connection(name: &header::HeaderName) -> bool {
    [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::CONNECTION,
    ]
    .contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

impl Outgoing {
    /// A request of the crate `http`. One that offers another protocol (`Connection: upgrade`, `Upgrade: …`) is an
    /// [upgrade](crate::Response::upgrade).
    pub(crate) fn of(
        request: http::Request<Body>,
        options: Arc<Options>,
    ) -> Result<Outgoing, Error> {
        let (parts, body) = request.into_parts();
        let url = parse(&parts.uri.to_string())?;
        let upgrade = parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
        let upgrade = upgrade.map(str::to_owned);
        let http::request::Parts { method, headers: fields, version, .. } = parts;
        Ok(Outgoing { method, url, fields, body, options, version, upgrade })
    }

    /// Leaves the request to the engine. What of its body the caller is to be asked for, and what is asked for.
    pub(crate) fn begin(
        self: Box<Self>,
        call: &Arc<Call>,
        cx: &mut Context<'_>,
    ) -> Result<(Rest, Url), Error> {
        let Outgoing { method, url, fields, body, mut options, version, upgrade } = *self;
        let failed = |error| Error::request(error).with_url(&url);
        let mut request = Request::for_url(method, &url).map_err(failed)?;
        for (name, value) in fields.iter().filter(|(name, _)| !is_of_the_connection(name)) {
            request = request.field(name.as_str(), value.as_bytes()).map_err(failed)?;
        }
        match version {
            Version::HTTP_10 => request = request.version(ringdove::Version::Http10),
            Version::HTTP_2 if url.scheme() == "http" => {
                Arc::make_mut(&mut options).versions = HttpVersions::Http2;
            }
            _ => {}
        }
        if let Some(protocol) = upgrade {
            let options = Arc::make_mut(&mut options);
            // either side may have nothing to say for long
            options.timeouts.idle = None;
            let source = Box::new(Feed(call.clone()));
            request = request.upgrade(&protocol, source).map_err(failed)?;
            call.lock().request = Some(request.options(options.clone().into()));
            return Ok((None, url));
        }
        let (body, upload) = begin_body(body, call, cx).map_err(|error| error.with_url(&url))?;
        call.lock().request = Some(request.body(body).options(options));
        Ok((upload, url))
    }
}

pub(crate) fn parse(url: &str) -> Result<Url, Error> {
    Url::parse(url).map_err(|why| {
        Error::request(ringdove::RequestError::BadUrl { url: url.into(), why: why.into() })
    })
}

/// What of a body the caller is yet to be asked for.
pub(crate) type Rest = Option<Pin<Box<Pieces>>>;

type Begun = (ringdove::Body, Rest);

/// The body as the engine takes it: what is there at once and is all, in memory.
fn begin_body(body: Body, call: &Arc<Call>, cx: &mut Context<'_>) -> Result<Begun, Error> {
    let mut pieces = match body.0 {
        Kind::Empty => return Ok((ringdove::Body::Empty, None)),
        Kind::Memory(bytes) => return Ok((ringdove::Body::Memory(bytes), None)),
        Kind::Pieces(pieces) => pieces,
    };
    let length = pieces.size_hint().exact();
    let source = Box::new(Feed(call.clone()));
    let streamed = |pieces| Ok((ringdove::Body::Stream { length, source }, pieces));
    let Poll::Ready(first) = pieces.as_mut().poll_frame(cx) else { return streamed(Some(pieces)) };
    let end = match first {
        None if length.unwrap_or(0) == 0 => return Ok((ringdove::Body::Empty, None)),
        None => UploadEnd::Whole(None),
        Some(Err(error)) => return Err(Error::body(error)),
        Some(Ok(frame)) => match frame.into_data() {
            Ok(data) if length == Some(data.len() as u64) || pieces.is_end_stream() => {
                return Ok((ringdove::Body::Memory(data), None));
            }
            Ok(data) => {
                call.lock().upload.put(data);
                return streamed(Some(pieces));
            }
            Err(frame) => end_with(frame),
        },
    };
    call.lock().upload.finish(end);
    streamed(None)
}

/// The end of a body that ends with a frame of this kind; fields that may not stand there fail it.
pub(crate) fn end_with(frame: Frame<Bytes>) -> UploadEnd {
    let mut trailers = Trailers::new();
    let fields = frame.into_trailers().unwrap_or_default();
    for (name, value) in &fields {
        match trailers.field(name.as_str(), value.as_bytes()) {
            Ok(more) => trailers = more,
            Err(error) => return UploadEnd::Failed(error.to_string()),
        }
    }
    UploadEnd::Whole((!fields.is_empty()).then_some(trailers))
}
