//! What comes of a transfer, on its way to the callbacks.
//!
//! Knows what curl tells to which callback, and in which portions. The handler runs while the engine is borrowed: a callback
//! that calls back is told so (CURLM_RECURSIVE_API_CALL), or what it asks for is done later. Invariant: bytes that a callback
//! did not take are kept, and given to it again.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::rc::Rc;

use ringdove::error::Cause;
use ringdove::protocol::Fields;
use ringdove::{Flow, Handler, Outcome, Redirect, ResponseHead, Version};

use super::callbacks::{self, Told, Written};
use super::heads::{self, Heads};
use super::info::Info;
use super::{Done, Easy, proxy};
use crate::codes::Code;
use crate::errors::{self, Failure};
use crate::options::{Method, ids};
use crate::websocket::Websocket;

/// CURL_MAX_WRITE_SIZE
const MOST: usize = 16 * 1024;

/// The handler of an easy handle's transfer.
pub(crate) struct Delivery {
    pub(crate) easy: Rc<Easy>,
}

impl Delivery {
    fn stop(&self) -> Flow {
        Flow::Abort("by a callback".to_owned())
    }

    /// Takes a head that is followed by another one: what comes of its body is not for the program.
    fn take_former(&self, head: &ResponseHead<'_>) -> Flow {
        self.take_head(head, heads::HEADER);
        self.easy.heads.borrow_mut().next_request();
        if self.easy.run.has_failed() { self.stop() } else { Flow::Continue }
    }

    /// Notes what a head says, and gives its lines to the callbacks.
    fn take_head(&self, head: &ResponseHead<'_>, origin: u32) {
        let easy = &*self.easy;
        note_head(easy, head, origin);
        let with_body = easy.settings.borrow().flag(ids::HEADER, false);
        let mut location = None;
        for line in lines(head.raw()) {
            if let Err(failure) = accept(&line, &mut location) {
                easy.run.fail(failure);
                return;
            }
            if !give_line(easy, &line, with_body) {
                return;
            }
        }
    }

    /// What a final head means for the body.
    fn judge(&self, head: &ResponseHead<'_>) -> Result<Flow, Failure> {
        let easy = &*self.easy;
        let settings = easy.settings.borrow();
        let status = head.status();
        if let Some(websocket) = &*easy.websocket.borrow() {
            if status != 101 {
                let text = format!("Refused WebSocket upgrade: {status}");
                return Err(Failure::new(Code::HTTP_RETURNED_ERROR, text));
            }
            websocket.link.is_open.set(true);
            return Ok(Flow::Continue);
        }
        let resumes = settings.number(ids::RESUME_FROM_LARGE, 0);
        let resumes = if settings.method == Method::Get { resumes.max(0) } else { 0 };
        if status == 416 && resumes > 0 {
            // there is no rest: what is there is all
            return Ok(Flow::Enough);
        }
        if status >= 400 && settings.flag(ids::FAILONERROR, false) {
            let text = format!("The requested URL returned error: {status}");
            return Err(Failure::new(Code::HTTP_RETURNED_ERROR, text));
        }
        let length = easy.info.borrow().content_length;
        easy.run.download_size.set(length);
        easy.run.asked.borrow_mut().expected = length;
        if settings.no_body() {
            return Ok(Flow::Enough);
        }
        if resumes > 0 && range_start(head) != u64::try_from(resumes).ok() {
            if status < 300 && length == u64::try_from(resumes).ok() {
                return Ok(Flow::Enough);
            }
            easy.run.not_the_rest.set(true);
        }
        let decodes = settings.bytes(ids::ACCEPT_ENCODING).is_some()
            && settings.flag(ids::HTTP_CONTENT_DECODING, true);
        if decodes && let Err(fault) = ringdove::protocol::codings(head) {
            let text = format!("Unrecognized content encoding type. {fault}");
            return Err(Failure::new(Code::BAD_CONTENT_ENCODING, text));
        }
        let most = u64::try_from(settings.number(ids::MAXFILESIZE_LARGE, 0)).unwrap_or_default();
        if most > 0 && length.is_some_and(|length| length > most) {
            return Err(Failure::new(Code::FILESIZE_EXCEEDED, "Maximum file size exceeded"));
        }
        if unmet(&settings, easy, status) {
            let mut info = easy.info.borrow_mut();
            info.condition_unmet = true;
            // as curl has it: the answer that this stands for
            info.status = 304;
            return Ok(Flow::Enough);
        }
        Ok(Flow::Continue)
    }
}

