//! What a server remembers of a connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most bytes kept of one body; the rest is counted only.
const KEPT: usize = 4 << 20;

/// One connection, as far as it was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// It is spoken by HTTP/1.1. Of such only the requests and the end are seen.
    pub by_http1: bool,
    /// In the order of their heads.
    pub requests: Vec<SeenRequest>,
    /// What the client said in SETTINGS, in order.
    pub settings: Vec<(u16, u32)>,
    /// Each RST_STREAM of the client: the stream and the code.
    pub resets: Vec<(u32, u32)>,
    /// Each GOAWAY of the client: the last stream and the code.
    pub goaways: Vec<(u32, u32)>,
    /// PINGs of the client that were not answers.
    pub pings: usize,
    /// Answers to PINGs.
    pub pongs: usize,
    /// Acknowledgements of SETTINGS.
    pub settings_acks: usize,
    /// Each WINDOW_UPDATE of the client: the stream and the increment.
    pub window_updates: Vec<(u32, u32)>,
    /// How RFC 9113 was broken by the client, in words. A test should find none.
    pub violations: Vec<String>,
    /// Why TLS failed.
    pub tls_failure: Option<String>,
    /// The client ended the connection.
    pub ended: bool,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenRequest {
    /// Its place among those of its connection, from 0.
    pub index: usize,
    /// The number of its stream; of a request by HTTP/1.1, zero.
    pub stream: u32,
    /// The head's fields, pseudo-header fields too. Those of HTTP/1.1 are as if it had them.
    pub fields: Vec<(String, String)>,
    /// The body; at most the first 4 MiB.
    pub body: Vec<u8>,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Fields after the body, if there were any.
    pub trailers: Option<Vec<(String, String)>>,
    /// All of it came.
    pub complete: bool,
    /// Something was done about it: the client has not been told that nothing was.
    pub processed: bool,
    /// The code by which the client gave it up.
    pub reset: Option<u32>,
}

impl SeenRequest {
    /// The value of its first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| &value[..])
    }

    /// Its method.
    pub fn method(&self) -> &str {
        self.field(":method").unwrap_or_default()
    }

    /// Its path, with a query if there is one.
    pub fn path(&self) -> &str {
        self.field(":path").unwrap_or_default()
    }

    /// Its head as HTTP/1.1 would have it, with the version by which it came.
    pub fn in_lines(&self, by_http1: bool) -> Vec<u8> {
        let version = if by_http1 { "1.1" } else { "2" };
        let mut head = format!("{} {} HTTP/{version}\r\n", self.method(), self.path());
        for (name, value) in &self.fields {
            match &name[..] {
                ":authority" => head += &format!("host: {value}\r\n"),
                name if name.starts_with(':') => {}
                name => head += &format!("{name}: {value}\r\n"),
            }
        }
        head.into_bytes()
    }

    pub(super) fn push_body(&mut self, bytes: &[u8]) {
        self.body_bytes += bytes.len() as u64;
        let room = KEPT - self.body.len();
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// How often requests were processed, by what a field of theirs says.
pub fn processed<'a>(
    requests: impl IntoIterator<Item = &'a SeenRequest>,
    name: &str,
) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for request in requests {
        if let (true, Some(id)) = (request.processed, request.field(name)) {
            *times.entry(id.to_owned()).or_default() += 1;
        }
    }
    times
}

impl Seen {
    /// Readable, for the message of a failed assertion.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for request in &self.requests {
            let SeenRequest { stream, body_bytes, complete, processed, reset, .. } = request;
            _ = writeln!(
                text,
                "stream {stream}: {} {}, {body_bytes} bytes, complete {complete}, processed {processed}, reset {reset:?}",
                request.method(),
                request.path(),
            );
        }
        let Seen { settings, resets, goaways, violations, tls_failure, ended, .. } = self;
        _ = writeln!(text, "settings {settings:?}, resets {resets:?}, goaways {goaways:?}");
        _ = writeln!(text, "TLS failed {tls_failure:?}, ended {ended}, violations {violations:#?}");
        text
    }
}
