//! What a hostile connection does, step by step.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::SeenRequest;

/// Steps that a connection takes in order; past the last one it is closed in good manner, unless
/// the script belongs to a path: then the connection goes on serving.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

/// How a response says where its body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The true Content-Length.
    ContentLength,
    /// A Content-Length that need not be true.
    Declared(u64),
    /// Chunks of at most this many bytes, and the last chunk.
    Chunked(usize),
    /// The end of the connection; the script has to close it.
    UntilClose,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Handshake,
    PartialHandshake(usize),
    ReadAtLeast(usize),
    ReadHead,
    ReadBody,
    Guard { admits: Admits, refusal: Script },
    Send(Vec<u8>),
    Trickle { bytes: Vec<u8>, piece: usize, every: Duration },
    Respond(Vec<u8>),
    Flood { bytes: Vec<u8>, times: usize },
    Serve,
    ServeOnce,
    Wait(Duration),
    Stall,
    NeverRead,
    HalfClose,
    Close,
    Truncate,
    Reset,
}

/// Whether a request is let through.
#[derive(Clone)]
pub(super) struct Admits(pub(super) Arc<dyn Fn(&SeenRequest) -> bool + Send + Sync>);

impl fmt::Debug for Admits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admits")
    }
}

impl Script {
    /// No steps: accept, then close.
    pub fn new() -> Script {
        Script::default()
    }

    /// A TLS handshake; all later steps speak through it.
    pub fn handshake(self) -> Script {
        self.then(Step::Handshake)
    }

    /// Answers the ClientHello with the first `bytes` of the server's flight only.
    pub fn partial_handshake(self, bytes: usize) -> Script {
        self.then(Step::PartialHandshake(bytes))
    }

    /// Reads until at least `bytes` have arrived, whatever they mean (a ClientHello, say).
    pub fn read_at_least(self, bytes: usize) -> Script {
        self.then(Step::ReadAtLeast(bytes))
    }

    /// Reads a request head.
    pub fn read_head(self) -> Script {
        self.then(Step::ReadHead)
    }

    /// Reads the body that the last head announced.
    pub fn read_body(self) -> Script {
        self.then(Step::ReadBody)
    }

    /// Goes on if the request whose head was read last is admitted; otherwise reads the rest of it, and
    /// takes the steps of `refusal` in the place of those that follow.
    pub fn guard(
        self,
        admits: impl Fn(&SeenRequest) -> bool + Send + Sync + 'static,
        refusal: Script,
    ) -> Script {
        self.then(Step::Guard { admits: Admits(Arc::new(admits)), refusal })
    }

    /// Sends these bytes.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Script {
        self.then(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Sends these bytes in pieces of `piece` bytes, with `every` before each piece but the first.
    pub fn trickle(self, bytes: impl AsRef<[u8]>, piece: usize, every: Duration) -> Script {
        assert!(piece > 0, "pieces of nothing never end");
        self.then(Step::Trickle { bytes: bytes.as_ref().to_vec(), piece, every })
    }

    /// Sends these bytes `times` over.
    pub fn flood(self, bytes: impl AsRef<[u8]>, times: usize) -> Script {
        self.then(Step::Flood { bytes: bytes.as_ref().to_vec(), times })
    }

    /// Reads what is left of the request's body, then sends a whole response. `head` holds the
    /// status line without its version and any fields, as in `"200 OK\r\nServer: x"`; the framing
    /// adds its own field.
    pub fn respond(self, head: &str, framing: Framing, body: impl AsRef<[u8]>) -> Script {
        self.then(Step::Respond(response(head, framing, body.as_ref())))
    }

    /// A plain good answer: 200 with this body.
    pub fn ok(self, body: impl AsRef<[u8]>) -> Script {
        self.respond("200 OK", Framing::ContentLength, body)
    }

    /// Reads requests and answers each with its path's script, until one closes or the peer does.
    pub fn serve(self) -> Script {
        self.then(Step::Serve)
    }

    /// Serves a single request. Called n times, n of them: the way to a stale keep-alive
    /// connection is `serve_once().wait(…)`.
    pub fn serve_once(self) -> Script {
        self.then(Step::ServeOnce)
    }

    /// Does nothing for a while.
    pub fn wait(self, time: Duration) -> Script {
        self.then(Step::Wait(time))
    }

    /// Says nothing more, but reads, until the peer closes.
    pub fn stall(self) -> Script {
        self.then(Step::Stall)
    }

    /// Does nothing, not even read, until the server is dropped.
    pub fn never_read(self) -> Script {
        self.then(Step::NeverRead)
    }

    /// Sends close_notify, where there is TLS, and a FIN; can still read.
    pub fn half_close(self) -> Script {
        self.then(Step::HalfClose)
    }

    /// Closes with a FIN, after close_notify where there is TLS.
    pub fn close(self) -> Script {
        self.then(Step::Close)
    }

    /// Closes with a FIN and without close_notify: over TLS, a truncation.
    pub fn truncate(self) -> Script {
        self.then(Step::Truncate)
    }

    /// Closes with a RST.
    pub fn reset(self) -> Script {
        self.then(Step::Reset)
    }

    /// What it says to a request, whatever else it does, and whether the connection ends with that.
    pub(super) fn says(&self, request: &SeenRequest, out: &mut Vec<u8>) -> bool {
        for step in &self.steps {
            match step {
                Step::Guard { admits, refusal } if !admits.0(request) => {
                    return refusal.says(request, out);
                }
                Step::Send(bytes) | Step::Respond(bytes) => out.extend_from_slice(bytes),
                Step::Close | Step::Truncate | Step::Reset => return true,
                _ => {}
            }
        }
        false
    }

    fn then(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }
}

fn response(head: &str, framing: Framing, body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {head}\r\n");
    _ = match framing {
        Framing::ContentLength => write!(text, "Content-Length: {}\r\n", body.len()),
        Framing::Declared(length) => write!(text, "Content-Length: {length}\r\n"),
        Framing::Chunked(_) => write!(text, "Transfer-Encoding: chunked\r\n"),
        Framing::UntilClose => write!(text, "Connection: close\r\n"),
    };
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    match framing {
        Framing::Chunked(most) => push_chunks(&mut bytes, body, most),
        _ => bytes.extend_from_slice(body),
    }
    bytes
}

fn push_chunks(bytes: &mut Vec<u8>, body: &[u8], most: usize) {
    for chunk in body.chunks(most) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
}