impl Handler for Delivery {
    fn starting(&mut self) -> Flow {
        let easy = &*self.easy;
        easy.run.has_started.set(true);
        let ends = easy.its_multi().map(|multi| multi.ends_of(easy)).unwrap_or_default();
        easy.info.borrow_mut().ends = ends;
        if !callbacks::before_request(easy, ends) {
            let text = "operation aborted by pre-request callback";
            easy.run.fail(Failure::new(Code::ABORTED_BY_CALLBACK, text));
        }
        // a websocket stands once its handshake is over
        if let Some(link) =
            easy.link.borrow().as_ref().filter(|_| easy.websocket.borrow().is_none())
        {
            link.is_open.set(true);
        }
        if easy.run.has_failed() { self.stop() } else { Flow::Continue }
    }

    fn proxy_answered(&mut self, head: &ResponseHead<'_>) {
        let easy = &*self.easy;
        easy.info.borrow_mut().connect_status = head.status();
        for line in lines(head.raw()) {
            if let Some((name, value)) = name_and_value(&line) {
                easy.heads.borrow_mut().add(name, value, heads::CONNECT);
            }
        }
        for (name, value) in head.fields() {
            if name.eq_ignore_ascii_case("proxy-authenticate") {
                easy.info.borrow_mut().proxy_auth_offered |= schemes(&value);
            }
        }
        let settings = easy.settings.borrow();
        let shows = !settings.flag(ids::SUPPRESS_CONNECT_HEADERS, false);
        let with_body = settings.flag(ids::HEADER, false);
        drop(settings);
        for line in lines(head.raw()) {
            let goes_on = match shows {
                true => give_line(easy, &line, with_body),
                false => {
                    callbacks::debug(easy, Told::HeaderIn, &line);
                    easy.info.borrow_mut().header_size += line.len();
                    true
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    fn refused(&mut self, bytes: &[u8]) {
        let easy = &*self.easy;
        let with_body = easy.settings.borrow().flag(ids::HEADER, false);
        for line in lines(bytes).take_while(|line| is_fine(line)) {
            note_line(&mut easy.info.borrow_mut(), &line);
            if !give_line(easy, &line, with_body) {
                return;
            }
        }
    }

    fn sending(&mut self, head: &[u8], body: &[u8]) {
        let easy = &*self.easy;
        easy.info.borrow_mut().request_size += head.len();
        if callbacks::is_verbose(easy) {
            callbacks::debug(easy, Told::HeaderOut, head);
            callbacks::debug(easy, Told::DataOut, body);
        }
    }

    fn informational(&mut self, head: &ResponseHead<'_>) {
        self.take_head(head, heads::INFORMATIONAL);
    }

    fn redirected(&mut self, head: &ResponseHead<'_>, next: &Redirect) -> Flow {
        let flow = self.take_former(head);
        let mut info = self.easy.info.borrow_mut();
        info.redirects += 1;
        info.redirect_url = None;
        if self.easy.settings.borrow().flag(ids::AUTOREFERER, false) {
            info.referer = info.url.as_deref().and_then(without_login);
        }
        info.url = CString::new(String::from(next.head.url())).ok();
        info.method = CString::new(next.head.method().as_str()).ok();
        info.scheme = CString::new(next.head.origin().scheme().name()).ok();
        flow
    }

    fn challenged(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.take_former(head)
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        self.take_head(head, heads::HEADER);
        let judged = if self.easy.run.has_failed() { Ok(Flow::Continue) } else { self.judge(head) };
        match judged {
            Ok(flow) if !self.easy.run.has_failed() => flow,
            Ok(_) => self.stop(),
            Err(failure) => {
                self.easy.run.fail(failure);
                self.stop()
            }
        }
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        let easy = &*self.easy;
        if let Some(link) = easy.link.borrow().as_ref().filter(|link| link.is_given) {
            link.receive(chunk);
            return Flow::Continue;
        }
        let run = &easy.run;
        run.downloaded.set(run.downloaded.get() + chunk.len() as u64);
        run.delivered.set(run.delivered.get() + chunk.len() as u64);
        if !callbacks::progress(easy) {
            run.fail(Failure::new(Code::ABORTED_BY_CALLBACK, "Callback aborted"));
        }
        if run.has_failed() {
            return self.stop();
        }
        if run.not_the_rest.get() {
            let text = "HTTP server doesn't seem to support byte ranges. Cannot resume.";
            run.fail(Failure::new(Code::RANGE_ERROR, text));
            return self.stop();
        }
        callbacks::debug(easy, Told::DataIn, chunk);
        match give(&self.easy, chunk) {
            Ok(true) => Flow::Continue,
            Ok(false) => Flow::Pause,
            Err(failure) => {
                run.fail(failure);
                self.stop()
            }
        }
    }

    fn trailers(&mut self, fields: Fields<'_>) -> Flow {
        for (name, value) in fields {
            let line = [name.as_bytes(), b": ", &value, b"\r\n"].concat();
            self.easy.heads.borrow_mut().add(name.as_bytes(), &value, heads::TRAILER);
            if !give_line(&self.easy, &line, false) {
                return self.stop();
            }
        }
        Flow::Continue
    }
}

/// What curl has against a line of a head that the engine takes.
fn accept(line: &[u8], location: &mut Option<Vec<u8>>) -> Result<(), Failure> {
    /// CURL_MAX_HTTP_HEADER
    const LONGEST: usize = 100 * 1024;
    let weird = |text| Err(Failure::new(Code::WEIRD_SERVER_REPLY, text));
    if line.starts_with(b"HTTP/1.") && !matches!(line.get(7), Some(b'0' | b'1')) {
        let text = "Unsupported HTTP/1 subversion in response";
        return Err(Failure::new(Code::UNSUPPORTED_PROTOCOL, text));
    }
    if line.len() >= LONGEST {
        return Err(Failure::new(Code::TOO_LARGE, "Too large response header"));
    }
    let text = line.trim_ascii_end();
    let Some((name, value)) = name_and_value(text) else {
        let is_fine = text.is_empty() || text.starts_with(b"HTTP/");
        return if is_fine { Ok(()) } else { weird("Header without colon") };
    };
    if name.eq_ignore_ascii_case(b"location") {
        if location.as_deref().is_some_and(|first| first != value) {
            return weird("Multiple Location headers");
        }
        *location = Some(value.to_vec());
    }
    Ok(())
}

/// Where the part begins that a response has.
fn range_start(head: &ResponseHead<'_>) -> Option<u64> {
    let value = head.field("content-range")?;
    let digits: Vec<u8> = value
        .iter()
        .copied()
        .skip_while(|byte| !byte.is_ascii_digit() && *byte != b'*')
        .take_while(u8::is_ascii_digit)
        .collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Gives a line of a head to the callbacks. False once that has failed.
fn give_line(easy: &Easy, line: &[u8], with_body: bool) -> bool {
    callbacks::debug(easy, Told::HeaderIn, line);
    easy.info.borrow_mut().header_size += line.len();
    let written = match with_body {
        true => callbacks::write(easy, line),
        false => Written::All,
    };
    if written == Written::All && callbacks::header(easy, line) == Written::All {
        return true;
    }
    easy.run.fail(Failure::new(Code::WRITE_ERROR, "Failed writing header"));
    false
}

/// Gives what came to the write callback: the bytes of a body, or what a websocket's frames have. False if it paused.
fn give(easy: &Rc<Easy>, chunk: &[u8]) -> Result<bool, Failure> {
    match frames_of(easy) {
        Some(websocket) => {
            websocket.link.receive(chunk);
            websocket.deliver(easy)
        }
        None => give_body(easy, chunk),
    }
}

/// The websocket whose frames are told to the write callback.
fn frames_of(easy: &Easy) -> Option<Rc<Websocket>> {
    easy.websocket.borrow().clone().filter(|websocket| !websocket.is_raw)
}

/// How much the write callback is given at once.
pub(crate) fn portion(easy: &Easy) -> usize {
    let size = easy.settings.borrow().number(ids::BUFFERSIZE, 0);
    match usize::try_from(size) {
        Ok(size @ 1..) => size.min(MOST),
        _ => MOST,
    }
}

/// The write callback did not take what it was given.
pub(crate) fn not_written() -> Failure {
    Failure::new(Code::WRITE_ERROR, "Failure writing output to destination")
}

/// Gives bytes of a body to the write callback, in curl's portions. False if it paused: what it did not take is kept.
fn give_body(easy: &Easy, bytes: &[u8]) -> Result<bool, Failure> {
    let run = &easy.run;
    let portion = portion(easy);
    let mut rest = bytes;
    while !rest.is_empty() {
        if run.paused.get().receiving {
            run.held.borrow_mut().extend_from_slice(rest);
            return Ok(false);
        }
        let (next, after) = rest.split_at(portion.min(rest.len()));
        match callbacks::write(easy, next) {
            Written::All => rest = after,
            Written::Pause => run.pause_receiving(),
            Written::Failed => return Err(not_written()),
        }
    }
    // a callback may have paused with its last portion
    Ok(!run.paused.get().receiving)
}

/// Gives what was kept to the write callback, unless the transfer is paused still.
pub(crate) fn deliver_held(easy: &Rc<Easy>) -> Result<(), Failure> {
    if easy.run.paused.get().receiving {
        return Ok(());
    }
    if let Some(websocket) = frames_of(easy) {
        return websocket.deliver(easy).map(drop);
    }
    let held = easy.run.held.take();
    give_body(easy, &held).map(drop)
}

/// The lines of a head, each with its line break, as curl tells them: what is folded is in one line, with a space for each fold.
fn lines(raw: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut lines: Vec<Cow<'_, [u8]>> = Vec::new();
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        match lines.last_mut().filter(|_| is_folded) {
            Some(last) => {
                let rest = line.trim_ascii_start();
                let rest = if rest.is_empty() { &b"\r\n"[..] } else { rest };
                *last = [last.trim_ascii_end(), b" ", rest].concat().into();
            }
            None => lines.push(line.into()),
        }
    }
    lines.into_iter()
}

/// The name and the value of a line of a head, if it has such.
fn name_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    Some((line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii()))
}

/// Notes what a line says of a response that is not taken.
fn note_line(info: &mut Info, line: &[u8]) {
    if line.starts_with(b"HTTP/1.0 ") || line.starts_with(b"HTTP/1.1 ") {
        let status = line.split(|&byte| byte == b' ').nth(1);
        let status = status.and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok());
        info.status = status.filter(|status| *status >= 100).unwrap_or_default();
    }
    if let Some((name, value)) = name_and_value(line)
        && name.eq_ignore_ascii_case(b"location")
    {
        info.redirect_url = redirect_url(info, value);
    }
}

/// Whether a line is one that curl takes before it finds fault with another one.
fn is_fine(line: &[u8]) -> bool {
    let text = line.trim_ascii_end();
    let Some(colon) = text.iter().position(|&byte| byte == b':') else {
        return text.is_empty() || text.starts_with(b"HTTP/");
    };
    let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
    let is_length = name.eq_ignore_ascii_case(b"content-length");
    line.ends_with(b"\n")
        && !text.contains(&0)
        && (!is_length || value.iter().all(u8::is_ascii_digit))
        && !name.eq_ignore_ascii_case(b"transfer-encoding")
}

fn note_head(easy: &Easy, head: &ResponseHead<'_>, origin: u32) {
    let mut info = easy.info.borrow_mut();
    let mut kept = easy.heads.borrow_mut();
    info.status = head.status();
    // CURL_HTTP_VERSION_*
    info.version = match head.version() {
        Version::Http10 => 1,
        Version::Http11 => 2,
        Version::Http2 => 3,
    };
    if origin == heads::HEADER {
        forget_response(&mut info);
    }
    for (name, value) in head.fields() {
        note_field(&mut info, name, &value);
    }
    for line in lines(head.raw()) {
        if let Some((name, value)) = name_and_value(&line) {
            kept.add(name, value, origin);
        }
    }
    let location = head.field("location");
    let redirects = (300..400).contains(&head.status()) && head.status() != 304;
    if let Some(location) = location.filter(|_| redirects) {
        info.redirect_url = redirect_url(&info, &location);
    }
}

/// What the response before has said counts no more.
fn forget_response(info: &mut Info) {
    (info.content_type, info.content_length, info.redirect_url) = (None, None, None);
    (info.file_time, info.retry_after) = (None, 0);
    (info.auth_offered, info.proxy_auth_offered) = (0, 0);
}

fn note_field(info: &mut Info, name: &str, value: &[u8]) {
    let text = || std::str::from_utf8(value).ok().map(str::trim);
    match name.to_ascii_lowercase().as_str() {
        "content-type" => info.content_type = CString::new(value).ok(),
        "content-length" => info.content_length = text().and_then(|text| text.parse().ok()),
        "last-modified" => info.file_time = text().and_then(crate::getdate::parse),
        "retry-after" => info.retry_after = text().map_or(0, retry_after),
        "www-authenticate" => info.auth_offered |= schemes(value),
        "proxy-authenticate" => info.proxy_auth_offered |= schemes(value),
        _ => {}
    }
}

/// The longest wait that curl tells, in seconds.
const LONGEST_RETRY: i64 = 6 * 60 * 60;

fn retry_after(text: &str) -> i64 {
    let until = |date: i64| (date - ringdove::sys::clock::unix()).max(0);
    let wait = text.parse().ok().or_else(|| crate::getdate::parse(text).map(until)).unwrap_or(0);
    wait.min(LONGEST_RETRY)
}

/// The bits of CURLAUTH_* of a challenge.
fn schemes(value: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    let starts = |word: &str| text.split(',').any(|part| part.trim_start().starts_with(word));
    let bits = [
        ("basic", proxy::auth::BASIC),
        ("digest", proxy::auth::DIGEST),
        ("bearer", proxy::auth::BEARER),
        ("negotiate", 1 << 2),
        ("ntlm", 1 << 3),
    ];
    bits.into_iter().filter(|(word, _)| starts(word)).map(|(_, bit)| bit).sum()
}

/// Where a redirect would lead, by curl's way of reading URLs.
fn redirect_url(info: &Info, location: &[u8]) -> Option<CString> {
    use crate::url::parts::{Parts, flags};
    let base = Parts::default().parse(info.url.as_ref()?.to_bytes(), flags::GUESS_SCHEME).ok()?;
    let flags = flags::URLENCODE | flags::NON_SUPPORT_SCHEME;
    CString::new(base.parse(location, flags).ok()?.compose(0).ok()?).ok()
}

/// Whether the condition of CURLOPT_TIMECONDITION is not met, by the response's word or its date.
fn unmet(settings: &crate::options::Settings, easy: &Easy, status: u16) -> bool {
    let condition = settings.number(ids::TIMECONDITION, 0);
    if condition == 0 {
        return false;
    }
    if status == 304 {
        return true;
    }
    let asked = settings.number(ids::TIMEVALUE_LARGE, 0);
    let Some(time) = easy.info.borrow().file_time else { return false };
    let unmodified = if condition == 2 { time >= asked } else { time <= asked };
    (200..300).contains(&status) && asked > 0 && unmodified
}

/// A URL as Referer has it.
fn without_login(url: &CStr) -> Option<CString> {
    let mut url = url::Url::parse(url.to_str().ok()?).ok()?;
    url.set_fragment(None);
    let _ = (url.set_username(""), url.set_password(None));
    CString::new(String::from(url)).ok()
}

/// How a transfer ended, with what the engine says of it; and the last of what is told of it.
pub(crate) fn conclude(easy: &Easy, outcome: Outcome) -> Done {
    let Outcome { result, report } = outcome;
    let run = &easy.run;
    if run.uploaded.get() == 0 {
        run.uploaded.set(report.body_sent);
    }
    // as it came, not as it was decoded
    if report.body_decoded.is_some() {
        run.downloaded.set(report.body_received);
    }
    let had_head = easy.info.borrow().status != 0;
    let asked = errors::Asked { had_head, ..run.asked.borrow().clone() };
    let failure = run.take_failure();
    let is_headless = easy.settings.borrow().flag(ids::HTTP09_ALLOWED, false)
        && report.status.is_none()
        && run.downloaded.get() > 0
        && matches!(&result, Err(error) if error.cause == Cause::Closed);
    let websocket = easy.websocket.borrow().clone();
    let is_closed = websocket.as_ref().is_some_and(|websocket| websocket.is_closed());
    let error = result.err().filter(|_| !is_headless && !is_closed);
    let failure = failure.or_else(|| error.map(|error| errors::of(&error, &report, &asked)));
    let failure = failure.or_else(|| websocket.and_then(|websocket| websocket.end(easy)));
    let mut info = easy.info.borrow_mut();
    info.certificate_refused =
        failure.as_ref().is_some_and(|failure| failure.code == Code::PEER_FAILED_VERIFICATION);
    info.take_report(report);
    Done(failure.map_or(Ok(()), Err))
}

/// Forgets the transfer before, and notes what is asked for.
pub(crate) fn begin(easy: &Easy, prepared: &super::request::Prepared) {
    easy.run.begin(prepared.asked.clone());
    easy.run.upload_size.set(prepared.upload_size);
    *easy.heads.borrow_mut() = Heads::default();
    let head = prepared.request.head();
    let is_secured = head.origin().scheme().name() == "http"
        && easy
            .hsts
            .borrow()
            .as_ref()
            .is_some_and(|hsts| hsts.covers(head.origin().host(), super::request::today()));
    let rest = [&b"http"[..], b"ws"].iter().find_map(|scheme| {
        let rest = prepared.url.strip_prefix(*scheme).filter(|rest| rest.starts_with(b"://"));
        rest.map(|rest| [scheme, &b"s"[..], rest].concat())
    });
    let url = rest.filter(|_| is_secured).unwrap_or_else(|| prepared.url.clone());
    let is_tls = is_secured || head.origin().scheme().name() == "https";
    let scheme = match (prepared.is_websocket, is_tls) {
        (false, false) => "http",
        (false, true) => "https",
        (true, false) => "ws",
        (true, true) => "wss",
    };
    *easy.info.borrow_mut() = Info {
        url: CString::new(url).ok(),
        method: CString::new(head.method().as_str()).ok(),
        scheme: CString::new(scheme).ok(),
        used_proxy: prepared.asked.proxy.is_some(),
        ..Info::default()
    };
}
