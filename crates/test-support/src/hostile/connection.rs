//! One connection of a hostile server: runs the steps of its script on the wire.
//!
//! An `Err(End)` from any step is the end of the connection, the planned ones included; only
//! [`Connection::follow_script`] looks at which.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use socket2::SockRef;

use super::record::{End, SeenRequest};
use super::script::{Script, Step};
use super::{Shared, Stopping};

/// A longer request head than this is a failure of the client.
const MAX_HEAD: usize = 1 << 20;

/// Most that is read away before closing, so that the kernel sends FIN and not RST.
const MAX_DRAINED: usize = 16 << 20;

pub(super) struct Connection {
    shared: Arc<Shared>,
    number: usize,
    wire: Wire,
    /// Received and not yet taken by a step.
    unread: Vec<u8>,
    /// The last request, as far as its head goes.
    request: SeenRequest,
    body: Body,
}

/// What is left to read of the request at hand.
#[derive(Clone, Copy)]
enum Body {
    Read,
    Length(u64),
    Chunked,
}

enum Wire {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

/// A stream whose other handle the server holds, to wake the thread that blocks on it.
#[derive(Clone)]
struct Socket(Arc<TcpStream>);

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, number: usize, stream: Arc<TcpStream>) -> Connection {
        let wire = Wire::Plain(Socket(stream));
        let (unread, request) = (Vec::new(), SeenRequest::default());
        Connection { shared, number, wire, unread, request, body: Body::Read }
    }

    pub(super) fn follow_script(mut self) {
        let script = self.shared.plan.script(self.number);
        let end = match self.run(&script) {
            Ok(()) => self.close(),
            Err(end) => end,
        };
        let end = if self.shared.lock().stopping { End::Stopped } else { end };
        self.shared.lock().tally.resets += usize::from(end == End::Reset);
        let Connection { shared, number, wire, .. } = self;
        // Closed before it is recorded: whoever waits for the record finds it done.
        shared.unregister(number);
        drop(wire);
        shared.record(number, |seen| seen.end = Some(end));
    }

    fn run(&mut self, script: &Script) -> Result<(), End> {
        for step in &script.steps {
            match step {
                Step::Guard { admits, .. } if admits.0(&self.request) => {}
                Step::Guard { refusal, .. } => {
                    self.read_body()?;
                    return self.run(refusal);
                }
                step => self.take(step)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), End> {
        match step {
            Step::Handshake => self.handshake(),
            Step::PartialHandshake(bytes) => self.partial_handshake(*bytes),
            Step::ReadAtLeast(bytes) => self.read_at_least(*bytes),
            Step::ReadHead => self.read_head(),
            Step::ReadBody => self.read_body(),
            Step::Guard { .. } => unreachable!("it rules what follows in its script"),
            Step::Send(bytes) => self.send(bytes),
            Step::Trickle { bytes, piece, every } => self.trickle(bytes, *piece, *every),
            Step::Respond(bytes) => self.read_body().and_then(|()| self.send(bytes)),
            Step::Flood { bytes, times } => (0..*times).try_for_each(|_| self.send(bytes)),
            Step::Serve => loop {
                self.serve_once()?;
            },
            Step::ServeOnce => self.serve_once(),
            Step::Wait(time) => self.shared.pause(*time).map_err(End::from),
            Step::Stall => loop {
                self.unread.clear();
                self.fill()?;
            },
            Step::NeverRead => loop {
                self.shared.pause(Duration::from_secs(3600))?;
            },
            Step::HalfClose => self.half_close(),
            Step::Close => Err(self.close()),
            Step::Truncate => Err(self.truncate()),
            Step::Reset => Err(self.reset()),
        }
    }

    fn serve_once(&mut self) -> Result<(), End> {
        self.read_head()?;
        let target = self.request.target();
        let shared = Arc::clone(&self.shared);
        self.run(&shared.plan.script_for(&target))?;
        self.read_body()
    }

    fn handshake(&mut self) -> Result<(), End> {
        let mut tls = self.server_connection()?;
        let mut socket = self.wire.socket().clone();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        self.wire = Wire::Tls(Box::new(StreamOwned::new(tls, socket)));
        Ok(())
    }

    fn partial_handshake(&mut self, bytes: usize) -> Result<(), End> {
        let mut tls = self.server_connection()?;
        let mut socket = self.wire.socket().clone();
        while !tls.wants_write() {
            if tls.read_tls(&mut socket)? == 0 {
                return Err(End::PeerClosed);
            }
            tls.process_new_packets().map_err(|error| End::Failed(error.to_string()))?;
        }
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight)?;
        }
        self.send(&flight[..bytes.min(flight.len())])
    }

    fn server_connection(&self) -> Result<ServerConnection, End> {
        let config = self.shared.plan.tls.clone().expect("a handshake needs Plan::tls");
        ServerConnection::new(config).map_err(|error| End::Failed(error.to_string()))
    }

    /// Reads once, and records what came.
    fn fill(&mut self) -> Result<(), End> {
        let mut buffer = [0; 16 * 1024];
        let read = self.wire.read(&mut buffer)?;
        if read == 0 {
            return Err(End::PeerClosed);
        }
        self.unread.extend_from_slice(&buffer[..read]);
        self.shared.record(self.number, |seen| seen.push_received(&buffer[..read]));
        Ok(())
    }

    fn read_at_least(&mut self, bytes: usize) -> Result<(), End> {
        while self.unread.len() < bytes {
            self.fill()?;
        }
        self.unread.clear();
        Ok(())
    }

    fn read_head(&mut self) -> Result<(), End> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.unread.len() > MAX_HEAD {
                return Err(End::Failed("endless request head".to_owned()));
            }
            self.fill()?;
        };
        let head = self.unread.drain(..end).collect();
        let request = SeenRequest { connection: self.number, head, body: Vec::new() };
        self.body = announced_body(&request)?;
        self.request = request.clone();
        self.shared.lock().tally.requests += 1;
        self.shared.record(self.number, |seen| seen.requests.push(request));
        Ok(())
    }

    fn read_body(&mut self) -> Result<(), End> {
        match std::mem::replace(&mut self.body, Body::Read) {
            Body::Read => Ok(()),
            Body::Length(length) => self.take_body(length),
            Body::Chunked => self.read_chunks(),
        }
    }

    fn read_chunks(&mut self) -> Result<(), End> {
        loop {
            let line = self.take_line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .map_err(|_| End::Failed(format!("bad chunk size {line:?}")))?;
            if size == 0 {
                while !self.take_line()?.is_empty() {}
                return Ok(());
            }
            self.take_body(size)?;
            if !self.take_line()?.is_empty() {
                return Err(End::Failed("a chunk without its end".to_owned()));
            }
        }
    }

    fn take_line(&mut self) -> Result<String, End> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.unread.len() > MAX_HEAD {
                return Err(End::Failed("endless line".to_owned()));
            }
            self.fill()?;
        }
    }

    fn take_body(&mut self, mut length: u64) -> Result<(), End> {
        while length > 0 {
            if self.unread.is_empty() {
                self.fill()?;
            }
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(self.unread.len());
            let bytes: Vec<u8> = self.unread.drain(..here).collect();
            length -= here as u64;
            self.shared.record(self.number, |seen| {
                if let Some(request) = seen.requests.last_mut() {
                    request.push_body(&bytes);
                }
            });
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.wire.write_all(bytes)?;
        Ok(self.wire.flush()?)
    }

    fn trickle(&mut self, bytes: &[u8], piece: usize, every: Duration) -> Result<(), End> {
        for (index, piece) in bytes.chunks(piece).enumerate() {
            if index > 0 {
                self.shared.pause(every)?;
            }
            self.send(piece)?;
        }
        Ok(())
    }

    fn half_close(&mut self) -> Result<(), End> {
        self.wire.send_close_notify();
        Ok(self.wire.socket().0.shutdown(Shutdown::Write)?)
    }

    fn close(&mut self) -> End {
        self.wire.send_close_notify();
        self.truncate()
    }

    /// A socket that is closed with unread data sends a RST; a FIN was asked for.
    fn truncate(&mut self) -> End {
        let mut stream: &TcpStream = &self.wire.socket().0;
        let _ = stream.set_nonblocking(true);
        let mut buffer = [0; 16 * 1024];
        let mut drained = 0;
        while let Ok(read @ 1..) = stream.read(&mut buffer)
            && drained < MAX_DRAINED
        {
            drained += read;
        }
        End::Closed
    }

    /// The close that follows sends a RST, since nothing may linger (socket(7)).
    fn reset(&mut self) -> End {
        let _ = SockRef::from(&*self.wire.socket().0).set_linger(Some(Duration::ZERO));
        End::Reset
    }
}

impl Wire {
    fn socket(&self) -> &Socket {
        match self {
            Wire::Plain(socket) => socket,
            Wire::Tls(stream) => &stream.sock,
        }
    }

    fn send_close_notify(&mut self) {
        if let Wire::Tls(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.read(buffer),
            Wire::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.write(bytes),
            Wire::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(socket) => socket.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Stopping> for End {
    fn from(_: Stopping) -> End {
        End::Stopped
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => End::PeerReset,
            io::ErrorKind::UnexpectedEof => End::PeerTruncated,
            _ => End::Failed(error.to_string()),
        }
    }
}

fn announced_body(request: &SeenRequest) -> Result<Body, End> {
    if let Some(coding) = request.field("transfer-encoding") {
        return match coding.eq_ignore_ascii_case("chunked") {
            true => Ok(Body::Chunked),
            false => Err(End::Failed(format!("unknown transfer coding {coding:?}"))),
        };
    }
    match request.field("content-length") {
        None => Ok(Body::Read),
        Some(length) => length
            .parse()
            .map(Body::Length)
            .map_err(|_| End::Failed(format!("bad Content-Length {length:?}"))),
    }
}
