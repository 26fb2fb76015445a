//! A request's body on its way out.
//!
//! Knows how a body of known or unknown length is framed (RFC 9112, 6 and 7.1). Must not know
//! where its bytes come from. Invariant: no byte leaves beyond what was announced, and a body that
//! cannot be completed is a fault, never cut short in silence.

use std::io::Write as _;

use crate::protocol::fault::BodyFault;
use crate::protocol::trailers::Trailers;

/// How long a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    None,
    /// That many bytes: sent with Content-Length.
    Known(u64),
    /// As many as the source has: sent chunked, over HTTP/1.1 alone.
    Unknown,
    /// None, until the response has the connection speak another protocol: then as many as the source has, as they are. With an
    /// offer of that protocol, or CONNECT.
    Raw,
}

/// What a body's source did with the slice that it was given to fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceRead {
    /// It wrote that many bytes to the slice's beginning. Zero counts as [`SourceRead::Pending`].
    Data(usize),
    /// The same, and these are to go out before it is asked for more: in a chunk of their own, where the body comes in chunks.
    Piece(usize),
    /// It has nothing now, and will have more or end later.
    Pending,
    /// There are no more bytes.
    End,
    /// There are no more bytes, and these fields come after them. They are sent where the body is one of
    /// unknown length; one of known length is not asked for more than that, and has no place for them.
    EndWith(Trailers),
    /// It cannot go on, for this reason.
    Failed(String),
}

/// What was filled into the output; the number is the bytes of it, from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// The output is full, but for a few bytes where no chunk fits.
    Filled(usize),
    /// The source has nothing more now.
    Pending(usize),
    /// The body ends with these bytes.
    Complete(usize),
}

/// What is left to send of a request's body.
#[derive(Debug)]
pub(in crate::protocol) enum RequestBody {
    Known {
        remaining: u64,
        announced: u64,
    },
    Chunked,
    /// The last chunk and the trailer section.
    Last(Box<Last>),
    Complete,
    /// What is left will not be sent.
    Stopped,
    /// Nothing, unless the peer agrees to what is offered.
    Offered,
    /// As it comes.
    Raw,
}

/// What ends a chunked body, as far as it has to be sent.
#[derive(Debug)]
pub(in crate::protocol) struct Last {
    bytes: Vec<u8>,
    sent: usize,
}

impl Last {
    fn new(trailers: &Trailers) -> Box<Last> {
        Box::new(Last { bytes: [LAST_SIZE, trailers.lines(), CRLF].concat(), sent: 0 })
    }

    fn fill(&mut self, out: &mut [u8]) -> Fill {
        let rest = &self.bytes[self.sent..];
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.sent += length;
        if length == rest.len() { Fill::Complete(length) } else { Fill::Filled(length) }
    }
}

impl RequestBody {
    /// The smallest output that a chunk is framed in.
    pub(in crate::protocol) const MIN_OUTPUT: usize = 32;

    pub(in crate::protocol) fn new(length: BodyLength) -> RequestBody {
        match length {
            BodyLength::None | BodyLength::Known(0) => RequestBody::Complete,
            BodyLength::Known(n) => RequestBody::Known { remaining: n, announced: n },
            BodyLength::Unknown => RequestBody::Chunked,
            BodyLength::Raw => RequestBody::Offered,
        }
    }

    pub(in crate::protocol) fn is_complete(&self) -> bool {
        matches!(self, RequestBody::Complete | RequestBody::Offered)
    }

    /// Whether there is nothing left to send.
    pub(in crate::protocol) fn is_over(&self) -> bool {
        matches!(self, RequestBody::Complete | RequestBody::Stopped | RequestBody::Offered)
    }

    /// The peer agrees to what is offered, if anything is: whether that is so.
    #[cold]
    pub(in crate::protocol) fn switch(&mut self) -> bool {
        let is_offered = matches!(self, RequestBody::Offered);
        if is_offered {
            *self = RequestBody::Raw;
        }
        is_offered
    }

    /// Sends no more, if there is more.
    pub(in crate::protocol) fn stop(&mut self) {
        if !self.is_complete() {
            *self = RequestBody::Stopped;
        }
    }

    pub(in crate::protocol) fn fill(
        &mut self,
        out: &mut [u8],
        source: &mut dyn FnMut(&mut [u8]) -> SourceRead,
    ) -> Result<Fill, BodyFault> {
        let fill = match self {
            RequestBody::Known { remaining, announced } => {
                fill_known(out, source, remaining, *announced)?
            }
            RequestBody::Chunked if out.len() < Self::MIN_OUTPUT => Fill::Filled(0),
            RequestBody::Chunked => {
                let (fill, trailers) = fill_chunk(out, source)?;
                match (fill, trailers) {
                    (Fill::Complete(chunk), Some(trailers)) => {
                        let mut last = Last::new(&trailers);
                        let fill = last.fill(&mut out[chunk..]).after(chunk);
                        *self = RequestBody::Last(last);
                        fill
                    }
                    (fill, _) => fill,
                }
            }
            RequestBody::Last(last) => last.fill(out),
            RequestBody::Raw => fill_raw(out, source)?,
            RequestBody::Complete | RequestBody::Offered => Fill::Complete(0),
            RequestBody::Stopped => Fill::Filled(0),
        };
        if matches!(fill, Fill::Complete(_)) && !matches!(self, RequestBody::Offered) {
            *self = RequestBody::Complete;
        }
        Ok(fill)
    }
}

