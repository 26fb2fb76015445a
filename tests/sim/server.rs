//! A simulated server's side of one connection: it holds the client to HTTP, byte by byte, and
//! answers as the plan says.

use std::collections::VecDeque;

use http::Method;

use crate::plan::{BodyPlan, Fault, Framing, Plan, Reply, ReplyAt, body_of};
use crate::random::Random;

/// What a server does next on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Write(Vec<u8>),
    End,
    Reset,
}

#[derive(Debug, Default)]
pub(crate) struct Server {
    input: Vec<u8>,
    /// The request whose head has been seen, until it is whole.
    current: Option<usize>,
    answered: bool,
    /// What is still to be done, each after a wait.
    pub(crate) script: VecDeque<(u64, Step)>,
    /// It has written something that is no HTTP, or stopped in the middle: whatever comes on this
    /// connection from here on may be misunderstood.
    pub(crate) poisoned: bool,
    /// It has ended its side, or is about to.
    pub(crate) closes: bool,
}

impl Server {
    /// Bytes of the client arrived. Returns the requests whose heads they completed.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        plans: &[Plan],
        authority: &str,
        random: &mut Random,
    ) -> Vec<usize> {
        let mut begun = Vec::new();
        self.input.extend_from_slice(bytes);
        if self.current.is_none() && !bytes.contains(&b'\n') {
            return begun;
        }
        while let Some(id) = request_line(&self.input) {
            let plan = plans.get(id).expect("the target names a plan");
            assert_in_step(self, plan);
            if plan.reply.at == ReplyAt::RequestLine {
                self.answer(plan, random);
            }
            let Some(head) = head_end(&self.input) else { break };
            if self.current != Some(id) {
                self.current = Some(id);
                begun.push(id);
                check_head(&self.input[..head], plan, authority);
            }
            if plan.reply.at == ReplyAt::Head {
                self.answer(plan, random);
            }
            let Some(length) = body_length(&self.input[head..], plan) else { break };
            self.answer(plan, random);
            self.input.drain(..head + length);
            self.current = None;
            self.answered = false;
        }
        begun
    }

    /// Nothing of a request has come since the last one was answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.input.is_empty() && self.script.is_empty()
    }

    fn answer(&mut self, plan: &Plan, random: &mut Random) {
        if std::mem::replace(&mut self.answered, true) {
            return;
        }
        let script = script(plan, random);
        self.poisoned |= plan.reply.fault != Fault::None;
        self.closes |= script.iter().any(|(_, step)| !matches!(step, Step::Write(_)));
        self.script.extend(script);
    }
}

/// A client that was answered badly may be anywhere; any other waits for the answer.
fn assert_in_step(server: &Server, plan: &Plan) {
    let next = server.current.is_none() && !server.answered;
    let busy = next && !server.script.is_empty();
    assert!(!busy || server.poisoned, "request {} before the answer was whole", plan.id);
}

/// The plan that the first line of a request names.
fn request_line(input: &[u8]) -> Option<usize> {
    let end = input.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&input[..end]).expect("a request line in ASCII");
    let parts: Vec<_> = line.split(' ').collect();
    let [_, target, "HTTP/1.1"] = parts[..] else { panic!("bad request: {line:?}") };
    let id = target.strip_prefix("/t/").and_then(|id| id.parse().ok());
    Some(id.unwrap_or_else(|| panic!("bad target: {line:?}")))
}

