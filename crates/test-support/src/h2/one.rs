//! The same answers by HTTP/1.1, for clients that are to speak that instead.
//!
//! A request is read to its end, and then answered at once. Of a script the heads, bodies, trailers and the end of the connection
//! are followed; what HTTP/1.1 does not have is passed over. Nothing is judged.

use super::append_pattern;
use super::plan::Plan;
use super::record::{Seen, SeenRequest};
use super::script::{Length, OwnFields, Script, Step};
use super::server::End;

/// A server's side of one connection.
#[derive(Debug)]
pub(super) struct One {
    plan: Plan,
    input: Vec<u8>,
    output: Vec<u8>,
    pub(super) seen: Seen,
    pub(super) end: Option<End>,
}

impl One {
    pub(super) fn new(plan: Plan) -> One {
        let seen = Seen { by_http1: true, ..Seen::default() };
        One { plan, input: Vec::new(), output: Vec::new(), seen, end: None }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while let Some((mut request, length)) = first_request(&self.input)
            && self.end.is_none()
        {
            self.input.drain(..length);
            request.index = self.seen.requests.len();
            let script = self.plan.script(&request);
            self.answer(&request, &script);
            self.seen.requests.push(request);
        }
    }

    pub(super) fn transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    fn answer(&mut self, request: &SeenRequest, script: &Script) {
        let body = body(request, script);
        let trailers = script.steps.iter().find_map(|step| match step {
            Step::Trailers(fields) => Some(&fields[..]),
            _ => None,
        });
        for step in &script.steps {
            match step {
                Step::Informational { status, fields } => {
                    self.output.extend_from_slice(head(*status, fields, None).as_bytes());
                }
                Step::Head { status, fields, length } => {
                    let chunked = trailers.is_some() || *length == Length::Absent;
                    let framing = match length {
                        _ if chunked => "transfer-encoding: chunked".to_owned(),
                        Length::Says(bytes) => format!("content-length: {bytes}"),
                        _ => format!("content-length: {}", body.len()),
                    };
                    self.output.extend_from_slice(head(*status, fields, Some(framing)).as_bytes());
                    if request.method() != "HEAD" {
                        self.body(&body, chunked, trailers.unwrap_or_default());
                    }
                }
                Step::Close => self.end = Some(End::Close),
                Step::Abort => self.end = Some(End::Abort),
                _ => {}
            }
        }
    }

    fn body(&mut self, body: &[u8], chunked: bool, trailers: &[(String, String)]) {
        if !chunked {
            return self.output.extend_from_slice(body);
        }
        for chunk in body.chunks(16 * 1024) {
            self.output.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            self.output.extend_from_slice(chunk);
            self.output.extend_from_slice(b"\r\n");
        }
        self.output.extend_from_slice(format!("0\r\n{}\r\n", lines(trailers)).as_bytes());
    }
}

fn body(request: &SeenRequest, script: &Script) -> Vec<u8> {
    let (mut body, mut pattern) = (Vec::new(), 0);
    for step in &script.steps {
        match step {
            Step::Pattern(bytes) => {
                append_pattern(request.path(), pattern, *bytes as usize, &mut body);
                pattern += bytes;
            }
            Step::Bytes(bytes) => body.extend_from_slice(bytes),
            Step::Echo => body.extend_from_slice(&request.body),
            _ => {}
        }
    }
    body
}

fn head(status: u16, fields: &OwnFields, framing: Option<String>) -> String {
    let framing = framing.map_or(String::new(), |framing| format!("{framing}\r\n"));
    format!("HTTP/1.1 {status} \r\n{}{framing}\r\n", lines(fields))
}

fn lines(fields: &[(String, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// The first request of these bytes and how many of them it has, if all of it is there.
fn first_request(bytes: &[u8]) -> Option<(SeenRequest, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let mut request = SeenRequest { complete: true, processed: true, ..SeenRequest::default() };
    for name in [":method", ":path"] {
        request.fields.push((name.to_owned(), words.next().unwrap_or_default()));
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let (body, length) = if request.field("transfer-encoding").is_some() {
        dechunked(&bytes[end..])?
    } else {
        let length = request.field("content-length").and_then(|length| length.parse().ok());
        let length = length.unwrap_or(0);
        (bytes[end..].get(..length)?.to_vec(), length)
    };
    request.push_body(&body);
    Some((request, end + length))
}

/// A chunked body and how many bytes it took, if all of it is there. Trailers are not expected.
pub(super) fn dechunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let size = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        at += line + 2;
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size;
        bytes.get(at..at + 2)?;
        at += 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}
