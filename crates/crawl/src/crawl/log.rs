//! What became of each URL, a line each.
//!
//! Knows words. Invariant: a line is a date, a word, a URL and what there is to say, with blanks between; no URL has any.

use std::fmt::Arguments;
use std::io::{self, Write};

use ringdove::sys::clock;

use crate::frontier::Entry;

/// Lines that say what became of URLs.
pub struct Log(Box<dyn Write>);

impl Log {
    /// Written to here.
    pub fn new(output: Box<dyn Write>) -> Log {
        Log(output)
    }

    /// It was fetched; `parts` says what of it is not whole.
    pub(super) fn fetched(&mut self, entry: &Entry, status: u16, bytes: usize, parts: &str) {
        let from = if entry.via.is_empty() { "seed" } else { &entry.via };
        let depth = entry.depth;
        self.line("fetched", &entry.url, format_args!("{status} {bytes} {depth} {from}{parts}"));
    }

    /// It is not fetched.
    pub(super) fn refused(&mut self, entry: &Entry, why: &str) {
        self.line("refused", &entry.url, format_args!("{why}"));
    }

    /// It is tried again.
    pub(super) fn retried(&mut self, entry: &Entry, why: &str) {
        self.line("retried", &entry.url, format_args!("{why}"));
    }

    /// It was tried in vain.
    pub(super) fn failed(&mut self, entry: &Entry, why: &str) {
        self.line("failed", &entry.url, format_args!("{why}"));
    }

    /// It stays queued, for another run.
    pub(super) fn left(&mut self, url: &str, why: &str) {
        self.line("left", url, format_args!("{why}"));
    }

    /// What a robots.txt came to.
    pub(super) fn robots(&mut self, origin: &str, what: &str) {
        self.line("robots", origin, format_args!("{what}"));
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    /// What cannot be written now is told by the next flush.
    fn line(&mut self, word: &str, url: &str, rest: Arguments<'_>) {
        let micros = clock::unix_micros();
        let (seconds, millis) =
            (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) / 1_000);
        let _ = writeln!(self.0, "{seconds}.{millis:03} {word} {url} {rest}");
    }
}