fn head_end(input: &[u8]) -> Option<usize> {
    input.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn check_head(head: &[u8], plan: &Plan, authority: &str) {
    let head = std::str::from_utf8(head).expect("a head in ASCII");
    let line = format!("{} /t/{} HTTP/1.1\r\n", plan.method, plan.id);
    assert!(head.starts_with(&line), "wants {line:?}: {head:?}");
    let field = |name: &str| {
        let mut values = head.split("\r\n").filter_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next();
        assert!(values.next().is_none(), "two {name}: {head:?}");
        value
    };
    assert_eq!(field("host"), Some(authority), "{head:?}");
    let length = field("content-length").map(|value| value.parse::<usize>().unwrap());
    let chunked = field("transfer-encoding") == Some("chunked");
    match plan.body {
        BodyPlan::Stream { known: false, .. } => assert!(chunked && length.is_none(), "{head:?}"),
        BodyPlan::None if plan.method == Method::GET || plan.method == Method::HEAD => {
            assert!(!chunked && length.is_none(), "{head:?}");
        }
        body => assert!(!chunked && length == Some(body.size()), "{head:?}"),
    }
    let padding = field("x-padding").map_or(0, str::len);
    assert_eq!(padding, plan.padding, "{head:?}");
}

/// The length of a request's body with its framing, once it is whole.
fn body_length(input: &[u8], plan: &Plan) -> Option<usize> {
    let (body, length) = match plan.body {
        BodyPlan::Stream { known: false, .. } => unchunk(input)?,
        body => (input.get(..body.size())?.to_vec(), body.size()),
    };
    assert!(body == body_of(plan.id, 1, plan.body.size()), "the body of request {}", plan.id);
    Some(length)
}

fn unchunk(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = input[at..].windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(&input[at..at + line]).expect("a chunk size");
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        at += line + 2;
        let chunk = input.get(at..at + size + 2)?;
        assert!(chunk.ends_with(b"\r\n"), "the end of a chunk");
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

/// All that a server does about a request.
fn script(plan: &Plan, random: &mut Random) -> Vec<(u64, Step)> {
    let Reply { after, pace, fault, .. } = plan.reply;
    let (mut wire, body_at, mut end) = response(plan, random);
    let mut late = None;
    match fault {
        Fault::None => {}
        Fault::ShortLength => {}
        Fault::LongLength { closes } => end = closes.then_some(Step::End),
        Fault::Garbage => {
            wire = (0..random.size(1, 200)).map(|_| random.below(256) as u8).collect();
            wire[0] = b'#';
            end = random.chance(50).then_some(Step::End);
        }
        Fault::EndlessInformational => {
            wire = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(40);
            end = None;
        }
        Fault::Stall { percent } => {
            wire.truncate(wire.len() * percent as usize / 100);
            end = None;
        }
        Fault::End { percent, resets } => {
            wire.truncate(wire.len() * percent as usize / 100);
            end = Some(if resets { Step::Reset } else { Step::End });
        }
        Fault::BadChunk => {
            wire[body_at] = b'z';
        }
        Fault::Trailing { after: 0 } => wire.extend_from_slice(b"#trailing"),
        Fault::Trailing { after } => late = Some((after, Step::Write(b"#trailing".to_vec()))),
    }
    let mut script = Vec::new();
    let pieces = if pace == 0 { 1 } else { 10 };
    for (n, piece) in wire.chunks((wire.len() / pieces).max(1)).enumerate() {
        script.push((if n == 0 { after } else { pace }, Step::Write(piece.to_vec())));
    }
    script.extend(late);
    script.extend(end.map(|end| (0, end)));
    script
}

/// A response as it should be, where its body begins, and what ends it.
fn response(plan: &Plan, random: &mut Random) -> (Vec<u8>, usize, Option<Step>) {
    let Reply { status, http10, framing, size, informational, closes, fault, .. } = plan.reply;
    let version = if http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let framing = match framing {
        Framing::Chunked if http10 => Framing::UntilClose,
        framing => framing,
    };
    let mut wire = Vec::new();
    for _ in 0..informational {
        wire.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n");
    }
    wire.extend_from_slice(format!("{version} {status} Whatever\r\nServer: sim\r\n").as_bytes());
    let without_body = plan.method == Method::HEAD || matches!(status, 204 | 304);
    let announced = match fault {
        Fault::LongLength { .. } => size + 1 + random.size(0, 10),
        Fault::ShortLength => size - 1,
        _ => size,
    };
    match framing {
        Framing::Length if status != 204 => {
            wire.extend_from_slice(format!("Content-Length: {announced}\r\n").as_bytes());
        }
        Framing::Chunked if status != 204 => {
            wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        _ => {}
    }
    let delimits = framing == Framing::UntilClose && !without_body;
    let closes = closes || delimits;
    if closes && !delimits {
        wire.extend_from_slice(b"Connection: close\r\n");
    } else if http10 && !closes {
        wire.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    let body_at = wire.len();
    if !without_body {
        let body = body_of(plan.id, 0, size);
        match framing {
            Framing::Length | Framing::UntilClose => wire.extend_from_slice(&body),
            Framing::Chunked => chunk(&body, &mut wire, random),
        }
    }
    (wire, body_at, closes.then_some(Step::End))
}

fn chunk(body: &[u8], wire: &mut Vec<u8>, random: &mut Random) {
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(random.size(1, rest.len()));
        let extension = if random.chance(10) { ";a=b" } else { "" };
        wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
        rest = tail;
    }
    wire.extend_from_slice(if random.chance(10) { b"0\r\nT: x\r\n\r\n" } else { b"0\r\n\r\n" });
}
