//! One connection as it is on the wire: TLS or none, and whichever protocol the client chose.
//!
//! Still bytes in and bytes out; the socket is in `peer`.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use super::one::One;
use super::plan::Plan;
use super::raw::PREFACE;
use super::record::Seen;
use super::server::{End, Server};

pub(super) struct Wire {
    tls: Option<Box<ServerConnection>>,
    speaker: Speaker,
    /// HTTP/1.1 is spoken with whoever chooses it, by ALPN or by how it begins.
    http1: bool,
}

/// Who answers.
enum Speaker {
    /// Until it is known: the plan, and what came meanwhile.
    Nobody(Plan, Vec<u8>),
    Http2(Box<Server>),
    Http1(Box<One>),
    /// TLS failed.
    Gone(Seen),
}

impl Wire {
    pub(super) fn new(plan: Plan, tls: Option<Arc<ServerConfig>>, http1: bool) -> Wire {
        let tls = tls.map(|config| {
            let mut tls = ServerConnection::new(config).expect("a configuration in order");
            tls.set_buffer_limit(None);
            Box::new(tls)
        });
        let mut wire = Wire { tls, speaker: Speaker::Nobody(plan, Vec::new()), http1 };
        wire.choose();
        wire
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let plain = match self.decrypted(bytes) {
            Ok(plain) => plain,
            Err(error) => {
                let seen = Seen { tls_failure: Some(error), ..self.seen().clone() };
                self.speaker = Speaker::Gone(seen);
                return;
            }
        };
        match &mut self.speaker {
            Speaker::Nobody(_, early) => early.extend_from_slice(&plain),
            Speaker::Http2(server) => return server.receive(&plain),
            Speaker::Http1(one) => return one.receive(&plain),
            Speaker::Gone(_) => return,
        }
        self.choose();
    }

    /// The client has ended the connection.
    pub(super) fn receive_end(&mut self) {
        match &mut self.speaker {
            Speaker::Nobody(..) => {
                self.speaker = Speaker::Gone(Seen { ended: true, ..Seen::default() });
            }
            Speaker::Http2(server) => server.receive_end(),
            Speaker::Http1(one) => one.seen.ended = true,
            Speaker::Gone(seen) => seen.ended = true,
        }
    }

    /// What is to be sent next; nothing if all waits for the client.
    pub(super) fn transmit(&mut self) -> Vec<u8> {
        let plain = match &mut self.speaker {
            Speaker::Http2(server) => server.transmit(),
            Speaker::Http1(one) => one.transmit(),
            Speaker::Nobody(..) | Speaker::Gone(_) => Vec::new(),
        };
        let Some(tls) = &mut self.tls else { return plain };
        tls.writer().write_all(&plain).expect("a session takes all");
        drained(tls)
    }

    /// The last that is to be sent before the connection is closed.
    pub(super) fn last_words(&mut self) -> Vec<u8> {
        let Some(tls) = &mut self.tls else { return Vec::new() };
        tls.send_close_notify();
        drained(tls)
    }

    pub(super) fn end(&self) -> Option<End> {
        match &self.speaker {
            Speaker::Http2(server) => server.end(),
            Speaker::Http1(one) => one.end,
            Speaker::Nobody(..) => None,
            Speaker::Gone(_) => Some(End::Close),
        }
    }

    pub(super) fn release(&mut self) {
        if let Speaker::Http2(server) = &mut self.speaker {
            server.release();
        }
    }

    pub(super) fn seen(&self) -> Seen {
        match &self.speaker {
            Speaker::Nobody(..) => Seen::default(),
            Speaker::Http2(server) => server.seen().clone(),
            Speaker::Http1(one) => one.seen.clone(),
            Speaker::Gone(seen) => seen.clone(),
        }
    }

    /// Finds out who answers, as soon as that can be known.
    fn choose(&mut self) {
        let Speaker::Nobody(plan, early) = &self.speaker else { return };
        let http2 = match &self.tls {
            Some(tls) if tls.is_handshaking() => return,
            Some(tls) => !self.http1 || tls.alpn_protocol() == Some(b"h2"),
            None if !self.http1 => true,
            None => {
                let length = early.len().min(PREFACE.len());
                let alike = early[..length] == PREFACE[..length];
                if alike && length < PREFACE.len() {
                    return;
                }
                alike
            }
        };
        let (plan, early) = (plan.clone(), early.clone());
        self.speaker = if http2 {
            let mut server = Server::new(plan);
            server.receive(&early);
            Speaker::Http2(Box::new(server))
        } else {
            let mut one = One::new(plan);
            one.receive(&early);
            Speaker::Http1(Box::new(one))
        };
    }

    fn decrypted(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, String> {
        let Some(tls) = &mut self.tls else { return Ok(bytes.to_vec()) };
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).map_err(|error| error.to_string())?;
            let state = tls.process_new_packets().map_err(|error| error.to_string())?;
            let mut piece = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut piece).map_err(|error| error.to_string())?;
            plain.extend_from_slice(&piece);
        }
        Ok(plain)
    }
}

/// What TLS has for the wire.
fn drained(tls: &mut ServerConnection) -> Vec<u8> {
    let mut wire = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut wire).expect("a vector takes all");
    }
    wire
}
