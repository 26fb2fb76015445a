//! What a queue has, and what is known of a host and of an origin's robots.txt, as bytes.
//!
//! Knows their layout: numbers are little-endian, and the first byte is its version. Invariant: bytes that are none are told, and never panic.

/// A URL to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// In its canonical form.
    pub url: String,
    /// Its host, whatever the scheme and port: whose queue it is in.
    pub host: String,
    /// Links from a seed.
    pub depth: u32,
    /// Redirects that led to it, one after the other.
    pub redirects: u8,
    /// How often it was tried.
    pub tries: u8,
    /// Where it was found; empty for a seed.
    pub via: String,
    /// What is known from when it was fetched last, if it is to be fetched again.
    pub visit: Option<Box<Visit>>,
}

/// What is known of a page from when it was fetched last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visit {
    /// After how long it was to be fetched again then, in milliseconds.
    pub interval: u64,
    /// The status that it had; 0 where there was none but 429, 5xx or a part.
    pub status: u16,
    /// Its ETag; empty where it had none.
    pub etag: String,
    /// Its Last-Modified; empty where it had none.
    pub modified: String,
    /// What tells its payload from others.
    pub digest: String,
    /// Where that is kept: [`Kept::place`](crate::crawl::Kept::place).
    pub place: String,
}

/// One that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// What.
    pub entry: Entry,
    /// Its place in the queue of its host.
    pub place: u64,
}

/// What is known of a host. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostRecord {
    /// Responses that were kept, the first of each page.
    pub pages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// It is to be left alone until then.
    pub not_before: u64,
    /// The delay that its robots.txt asks for, in milliseconds.
    pub delay: u64,
    /// The run in which it was asked last, or found.
    pub run: u64,
    /// The place of its queue from which on nothing was taken, in that run.
    pub from: u64,
    /// How often in a row it gave no answer, in that run.
    pub failures: u32,
    /// How often in a row it said that it is busy, in that run.
    pub busy: u32,
    /// How often in a row it could not be asked because of others of its domain or address; 63 at most.
    pub held_up: u8,
    /// What that run leaves to another.
    pub left: Left,
    /// Its row among those that wait; 0 if it does not.
    pub(super) row: u64,
    /// URLs of it that were ever queued.
    pub(super) urls: u64,
}

/// What of a host a run leaves to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Nothing.
    #[default]
    Nothing,
    /// Some URLs.
    Some,
    /// All that is queued, and all that is found.
    All,
}

impl Left {
    const ALL: [Left; 3] = [Left::Nothing, Left::Some, Left::All];
}

/// What is known of an origin's robots.txt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RobotsRecord {
    /// It has rules, or none.
    Rules {
        /// When it was fetched: milliseconds since 1970.
        at: u64,
        /// Until when it is believed.
        until: u64,
        /// As far as it is read.
        text: Vec<u8>,
    },
    /// It could not be had.
    Denied {
        /// By which run.
        run: u64,
        /// Why not.
        why: String,
    },
}

/// Of each layout.
const VERSION: u8 = 2;
/// That of a URL that is fetched again.
const AGAIN: u8 = 3;

/// Kinds of records of a robots.txt. (0 was one of rules without a time until when.)
const DENIED: u8 = 1;
const RULES: u8 = 2;

impl Entry {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.via.len() + self.url.len());
        bytes.push(if self.visit.is_some() { AGAIN } else { VERSION });
        bytes.extend(self.depth.to_le_bytes());
        bytes.extend([self.redirects, self.tries]);
        // longer ones were refused as traps
        let via = self.via.get(..self.via.len().min(usize::from(u16::MAX))).unwrap_or_default();
        bytes.extend(u16::try_from(via.len()).unwrap_or(0).to_le_bytes());
        bytes.extend(via.as_bytes());
        if let Some(visit) = &self.visit {
            visit.write(&mut bytes);
        }
        bytes.extend(self.url.as_bytes());
        bytes
    }

    pub(super) fn from_bytes(host: &str, bytes: &[u8]) -> Option<Entry> {
        let (&[version, d0, d1, d2, d3, redirects, tries, v0, v1], rest) =
            bytes.split_first_chunk()?;
        let (via, rest) = rest.split_at_checked(u16::from_le_bytes([v0, v1]).into())?;
        let (visit, url) = match version {
            VERSION => (None, rest),
            AGAIN => Visit::read(rest).map(|(visit, rest)| (Some(Box::new(visit)), rest))?,
            _ => return None,
        };
        Some(Entry {
            url: String::from_utf8(url.to_vec()).ok()?,
            host: host.to_owned(),
            depth: u32::from_le_bytes([d0, d1, d2, d3]),
            redirects,
            tries,
            via: String::from_utf8(via.to_vec()).ok()?,
            visit,
        })
    }
}

impl Visit {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.interval.to_le_bytes());
        bytes.extend(self.status.to_le_bytes());
        for text in [&self.etag, &self.modified, &self.digest, &self.place] {
            // what is longer was not sent by anybody who wants it back
            let text = text.get(..text.len().min(usize::from(u16::MAX))).unwrap_or_default();
            bytes.extend(u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }

    /// One, and what stands behind it.
    fn read(bytes: &[u8]) -> Option<(Visit, &[u8])> {
        let (interval, rest) = bytes.split_first_chunk()?;
        let (status, mut rest) = rest.split_first_chunk()?;
        let mut text = || {
            let (length, behind) = rest.split_first_chunk()?;
            let (text, behind) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
            rest = behind;
            String::from_utf8(text.to_vec()).ok()
        };
        let visit = Visit {
            interval: u64::from_le_bytes(*interval),
            status: u16::from_le_bytes(*status),
            etag: text()?,
            modified: text()?,
            digest: text()?,
            place: text()?,
        };
        Some((visit, rest))
    }
}

