//! One transfer's events, and what they come to.
//!
//! Knows what a response is to be turned into. Must not know the other transfers.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ringdove::protocol::{BodyLength, Fields, RequestHead, ResponseHead, Version};
use ringdove::{Flow, Handler, Outcome, Redirect, Room};

use crate::files::output::Sink;
use crate::files::refusal::{Refusal, WriteError};
use crate::files::reserved::Reserved;
use crate::files::rest::Wanted;
use crate::files::stream::SharedStream;
use crate::options::condition::{TimeCondition, save};
use crate::options::proxy::Unusable;
use crate::options::target::Schemes;
use crate::plan::set::Fail;
use crate::report::console::{Console, printable};
use crate::report::record::Failure;
use crate::report::trace::Trace;

/// A URL on its way, known to the run and to its transfer's handler.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) line: Option<u64>,
    pub(crate) url: String,
    /// Its scheme was guessed.
    pub(crate) guessed: bool,
    /// Which of the URLs that were given it is or belongs to, from 0 on.
    pub(crate) number: usize,
    /// Which of all transfers it is, from 0 on.
    pub(crate) id: u64,
    /// Its response has begun.
    pub(crate) begun: Cell<bool>,
}

impl Ticket {
    /// The URL as it was given.
    pub(crate) fn given(&self) -> &str {
        match self.url.split_once("://") {
            Some((_, given)) if self.guessed => given,
            Some(_) | None => &self.url,
        }
    }
}

/// What holds for all deliveries of a run.
pub(crate) struct Rules {
    pub(crate) console: Rc<Console>,
    /// Write heads where the bodies go.
    pub(crate) heads: bool,
    /// Write no bodies, whatever comes.
    pub(crate) no_bodies: bool,
    /// Where heads go by themselves.
    pub(crate) dump: Option<SharedStream>,
    /// What a body is, and where else one may be, is to be told.
    pub(crate) content_type: bool,
    /// Where the ETag of a body goes.
    pub(crate) etag_save: Option<PathBuf>,
    /// Of which dates bodies are wanted.
    pub(crate) condition: Option<TimeCondition>,
    pub(crate) fail: Fail,
    /// Files that are for something else than bodies.
    pub(crate) reserved: Reserved,
    /// Of what has failed nothing is kept.
    pub(crate) remove_on_error: bool,
    pub(crate) verbose: bool,
    /// Where what goes over connections is written.
    pub(crate) trace: Option<Rc<Trace>>,
    /// Where redirects may lead.
    pub(crate) schemes: Schemes,
    /// Proxies that no redirect can go by.
    pub(crate) unusable: Rc<Unusable>,
    /// The request may be sent twice.
    pub(crate) idempotent: bool,
}

/// The handler of a transfer.
pub(crate) struct Delivery {
    pub(crate) ticket: Rc<Ticket>,
    rules: Rc<Rules>,
    sink: Sink,
    version: Option<Version>,
    content_type: Option<String>,
    location: Option<String>,
    fields: Vec<(String, String)>,
    head_bytes: u64,
    trouble: Option<Trouble>,
    /// What was written is there, or would be but for an error.
    kept: bool,
    /// What the response to save the ETag of says.
    etag: Option<Option<Vec<u8>>>,
    /// Of the request.
    body: BodyLength,
    /// To be told with the response's head.
    request_head: Vec<u8>,
    /// Where redirects have led to, if that is to be told.
    hop: Option<String>,
}

/// What a transfer came to.
pub(crate) struct Delivered {
    pub(crate) version: Option<Version>,
    pub(crate) content_type: Option<String>,
    /// Where a redirect leads that was not followed.
    pub(crate) location: Option<String>,
    /// The fields of the last response, if they are to be told.
    pub(crate) fields: Vec<(String, String)>,
    /// Of heads received.
    pub(crate) head_bytes: u64,
    /// The file that has the body.
    pub(crate) file: Option<PathBuf>,
    pub(crate) failure: Option<Failure>,
    /// Whoever read the output has closed it.
    pub(crate) unread: bool,
}

/// Why a response is not delivered though it arrives.
enum Trouble {
    Status(u16),
    Write(WriteError),
    /// It is not the rest of what is there.
    Rest(String),
    /// It is of a date at which it is not wanted.
    Unmet,
    /// What it could bring is there already.
    Complete,
}

impl Rules {
    /// Saves what a response said of its ETag.
    fn save(&self, etag: Option<&Option<Vec<u8>>>) -> Result<(), WriteError> {
        match (&self.etag_save, etag) {
            (Some(path), Some(etag)) => {
                save(path, etag.as_deref()).map_err(|error| WriteError::new(path, error))
            }
            _ => Ok(()),
        }
    }
}

