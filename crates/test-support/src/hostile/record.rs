//! What a hostile server remembers of its connections.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Most bytes kept of one connection, and of one body; the rest is counted only.
const KEPT: usize = 4 << 20;

/// One accepted connection.
#[derive(Clone, Debug)]
pub struct SeenConnection {
    /// The client's address.
    pub peer: SocketAddr,
    /// What arrived, without the TLS around it; at most the first 4 MiB.
    pub received: Vec<u8>,
    /// How much arrived.
    pub received_len: u64,
    /// The requests that were read as such.
    pub requests: Vec<SeenRequest>,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
}

/// One request, as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenRequest {
    /// The number of its connection, from 0.
    pub connection: usize,
    /// The head with the empty line that ends it.
    pub head: Vec<u8>,
    /// The body, without chunk framing; at most the first 4 MiB.
    pub body: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The script closed it, or ran out of steps.
    Closed,
    /// The script reset it.
    Reset,
    /// The client closed it while the script was reading; over TLS, it said so before.
    PeerClosed,
    /// The client closed it and, over TLS, had not said that it would (close_notify).
    PeerTruncated,
    /// The client reset it, or was gone when the script wrote.
    PeerReset,
    /// The client sent what the server could not make sense of (a bad head, a TLS alert).
    Failed(String),
    /// The server was dropped.
    Stopped,
}

/// How much of everything a hostile server saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections accepted.
    pub connections: usize,
    /// Requests read as such.
    pub requests: usize,
    /// Connections that the script reset.
    pub resets: usize,
}

impl SeenConnection {
    pub(super) fn new(peer: SocketAddr) -> SeenConnection {
        SeenConnection {
            peer,
            received: Vec::new(),
            received_len: 0,
            requests: Vec::new(),
            end: None,
        }
    }

    pub(super) fn push_received(&mut self, bytes: &[u8]) {
        self.received_len += bytes.len() as u64;
        push_capped(&mut self.received, bytes);
    }
}

impl SeenRequest {
    /// The request line's first word.
    pub fn method(&self) -> String {
        self.word(0)
    }

    /// The request line's second word.
    pub fn target(&self) -> String {
        self.word(1)
    }

    /// The value of the first field of this name, in any case.
    pub fn field(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.head);
        head.lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    }

    pub(super) fn push_body(&mut self, bytes: &[u8]) {
        push_capped(&mut self.body, bytes);
    }

    fn word(&self, index: usize) -> String {
        let head = String::from_utf8_lossy(&self.head);
        let line = head.lines().next().unwrap_or_default();
        line.split(' ').nth(index).unwrap_or_default().to_owned()
    }
}

pub(super) fn dump(seen: &[SeenConnection]) -> String {
    let mut text = String::new();
    for (number, connection) in seen.iter().enumerate() {
        _ = writeln!(
            text,
            "connection {number} from {}: {} bytes, {} requests, end {:?}",
            connection.peer,
            connection.received_len,
            connection.requests.len(),
            connection.end
        );
        let shown = &connection.received[..connection.received.len().min(4096)];
        for line in shown.split_inclusive(|&byte| byte == b'\n') {
            _ = writeln!(text, "  | {}", line.escape_ascii());
        }
    }
    text
}

fn push_capped(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT - kept.len();
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
