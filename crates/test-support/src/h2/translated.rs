//! What a plan of HTTP/1.1 answers, by HTTP/2.
//!
//! Knows heads and bodies in text. What a response says of its framing is left out, since frames say it; one that is cut off is
//! reset, with its connection.

use crate::hostile;

use super::one::dechunked;
use super::plan::Plan;
use super::raw::code;
use super::record::SeenRequest;
use super::script::{Length, Script};

/// Fields that say how HTTP/1.1 frames a message.
const FRAMING: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

impl Plan {
    /// Answers each path as a server of HTTP/1.1 does by this plan.
    pub fn of_http1(plan: hostile::Plan) -> Plan {
        Plan::new().each(move |request| {
            let (text, ends) = plan.answer(&in_text(request));
            let script = script(Script::new().await_body(), &text);
            if ends { script.close() } else { script }
        })
    }
}

fn in_text(request: &SeenRequest) -> hostile::SeenRequest {
    let head = [&request.in_lines(true)[..], b"\r\n"].concat();
    hostile::SeenRequest { head, ..hostile::SeenRequest::default() }
}

/// Adds responses in text, of which the last is the final one.
fn script(script: Script, text: &[u8]) -> Script {
    let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else {
        return script.reset(code::INTERNAL_ERROR);
    };
    let (head, body) = (String::from_utf8_lossy(&text[..end]), &text[end + 4..]);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.expect("a plan's responses have a status");
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
    let (framing, fields): (Vec<_>, Vec<_>) =
        fields.partition(|(name, _)| FRAMING.contains(&&name[..]));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&name[..], *value)).collect();
    if status < 200 {
        return self::script(script.informational(status, &fields), body);
    }
    let said = |wanted: &str| framing.iter().find(|(name, _)| name == wanted);
    let chunks = said("transfer-encoding").map(|_| dechunked(body));
    let declared = said("content-length").and_then(|(_, length)| length.parse().ok());
    match (chunks, declared) {
        (Some(Some((body, _))), _) => {
            script.head_that_says(status, &fields, Length::Absent).bytes(body)
        }
        (None, Some(length)) if length > body.len() as u64 => script
            .head_that_says(status, &fields, Length::Says(length))
            .bytes(body)
            .reset(code::INTERNAL_ERROR),
        (Some(None), _) => script
            .head_that_says(status, &fields, Length::Absent)
            .bytes(body)
            .reset(code::INTERNAL_ERROR),
        (None, _) => script.head(status, &fields).bytes(body),
    }
}
