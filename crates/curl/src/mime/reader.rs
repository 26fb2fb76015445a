//! The parts of a body as they are sent: pieces one after the other.
#![allow(unsafe_code, reason = "callbacks of parts are C's")]

use std::ffi::c_int;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::rc::Rc;

use super::encode::{quoted, type_of};
use super::{Content, Mime, Said, form};
use crate::codes::Code;
use crate::easy::Easy;
use crate::easy::callbacks::{self, Gave};
use crate::edge::{Pointer, handle};
use crate::errors::Failure;
use crate::options::{Method, Settings, ids};

/// A body of parts that is being sent.
pub(crate) struct Reader {
    pieces: Vec<Piece>,
    /// The piece that is being read, and how much of it was.
    at: usize,
    offset: u64,
    boundary: String,
}

/// What is sent in one go.
enum Piece {
    Bytes(Vec<u8>),
    File { path: String, length: Option<u64>, open: Option<File> },
    Callback { length: Option<u64>, read: Pointer, seek: Pointer, data: Pointer },
}

/// The body of CURLOPT_MIMEPOST or CURLOPT_HTTPPOST; `content_type` is what the program itself says of it, if it does.
pub(crate) fn reader(settings: &Settings, content_type: Option<&[u8]>) -> Result<Reader, Failure> {
    let mime = match settings.method {
        Method::Form => Some(form::mime(settings)),
        _ => handle::find::<Mime>(settings.pointer(ids::MIMEPOST)),
    };
    let gone = || Failure::new(Code::BAD_FUNCTION_ARGUMENT, "CURLOPT_MIMEPOST is no mime any more");
    let mime = mime.ok_or_else(gone)?;
    let form = b"multipart/form-data";
    let is_form = content_type.is_none_or(|kind| {
        kind.get(..form.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(form))
    });
    let disposition = if is_form { "form-data" } else { "attachment" };
    of_mime(&mime, disposition, settings.number(ids::MIME_OPTIONS, 0) & 1 != 0)
}

/// `by_backslash`: names are escaped so (CURLMIMEOPT_FORMESCAPE).
pub(super) fn of_mime(
    mime: &Rc<Mime>,
    disposition: &str,
    by_backslash: bool,
) -> Result<Reader, Failure> {
    let mut pieces = Vec::new();
    lay_out(mime, disposition, by_backslash, &mut pieces)?;
    Ok(Reader { pieces, at: 0, offset: 0, boundary: mime.boundary.clone() })
}

/// The pieces of all parts, and of what is between them.
fn lay_out(
    mime: &Rc<Mime>,
    disposition: &str,
    by_backslash: bool,
    pieces: &mut Vec<Piece>,
) -> Result<(), Failure> {
    let boundary = mime.boundary.as_bytes();
    for part in mime.parts.borrow().iter() {
        let said = part.said.borrow();
        let head = head(&said, disposition, by_backslash);
        pieces.push(Piece::Bytes([b"--", boundary, b"\r\n", &head, b"\r\n"].concat()));
        lay_out_content(&said, by_backslash, pieces)?;
        pieces.push(Piece::Bytes(b"\r\n".to_vec()));
    }
    pieces.push(Piece::Bytes([b"--", boundary, b"--\r\n"].concat()));
    Ok(())
}

fn lay_out_content(
    said: &Said,
    by_backslash: bool,
    pieces: &mut Vec<Piece>,
) -> Result<(), Failure> {
    let unreadable =
        |path: &str| Failure::new(Code::READ_ERROR, format!("cannot open file '{path}' of a part"));
    let encoder = said.encoder.filter(|encoder| !encoder.is_plain());
    let content = match &said.content {
        Content::Nothing => return Ok(()),
        Content::Parts(mime) => return lay_out(mime, "attachment", by_backslash, pieces),
        Content::Bytes(bytes) => bytes.clone(),
        Content::File(path) if encoder.is_none() => {
            let file = std::fs::metadata(path).map_err(|_| unreadable(path))?;
            let length = file.is_file().then_some(file.len());
            pieces.push(Piece::File { path: path.clone(), length, open: None });
            return Ok(());
        }
        Content::File(path) => std::fs::read(path).map_err(|_| unreadable(path))?,
        &Content::Callback { size, read, seek, data, .. } => {
            if encoder.is_some() {
                let text = "what a part's callback gives is not encoded";
                return Err(Failure::new(Code::NOT_BUILT_IN, text));
            }
            pieces.push(Piece::Callback { length: u64::try_from(size).ok(), read, seek, data });
            return Ok(());
        }
    };
    let encoded = match said.encoder {
        Some(encoder) => encoder.encode(&content),
        None => Some(content),
    };
    let bad = || Failure::new(Code::READ_ERROR, "a part's content is not what its encoding takes");
    pieces.push(Piece::Bytes(encoded.ok_or_else(bad)?));
    Ok(())
}

