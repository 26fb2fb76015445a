//! The field lines of a request, in curl's order: those that options make, then the program's own, which stand before.
//!
//! Knows CURLOPT_HTTPHEADER's ways of writing: `Name: value` adds a line or replaces one of ours, `Name:` takes ours away,
//! `Name;` adds one that is empty.

use std::time::{Duration, SystemTime};

use ringdove::Request;

use super::request::Body;
use crate::codes::Code;
use crate::errors::{self, Failure};
use crate::options::{Method, Settings, ids};

/// Above so many bytes of a body leave is asked first.
const ASK_FIRST: u64 = 1024 * 1024;

/// The program's own lines.
pub(super) struct Own(Vec<OwnLine>);

/// A line of CURLOPT_HTTPHEADER.
#[derive(Debug, Clone)]
pub(super) struct OwnLine {
    pub(super) name: String,
    pub(super) value: Vec<u8>,
    /// It is sent, and its value may be none; otherwise it says that there is no such field.
    pub(super) is_sent: bool,
    /// As it goes out, without its line break.
    pub(super) written: Vec<u8>,
}

/// A line's name and value; `None` for one that is none.
///
/// # Errors
///
/// A line with a line break within.
pub(super) fn split(line: &[u8]) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let line = line.trim_ascii_end();
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        let text = "a header has a line break within";
        return Err(Failure::new(Code::BAD_FUNCTION_ARGUMENT, text));
    }
    let Some(at) = line.iter().position(|byte| b":;".contains(byte)) else { return Ok(None) };
    let name = String::from_utf8_lossy(line[..at].trim_ascii()).into_owned();
    let value = line[at + 1..].trim_ascii();
    // a semicolon stands for an empty value only where nothing follows
    if line[at] == b';' && !value.is_empty() {
        return Ok(None);
    }
    Ok(Some((name, value.to_vec())))
}

impl Own {
    pub(super) fn new(lines: &[Vec<u8>]) -> Result<Own, Failure> {
        let mut own = Vec::new();
        for line in lines {
            let Some((name, value)) = split(line)? else { continue };
            let is_empty = line.ends_with(b";") && line.len() == name.len() + 1;
            let is_semicolon = line.get(name.len()) == Some(&b';');
            if is_semicolon && !is_empty {
                // white space after it makes it nothing at all
                continue;
            }
            let written = match is_empty {
                true => [name.as_bytes(), b":"].concat(),
                false => line.strip_suffix(b"\r\n").unwrap_or(line).to_vec(),
            };
            let is_sent = is_empty || !value.is_empty();
            own.push(OwnLine { name, value, is_sent, written });
        }
        Ok(Own(own))
    }

    fn find(&self, name: &str) -> Option<&OwnLine> {
        self.0.iter().find(|own| own.name.eq_ignore_ascii_case(name))
    }

    /// Whether the program has said something of this field, be it that there is none.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether the program has said that there is no such field.
    pub(super) fn removes(&self, name: &str) -> bool {
        self.find(name).is_some_and(|own| !own.is_sent)
    }

    /// The value of the first line of this name.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(|own| &own.value[..])
    }

    /// The lines that are sent.
    pub(super) fn sent(&self) -> impl Iterator<Item = &OwnLine> {
        self.0.iter().filter(|own| own.is_sent)
    }
}