impl HostRecord {
    /// Another run begins with it: what is of one run alone is forgotten.
    pub fn begin(&mut self, run: u64) {
        let HostRecord { pages, bytes, not_before, delay, row, urls, .. } = *self;
        let none = HostRecord::default();
        *self = HostRecord { pages, bytes, not_before, delay, row, urls, run, ..none };
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let HostRecord { pages, bytes, not_before, delay, run, from, row, urls, .. } = self;
        let HostRecord { failures, busy, left, held_up, .. } = self;
        let in_a_row = u64::from(failures) << 32 | u64::from(busy);
        let numbers = [pages, bytes, not_before, delay, run, from, in_a_row, row, urls];
        let numbers = numbers.into_iter().flat_map(u64::to_le_bytes);
        [VERSION, left as u8 | held_up.min(63) << 2].into_iter().chain(numbers).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<HostRecord> {
        let (&[VERSION, left], rest) = bytes.split_first_chunk()? else { return None };
        let number =
            |at: usize| Some(u64::from_le_bytes(rest.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        let [f0, f1, f2, f3, b0, b1, b2, b3] = number(6)?.to_be_bytes();
        Some(HostRecord {
            pages: number(0)?,
            bytes: number(1)?,
            not_before: number(2)?,
            delay: number(3)?,
            run: number(4)?,
            from: number(5)?,
            failures: u32::from_be_bytes([f0, f1, f2, f3]),
            busy: u32::from_be_bytes([b0, b1, b2, b3]),
            held_up: left >> 2,
            left: *Left::ALL.get(usize::from(left & 3))?,
            row: number(7)?,
            // which was not counted at first
            urls: number(8).unwrap_or(0),
        })
    }
}

impl RobotsRecord {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, numbers, text) = match self {
            RobotsRecord::Rules { at, until, text } => (RULES, [*at, *until], &text[..]),
            RobotsRecord::Denied { run, why } => (DENIED, [*run, 0], why.as_bytes()),
        };
        let [number, until] = numbers.map(u64::to_le_bytes);
        [&[VERSION, kind], &number[..], &until, text].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<RobotsRecord> {
        let (&[VERSION, kind], rest) = bytes.split_first_chunk()? else { return None };
        let (number, rest) = rest.split_first_chunk()?;
        let (until, text) = rest.split_first_chunk()?;
        let (number, until) = (u64::from_le_bytes(*number), u64::from_le_bytes(*until));
        let text = text.to_vec();
        match kind {
            RULES => Some(RobotsRecord::Rules { at: number, until, text }),
            DENIED => {
                Some(RobotsRecord::Denied { run: number, why: String::from_utf8(text).ok()? })
            }
            _ => None,
        }
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            RobotsRecord::Rules { text, .. } => text.len(),
            RobotsRecord::Denied { why, .. } => why.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_back() {
        let entry = Entry {
            url: "http://a/x".to_owned(),
            host: "a".to_owned(),
            depth: 70_000,
            redirects: 3,
            tries: 2,
            via: "http://a/".to_owned(),
            visit: None,
        };
        let visit = Visit {
            interval: 1 << 40,
            status: 200,
            etag: "W/\"x\"".to_owned(),
            modified: String::new(),
            digest: "sha1:A".to_owned(),
            place: "http://a/x 2026".to_owned(),
        };
        let again = Entry { visit: Some(Box::new(visit)), ..entry.clone() };
        let bytes = again.to_bytes();
        assert_eq!(Entry::from_bytes("a", &bytes), Some(again));
        for length in 0..bytes.len() - entry.url.len() {
            assert_eq!(Entry::from_bytes("a", &bytes[..length]), None, "{length}");
        }
        let bytes = entry.to_bytes();
        assert_eq!(bytes.len(), 9 + entry.via.len() + entry.url.len());
        assert_eq!(Entry::from_bytes("a", &bytes), Some(entry));
        let record = HostRecord {
            pages: 1,
            bytes: u64::MAX,
            not_before: 3,
            delay: 4,
            run: 5,
            from: 6,
            failures: 7,
            busy: 8,
            held_up: 63,
            left: Left::All,
            row: 9,
            urls: 10,
        };
        assert_eq!(HostRecord::from_bytes(&record.to_bytes()), Some(record));
        for length in 0..18 {
            assert_eq!(Entry::from_bytes("a", &bytes[..length]), None, "{length}");
            assert_eq!(HostRecord::from_bytes(&record.to_bytes()[..length]), None);
        }
        assert_eq!(Entry::from_bytes("a", &[AGAIN + 1; 40]), None);
        let rules = RobotsRecord::Rules { at: 7, until: 8, text: b"\xff".to_vec() };
        let denied = RobotsRecord::Denied { run: 7, why: "503".to_owned() };
        for record in [rules, denied] {
            let bytes = record.to_bytes();
            assert_eq!(RobotsRecord::from_bytes(&bytes), Some(record));
            assert_eq!(RobotsRecord::from_bytes(&bytes[..17]), None);
        }
    }
}
