//! Forms whose parts are any bodies (multipart/form-data, RFC 7578).
//!
//! Knows how a form is written. Must not know how it is sent. Invariants: names and file names cannot end the line that they stand in;
//! no boundary is used twice, and nobody who chooses what a part says can know it; the length is announced if that of each part is
//! known.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BoxError};

/// A form with parts, as browsers send it where files are among its fields (multipart/form-data, RFC 7578): for
/// [`RequestBuilder::multipart`](crate::RequestBuilder::multipart).
///
/// One whose parts are all in memory is itself, and can be sent again.
///
/// ```
/// use ringdove_client::multipart::{Form, Part};
///
/// let picture = Part::body(&b"GIF89a"[..]).file_name("dot.gif");
/// let form = Form::new().text("title", "a dot").part("picture", picture);
/// # assert!(form.into_body().as_bytes().is_some());
/// ```
#[derive(Debug)]
pub struct Form {
    boundary: String,
    parts: Vec<(String, Part)>,
}

/// One part of a [`Form`]: a body, and what is said of it.
#[derive(Debug)]
pub struct Part {
    body: Body,
    file_name: Option<String>,
    fields: HeaderMap,
}

impl Form {
    /// A form without parts, and a boundary that nobody can guess.
    pub fn new() -> Form {
        let random = || RandomState::new().hash_one(0);
        let boundary = format!("{:016x}{:016x}{:016x}", random(), random(), random());
        Form { boundary, parts: Vec::new() }
    }

    /// What parts the parts, without the dashes before it.
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// What Content-Type says of it.
    pub fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/form-data; boundary={}", self.boundary);
        HeaderValue::from_str(&text).expect("letters and digits")
    }

    /// Adds a field of this name.
    pub fn text(self, name: impl Into<String>, value: impl Into<String>) -> Form {
        self.part(name, Part::body(value.into()))
    }

    /// Adds a part under this name.
    pub fn part(mut self, name: impl Into<String>, part: Part) -> Form {
        self.parts.push((name.into(), part));
        self
    }

    /// Adds a file under this name: see [`Part::file`].
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn file(self, name: impl Into<String>, path: impl AsRef<Path>) -> io::Result<Form> {
        Ok(self.part(name, Part::file(path)?))
    }

    /// The form as a body.
    pub fn into_body(self) -> Body {
        let Form { boundary, parts } = self;
        let mut pieces = VecDeque::new();
        // what is in memory is one piece with what stands around it
        let mut memory = BytesMut::new();
        for (name, part) in parts {
            part.write_head(&boundary, &name, &mut memory);
            match part.body.as_bytes() {
                Some(bytes) => memory.put_slice(bytes),
                None => pieces.extend([memory.split().freeze().into(), part.body]),
            }
            memory.put_slice(b"\r\n");
        }
        memory.put_slice(format!("--{boundary}--\r\n").as_bytes());
        let last = Body::from(memory.freeze());
        if pieces.is_empty() {
            return last;
        }
        pieces.push_back(last);
        Body::wrap(Pieces(pieces))
    }
}

impl Default for Form {
    fn default() -> Form {
        Form::new()
    }
}

impl Part {
    /// A part that says this: text, bytes, or what is [streamed](Body::stream).
    pub fn body(body: impl Into<Body>) -> Part {
        Part { body: body.into(), file_name: None, fields: HeaderMap::new() }
    }

    /// A file, under its own name and as application/octet-stream. It is opened now, and read on a thread of its own while it is
    /// sent; it has to be as long then as it is now.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is none that has a length.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Part> {
        let path = path.as_ref();
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let part = Part::body(Body::reader(file, Some(length)))
            .content_type(HeaderValue::from_static("application/octet-stream"));
        Ok(match path.file_name() {
            Some(name) => part.file_name(name.to_string_lossy()),
            None => part,
        })
    }

    /// Says what the file is called.
    pub fn file_name(mut self, name: impl Into<String>) -> Part {
        self.file_name = Some(name.into());
        self
    }

    /// Says what it is, in the place of what was said before.
    pub fn content_type(self, content: HeaderValue) -> Part {
        self.field(header::CONTENT_TYPE, content)
    }

    /// Sets a field of the part's own head. RFC 7578 knows Content-Type alone, besides Content-Disposition, which is written already.
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Part {
        self.fields.insert(name, value);
        self
    }

    fn write_head(&self, boundary: &str, name: &str, out: &mut BytesMut) {
        out.put_slice(format!("--{boundary}\r\n").as_bytes());
        out.put_slice(
            format!("Content-Disposition: form-data; name=\"{}\"", quoted(name)).as_bytes(),
        );
        if let Some(file_name) = &self.file_name {
            out.put_slice(format!("; filename=\"{}\"", quoted(file_name)).as_bytes());
        }
        out.put_slice(b"\r\n");
        for (name, value) in &self.fields {
            out.put_slice(title_case(name.as_str()).as_bytes());
            out.put_slice(b": ");
            out.put_slice(value.as_bytes());
            out.put_slice(b"\r\n");
        }
        out.put_slice(b"\r\n");
    }
}

/// A name as it can stand between quotation marks: as browsers write it (HTML, "multipart/form-data encoding algorithm").
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A field's name as it stands in nearly all forms; readers that heed the case are about.
fn title_case(name: &str) -> String {
    let mut begins = true;
    let letter = |letter: char| {
        let upper = std::mem::replace(&mut begins, letter == '-');
        if upper { letter.to_ascii_uppercase() } else { letter }
    };
    name.chars().map(letter).collect()
}

/// Bodies, one after the other.
struct Pieces(VecDeque<Body>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while let Some(first) = self.0.front_mut() {
            let Poll::Ready(frame) = Pin::new(first).poll_frame(cx) else { return Poll::Pending };
            match frame {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                // trailers, for which a part has no place
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => drop(self.0.pop_front()),
            }
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.0.iter().map(|body| body.size_hint().exact());
        lengths.sum::<Option<u64>>().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
