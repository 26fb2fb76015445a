//! `--trace` and `--trace-ascii`: what goes over connections, as curl dumps it.
//!
//! Knows curl's shape of it. Must not know what the bytes mean. Invariant: what cannot be written is told once, and stops
//! no transfer.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use ringdove::sys::clock;

use crate::files::refusal::WriteError;
use crate::files::stream::{SharedStream, Stream};
use crate::options::trace::TraceArgs;

/// Where it goes, and in which shape.
pub(crate) struct Trace {
    stream: SharedStream,
    text_alone: bool,
    times: bool,
    ids: bool,
    /// Why it cannot be written, until that is told.
    failure: RefCell<Failure>,
}

/// Whether it could be written.
enum Failure {
    None,
    Untold(WriteError),
    Told,
}

impl Trace {
    /// As the last of these says that says anything of it. The error names the file.
    pub(crate) fn open<'a>(
        sets: impl Iterator<Item = &'a TraceArgs> + Clone,
    ) -> Result<Option<Rc<Trace>>, String> {
        let given = sets.clone().filter_map(|args| match (&args.trace, &args.trace_ascii) {
            (Some(file), _) => Some((file, false)),
            (None, Some(file)) => Some((file, true)),
            (None, None) => None,
        });
        let Some((file, text_alone)) = given.last() else { return Ok(None) };
        let stream = match file.to_str() {
            Some("%") => Stream::standard_error().map_err(|error| error.to_string())?,
            Some(_) | None => Stream::create(file, false)?,
        };
        let any = |said: fn(&TraceArgs) -> bool| sets.clone().any(said);
        Ok(Some(Rc::new(Trace {
            stream,
            text_alone,
            times: any(|args| args.trace_time),
            ids: any(|args| args.trace_ids),
            failure: RefCell::new(Failure::None),
        })))
    }

    /// Something that happened to the transfer with this number.
    pub(crate) fn info(&self, transfer: u64, text: &str) {
        self.write(&format!("{}== Info: {}\n", self.beginning(transfer), text));
    }

    /// Bytes of the transfer with this number; none are no entry.
    pub(crate) fn bytes(&self, transfer: u64, what: &str, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut text = self.beginning(transfer);
        let length = bytes.len();
        _ = writeln!(text, "{what}, {length} bytes (0x{length:x})");
        if self.text_alone {
            lines(bytes, &mut text)
        } else {
            hexadecimal(bytes, &mut text)
        }
        self.write(&text);
    }

    /// Lets readers have what there is. Says, once, why it could not be written.
    pub(crate) fn flush(&self) -> Option<String> {
        let flushed = self.stream.borrow_mut().flush();
        self.note(flushed);
        let mut failure = self.failure.borrow_mut();
        match &*failure {
            Failure::None | Failure::Told => None,
            Failure::Untold(error) => {
                let told = format!("--trace: {error}");
                *failure = Failure::Told;
                Some(told)
            }
        }
    }

    fn write(&self, text: &str) {
        if matches!(*self.failure.borrow(), Failure::None) {
            let written = self.stream.borrow_mut().write(text.as_bytes());
            self.note(written);
        }
    }

    fn note(&self, result: Result<(), WriteError>) {
        let mut failure = self.failure.borrow_mut();
        if let (Err(error), Failure::None) = (result, &*failure) {
            *failure = Failure::Untold(error);
        }
    }

    fn beginning(&self, transfer: u64) -> String {
        let mut text = String::new();
        if self.times {
            let micros = clock::unix_micros().rem_euclid(86_400_000_000);
            let seconds = micros / 1_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            _ = write!(
                text,
                "{hours:02}:{minutes:02}:{:02}.{:06} ",
                seconds % 60,
                micros % 1_000_000
            );
        }
        if self.ids {
            // curl's second number is its connection's, and x where it has none
            _ = write!(text, "[{transfer}-x] ");
        }
        text
    }
}

/// Sixteen bytes a line, and what they are as text.
fn hexadecimal(bytes: &[u8], text: &mut String) {
    for (line, bytes) in bytes.chunks(16).enumerate() {
        _ = write!(text, "{:04x}: ", line * 16);
        for at in 0..16 {
            match bytes.get(at) {
                Some(byte) => _ = write!(text, "{byte:02x} "),
                None => text.push_str("   "),
            }
        }
        text.extend(bytes.iter().map(|&byte| shown(byte)));
        text.push('\n');
    }
}

/// At most sixty-four bytes a line, which a CRLF ends earlier.
fn lines(bytes: &[u8], text: &mut String) {
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = memchr::memmem::find(rest, b"\r\n").filter(|end| *end <= 64);
        let line = &rest[..end.unwrap_or(rest.len().min(64))];
        _ = write!(text, "{at:04x}: ");
        text.extend(line.iter().map(|&byte| shown(byte)));
        text.push('\n');
        at += line.len() + if end.is_some() { 2 } else { 0 };
    }
}

fn shown(byte: u8) -> char {
    if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_dumped_in_curls_shape() {
        let mut text = String::new();
        hexadecimal(b"GET / HTTP/1.1\r\nHost: a\x7f\xff", &mut text);
        let want = "0000: 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a GET / HTTP/1.1..\n\
                    0010: 48 6f 73 74 3a 20 61 7f ff                      Host: a..\n";
        assert_eq!(text, want);

        let mut text = String::new();
        let long = "x".repeat(64);
        lines(format!("a\r\n\r\n{long}\r\n{long}y\n\r\n").as_bytes(), &mut text);
        let want = format!("0000: a\n0003: \n0005: {long}\n0047: {long}\n0087: y.\n");
        assert_eq!(text, want);
        lines(b"", &mut text);
        assert_eq!(text, want);
    }
}