impl Fill {
    /// With so many bytes before.
    fn after(self, bytes: usize) -> Fill {
        match self {
            Fill::Filled(n) => Fill::Filled(bytes + n),
            Fill::Pending(n) => Fill::Pending(bytes + n),
            Fill::Complete(n) => Fill::Complete(bytes + n),
        }
    }
}

fn fill_known(
    out: &mut [u8],
    source: &mut dyn FnMut(&mut [u8]) -> SourceRead,
    remaining: &mut u64,
    announced: u64,
) -> Result<Fill, BodyFault> {
    let room = usize::try_from(*remaining).map_or(out.len(), |n| n.min(out.len()));
    let given_before = announced - *remaining;
    let (given, stop) = pull(&mut out[..room], source).map_err(|fault| match fault {
        // offsets in this output mean nothing to the caller: speak of the body
        BodyFault::Long { given, .. } => BodyFault::Long { given: given_before + given, announced },
        other => other,
    })?;
    *remaining -= given as u64;
    match stop {
        _ if *remaining == 0 => Ok(Fill::Complete(given)),
        Stop::Full => Ok(Fill::Filled(given)),
        Stop::Pending => Ok(Fill::Pending(given)),
        Stop::End(_) => Err(BodyFault::Short { given: announced - *remaining, announced }),
    }
}

/// What the source gives, as it is. Fields at its end have no place.
fn fill_raw(
    out: &mut [u8],
    source: &mut dyn FnMut(&mut [u8]) -> SourceRead,
) -> Result<Fill, BodyFault> {
    let (given, stop) = pull(out, source)?;
    Ok(match stop {
        Stop::Full => Fill::Filled(given),
        Stop::Pending => Fill::Pending(given),
        Stop::End(_) => Fill::Complete(given),
    })
}

/// One chunk of all that the source gives, and the last chunk when it ends without trailers.
///
/// The size stands before bytes that are not known yet: of a chunk that needs fewer hex digits than the largest would,
/// these are moved up.
fn fill_chunk(
    out: &mut [u8],
    source: &mut dyn FnMut(&mut [u8]) -> SourceRead,
) -> Result<(Fill, Option<Trailers>), BodyFault> {
    let digits = (out.len().ilog2() / 4 + 1) as usize;
    let data_at = digits + CRLF.len();
    let data_end = out.len() - CRLF.len() - LAST_CHUNK.len();
    let (given, stop) = pull(&mut out[data_at..data_end], source)?;
    let mut filled = 0;
    if given > 0 {
        let needed = (given.ilog2() / 4 + 1) as usize;
        let at = needed + CRLF.len();
        if needed < digits {
            out.copy_within(data_at..data_at + given, at);
        }
        write!(&mut out[..at], "{given:x}\r\n").expect("the size fits its digits");
        filled = at + given + CRLF.len();
        out[filled - CRLF.len()..filled].copy_from_slice(CRLF);
    }
    match stop {
        Stop::Full => Ok((Fill::Filled(filled), None)),
        Stop::Pending => Ok((Fill::Pending(filled), None)),
        Stop::End(None) => {
            out[filled..filled + LAST_CHUNK.len()].copy_from_slice(LAST_CHUNK);
            Ok((Fill::Complete(filled + LAST_CHUNK.len()), None))
        }
        Stop::End(trailers) => Ok((Fill::Complete(filled), trailers)),
    }
}

/// Why no more was pulled.
pub(in crate::protocol) enum Stop {
    Full,
    Pending,
    End(Option<Trailers>),
}

/// Pulls from the source until `out` is full or the source stops. Never asks with an empty slice.
pub(in crate::protocol) fn pull(
    out: &mut [u8],
    source: &mut dyn FnMut(&mut [u8]) -> SourceRead,
) -> Result<(usize, Stop), BodyFault> {
    let mut at = 0;
    while at < out.len() {
        let room = out.len() - at;
        match source(&mut out[at..]) {
            SourceRead::Data(0) | SourceRead::Pending => return Ok((at, Stop::Pending)),
            SourceRead::Data(n) | SourceRead::Piece(n) if n > room => {
                let (given, announced) = ((at as u64).saturating_add(n as u64), out.len() as u64);
                return Err(BodyFault::Long { given, announced });
            }
            SourceRead::Data(n) => at += n,
            SourceRead::Piece(n) => return Ok((at + n, Stop::Full)),
            SourceRead::End => return Ok((at, Stop::End(None))),
            SourceRead::EndWith(trailers) => return Ok((at, Stop::End(Some(trailers)))),
            SourceRead::Failed(why) => return Err(BodyFault::Source(why)),
        }
    }
    Ok((at, Stop::Full))
}

const CRLF: &[u8] = b"\r\n";
const LAST_SIZE: &[u8] = b"0\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests;