impl Delivery {
    pub(crate) fn new(
        ticket: Rc<Ticket>,
        rules: Rc<Rules>,
        sink: Sink,
        body: BodyLength,
        request_head: Vec<u8>,
    ) -> Delivery {
        Delivery {
            ticket,
            rules,
            sink,
            version: None,
            content_type: None,
            location: None,
            fields: Vec::new(),
            head_bytes: 0,
            trouble: None,
            kept: false,
            etag: None,
            body,
            request_head,
            hop: None,
        }
    }

    /// What the transfer came to, now that it and its file are over.
    pub(crate) fn finish(self, outcome: &Outcome) -> Delivered {
        let Delivery { ticket, sink, version, trouble, rules, etag, content_type, .. } = self;
        let (location, fields, head_bytes) = (self.location, self.fields, self.head_bytes);
        let delivered = |file, failure, unread| Delivered {
            version,
            content_type,
            location,
            fields,
            head_bytes,
            file,
            failure,
            unread,
        };
        let (missing, kept) = (sink.missing(), self.kept);
        match (trouble, &outcome.result) {
            // whatever became of its body
            (Some(Trouble::Complete), _) => match sink.result() {
                Ok(file) => delivered(file, None, false),
                Err(error) => refused(error, delivered),
            },
            (Some(Trouble::Write(error)), _) => refused(error, delivered),
            (Some(Trouble::Rest(why)), _) => delivered(None, Some(Failure::of_rest(why)), false),
            (_, Err(error)) => {
                delivered(None, Some(Failure::of_transfer(error, rules.idempotent)), false)
            }
            (Some(Trouble::Status(status)), Ok(_)) => {
                delivered(None, Some(Failure::of_status(status)), false)
            }
            (None | Some(Trouble::Unmet), Ok(response)) if !kept => {
                let failed = rules.fail == Fail::WithBody && response.status >= 400;
                delivered(None, failed.then(|| Failure::of_status(response.status)), false)
            }
            (None | Some(Trouble::Unmet), Ok(response)) => match sink.result().and_then(|file| {
                rules.save(etag.as_ref())?;
                Ok(file)
            }) {
                Ok(file) if rules.fail == Fail::WithBody && response.status >= 400 => {
                    delivered(file, Some(Failure::of_status(response.status)), false)
                }
                Ok(file) => {
                    if missing > 0 {
                        rules.console.warn(&format!(
                            "{ticket}: {missing} bytes are still missing: the server sent a part of what -C asked for"
                        ));
                    }
                    delivered(file, None, false)
                }
                Err(error) => refused(error, delivered),
            },
        }
    }

    /// Takes the head of the response whose body is to come; it may have named the file.
    fn begin(&mut self, head: &ResponseHead<'_>) -> Result<Wanted, Refusal> {
        let named = self.sink.path().map(Path::to_owned);
        let wanted = self.sink.begin(head)?;
        match self.sink.path() {
            Some(path) if named.as_deref() != Some(path) => {
                let refused = self.rules.reserved.refuse(path);
                refused.map_err(|why| Refusal::Write(WriteError::new(path, why)))?;
            }
            Some(_) | None => {}
        }
        Ok(wanted)
    }