/// The lines of our own making, in curl's order.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    /// Before the program's own.
    pub(super) first: Vec<(&'static str, Vec<u8>)>,
    /// Last of these, where another protocol is to be spoken: the engine has them by itself.
    pub(super) upgrade: Vec<(&'static str, Vec<u8>)>,
    /// After them: what is said of the body beside its length.
    pub(super) content_type: Option<Vec<u8>>,
    /// Leave to send the body is asked first.
    pub(super) expects: bool,
}

/// What is said unless the program's own lines say it.
pub(super) fn lines(settings: &Settings, own: &Own, body: &Body) -> Lines {
    let mut first = ours(settings, body);
    first.retain(|(name, _)| !own.has(name));
    let content_type = match (body.content_type(), own.value("content-type")) {
        // a form's boundary is ours to say
        (Some(ours), Some(theirs)) if !theirs.is_empty() => {
            let boundary = ours.strip_prefix("multipart/form-data");
            boundary.map(|boundary| [theirs, boundary.as_bytes()].concat())
        }
        (ours, None) => ours.map(|value| value.as_bytes().to_vec()),
        (_, Some(_)) => None,
    };
    let upgrade = Vec::new();
    Lines {
        first,
        upgrade,
        content_type,
        expects: asks_first(settings, body) && !own.has("expect"),
    }
}

/// Adds all field lines to a request with this body, as far as they are for the engine to know: it looks at some, and HTTP/2
/// is spoken by them.
pub(super) fn add(
    mut request: Request,
    lines: &Lines,
    own: &Own,
    body: &Body,
) -> Result<Request, Failure> {
    for (name, value) in &lines.first {
        request = field(request, name, value)?;
    }
    for OwnLine { name, value, .. } in own.sent() {
        // of the connection, or settled by the body: as they are written, HTTP/2 has no such
        let is_for_one = [
            "content-length",
            "transfer-encoding",
            "te",
            "trailer",
            "upgrade",
            "keep-alive",
            "proxy-connection",
        ]
        .iter()
        .any(|it| name.eq_ignore_ascii_case(it));
        let is_connection = name.eq_ignore_ascii_case("connection")
            && !value.eq_ignore_ascii_case(b"close")
            && !value.eq_ignore_ascii_case(b"keep-alive");
        let is_second_host = name.eq_ignore_ascii_case("host") && own.value(name) != Some(value);
        // what is no field to the engine is written as it stands all the same
        let is_token = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte));
        let is_merged = lines.content_type.is_some() && name.eq_ignore_ascii_case("content-type");
        if is_for_one || is_connection || is_second_host || is_merged || !is_token {
            continue;
        }
        if name.eq_ignore_ascii_case("host") {
            // one that names nobody is written all the same
            let with = request.try_clone().and_then(|copy| copy.field(name, value).ok());
            request = with.unwrap_or(request);
            continue;
        }
        request = field(request, name, value)?;
    }
    if let Some(content_type) = lines.content_type.as_deref().filter(|_| !body.is_none()) {
        request = field(request, "Content-Type", content_type)?;
    }
    if lines.expects {
        request = field(request, "Expect", b"100-continue")?;
    }
    Ok(request)
}

fn field(request: Request, name: &str, value: &[u8]) -> Result<Request, Failure> {
    request.field(name, value).map_err(|error| errors::of_request(&error))
}

fn ours(settings: &Settings, body: &Body) -> Vec<(&'static str, Vec<u8>)> {
    let mut ours: Vec<_> = range(settings, body).into_iter().collect();
    let text = |id| settings.bytes(id).filter(|value| !value.is_empty()).map(<[u8]>::to_vec);
    ours.extend(text(ids::USERAGENT).map(|value| ("User-Agent", value)));
    ours.push(("Accept", b"*/*".to_vec()));
    if let Some(codings) = settings.bytes(ids::ACCEPT_ENCODING) {
        let all = b"deflate, gzip, br, zstd";
        ours.push(("Accept-Encoding", if codings.is_empty() { all } else { codings }.to_vec()));
    }
    ours.extend(text(ids::REFERER).map(|value| ("Referer", value)));
    ours.extend(text(ids::COOKIE).map(|value| ("Cookie", value)));
    ours.extend(condition(settings));
    ours
}

/// What is asked for of a body, or what an upload is of a whole.
fn range(settings: &Settings, body: &Body) -> Option<(&'static str, Vec<u8>)> {
    let from = settings.number(ids::RESUME_FROM_LARGE, 0);
    let range = settings.text(ids::RANGE).filter(|range| !range.is_empty());
    if body.is_none() {
        let range = range.or_else(|| (from > 0).then(|| format!("{from}-")))?;
        return Some(("Range", format!("bytes={range}").into_bytes()));
    }
    if settings.method != Method::Put {
        return None;
    }
    let whole = settings.size(ids::INFILESIZE_LARGE)?;
    let part = match range {
        Some(range) => range,
        None if from != 0 => format!("{}-{}", from.max(0), whole.saturating_sub(1)),
        None => return None,
    };
    Some(("Content-Range", format!("bytes {part}/{whole}").into_bytes()))
}

/// CURLOPT_TIMECONDITION
fn condition(settings: &Settings) -> Option<(&'static str, Vec<u8>)> {
    let name = match settings.number(ids::TIMECONDITION, 0) {
        1 => "If-Modified-Since",
        2 => "If-Unmodified-Since",
        3 => "Last-Modified",
        _ => return None,
    };
    let seconds = u64::try_from(settings.number(ids::TIMEVALUE_LARGE, 0)).ok()?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some((name, httpdate::fmt_http_date(time).into_bytes()))
}

fn asks_first(settings: &Settings, body: &Body) -> bool {
    let versions = settings.number(ids::HTTP_VERSION, 0);
    // HTTP/1.0 has no such thing, and HTTP/2 needs none
    if matches!(versions, 1 | 5) || body.is_none() {
        return false;
    }
    // by the size that was said, also of what is sent in chunks
    let said = match settings.method {
        Method::Put => settings.size(ids::INFILESIZE_LARGE),
        Method::Post => settings.size(ids::POSTFIELDSIZE_LARGE).or(body.length()),
        _ => body.length(),
    };
    said.is_none_or(|length| length > ASK_FIRST)
}
