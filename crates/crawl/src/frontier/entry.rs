//! What a queue has, and what is known of a host, as bytes.
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
}

/// One that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// What.
    pub entry: Entry,
    /// Its place in the queue of its host.
    pub(super) place: u64,
}

/// What is known of a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostRecord {
    /// Responses that were kept.
    pub pages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// It is to be left alone until then: milliseconds since 1970, 0 if it did not say so.
    pub not_before: u64,
    /// The delay that its robots.txt asks for, in milliseconds.
    pub delay: u64,
}

const VERSION: u8 = 1;

impl Entry {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.via.len() + self.url.len());
        bytes.push(VERSION);
        bytes.extend(self.depth.to_le_bytes());
        bytes.extend([self.redirects, self.tries]);
        // longer ones were refused as traps
        let via = self.via.get(..self.via.len().min(usize::from(u16::MAX))).unwrap_or_default();
        bytes.extend(u16::try_from(via.len()).unwrap_or(0).to_le_bytes());
        bytes.extend(via.as_bytes());
        bytes.extend(self.url.as_bytes());
        bytes
    }

    pub(super) fn from_bytes(host: &str, bytes: &[u8]) -> Option<Entry> {
        let (&[VERSION, d0, d1, d2, d3, redirects, tries, v0, v1], rest) =
            bytes.split_first_chunk()?
        else {
            return None;
        };
        let (via, url) = rest.split_at_checked(u16::from_le_bytes([v0, v1]).into())?;
        Some(Entry {
            url: String::from_utf8(url.to_vec()).ok()?,
            host: host.to_owned(),
            depth: u32::from_le_bytes([d0, d1, d2, d3]),
            redirects,
            tries,
            via: String::from_utf8(via.to_vec()).ok()?,
        })
    }
}

impl HostRecord {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.pages, self.bytes, self.not_before, self.delay];
        std::iter::once(VERSION).chain(numbers.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<HostRecord> {
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let number =
            |at: usize| Some(u64::from_le_bytes(rest.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        Some(HostRecord {
            pages: number(0)?,
            bytes: number(1)?,
            not_before: number(2)?,
            delay: number(3)?,
        })
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
        };
        let bytes = entry.to_bytes();
        assert_eq!(Entry::from_bytes("a", &bytes), Some(entry));
        let record = HostRecord { pages: 1, bytes: u64::MAX, not_before: 3, delay: 4 };
        assert_eq!(HostRecord::from_bytes(&record.to_bytes()), Some(record));
        for length in 0..18 {
            assert_eq!(Entry::from_bytes("a", &bytes[..length]), None, "{length}");
            assert_eq!(HostRecord::from_bytes(&record.to_bytes()[..length]), None);
        }
        assert_eq!(Entry::from_bytes("a", &[2; 40]), None);
    }
}