    /// Whether what was written is kept.
    fn keeps(&self, outcome: &Outcome) -> bool {
        let Rules { heads, remove_on_error, fail, .. } = &*self.rules;
        match (&self.trouble, &outcome.result) {
            (Some(Trouble::Complete), _) => true,
            (Some(Trouble::Write(_) | Trouble::Rest(_) | Trouble::Status(_)), _) | (_, Err(_)) => {
                false
            }
            // what is there is what there would be
            (Some(Trouble::Unmet), Ok(_)) if !heads => false,
            (None, Ok(response)) if response.status == 304 && !heads => false,
            (None | Some(Trouble::Unmet), Ok(response)) => {
                !(*remove_on_error && *fail == Fail::WithBody && response.status >= 400)
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Flow {
        match self.sink.write(bytes) {
            Ok(Room::More) => Flow::Continue,
            Ok(Room::Full) => Flow::Pause,
            Err(error) => self.go_on(Err(error)),
        }
    }

    /// Writes a head wherever heads go.
    fn write_head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.trace_lines(head.raw());
        self.head_bytes += head.raw().len() as u64;
        self.write_lines(head.raw())
    }

    /// Writes lines of a head, or of trailers, wherever heads go.
    fn write_lines(&mut self, lines: &[u8]) -> Flow {
        if let Some(dump) = &self.rules.dump {
            let mut dump = dump.borrow_mut();
            // whole, and before its body where that goes to the same place
            let result = dump.write(lines).and_then(|()| dump.flush());
            drop(dump);
            let flow = self.go_on(result);
            if flow != Flow::Continue {
                return flow;
            }
        }
        match self.rules.heads {
            // few as they are they wait for no disk
            true => {
                let written = self.sink.write(lines).map(|_: Room| ());
                self.go_on(written)
            }
            false => Flow::Continue,
        }
    }

    fn trace_lines(&self, lines: &[u8]) {
        if let Some(trace) = &self.rules.trace {
            for line in lines.split_inclusive(|&byte| byte == b'\n') {
                trace.bytes(self.ticket.id, "<= Recv header", line);
            }
        }
    }

    /// Takes the ETag of a response whose body is to have it saved.
    fn take_etag(&mut self, head: &ResponseHead<'_>) -> Flow {
        if !(200..300).contains(&head.status()) {
            return Flow::Continue;
        }
        let etag = head.field("etag").map(|etag| etag.into_owned());
        // what an error cuts off stays there, and is to be gone on with
        if let Sink::Rest(_) = self.sink {
            let saved = self.rules.save(Some(&etag));
            return self.go_on(saved);
        }
        self.etag = Some(etag);
        Flow::Continue
    }

    fn go_on(&mut self, written: Result<(), WriteError>) -> Flow {
        match written {
            Ok(()) => Flow::Continue,
            Err(error) => {
                let why = error.to_string();
                self.trouble = Some(Trouble::Write(error));
                Flow::Abort(why)
            }
        }
    }

    fn tell_heads(&mut self, head: &ResponseHead<'_>) {
        let mut text = self.whose();
        let mut asked = std::mem::take(&mut self.request_head);
        if head.version() == Version::Http2 {
            asked = as_http2(&asked);
        }
        push_lines(&mut text, '>', &asked);
        push_lines(&mut text, '<', head.raw());
        self.rules.console.say(&text);
    }

    /// The URL, and where it has led to, for whoever is told of heads.
    fn whose(&self) -> String {
        let mut text = format!("* {}", printable(self.ticket.url.as_bytes()));
        if let Some(hop) = &self.hop {
            text.push_str(" → ");
            text.push_str(hop);
        }
        text
    }
}

fn refused(
    error: WriteError,
    delivered: impl FnOnce(Option<PathBuf>, Option<Failure>, bool) -> Delivered,
) -> Delivered {
    delivered(None, Some(Failure::of_output(&error)), error.is_unread())
}

impl Handler for Delivery {
    fn sending(&mut self, head: &[u8], body: &[u8]) {
        if let Some(trace) = &self.rules.trace {
            trace.bytes(self.ticket.id, "=> Send header", head);
            trace.bytes(self.ticket.id, "=> Send data", body);
        }
    }

    fn sending_head(&mut self, head: &RequestHead) {
        if let Some(trace) = &self.rules.trace {
            let head = as_http2(&encoded(head, self.body));
            trace.bytes(self.ticket.id, "=> Send header", &head);
        }
    }

    fn informational(&mut self, head: &ResponseHead<'_>) {
        if self.rules.verbose {
            self.tell_heads(head);
        }
        // what cannot be written is found again with the next head
        _ = self.write_head(head);
    }

    fn redirected(&mut self, head: &ResponseHead<'_>, next: &Redirect) -> Flow {
        let origin = next.head.origin();
        let refusal = self.rules.schemes.refuse(origin.scheme());
        if let Some(refusal) = refusal.or_else(|| self.rules.unusable.refuse(origin)) {
            return Flow::Abort(refusal);
        }
        if self.rules.verbose {
            self.tell_heads(head);
            self.hop = Some(next.head.url().into());
            let body = if next.keeps_body { self.body } else { BodyLength::None };
            self.request_head = encoded(&next.head, body);
        }
        self.write_head(head)
    }

    fn challenged(&mut self, head: &ResponseHead<'_>) -> Flow {
        if self.rules.verbose {
            self.tell_heads(head);
        }
        self.write_head(head)
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.ticket.begun.set(true);
        self.version = Some(head.version());
        if self.rules.content_type {
            let value = head.field("content-type");
            self.content_type = value.map(|value| String::from_utf8_lossy(&value).into_owned());
            let value = head.field("location").filter(|_| (300..400).contains(&head.status()));
            self.location = value.map(|value| String::from_utf8_lossy(&value).into_owned());
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            self.fields = head.fields().map(|(name, value)| (name.into(), text(&value))).collect();
        }
        if self.rules.verbose {
            self.tell_heads(head);
        }
        let flow = self.write_head(head);
        let may_fail = head.status() >= 400 && !self.sink.may_be_complete_by(head.status());
        if self.rules.fail == Fail::WithoutBody && may_fail && self.trouble.is_none() {
            self.trouble = Some(Trouble::Status(head.status()));
        }
        if self.trouble.is_none() && self.rules.condition.is_some_and(|date| !date.is_met(head)) {
            self.trouble = Some(Trouble::Unmet);
        }
        let enough = if flow == Flow::Continue { Flow::Enough } else { flow.clone() };
        if self.trouble.is_some() {
            return enough;
        }
        match self.begin(head) {
            Ok(Wanted::No) => {
                self.trouble = Some(Trouble::Complete);
                enough
            }
            Ok(Wanted::Yes) if self.rules.etag_save.is_some() && flow == Flow::Continue => {
                self.take_etag(head)
            }
            Ok(Wanted::Yes) => flow,
            Err(Refusal::Write(error)) => self.go_on(Err(error)),
            Err(Refusal::Rest(why)) => {
                self.trouble = Some(Trouble::Rest(why.clone()));
                Flow::Abort(why)
            }
        }
    }

    fn trailers(&mut self, fields: Fields<'_>) -> Flow {
        if self.trouble.is_some() {
            return Flow::Continue;
        }
        let mut lines = Vec::new();
        for (name, value) in fields {
            lines.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
        }
        self.trace_lines(&lines);
        if self.rules.verbose {
            let mut text = self.whose();
            push_lines(&mut text, '<', &lines);
            self.rules.console.say(&text);
        }
        // behind the body, where both go to the same place
        let flushed = self.sink.flush();
        match self.go_on(flushed) {
            Flow::Continue => self.write_lines(&lines),
            flow => flow,
        }
    }

    fn starts_over(&mut self) -> bool {
        // heads of requests before this one may be in the file, and would be gone with it
        let starts_over = !self.rules.heads && self.sink.starts_over();
        if starts_over {
            (self.trouble, self.etag) = (None, None);
        }
        starts_over
    }

    fn done(&mut self, outcome: &Outcome) {
        self.kept = self.keeps(outcome);
        if !self.kept {
            self.sink = Sink::Discard;
        } else if let Err(error) = self.sink.end() {
            self.trouble = Some(Trouble::Write(error));
        }
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        if let Some(trace) = &self.rules.trace {
            trace.bytes(self.ticket.id, "<= Recv data", chunk);
        }
        match self.trouble {
            None if !self.rules.no_bodies => self.write(chunk),
            None | Some(_) => Flow::Continue,
        }
    }
}

/// A request's head, as it is sent.
pub(crate) fn encoded(head: &RequestHead, body: BodyLength) -> Vec<u8> {
    let mut bytes = vec![0; head.encoded_len(body)];
    head.encode(body, &mut bytes);
    bytes
}

/// A request's head as it went by HTTP/2, as far as lines can say it: names in small letters but for Host, which is no field
/// there, and without what is about a connection (RFC 9113, 8.2.2).
fn as_http2(head: &[u8]) -> Vec<u8> {
    const OF_CONNECTION: [&[u8]; 3] = [b"connection", b"transfer-encoding", b"upgrade"];
    let mut lines = head.split_inclusive(|&byte| byte == b'\n');
    let asked = lines.next().unwrap_or_default();
    let mut text = match asked.strip_suffix(b"HTTP/1.1\r\n") {
        Some(asked) => [asked, b"HTTP/2\r\n"].concat(),
        None => asked.to_vec(),
    };
    for line in lines {
        let (name, value) = line.split_at(line.iter().position(|&byte| byte == b':').unwrap_or(0));
        let small = name.to_ascii_lowercase();
        match &small[..] {
            b"host" => text.extend_from_slice(line),
            small if OF_CONNECTION.contains(&small) => {}
            small => text.extend([small, value].concat()),
        }
    }
    text
}

fn push_lines(text: &mut String, mark: char, head: &[u8]) {
    for line in head.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            text.extend(['\n', mark, ' ']);
            text.push_str(&printable(line));
        }
    }
}

/// For messages: where the URL was given, and the URL.
impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.url)
    }
}