/// The lines of a part's head, without the empty one.
fn head(said: &Said, disposition: &str, by_backslash: bool) -> Vec<u8> {
    let own = |name: &str| {
        let is_own = |line: &Vec<u8>| {
            line.len() > name.len()
                && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
                && line[name.len()] == b':'
        };
        said.headers.iter().any(is_own)
    };
    let mut lines: Vec<Vec<u8>> = Vec::new();
    if !own("content-disposition")
        && (disposition == "form-data" || said.name.is_some() || said.file_name.is_some())
    {
        let mut line = [b"Content-Disposition: ", disposition.as_bytes()].concat();
        for (key, value) in [("name", &said.name), ("filename", &said.file_name)] {
            if let Some(value) = value {
                line.extend(format!("; {key}=\"").as_bytes());
                line.extend(quoted(value, by_backslash));
                line.push(b'"');
            }
        }
        lines.push(line);
    }
    if let Some(kind) = content_type(said).filter(|_| !own("content-type")) {
        lines.push([b"Content-Type: ", &kind[..]].concat());
    }
    if let Some(encoder) = said.encoder.filter(|_| !own("content-transfer-encoding")) {
        lines.push(format!("Content-Transfer-Encoding: {}", encoder.name()).into_bytes());
    }
    lines.extend(said.headers.iter().cloned());
    lines.into_iter().flat_map(|line| [line, b"\r\n".to_vec()].concat()).collect()
}

fn content_type(said: &Said) -> Option<Vec<u8>> {
    if let Content::Parts(mime) = &said.content {
        let kind = said.content_type.as_deref().unwrap_or(b"multipart/mixed");
        return Some([kind, b"; boundary=", mime.boundary.as_bytes()].concat());
    }
    if said.content_type.is_some() {
        return said.content_type.clone();
    }
    let named = said.file_name.as_deref();
    let kind = named.and_then(type_of).or_else(|| match &said.content {
        Content::File(path) => {
            type_of(path.as_bytes()).or(named.map(|_| "application/octet-stream"))
        }
        _ => None,
    });
    // what is plain text anyhow is not said
    let kind = kind.filter(|kind| named.is_some() || *kind != "text/plain");
    kind.map(|kind| kind.as_bytes().to_vec())
}

impl Reader {
    /// How long all of it is, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.pieces.iter().map(Piece::length).sum()
    }

    /// What Content-Type says of the whole.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Fills `out` with the next bytes, as far as they are had by one read of a file or by a callback; none at the end.
    pub(crate) fn read(&mut self, easy: &Easy, out: &mut [u8]) -> Gave {
        let (mut filled, mut has_called) = (0, false);
        while let Some(piece) = self.pieces.get_mut(self.at).filter(|_| filled < out.len()) {
            let is_read = piece.length().is_some_and(|length| self.offset >= length);
            let calls = !is_read && !matches!(piece, Piece::Bytes(_));
            if calls && has_called {
                break;
            }
            has_called |= calls;
            match piece.read(easy, self.offset, &mut out[filled..]) {
                Gave::Bytes(0) => (self.at, self.offset) = (self.at + 1, 0),
                Gave::Bytes(bytes) => {
                    self.offset += bytes as u64;
                    filled += bytes;
                }
                // it is asked again
                _ if filled > 0 => break,
                other => return other,
            }
        }
        Gave::Bytes(filled)
    }

    /// Goes back to the first byte. False where a callback cannot.
    pub(crate) fn rewind(&mut self, easy: &Easy) -> bool {
        (self.at, self.offset) = (0, 0);
        self.pieces.iter_mut().all(|piece| piece.rewind(easy))
    }
}

impl Piece {
    fn length(&self) -> Option<u64> {
        match self {
            Piece::Bytes(bytes) => Some(bytes.len() as u64),
            Piece::File { length, .. } | Piece::Callback { length, .. } => *length,
        }
    }

    fn read(&mut self, easy: &Easy, offset: u64, out: &mut [u8]) -> Gave {
        let most = self.length().map(|length| length.saturating_sub(offset));
        let room = most
            .map_or(out.len(), |most| usize::try_from(most).unwrap_or(usize::MAX).min(out.len()));
        let out = &mut out[..room];
        match self {
            Piece::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                out.copy_from_slice(&bytes[start..start + room]);
                Gave::Bytes(room)
            }
            _ if out.is_empty() => Gave::Bytes(0),
            Piece::File { path, open, .. } => {
                if open.is_none() {
                    *open = File::open(path).ok();
                }
                open.as_mut().and_then(|file| file.read(out).ok()).map_or(Gave::Abort, Gave::Bytes)
            }
            Piece::Callback { read, data, .. } => callbacks::read_by(easy, *read, *data, out),
        }
    }

    fn rewind(&mut self, easy: &Easy) -> bool {
        match self {
            Piece::Bytes(_) => true,
            Piece::File { open: None, .. } => true,
            Piece::File { open: Some(file), .. } => file.rewind().is_ok(),
            Piece::Callback { seek, .. } if seek.is_null() => false,
            Piece::Callback { seek, data, .. } => {
                // SAFETY: whoever set the callback promises that it is one of this type.
                let seek = unsafe {
                    std::mem::transmute::<Pointer, unsafe extern "C" fn(Pointer, i64, c_int) -> c_int>(
                        *seek,
                    )
                };
                // SAFETY: the same.
                easy.calling(|| unsafe { seek(*data, 0, libc::SEEK_SET) }) == 0
            }
        }
    }
}
