//! Where pages are kept.

use std::io;

use crate::warc::{Exchange, Original, Position, Same, Writer, WriterConfig};

use super::Page;

/// Keeps pages.
pub trait Sink {
    /// Keeps one. Returns what tells it from others, for whoever wants to know whether it was met before: the digest of its payload, and
    /// what to remember of where it is.
    ///
    /// # Errors
    ///
    /// It cannot be kept.
    fn keep(&mut self, page: &Page<'_>) -> io::Result<Kept>;

    /// Has the disk have all that was kept, and says how far that is. Opened again with that, it has as much and nothing else.
    ///
    /// # Errors
    ///
    /// The disk does not have it.
    fn sync(&mut self) -> io::Result<Vec<u8>>;
}

/// A page that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The digest of its body.
    pub digest: String,
    /// Its URL and date, with a blank between: the reverse of [`Page::original`].
    pub place: String,
}

/// Keeps pages in WARC files.
pub struct WarcSink(Writer);

impl WarcSink {
    /// Goes on from the mark of the last commit, or begins anew without one.
    ///
    /// # Errors
    ///
    /// The files cannot be had.
    pub fn open(config: WriterConfig, mark: Option<&[u8]>) -> io::Result<WarcSink> {
        let position = mark.and_then(position_of).unwrap_or_default();
        Ok(WarcSink(Writer::open(config, &position)?))
    }
}

impl Sink for WarcSink {
    fn keep(&mut self, page: &Page<'_>) -> io::Result<Kept> {
        let same = page.unmodified.clone().map_or(Same::Payload, Same::Unmodified);
        let original = page.original.clone().map(|(url, date)| Original { url, date, same });
        let mut metadata = Vec::new();
        if let Some(entry) = page.entry {
            metadata.push(("hopsFromSeed", entry.depth.to_string()));
            if !entry.via.is_empty() {
                metadata.push(("via", entry.via.clone()));
            }
        }
        if let Some(simhash) = page.simhash {
            metadata.push(("simhash", format!("{simhash:016x}")));
        }
        if let Some((url, distance)) = &page.similar {
            metadata.push(("similarTo", url.clone()));
            metadata.push(("simhashDistance", distance.to_string()));
        }
        let place = self.0.write(&Exchange {
            url: page.url.as_str(),
            date: page.date,
            address: page.address,
            request: page.request,
            head: page.head,
            body: page.body,
            truncated: page.truncated,
            metadata: &metadata,
            original: original.as_ref(),
        })?;
        Ok(Kept { digest: place.payload_digest, place: format!("{} {}", page.url, place.date) })
    }

    fn sync(&mut self) -> io::Result<Vec<u8>> {
        self.0.sync()?;
        let Position { file, length } = self.0.position();
        Ok(format!("{length} {file}").into_bytes())
    }
}

fn position_of(mark: &[u8]) -> Option<Position> {
    let (length, file) = std::str::from_utf8(mark).ok()?.split_once(' ')?;
    Some(Position { file: file.to_owned(), length: length.parse().ok()? })
}
